"""Communities of schools: do rural members come nearer to the lead schools?"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pipelines.evaluation.equity.cells import (
    bca_over_schools,
    check_counts,
    check_shapes,
    ratio_of,
    with_reasons,
)
from pipelines.evaluation.resampling import FEWEST, Array, Figures, Resampling, Z, figures


@dataclass(frozen=True)
class Convergence:
    """Gap of each community's rural members to its lead schools: lead less rural, by year."""

    communities: tuple[Any, ...]
    years: tuple[int, ...]
    lead: Array
    """Mean of the lead schools, (communities, years)."""
    rural: Array
    """Mean of the rural members. A gap that falls because the lead schools fall is no gain."""
    gap: Figures
    """(communities, years)."""
    change: Figures
    """Slope of each community's gap a year, (communities,); below 0 they come together."""
    overall_gap: Figures
    """Of all communities, weighted by rural students, (years,)."""
    overall_change: Figures
    """Mean of the communities' slopes, weighted by rural students, (1,)."""


def convergence(
    community: ArrayLike,
    year: ArrayLike,
    is_lead: ArrayLike,
    n: ArrayLike,
    mean: ArrayLike,
    squares: ArrayLike,
    *,
    resampling: Resampling,
) -> Convergence:
    """Do rural members come nearer to the lead schools of their community?

    Arguments are of one length, one row a school and year: label of the community, year, whether
    the school leads, students, mean (z within the paper, so that years may be set side by side)
    and sum of squared deviations from it.

    A community's members are fixed, so that its own intervals are of students within them (Welch
    1938) and its slope is weighted by their precision; the overall ones are BCa over communities.

    Raises:
        ValueError: lengths that differ, counts below 0.
    """
    groups, years = np.asarray(community), np.asarray(year)
    leads = np.asarray(is_lead, dtype=bool)
    size, level, inner = (np.asarray(v, dtype=float) for v in (n, mean, squares))
    if groups.ndim != 1:
        raise ValueError("one row a school and year")
    check_shapes(groups, years, leads, size, level, inner)
    check_counts(size)
    names, k = np.unique(groups, return_inverse=True)
    times, t = np.unique(years, return_inverse=True)
    shape = (2, len(names), len(times))
    use = (size > 0) & np.isfinite(level) & np.isfinite(inner)
    level, inner = np.where(use, level, 0.0), np.where(use, inner, 0.0)
    cell = (np.where(leads, 0, len(names)) + k) * len(times) + t

    def added(weights: Array) -> Array:
        whole = np.bincount(cell[use], weights[use], minlength=int(np.prod(shape)))
        return np.asarray(whole, dtype=float).reshape(shape)

    students = added(size)
    means = ratio_of(added(size * level), students)
    means = np.where(students > 0, means, np.nan)
    lone = added(np.where(size < 2, 1.0, 0.0)) > 0
    broken = np.bincount(cell[(size > 0) & ~use], minlength=int(np.prod(shape))).reshape(shape) > 0
    # The variance of a mean of fixed schools: Σ n_j s_j² / N².
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = added(size * inner / np.maximum(size - 1, 1)) / students**2
    gap, error2 = means[0] - means[1], variance.sum(axis=0)
    there = (students > 0).all(axis=0)
    spread = Z * np.sqrt(error2)
    reasons = [
        ("not_finite", broken.any(axis=0)),
        ("no_lead_or_rural_school", ~there),
        ("too_few_students", lone.any(axis=0)),
        ("no_variance", error2 <= 0),
    ]
    each = figures(gap, gap - spread, gap + spread, students.sum(axis=0), reasons)
    good = each.reason == ""
    precision = np.where(good, 1 / np.where(good, error2, 1), 0.0)
    weight = precision.sum(axis=1)
    clock = times.astype(float)
    mid = ratio_of(precision @ clock, weight)
    lever = precision * (clock - mid[:, None])
    square = (lever * (clock - mid[:, None])).sum(axis=1)
    slope = ratio_of((lever * np.where(good, gap, 0)).sum(axis=1), square)
    reach = Z / np.sqrt(np.where(square > 0, square, np.nan))
    rural = np.where(good, students[1], 0.0)
    trend = figures(
        slope,
        slope - reach,
        slope + reach,
        (students.sum(axis=0) * good).sum(axis=1),
        [("too_few_years", good.sum(axis=1) < 2)],
    )
    sloped = trend.reason == ""
    pooled = np.where(sloped, rural.sum(axis=1), 0.0)
    top = np.concatenate([rural * np.where(good, gap, 0), (pooled * slope)[:, None]], axis=1)
    bottom = np.concatenate([rural, pooled[:, None]], axis=1)

    def statistic(sums: Array) -> Array:
        over, under = np.split(sums, 2, axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(over / under)

    present = np.concatenate([good, sloped[:, None]], axis=1).T
    enough = [("too_few_communities", present.sum(axis=1) < FEWEST)]
    block = np.concatenate([top, bottom], axis=1)
    whole = with_reasons(
        bca_over_schools(block, statistic, present, bottom.sum(axis=0), resampling), enough
    )
    return Convergence(
        tuple(names.tolist()),
        tuple(int(v) for v in times),
        means[0],
        means[1],
        each,
        trend,
        whole[:-1],
        whole[-1:],
    )
