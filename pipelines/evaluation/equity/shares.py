"""The shares of the variance that lie between schools and between districts."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pipelines.evaluation.equity.cells import Cells
from pipelines.evaluation.multilevel import Fit, Moments, fit
from pipelines.evaluation.resampling import FEWEST, Figures, figures, stack


@dataclass(frozen=True)
class Shares:
    """Where the variance lies, by the empty REML model, (cells,)."""

    between_schools: Figures
    """Of two levels: variance between schools over all (intraclass correlation)."""
    between_districts: Figures
    """Of three levels: variance between districts over all."""
    within_districts: Figures
    """Of three levels: variance between schools of one district over all."""


def shares(students: Cells, district: ArrayLike | None = None) -> Shares:
    """Between-school share of the variance, and how it parts into districts and schools in them.

    Variances are those of the empty random-intercept model by REML (`multilevel.fit`), so that
    chance differences of small schools are not counted. The interval of a share a / (a + r) joins
    the profile intervals of the variances by the method of variance estimates recovery (Zou &
    Donner 2008), on the logarithm of a / r; r is the sum of the others.

    Args:
        students: n, mean and squares of each school, (cells, schools); of any scale.
        district: label of each school's district, (schools,).

    Raises:
        ValueError: shapes that do not fit.
    """
    labels = None if district is None else np.asarray(district)
    if labels is not None and labels.shape != students.n.shape[1:]:
        raise ValueError(f"district has shape {labels.shape}, not {students.n.shape[1:]}")
    rows = []
    for n, mean, squares in zip(students.n, students.mean, students.squares, strict=True):
        here = n > 0
        statistics = Moments(n[here], mean[here, None], squares[here, None, None])
        two = fit(statistics, ())
        three = None
        if labels is not None:
            three = fit(statistics, (), np.unique(labels[here], return_inverse=True)[1])
        count, few = n.sum(), here.sum() < FEWEST
        rows.append(
            (
                _share(two, "school", count, few),
                _share(three, "district", count, few),
                _share(three, "school", count, few),
            )
        )
    return Shares(*(stack(column) for column in zip(*rows, strict=True)))


def _share(fitted: Fit | None, name: str, n: float, few: bool) -> Figures:
    """One variance over the sum of all."""
    if fitted is None or fitted.state != "estimated" or few:
        reason = "no_districts" if fitted is None else fitted.reason or "too_few_schools"
        return figures(np.nan, np.nan, np.nan, n, [(reason, True)])
    levels = ["student", "school"] + ["district"] * math.isfinite(fitted.variance_district)
    variance = {level: getattr(fitted, f"variance_{level}") for level in levels}
    limits = {level: getattr(fitted, f"interval_{level}") for level in levels}
    own, rest = variance.pop(name), sum(variance.values())
    lowest, highest = limits.pop(name)
    below = math.hypot(*(variance[level] - limits[level][0] for level in variance))
    above = math.hypot(*(limits[level][1] - variance[level] for level in variance))
    value = own / (own + rest)
    low, high = 0.0, 1.0
    if own <= 0:
        high = highest / (highest + rest)
    else:
        if lowest > 0 and math.isfinite(above):
            reach = math.hypot(math.log(own / lowest), math.log1p(above / rest))
            low = value / (value + (1 - value) * math.exp(reach))
        if math.isfinite(highest) and below < rest:
            reach = math.hypot(math.log(highest / own), math.log1p(-below / rest))
            high = value / (value + (1 - value) * math.exp(-reach))
    return figures(value, low, high, n)
