"""How evenly a city's schools and its groups of students do, each figure with its uncertainty.

Everything is computed for many cells at once (say, all subjects of a grade) from aggregates of
schools: students, mean, sum of squared deviations. Arrays are (cells, schools) unless said
otherwise; a cell in which a school has no student has n = 0 there, and its mean is not looked at.

Two kinds of interval stand beside each other where both make sense. The *analytic* one takes
students as independent. The *clustered* one takes schools as drawn, students of a school being
alike: it is the wider and the safer one, above all for groups of whole schools (locale, ownership).
"""

import math
from bisect import bisect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri, xlogy

from pipelines.evaluation.multilevel import Fit, Moments, fit
from pipelines.evaluation.resampling import (
    FEWEST,
    Array,
    Figures,
    Resampling,
    Z,
    figures,
    stack,
)

CACHED = 2**18
"""Numbers that are worked on at a time where more would not be faster."""

# --- aggregates of schools ------------------------------------------------------------------------


@dataclass(frozen=True)
class Cells:
    """Students, or those of one group, by cell and school: all (cells, schools)."""

    n: Array
    mean: Array
    squares: Array
    """Sum of squared deviations from the school's own mean in the cell."""

    def __post_init__(self) -> None:
        for name in ("n", "mean", "squares"):
            object.__setattr__(self, name, _panel(getattr(self, name)))
        _same(self.n, self.mean, self.squares)
        _counts(self.n)

    @classmethod
    def from_sums(cls, n: ArrayLike, total: ArrayLike, squares: ArrayLike) -> "Cells":
        """From sums of scores and of their squares; z or scores near 0, else digits are lost."""
        size, added, raw = _panel(n), _panel(total), _panel(squares)
        _same(size, added, raw)
        mean = np.divide(added, size, out=np.zeros_like(added), where=size > 0)
        return cls(size, mean, np.maximum(raw - added * mean, 0))


# --- between schools: coefficient of variation, range ratio, Theil, Gini --------------------------


@dataclass(frozen=True)
class Inequality:
    """Inequality between schools' means, each figure (cells, units).

    The first unit is the whole, the others are the districts in the order of `districts`. Theil's
    parts are of the whole only: (cells, 1).
    """

    districts: tuple[Any, ...]
    coefficient_of_variation: Figures
    range_ratio: Figures
    gini: Figures
    theil: Figures
    theil_between: Figures
    theil_within: Figures


def inequality(
    n: ArrayLike,
    mean: ArrayLike,
    district: ArrayLike | None = None,
    *,
    resampling: Resampling,
    share: float = 0.2,
) -> Inequality:
    """Inequality between schools, of the whole and within each district.

    Args:
        n: students of each school in each cell, (cells, schools); 0 where it has none.
        mean: their mean, at least 0 (scores, score ratios, rates, resources a student; not z).
        district: label of each school's district, (schools,).
        resampling: the bootstrap over schools.
        share: part of the schools at each end of the range ratio.

    With x_j the means, n_j the students, μ the student-weighted mean and N = Σ n_j:

    - coefficient of variation sqrt(Σ n_j (x_j − μ)² / N) / μ (校际差异系数);
    - range ratio (20:20): mean of the top fifth of the schools over that of the bottom fifth. The
      fifth is of schools, the school on its edge counting in part (schools of one mean alike), so
      that two cities alike have the ratio of one; the mean is that of the students in them;
    - Gini: mean absolute difference of two students' schools over 2 μ (Gini 1912), each student
      standing with the school's mean;
    - Theil T = Σ (n_j/N)(x_j/μ) ln(x_j/μ), and its parts between and within districts (Theil 1967),
      which add up to it.

    Intervals are BCa over schools; with 120 schools or more they hold the truth as often as they
    say, with 30 about nine times in ten. All are of the differences between *observed* means:
    chance differences of small schools are in them (`shares` takes them out).

    Raises:
        ValueError: shapes that do not fit, counts below 0 or not finite.
    """
    size, level = _panel(n), _panel(mean)
    _same(size, level)
    _counts(size)
    labels = None if district is None else np.asarray(district)
    if labels is not None and labels.shape != size.shape[1:]:
        raise ValueError(f"district has shape {labels.shape}, not {size.shape[1:]}")
    names = () if labels is None else tuple(np.unique(labels).tolist())
    every = np.ones(size.shape[1], dtype=bool)
    units = [every] + [labels == name for name in names]
    found = [
        _inequality(
            size[:, unit],
            level[:, unit],
            labels if labels is not None and unit is every else None,
            resampling,
            share,
        )
        for unit in units
    ]
    spread = {
        name: stack([f[name] for f in found], axis=1)
        for name in ("coefficient_of_variation", "range_ratio", "gini", "theil")
    }
    parts = {name: stack([found[0][name]], axis=1) for name in ("theil_between", "theil_within")}
    return Inequality(names, **spread, **parts)


def _inequality(
    n: Array, mean: Array, labels: NDArray[Any] | None, resampling: Resampling, share: float
) -> dict[str, Figures]:
    """All figures of one set of schools, in cells that have the same schools together."""
    here = n > 0
    x = np.where(here, mean, 1.0)
    total = n.sum(axis=1)
    finite = np.asarray(np.isfinite(x).all(axis=1))
    lowest = np.where(np.isfinite(x), x, 0).min(axis=1, initial=np.inf)
    weighted = (n * np.where(finite[:, None], np.where(here, x, 0), 0)).sum(axis=1)
    reasons = [
        ("too_few_schools", here.sum(axis=1) < FEWEST),
        ("not_finite", ~finite),
        ("negative_value", lowest < 0),
        ("zero_mean", weighted <= 0),
    ]
    good = ~np.logical_or.reduce([holds for _, holds in reasons])
    values = {
        name: np.full((3, len(n)), np.nan)
        for name in (
            "coefficient_of_variation",
            "range_ratio",
            "gini",
            "theil",
            "theil_between",
            "theil_within",
        )
    }
    usable = {name: np.zeros(len(n), dtype=bool) for name in values}
    patterns: dict[bytes, list[int]] = {}
    for cell in np.flatnonzero(good).tolist():
        patterns.setdefault(here[cell].tobytes(), []).append(cell)
    for alike in patterns.values():
        cells = np.array(alike)
        columns = np.flatnonzero(here[cells[0]])
        rows = resampling.rows(len(columns))
        block = np.ix_(cells, columns)
        relative = x[block] * (total[cells] / weighted[cells])[:, None]
        found = _spread(rows, n[block], relative, share)
        found |= _theil(rows, n[block], relative, None if labels is None else labels[columns])
        for name, computed in found.items():
            *limits, enough = resampling.interval(computed)
            values[name][:, cells] = limits
            usable[name][cells] = enough
    without = (~np.isfinite(values["range_ratio"][0])) & good
    return {
        name: figures(
            values[name][0],
            values[name][1],
            values[name][2],
            total,
            [
                *reasons,
                ("zero_denominator", without if name == "range_ratio" else False),
                ("unstable", ~usable[name]),
            ],
        )
        for name in values
    }


def _spread(rows: Array, n: Array, q: Array, share: float) -> dict[str, Array]:
    """Coefficient of variation, range ratio and Gini of each row of weights, (rows, cells).

    `q` are the means over the cell's mean: figures without a scale lose no digits by it.
    """
    y = q - 1
    students, first, second = (rows @ column.T for column in (n, n * y, n * y * y))
    average = first / students
    variance = np.maximum(second / students - average**2, 0)
    # A school left out or not drawn may leave nothing but noise of rounding.
    variance = np.where(variance < 1e-28, 0, variance)
    ratio, gini = np.empty((2, len(rows), len(n)))
    # Some rows at a time, schools first: running sums then stay in the processor's cache.
    step = max(CACHED // rows.shape[1], 1)
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        taken = np.ascontiguousarray(rows[part].T)
        for c in range(len(n)):
            ratio[part, c], unequal = _ordered(taken, n[c], y[c], share)
            gini[part, c] = unequal / students[part, c] ** 2
    # A draw of schools that all have 0 has no figure.
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "coefficient_of_variation": np.sqrt(variance) / (1 + average),
            "range_ratio": ratio,
            "gini": gini / (1 + average),
        }


def _ordered(taken: Array, n: Array, y: Array, share: float) -> tuple[Array, Array]:
    """Range ratio, and half the sum of all differences between students, of each draw.

    `taken` (schools, draws) says how often each school is taken.
    """
    order = np.argsort(y, kind="stable")
    taken, level, size = taken[order], y[order], n[order]
    weight = taken * size[:, None]
    first_of = np.flatnonzero(np.diff(level, prepend=-np.inf))
    alike = len(first_of) < len(level)
    if alike:
        # Schools of one mean stand together: their order must not matter.
        level = level[first_of]
        taken = np.add.reduceat(taken, first_of, axis=0)
        weight = np.add.reduceat(weight, first_of, axis=0)
    upto = _running(taken, np.empty_like(taken))
    schools = upto[-1].copy()
    ends = []
    for bottom in (False, True):
        edge = share * schools
        if bottom:
            inside = bisect(range(len(level)), False, key=lambda j: bool((upto[j] >= edge).all()))
            used = slice(0, inside + 1)
            left = edge - (upto[used] - taken[used])
        else:
            inside = bisect(
                range(len(level)), False, key=lambda j: bool((schools - upto[j] < edge).any())
            )
            used = slice(inside, len(level))
            left = edge - (schools - upto[used])
        part = np.clip(left, 0, taken[used], out=left)
        if alike:
            np.divide(part, taken[used], out=part, where=taken[used] > 0)
            part *= weight[used]
        else:
            part *= size[used, None]
        ends.append(1 + (level[used] @ part) / part.sum(axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(ends[1] > 0, ends[0] / ends[1], np.nan)
    # Σ w (2 C - w - N) y, with C the students up to and with the school.
    rank = _running(weight, upto)
    total = rank[-1].copy()
    rank *= 2
    rank -= weight
    rank -= total
    rank *= weight
    return ratio, np.maximum(level @ rank, 0)


def _running(rows: Array, out: Array) -> Array:
    """Sums of the rows up to and with each, into `out`.

    Those of `np.cumsum`, which goes down one column after another: whole rows are a fifth of that.
    """
    before: Any = 0.0
    for row, place in zip(rows, out, strict=True):
        before = np.add(before, row, out=place)
    return out


def _theil(rows: Array, n: Array, q: Array, labels: NDArray[Any] | None) -> dict[str, Array]:
    """Theil's T of each row of weights, with its parts where there are districts, (rows, cells).

    Σ w (q/m) ln(q/m) / Σ w is written by h(q) = q ln q − q + 1, which is never below 0, so that
    cities that are nearly equal keep their digits.
    """
    excess = _excess(q)

    def sums(columns: NDArray[Any]) -> tuple[Array, Array, Array]:
        part = rows[:, columns]
        size = n[:, columns]
        weight = part @ size.T
        with np.errstate(divide="ignore", invalid="ignore"):
            average = 1 + (part @ (size * (q[:, columns] - 1)).T) / weight
            spread = (part @ (size * excess[:, columns]).T) / weight
            index = np.maximum((spread - _excess(average)) / average, 0)
        return weight, average, np.where(average > 0, index, 0)

    everyone = np.ones(n.shape[1], dtype=bool)
    students, average, index = sums(everyone)
    found = {"theil": index}
    if labels is not None:
        between, within = np.zeros((2, *index.shape))
        for name in np.unique(labels):
            weight, level, own = sums(labels == name)
            there = (weight > 0) & (average > 0)
            relative = np.divide(level, average, out=np.ones_like(level), where=there)
            between += weight / students * _excess(relative)
            within += weight / students * relative * np.where(there, own, 0)
        found |= {"theil_between": between, "theil_within": within}
    return found


def _excess(q: Array) -> Array:
    """h(q) = q ln q − q + 1, with the series where q is so near 1 that the terms cancel."""
    e = q - 1
    series = e * e * (0.5 - e / 6 + e * e / 12 - e**3 / 20 + e**4 / 30)
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(e) < 1e-3, series, xlogy(q, q) - e)


# --- share of the variance between schools and between districts ----------------------------------


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


# --- gap between two groups ----------------------------------------------------------------------


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
    _same(a.n, b.n)
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
    centre = _ratio((a.n * means[0] + b.n * means[1]).sum(axis=1), both)[:, None]
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
    clustered = _clustered(block, statistic, (a.n + b.n) > 0, both, resampling)
    return Gap(analytic, _again(clustered, reasons))


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
    _same(ca, cb)
    _counts(ca)
    _counts(cb)
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
    _same(values, members, place)
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


# --- parity of pass rates ------------------------------------------------------------------------


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
    ka, na, kb, nb = (_panel(x) for x in (passed_a, n_a, passed_b, n_b))
    _same(ka, na, kb, nb)
    for count in (ka, na, kb, nb):
        _counts(count)
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
    twice = _clustered(block, statistic, np.tile(present, (2, 1)), np.tile(both, 2), resampling)
    # The difference of two rates that nobody missed, or nobody reached, has no spread to resample.
    flat = ("no_variance", ((a == m) & (b == k)) | ((a == 0) & (b == 0)))
    return Parity(
        Gap(
            figures(ratio, *limits, both, none),
            _again(twice[:cells], none),
        ),
        Gap(
            figures(change, lowest, highest, both, empty),
            _again(twice[cells:], [*empty, flat]),
        ),
    )


def wilson(passed: ArrayLike, n: ArrayLike) -> tuple[Array, Array]:
    """The 95 % limits of a rate (Wilson 1927); NaN where n is 0."""
    k, m = np.asarray(passed, dtype=float), np.asarray(n, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = k / m
        centre = (rate + Z * Z / (2 * m)) / (1 + Z * Z / m)
        half = Z * np.sqrt(rate * (1 - rate) / m + Z * Z / (4 * m * m)) / (1 + Z * Z / m)
    return np.maximum(centre - half, 0), np.minimum(centre + half, 1)


# --- social gradient -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Gradient:
    """Slopes of the outcome on a characteristic, (cells,)."""

    within: Figures
    """Between students of the same school: Σ Sxy / Σ Sxx over schools."""
    between: Figures
    """Between schools: student-weighted slope of school means on school means."""
    contextual: Figures
    """Between less within: what is added by the school's composition (Raudenbush & Bryk 2002)."""


def social_gradient(
    n: ArrayLike,
    mean_x: ArrayLike,
    mean_y: ArrayLike,
    cross_xx: ArrayLike,
    cross_xy: ArrayLike,
    *,
    resampling: Resampling,
) -> Gradient:
    """Slope of y on x between schools and within schools, from sufficient statistics.

    Args:
        n, mean_x, mean_y: students and means of each school, (cells, schools).
        cross_xx, cross_xy: sums of squares of x and of products of x and y, as deviations from the
            school's own means. `of_members` gives all of them where x says yes or no.
        resampling: the bootstrap over schools; intervals are BCa.

    Raises:
        ValueError: shapes that differ, counts below 0.
    """
    size, mx, my, sxx, sxy = (_panel(v) for v in (n, mean_x, mean_y, cross_xx, cross_xy))
    _same(size, mx, my, sxx, sxy)
    _counts(size)
    cells = len(size)
    here = size > 0
    total = size.sum(axis=1)
    known = np.logical_and.reduce([np.isfinite(v) for v in (mx, my, sxx, sxy)])
    finite = np.asarray((known | ~here).all(axis=1))
    ok = here & finite[:, None]
    mx, my, sxx, sxy = (np.where(ok, v, 0.0) for v in (mx, my, sxx, sxy))
    x = np.where(ok, mx - _ratio((size * mx).sum(axis=1), total)[:, None], 0.0)
    y = np.where(ok, my - _ratio((size * my).sum(axis=1), total)[:, None], 0.0)
    block = np.concatenate([size, size * x, size * y, size * x * x, size * x * y, sxx, sxy]).T
    # Below this the school means of x, or its values within schools, differ by rounding only.
    least = 1e-12 * ((sxx + size * x * x).sum(axis=1) + 1e-300)

    def statistic(sums: Array) -> Array:
        w, wx, wy, wxx, wxy, inner, product = np.split(sums, 7, axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            across = wxx - wx * wx / w
            between = np.where(across > least, (wxy - wx * wy / w) / across, np.nan)
            within = np.where(inner > least, product / inner, np.nan)
        return np.concatenate([within, between, between - within], axis=1)

    three = _clustered(block, statistic, np.tile(here, (3, 1)), np.tile(total, 3), resampling)
    spread = (size * x * x).sum(axis=1) - _ratio((size * x).sum(axis=1) ** 2, total)
    bad = [("too_few_schools", here.sum(axis=1) < FEWEST), ("not_finite", ~finite)]
    same = ("no_variation_between", spread <= least)
    alike = ("no_variation_within", sxx.sum(axis=1) <= least)
    return Gradient(
        _again(three[:cells], [*bad, alike]),
        _again(three[cells : 2 * cells], [*bad, same]),
        _again(three[2 * cells :], [*bad, same, alike]),
    )


def of_members(
    n_yes: ArrayLike, mean_yes: ArrayLike, n_no: ArrayLike, mean_no: ArrayLike
) -> tuple[Array, Array, Array, Array, Array]:
    """The first five arguments of `social_gradient` where x is 1 for members and 0 for others."""
    ny, my, nn, mn = (_panel(v) for v in (n_yes, mean_yes, n_no, mean_no))
    _same(ny, my, nn, mn)
    my, mn = np.where(ny > 0, my, 0.0), np.where(nn > 0, mn, 0.0)
    n = ny + nn
    inner = _ratio(ny * nn, n)
    return n, _ratio(ny, n), _ratio(ny * my + nn * mn, n), inner, inner * (my - mn)


# --- community convergence -----------------------------------------------------------------------


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
    _same(groups, years, leads, size, level, inner)
    _counts(size)
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
    means = _ratio(added(size * level), students)
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
    mid = _ratio(precision @ clock, weight)
    lever = precision * (clock - mid[:, None])
    square = (lever * (clock - mid[:, None])).sum(axis=1)
    slope = _ratio((lever * np.where(good, gap, 0)).sum(axis=1), square)
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
    whole = _again(_clustered(block, statistic, present, bottom.sum(axis=0), resampling), enough)
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


# --- shared --------------------------------------------------------------------------------------


def _clustered(
    block: Array,
    statistic: Callable[[Array], Array],
    present: NDArray[np.bool_],
    n: Array,
    resampling: Resampling,
) -> Figures:
    """BCa over schools of all figures that a statistic makes of sums over schools.

    `block` (schools, sums) is what is added up, `statistic` takes (rows, sums) to (rows, figures),
    `present` (figures, schools) says whose figure it is. A school that is in none is not drawn.
    """
    somewhere = present.any(axis=0)
    rows = resampling.rows(int(somewhere.sum()))
    value, low, high, usable = resampling.interval(statistic(rows @ block[somewhere]))
    few = present.sum(axis=1) < FEWEST
    return figures(value, low, high, n, [("too_few_schools", few), ("unstable", ~usable)])


def _again(found: Figures, reasons: list[tuple[str, NDArray[np.bool_]]]) -> Figures:
    """The same figures, with reasons that go before their own."""
    own = [(word, found.reason == word) for word in np.unique(found.reason) if word]
    return figures(found.value, found.low, found.high, found.n, [*reasons, *own])


def _panel(x: ArrayLike) -> Array:
    """As (cells, schools); one cell may come without its axis."""
    array = np.asarray(x, dtype=float)
    if array.ndim == 1:
        array = array[None]
    if array.ndim != 2:
        raise ValueError(f"(cells, schools) expected, not an array of {array.ndim} dimensions")
    return array


def _same(*arrays: NDArray[Any]) -> None:
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        raise ValueError(f"shapes differ: {sorted(shapes)}")


def _counts(n: Array) -> None:
    if not np.isfinite(n).all() or (n < 0).any():
        raise ValueError("counts are finite and at least 0")


def _ratio(top: Array, bottom: Array) -> Array:
    """top / bottom, 0 where there is nothing below."""
    return np.divide(top, bottom, out=np.zeros(np.shape(top)), where=bottom != 0)
