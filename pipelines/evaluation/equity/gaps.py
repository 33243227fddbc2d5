"""Gaps between two groups of students: of scores, of ranks, of pass rates."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from pipelines.evaluation.equity.cells import (
    Cells,
    bca_over_schools,
    check_counts,
    check_shapes,
    panel,
    ratio_of,
    with_reasons,
)
from pipelines.evaluation.rates import wilson
from pipelines.evaluation.resampling import FEWEST, Array, Figures, Resampling, Z, figures


@dataclass(frozen=True)
class Gap:
    """The same figure with both intervals, (cells,)."""

    analytic: Figures
    """Students taken as independent."""
    clustered: Figures
    """Schools taken as drawn; the interval to publish."""


def standardised_gap(a: Cells, b: Cells, *, resampling: Resampling) -> Gap:
    """Cohen's d of group a over group b in each cell: difference of means / pooled deviation.

    The analytic interval is d ± z sqrt((n_a + n_b)/(n_a n_b) + d²/(2 (n_a + n_b))) (Hedges & Olkin
    1985, chapter 5), the clustered one BCa over schools.

    Raises:
        ValueError: the groups' shapes differ.
    """
    check_shapes(a.n, b.n)
    na, nb = a.n.sum(axis=1), b.n.sum(axis=1)
    both = na + nb
    here = [g.n > 0 for g in (a, b)]
    known = [np.isfinite(g.mean) & np.isfinite(g.squares) for g in (a, b)]
    finite = np.logical_and.reduce([(k | ~h).all(axis=1) for k, h in zip(known, here, strict=True)])
    means, inner = (
        [
            np.where(h & k, getattr(g, name), 0.0)
            for g, h, k in zip((a, b), here, known, strict=True)
        ]
        for name in ("mean", "squares")
    )
    centre = ratio_of((a.n * means[0] + b.n * means[1]).sum(axis=1), both)[:, None]
    columns = []
    for group, mean, square in zip((a, b), means, inner, strict=True):
        y = mean - centre
        columns += [group.n, group.n * y, square + group.n * y * y]
    block = np.concatenate(columns).T

    def statistic(sums: Array) -> Array:
        wa, sa, qa, wb, sb, qb = np.split(sums, 6, axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            pooled = (qa - sa * sa / wa + qb - sb * sb / wb) / (wa + wb - 2)
            # What is left of the squares below this is rounding.
            pooled = np.where(pooled > 1e-14 * (qa + qb) / (wa + wb), pooled, np.nan)
            return np.asarray((sa / wa - sb / wb) / np.sqrt(pooled))

    few = (na < 2) | (nb < 2)
    reasons = [("too_few_students", few), ("not_finite", ~finite)]
    d = statistic(block.sum(axis=0, keepdims=True))[0]
    reasons.append(("no_variance", ~np.isfinite(d)))
    with np.errstate(divide="ignore", invalid="ignore"):
        error = Z * np.sqrt(both / (na * nb) + d * d / (2 * both))
    analytic = figures(d, d - error, d + error, both, reasons)
    clustered = bca_over_schools(block, statistic, (a.n + b.n) > 0, both, resampling)
    return Gap(analytic, with_reasons(clustered, reasons))


def rank_gap(a: ArrayLike, b: ArrayLike) -> Gap:
    """V, the gap on ranks: √2 Φ⁻¹(P(a > b) + P(a = b)/2) (Ho & Reardon 2012).

    It is what d would be if some rescaling made both groups normal with one variance; no rescaling
    of scores changes it.

    Args:
        a, b: students of each group by school and by score, (schools, scores) or, of many cells,
            (cells, schools, scores); the scores of the last axis ascend. Few wide classes make ties
            and pull V towards 0.

    The analytic interval has DeLong, DeLong & Clarke-Pearson's variance (1988) of P(a > b), the
    clustered one Obuchowski's (1997) of whole schools; both carried to V by its slope.

    Raises:
        ValueError: the groups' shapes differ; counts below 0 or not finite.
    """
    ca, cb = (np.asarray(x, dtype=float) for x in (a, b))
    check_shapes(ca, cb)
    check_counts(ca)
    check_counts(cb)
    if ca.ndim == 2:
        ca, cb = ca[None], cb[None]
    if ca.ndim != 3:
        raise ValueError("counts are (schools, scores) or (cells, schools, scores)")
    la, lb = ca.sum(axis=1), cb.sum(axis=1)
    na, nb = la.sum(axis=1), lb.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        # Of each score: the share of the other group that a student there outdoes, ties as half.
        beats = (np.cumsum(lb, axis=1) - lb / 2) / nb[:, None]
        beaten = 1 - (np.cumsum(la, axis=1) - la / 2) / na[:, None]
        p = (la * beats).sum(axis=1) / na
        over, under = beats - p[:, None], beaten - p[:, None]
        own = (la * over**2).sum(axis=1) / (na * (na - 1))
        other = (lb * under**2).sum(axis=1) / (nb * (nb - 1))
        # Of each school: what its students add, and how many they are.
        sums_a = ca @ np.stack([over, np.ones_like(over)], axis=2)
        sums_b = cb @ np.stack([under, np.ones_like(under)], axis=2)
        pull = sums_a[..., 0] / na[:, None] + sums_b[..., 0] / nb[:, None]
        present = (sums_a[..., 1] + sums_b[..., 1] > 0).sum(axis=1)
        schools = (pull**2).sum(axis=1) * present / (present - 1)
        probit = ndtri(p)
        v = np.sqrt(2) * probit
        slope = np.sqrt(2) * np.sqrt(2 * np.pi) * np.exp(probit**2 / 2)
        errors = [Z * slope * np.sqrt(variance) for variance in (own + other, schools)]
    both = na + nb
    reasons = [
        ("too_few_students", (na < 2) | (nb < 2)),
        ("no_overlap", (p <= 0) | (p >= 1)),
        ("no_variance", own + other <= 0),
    ]
    few = [*reasons, ("too_few_schools", present < FEWEST)]
    return Gap(
        figures(v, v - errors[0], v + errors[0], both, reasons),
        figures(v, v - errors[1], v + errors[1], both, few),
    )


def rank_gap_of_scores(score: ArrayLike, in_a: ArrayLike, school: ArrayLike | None = None) -> Gap:
    """V of students in `in_a` over the others, from single scores; figures of shape (1,).

    Scores that are missing are left out. Without `school` all are of one school, so that there is
    no clustered interval.
    """
    values, members = np.asarray(score, dtype=float), np.asarray(in_a, dtype=bool)
    place = np.zeros(values.shape, dtype=int) if school is None else np.asarray(school)
    check_shapes(values, members, place)
    keep = np.isfinite(values)
    levels, level = np.unique(values[keep], return_inverse=True)
    schools, where = np.unique(place[keep], return_inverse=True)
    shape = (len(schools), len(levels))
    cell = where * len(levels) + level
    counts = [
        np.bincount(cell[chosen], minlength=shape[0] * shape[1]).reshape(shape)
        for chosen in (members[keep], ~members[keep])
    ]
    return rank_gap(*counts)


@dataclass(frozen=True)
class Parity:
    """Pass rates of group a against group b, (cells,)."""

    ratio: Gap
    difference: Gap
    """As a share: 0.05 is five percentage points."""


def parity(
    passed_a: ArrayLike,
    n_a: ArrayLike,
    passed_b: ArrayLike,
    n_b: ArrayLike,
    *,
    resampling: Resampling,
) -> Parity:
    """Ratio and difference of two groups' pass rates; arguments (cells, schools).

    Analytic intervals: of the ratio by the logarithm (Katz et al. 1978), of the difference by
    Wilson's limits (Newcombe 1998, method 10). Clustered: BCa over schools.

    Raises:
        ValueError: shapes that differ, counts that are not, or more passed than sat.
    """
    ka, na, kb, nb = (panel(x) for x in (passed_a, n_a, passed_b, n_b))
    check_shapes(ka, na, kb, nb)
    for count in (ka, na, kb, nb):
        check_counts(count)
    if (ka > na).any() or (kb > nb).any():
        raise ValueError("more passed than sat")
    cells = len(na)
    present = (na + nb) > 0
    sums = [x.sum(axis=1) for x in (ka, na, kb, nb)]
    a, m, b, k = sums
    with np.errstate(divide="ignore", invalid="ignore"):
        pa, pb = a / m, b / k
        ratio = pa / pb
        error = Z * np.sqrt(1 / a - 1 / m + 1 / b - 1 / k)
        first, second = wilson(a, m), wilson(b, k)
        change = pa - pb
        # Rounding must not lead beyond what a difference of shares can be.
        lowest = np.maximum(change - np.hypot(pa - first[0], second[1] - pb), -1)
        highest = np.minimum(change + np.hypot(first[1] - pa, pb - second[0]), 1)
        limits = ratio * np.exp(-error), ratio * np.exp(error)
    block = np.concatenate([ka, na, kb, nb]).T

    def statistic(sums: Array) -> Array:
        wa, wm, wb, wk = np.split(sums, 4, axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.concatenate([wa / wm / (wb / wk), wa / wm - wb / wk], axis=1)

    empty = [("too_few_students", (m < 1) | (k < 1))]
    none = [*empty, ("zero_count", (a < 1) | (b < 1)), ("no_variance", (a == m) & (b == k))]
    both = m + k
    twice = bca_over_schools(
        block, statistic, np.tile(present, (2, 1)), np.tile(both, 2), resampling
    )
    # The difference of two rates that nobody missed, or nobody reached, has no spread to resample.
    flat = ("no_variance", ((a == m) & (b == k)) | ((a == 0) & (b == 0)))
    return Parity(
        Gap(
            figures(ratio, *limits, both, none),
            with_reasons(twice[:cells], none),
        ),
        Gap(
            figures(change, lowest, highest, both, empty),
            with_reasons(twice[cells:], [*empty, flat]),
        ),
    )
