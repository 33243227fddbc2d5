"""When value added should not be believed: years, fairness, standing and measurement error."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipelines.again import Part, made_by_part, ordered, parts, with_origin
from pipelines.estimates.tables import Floats, floats, number, placed, strings
from pipelines.estimates.value_added import moments_of
from pipelines.evaluation import multilevel, robustness
from pipelines.evaluation.multilevel import Fit
from pipelines.evaluation.resampling import Figures

LINEAR = ("prior_z", "others", "no_others")
"""Terms of the model that is corrected for error: the square of a prior has none that is known."""
ALPHA_SHARE = 0.9
"""Share of the matched students whose prior paper must have an alpha; the rest are taken alike."""
CHARACTERISTICS = ("intake", "subsidised_share")

FIGURE = [
    ("ci_low", pa.float64()), ("ci_high", pa.float64()), ("n", pa.int64()),
    ("state", pa.string()), ("reason", pa.string()),
]  # fmt: skip
YEARS = pa.schema(
    [
        ("school_year", pa.string()), ("grade", pa.int32()), ("subject", pa.string()),
        ("level", pa.string()),
        ("units", pa.list_(pa.struct([
            ("unit_code", pa.string()), ("effect", pa.float64()),
            ("years", pa.list_(pa.string())), *FIGURE,
        ]))),
        ("pairs", pa.list_(pa.struct([
            ("earlier_year", pa.string()), ("correlation", pa.float64()),
            ("true_correlation", pa.float64()), *FIGURE,
        ]))),
    ]
)  # fmt: skip
FAIRNESS = pa.schema(
    [
        ("paper_no", pa.int32()), ("model", pa.string()), ("characteristic", pa.string()),
        ("correlation", pa.float64()), *FIGURE,
    ]
)  # fmt: skip
_MEASURES = (
    "effect", "raw_residual", "raw_low", "raw_high", "rank_low", "rank_median", "rank_high",
    "above_probability", "as_expected_probability", "below_probability", "same_band_probability",
    "turning_shift", "factor_strength", "robustness_value", "one_less_low", "one_less_high",
    "missing_low", "missing_high", "missing_break_even", "model_low", "model_median", "model_high",
    "models_above", "models_as_expected", "models_below",
)  # fmt: skip
STANDING = pa.schema(
    [
        ("paper_no", pa.int32()), ("school_code", pa.string()), ("n", pa.int64()),
        ("missing", pa.int64()), ("ranked", pa.int64()), ("models", pa.int64()),
        ("band", pa.string()), *((name, pa.float64()) for name in _MEASURES),
        ("one_less_turns", pa.bool_()), ("missing_turns", pa.bool_()),
        ("is_same_in_all", pa.bool_()), ("state", pa.string()), ("reason", pa.string()),
    ]
)  # fmt: skip
ERROR_FIGURES = pa.schema(
    [
        ("state", pa.string()), ("reason", pa.string()),
        ("n", pa.int64()), ("alpha", pa.float64()), ("alpha_share", pa.float64()),
        ("prior_reliability", pa.float64()), ("terms", pa.list_(pa.string())),
        ("dropped", pa.list_(pa.string())), ("coefficients", pa.list_(pa.float64())),
        ("standard_errors", pa.list_(pa.float64())),
        ("corrected_coefficients", pa.list_(pa.float64())),
        ("corrected_standard_errors", pa.list_(pa.float64())),
        ("variance_student", pa.float64()), ("variance_school", pa.float64()),
        ("corrected_variance_student", pa.float64()),
        ("corrected_variance_school", pa.float64()), ("effect_correlation", pa.float64()),
        ("largest_difference", pa.float64()), ("schools", pa.int64()),
        ("bands_changed", pa.int64()),
        ("effects", pa.list_(pa.struct([
            ("school_code", pa.string()), ("linear_effect", pa.float64()),
            ("linear_band", pa.string()), ("corrected_effect", pa.float64()),
            ("corrected_se", pa.float64()), ("corrected_band", pa.string()),
        ]))),
    ]
)  # fmt: skip
ERROR = with_origin(
    ("paper_no", pa.int32()), *zip(ERROR_FIGURES.names, ERROR_FIGURES.types, strict=True)
)


# --- years ---------------------------------------------------------------------------------------


def years(effects: pa.Table) -> pa.Table:
    """Effects of a year and the two before it, joined: one row a year, grade, subject and level.

    A year in which units do not differ (variance 0) has no effects to join.

    Args:
        effects: rows of `int_value_added_annual`.
    """
    rows = []
    keys = ("grade", "subject", "level")
    for key, own in parts(ordered(effects, *keys, "school_year", "unit_code"), *keys):
        told = dict(zip(keys, key, strict=True))
        names, year = placed(strings(own, "school_year"))
        codes, unit = placed(strings(own, "unit_code"))
        cells = {}
        for name in ("effect", "se", "reliability", "variance_between"):
            cells[name] = np.full((len(names), len(codes)), np.nan)
            cells[name][year, unit] = floats(own, name)
        listed = np.zeros((len(names), len(codes)), dtype=bool)
        listed[year, unit] = True
        # All units of a year have one variance between them.
        between = np.array(
            [floats(own, "variance_between")[year == i][0] for i in range(len(names))]
        )
        cells["variance"] = cells.pop("se") ** 2
        for i, name in enumerate(names):
            window = [
                j for j in range(i + 1) if int(name[:4]) - int(names[j][:4]) < robustness.YEARS
            ]
            used = [j for j in window if between[j] > 0]
            found = robustness.multi_year(
                cells["effect"][used],
                cells["variance"][used],
                cells["reliability"][used],
                between[used],
            )
            rows.append(
                {"school_year": name}
                | told
                | {"units": list(_units(found, names, used, codes, cells["effect"], listed[i]))}
                | {"pairs": list(_pairs(found, names, used, window))}
            )
    return pa.Table.from_pylist(rows, YEARS)


def _units(
    found: robustness.MultiYear,
    names: list[str],
    used: list[int],
    codes: list[str],
    effect: Floats,
    listed: NDArray[np.bool_],
) -> Iterator[dict[str, Any]]:
    for j in np.flatnonzero(listed):
        yield {
            "unit_code": codes[j],
            "effect": number(found.average.value[j]),
            "years": [names[i] for i in used if np.isfinite(effect[i, j])],
        } | _figure(found.average, j)


def _pairs(
    found: robustness.MultiYear, names: list[str], used: list[int], window: list[int]
) -> Iterator[dict[str, Any]]:
    """The last year of the window with each of the earlier ones."""
    last = window[-1]
    for earlier in window[:-1]:
        told = {"earlier_year": names[earlier]}
        if last not in used or earlier not in used:
            yield told | {"n": 0, "state": "not_estimated", "reason": "no_year"}
            continue
        at = (used.index(earlier), used.index(last))
        figure = _figure(found.correlation, at)
        # Of fewer schools, chance is not taken out.
        known = figure["reason"] is None
        yield (
            told
            | {"correlation": number(found.correlation.value[at])}
            | {"true_correlation": number(found.stability[at]) if known else None}
            | figure
        )


# --- fairness ------------------------------------------------------------------------------------


def fairness(fits: pa.Table, schools: pa.Table) -> pa.Table:
    """Do effects go with whom a school teaches? One row a paper, model and characteristic.

    Args:
        fits: rows of `int_value_added_fits`.
        schools: rows of `int_value_added_school`.
    """
    rows = []
    for paper, own, fitted in _papers(fits, schools):
        for row in fitted:
            effect = _effects(row, "effect")
            for name in CHARACTERISTICS:
                found = robustness.correlation(effect, floats(own, name))
                figure = _figure(found, ())
                if row["state"] != "estimated":
                    figure["reason"] = row["reason"]
                rows.append(
                    {"paper_no": paper, "model": row["model"], "characteristic": name}
                    | {"correlation": number(found.value)}
                    | figure
                )
    return pa.Table.from_pylist(rows, FAIRNESS)


# --- standing ------------------------------------------------------------------------------------


def standing(fits: pa.Table, schools: pa.Table, published: str, margin: float) -> pa.Table:
    """How sure each school's standing is, by the published model: one row a paper and school.

    Args:
        fits: rows of `int_value_added_fits`.
        schools: rows of `int_value_added_school`.
        published: name of the published model.
        margin: effect from which a difference matters.
    """
    tables = [
        _standing(paper, own, fitted, published, margin)
        for paper, own, fitted in _papers(fits, schools)
    ]
    return pa.concat_tables(tables) if tables else STANDING.empty_table()


def _standing(
    paper: int, own: pa.Table, fitted: list[dict[str, Any]], published: str, margin: float
) -> pa.Table:
    (row,) = (row for row in fitted if row["model"] == published)
    n, effect = floats(own, "n"), _effects(row, "effect")
    missing = floats(own, "present") - n
    variance, reliability = _effects(row, "se") ** 2, _effects(row, "reliability")
    within, between = (_known(row[f"variance_{level}"]) for level in ("student", "school"))
    known = np.isfinite(effect)
    raw = robustness.unshrunken(n, effect, variance, reliability)
    place = robustness.standing(effect, variance, reliability, margin=margin)
    freedom = (row["n"] or 0) - len(row["terms"])
    factor = robustness.missing_factor(effect, variance, reliability, within, freedom)
    ends = [floats(own, name) for name in ("lowest", "highest")]
    one_less = robustness.influence_of_students(n, effect, ends[0], ends[1], within, between)
    unmatched = robustness.influence_of_missing(n, missing, effect, within, between)
    models = robustness.specifications(
        np.array([_effects(other, "effect") for other in fitted]),
        np.array([_effects(other, "se") for other in fitted]) ** 2,
    )
    measures = {
        "effect": effect, "raw_residual": raw.value, "raw_low": raw.low, "raw_high": raw.high,
        "rank_low": place.rank_low, "rank_median": place.rank_median,
        "rank_high": place.rank_high, "above_probability": place.above,
        "as_expected_probability": place.as_expected, "below_probability": place.below,
        "same_band_probability": place.same_again, "turning_shift": factor.shift,
        "factor_strength": factor.strength, "robustness_value": factor.robustness_value,
        "one_less_low": one_less.low, "one_less_high": one_less.high,
        "missing_low": unmatched.low, "missing_high": unmatched.high,
        "missing_break_even": unmatched.break_even, "model_low": models.low,
        "model_median": models.median, "model_high": models.high, "models_above": models.above,
        "models_as_expected": models.as_expected, "models_below": models.below,
    }  # fmt: skip
    without = "too_few_students" if row["state"] == "estimated" else row["reason"]
    columns: dict[str, Any] = {
        "paper_no": [paper] * len(n),
        "school_code": own.column("school_code"),
        "n": own.column("n"),
        "missing": missing.astype(int),
        "ranked": np.where(known, np.isfinite(place.rank_low).sum(), 0),
        "models": models.models,
        "band": [band or None for band in robustness.bands(effect, variance).tolist()],
        "one_less_turns": _told(one_less.turns, known & np.isfinite(one_less.low)),
        "missing_turns": _told(unmatched.turns, known & np.isfinite(unmatched.low)),
        "is_same_in_all": _told(models.same_in_all, models.models > 0),
        "state": np.where(known, "estimated", "not_estimated").tolist(),
        "reason": [None if shown else without for shown in known],
    }
    columns |= {
        name: pa.array(values, mask=~np.isfinite(values)) for name, values in measures.items()
    }
    return pa.table({name: columns[name] for name in STANDING.names}).cast(STANDING)


# --- measurement error ---------------------------------------------------------------------------


def measurement_error(
    sums: pa.Table, priors: pa.Table, fewest: int, before: pa.Table | None = None
) -> pa.Table:
    """The linear model with and without correction for error of the prior: one row a paper.

    Of its terms only the prior score of the same subject is taken to be measured with error. The
    error's variance is 1 − alpha of the prior's paper, in whose units (z) the prior is; of the
    variance of the matched students' priors it takes as much away.

    Args:
        sums: rows of `int_value_added_sums`.
        priors: rows of `int_value_added_priors`.
        fewest: a school with fewer matched students gets no effect.
        before: the outcome of the last build.
    """
    papers = {
        paper: own
        for (paper,), own in parts(ordered(priors, "paper_no", "prior_paper_no"), "paper_no")
    }
    every: Iterable[Part] = (
        ({"paper_no": paper}, partial(list, (own, papers.get(paper))))
        for (paper,), own in parts(ordered(sums, "paper_no", "school_code"), "paper_no")
    )

    def row(own: pa.Table, earlier: pa.Table | None) -> pa.Table:
        return pa.Table.from_pylist([_corrected(own, earlier, fewest)], ERROR_FIGURES)

    return made_by_part(every, row, ERROR, before, fewest)


def _corrected(own: pa.Table, priors: pa.Table | None, fewest: int) -> dict[str, Any]:
    moments = moments_of(own, LINEAR)
    alpha, share = _alpha(priors)
    trust = 1 - (1 - alpha) / _variance(own, "prior_z")
    reason = ""
    if not share >= ALPHA_SHARE:
        reason = "no_item_results"
    elif not 0 < trust <= 1:
        reason = "reliability_too_low"
    found = None
    if not reason:
        found = robustness.correct_for_error(moments, LINEAR, {"prior_z": trust})
        reason = found.reason
    plain = found.uncorrected if found else multilevel.fit(moments, LINEAR)
    if plain.state != "estimated":
        reason = str(plain.reason) if plain.n else "no_priors"
    enough = floats(own, "n") >= fewest
    nothing = np.full(len(enough), np.nan)
    linear = np.where(enough, plain.effect, np.nan)
    effect, variance = (
        np.where(enough, x, np.nan)
        for x in ((found.effect, found.effect_variance) if found else (nothing, nothing))
    )
    bands = robustness.bands(linear, plain.effect_variance)
    corrected = robustness.bands(effect, variance)
    both = np.isfinite(linear) & np.isfinite(effect)
    estimated = not reason
    apart = np.abs(effect - linear)[both]
    return _plain(plain) | {
        "state": "estimated" if estimated else "not_estimated",
        "reason": reason or None,
        "alpha": number(alpha),
        "alpha_share": number(share),
        "prior_reliability": number(trust),
        "corrected_coefficients": _numbers(found.coefficients) if estimated and found else None,
        "corrected_standard_errors": (
            _numbers(found.standard_errors) if estimated and found else None
        ),
        "corrected_variance_student": number(found.variance_student) if found else None,
        "corrected_variance_school": number(found.variance_school) if found else None,
        "effect_correlation": number(robustness.correlation(linear, effect).value),
        "largest_difference": number(apart.max()) if len(apart) else None,
        "schools": int(both.sum()),
        "bands_changed": int((bands != corrected)[both].sum()) if estimated else None,
        "effects": [
            {
                "school_code": code,
                "linear_effect": number(linear[i]),
                "linear_band": str(bands[i]) or None,
                "corrected_effect": number(effect[i]),
                "corrected_se": number(np.sqrt(variance[i])),
                "corrected_band": str(corrected[i]) or None,
            }
            for i, code in enumerate(own.column("school_code").to_pylist())
        ],
    }


def _plain(fit: Fit) -> dict[str, Any]:
    return {
        "n": fit.n,
        "terms": list(fit.terms),
        "dropped": list(fit.dropped),
        "coefficients": _numbers(fit.coefficients),
        "standard_errors": _numbers(fit.standard_errors),
        "variance_student": number(fit.variance_student),
        "variance_school": number(fit.variance_school),
    }


def _alpha(priors: pa.Table | None) -> tuple[float, float]:
    """Mean alpha of the matched students' prior papers, and share of students who have one."""
    if priors is None:
        return np.nan, np.nan
    n, alpha = floats(priors, "n"), floats(priors, "alpha")
    known = np.isfinite(alpha)
    if not known.any():
        return np.nan, 0.0
    return float(np.average(alpha[known], weights=n[known])), float(n[known].sum() / n.sum())


def _variance(own: pa.Table, name: str) -> float:
    """Variance of a column of the sums over the students of the city."""
    n = floats(own, "n").sum()
    if not n:
        return np.nan
    mean = np.nansum(floats(own, f"sum_{name}")) / n
    found = float(np.nansum(floats(own, f"sum_{name}_{name}")) / n - mean**2)
    return found if found > 0 else np.nan


# --- shared --------------------------------------------------------------------------------------


def _papers(
    fits: pa.Table, schools: pa.Table
) -> Iterator[tuple[int, pa.Table, list[dict[str, Any]]]]:
    """Each paper's schools, and its two-level models with the effects of these schools in order."""
    two = fits.filter(pc.equal(fits["levels"], 2))
    of_paper = {
        paper: own for (paper,), own in parts(ordered(two, "paper_no", "model"), "paper_no")
    }
    for (paper,), own in parts(ordered(schools, "paper_no", "school_code"), "paper_no"):
        fitted = []
        for i in range(of_paper[paper].num_rows):
            row = of_paper[paper].slice(i, 1)
            effects = pa.Table.from_struct_array(row["effects"].combine_chunks().flatten())
            told = row.drop_columns(["effects"]).to_pylist()[0]
            fitted.append(told | {"effects": ordered(effects, "unit_code")})
        yield paper, own, fitted


def _effects(row: dict[str, Any], name: str) -> Floats:
    return floats(row["effects"], name)


def _known(value: float | None) -> float:
    return np.nan if value is None else value


def _told(values: NDArray[np.bool_], known: NDArray[np.bool_]) -> pa.Array:
    return pa.array(values, mask=~known)


def _numbers(values: Floats | Sequence[float]) -> list[float | None]:
    return [number(value) for value in values]


def _figure(found: Figures, at: Any) -> dict[str, Any]:
    reason = str(found.reason[at])
    return {
        "ci_low": number(found.low[at]),
        "ci_high": number(found.high[at]),
        "n": int(found.n[at]),
        "state": "not_estimated" if reason else "estimated",
        "reason": reason or None,
    }
