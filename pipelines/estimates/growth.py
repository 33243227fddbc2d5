"""Growth percentiles of students, and of their schools and districts."""

from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.again import made_by_part, ordered, with_origin
from pipelines.estimates.tables import floats, number, strings
from pipelines.evaluation.growth import (
    Fit,
    Growth,
    calibration,
    group_growth,
    growth_percentiles,
)

STUDENT = pa.struct(
    [("student_key", pa.string()), ("growth_percentile", pa.int32()), ("priors", pa.int32())]
)
UNIT = pa.struct(
    [
        ("level", pa.string()), ("unit_code", pa.string()), ("n", pa.int64()),
        ("median", pa.float64()), ("median_low", pa.float64()), ("median_high", pa.float64()),
        ("mean", pa.float64()), ("mean_low", pa.float64()), ("mean_high", pa.float64()),
    ]
)  # fmt: skip
FIT = pa.struct(
    [
        ("priors", pa.int32()), ("state", pa.string()), ("reason", pa.string()), ("n", pa.int64()),
        ("used", pa.int64()), ("coefficients", pa.int32()), ("furthest", pa.float64()),
        ("by_chance", pa.float64()),
    ]
)  # fmt: skip
GROWTH = with_origin(
    ("paper_no", pa.int32()), ("students", pa.list_(STUDENT)), ("units", pa.list_(UNIT)),
    ("fits", pa.list_(FIT)),
)  # fmt: skip
WORKERS = 2
"""Papers worked on at a time: NumPy lets others run while it computes."""


def growth(histories: pa.Table, fewest: int, before: pa.Table | None = None) -> pa.Table:
    """Growth percentiles of every paper: one row a paper, with its students, units and fits.

    Args:
        histories: rows of `int_score_histories`.
        fewest: a fit of fewer students is not estimated.
        before: the outcome of the last build.
    """

    def one(paper: int) -> list[pa.Table]:
        # One paper's rows at a time: a second copy of all histories would be gigabytes.
        own = histories.filter(pc.equal(histories["paper_no"], paper))
        return [ordered(own, "student_key")]

    numbers = sorted(pc.unique(histories["paper_no"]).to_pylist())
    papers = [({"paper_no": paper}, partial(one, paper)) for paper in numbers]
    work = partial(_paper, fewest=fewest)
    return made_by_part(papers, work, GROWTH, before, fewest, workers=WORKERS)


def _paper(own: pa.Table, fewest: int) -> pa.Table:
    """The students, units and fits of one paper, as one row."""
    earlier = sorted(name for name in own.column_names if name.startswith("score_"))
    priors = np.column_stack([floats(own, name) for name in earlier])
    score = floats(own, "score")
    fitted = growth_percentiles(score, priors, fewest)
    known = np.isfinite(fitted.percentile)
    percentile = fitted.percentile[known]
    told = own.filter(pa.array(known))
    students = pa.StructArray.from_arrays(
        [
            told.column("student_key").combine_chunks().cast(pa.string()),
            pa.array(percentile.astype(np.int32)),
            pa.array(fitted.order[known].astype(np.int32)),
        ],
        fields=list(STUDENT),
    )
    units = []
    for level, column in (
        ("school", "school_code"),
        ("district", "district_code"),
        ("city", "city_code"),
    ):
        codes = strings(told, column)
        there = np.array([code is not None for code in codes], dtype=bool)
        units += _units(level, percentile[there], codes[there].astype(str))
    fits = [_described(fit, score, priors, fitted) for fit in fitted.fits]
    all_of_them = pa.array([0, len(students)], pa.int32())
    return pa.table(
        {
            "students": pa.ListArray.from_arrays(all_of_them, students),
            "units": pa.array([units], pa.list_(UNIT)),
            "fits": pa.array([fits], pa.list_(FIT)),
        }
    )


def _units(level: str, percentile: Any, codes: Any) -> list[dict[str, Any]]:
    if not len(codes):
        return []
    found = group_growth(percentile, codes)
    names = ("median", "median_low", "median_high", "mean", "mean_low", "mean_high")
    return [
        {"level": level, "unit_code": str(code), "n": int(found.n[i])}
        | {name: number(getattr(found, name)[i]) for name in names}
        for i, code in enumerate(found.label)
    ]


def _described(fit: Fit, score: Any, priors: Any, growth: Growth) -> dict[str, Any]:
    """What the record keeps of a fit; `furthest` is how far a share is from its quantile."""
    found = None
    own = np.isfinite(score) & np.isfinite(priors[:, : fit.order]).all(axis=1)
    if fit.state == "estimated":
        found = calibration(fit, score[own], priors[own])
    return {
        "priors": fit.order,
        "state": fit.state,
        "reason": fit.reason or None,
        "n": fit.n,
        "used": int((growth.order == fit.order).sum()),
        "coefficients": int(fit.band.coefficients.shape[1]) if fit.band else None,
        "furthest": found and number(found.largest),
        "by_chance": found and number(found.by_chance),
    }
