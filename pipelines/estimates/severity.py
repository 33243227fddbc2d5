"""How severely observers judge lessons, against others who saw the same teachers."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.again import Part, made_by_part, ordered, parts, with_origin
from pipelines.estimates.tables import floats, number, strings
from pipelines.evaluation import robustness
from pipelines.evaluation.crossed import fit_crossed
from pipelines.evaluation.resampling import Z

OBSERVER = pa.struct(
    [
        ("observer_code", pa.string()), ("n", pa.int64()), ("teachers", pa.int64()),
        ("mean_score", pa.float64()), ("effect", pa.float64()), ("se", pa.float64()),
        ("ci_low", pa.float64()), ("ci_high", pa.float64()), ("reliability", pa.float64()),
        ("band", pa.string()),
    ]
)  # fmt: skip
FIGURES = [
    ("state", pa.string()), ("reason", pa.string()),
    ("n", pa.int64()), ("observers_fitted", pa.int64()), ("teachers_fitted", pa.int64()),
    ("parts", pa.int64()), ("terms", pa.list_(pa.string())),
    ("coefficients", pa.list_(pa.float64())), ("standard_errors", pa.list_(pa.float64())),
    ("dropped", pa.list_(pa.string())), ("variance_residual", pa.float64()),
    ("variance_observer", pa.float64()), ("variance_teacher", pa.float64()),
    ("lr_statistic", pa.float64()), ("lr_p", pa.float64()),
    ("observers", pa.list_(OBSERVER)),
]  # fmt: skip
SEVERITY = with_origin(("school_year", pa.string()), *FIGURES)


def severity(scores: pa.Table, before: pa.Table | None = None) -> pa.Table:
    """Observers' severity in every school year: one row a year, with its observers.

    The model: score = subject + school + teacher + observer + rest, the last three random, teachers
    and observers crossed. An observer above 0 is mild. Schools are taken out as fixed effects:
    else the principal of a good school, who sees its teachers above all, would pass for mild. A
    teacher who changed schools counts as one of each.

    Args:
        scores: rows of `int_observed_scores`.
        before: the outcome of the last build.
    """
    order = ("school_year", "teacher_code", "observer_code", "subject", "school_code", "score")
    years: Iterable[Part] = (
        ({"school_year": year}, partial(list, (own,)))
        for (year,), own in parts(ordered(scores, *order), "school_year")
    )
    return made_by_part(
        years, lambda own: pa.Table.from_pylist([_year(own)], pa.schema(FIGURES)), SEVERITY, before
    )


def _year(own: pa.Table) -> dict[str, Any]:
    score = floats(own, "score")
    observers = strings(own, "observer_code").astype(str)
    teachers = strings(own, "teacher_code").astype(str)
    schools = np.array([code or "" for code in own.column("school_code").to_pylist()])
    _, place = np.unique(np.column_stack([schools, teachers]), axis=0, return_inverse=True)
    subject = np.array([name or "none" for name in own.column("subject").to_pylist()])
    names = np.unique(subject).tolist()[1:]
    columns = np.array([subject == name for name in names], dtype=float).T
    columns = columns.reshape(len(score), len(names))
    terms = [f"subject_{name}" for name in names]
    found = fit_crossed(columns, score, place, observers, terms, intervals=False, within=schools)
    labels, place = np.unique(observers, return_inverse=True)
    taught_by, teacher = np.unique(teachers, return_inverse=True)
    count = np.bincount(place)
    mean = np.bincount(place, score) / count
    pairs = np.unique(np.column_stack([place, teacher]), axis=0)
    seen = np.bincount(pairs[:, 0], minlength=len(labels))
    factor = found.second
    half = Z * np.sqrt(factor.effect_variance)
    bands = robustness.bands(factor.effect, factor.effect_variance)
    figures = {
        "effect": factor.effect, "se": np.sqrt(factor.effect_variance),
        "ci_low": factor.effect - half, "ci_high": factor.effect + half,
        "reliability": factor.reliability,
    }  # fmt: skip
    return {
        "state": found.state,
        "reason": found.reason,
        "n": len(score),
        "observers_fitted": len(labels),
        "teachers_fitted": len(taught_by),
        "parts": found.connected,
        "terms": list(found.terms),
        "coefficients": [number(value) for value in found.coefficients],
        "standard_errors": [number(value) for value in found.standard_errors],
        "dropped": list(found.dropped),
        "variance_residual": number(found.variance_residual),
        "variance_observer": number(factor.variance),
        "variance_teacher": number(found.first.variance),
        "lr_statistic": number(factor.lr_statistic),
        "lr_p": number(factor.lr_p),
        "observers": [
            {
                "observer_code": str(label),
                "n": int(count[i]),
                "teachers": int(seen[i]),
                "mean_score": number(mean[i]),
                "band": str(bands[i]) or None,
            }
            | {name: number(values[i]) for name, values in figures.items()}
            for i, label in enumerate(labels)
        ],
    }
