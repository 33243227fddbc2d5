"""Inequality between schools: coefficient of variation, range ratio, Gini, Theil."""

from bisect import bisect
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlogy

from pipelines.evaluation.equity.cells import check_counts, check_shapes, panel
from pipelines.evaluation.resampling import FEWEST, Array, Figures, Resampling, figures, stack

CACHED = 2**18
"""Numbers that are worked on at a time where more would not be faster."""


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
    size, level = panel(n), panel(mean)
    check_shapes(size, level)
    check_counts(size)
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
