"""Student growth percentiles (Betebenner 2009) and what follows from them.

A student's growth percentile says where the score stands among students with the same history. It
is read off 100 quantile regressions (0.005, 0.015, … 0.995) of the score on cubic B-splines of the
earlier scores; the knots stand at each prior's 20th, 40th, 60th and 80th percentile, the boundary
at its range widened by a tenth on either side, as the R package SGP does. All of a cell (one wave,
grade and subject) is one call; cells know nothing of each other, so they may run side by side.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import BSpline
from scipy.special import kolmogi, stdtrit
from scipy.stats import binom

from pipelines.evaluation import quantiles

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]

TAUS: Floats = (np.arange(100) + 0.5) / 100
"""The quantiles that are fitted."""
KNOTS = (0.2, 0.4, 0.6, 0.8)
"""Where the inner knots stand, as percentiles of a prior."""
WIDENING = 0.1
"""By how much of its range a prior's boundary is widened on either side."""
FEWEST_STUDENTS = 500
MOST_PRIORS = 4
ROUNDING = 1e-9
"""A score nearer to a fitted quantile than this share of the range of scores is on it."""
CHUNK = 8192
"""Students whose quantiles are held in memory at a time."""


@dataclass(frozen=True)
class Spline:
    """The cubic B-spline of one prior, as R's `splines::bs` makes it (without its constant)."""

    knots: Floats
    """Inner knots, ascending; equal ones (many students with one score) are one."""
    boundary: tuple[float, float]

    @classmethod
    def of(cls, prior: Floats) -> "Spline":
        """The spline whose knots and boundary are taken from these scores (finite, not equal)."""
        low, high = float(prior.min()), float(prior.max())
        wider = WIDENING * (high - low)
        return cls(np.unique(np.quantile(prior, KNOTS)), (low - wider, high + wider))

    def columns(self, prior: Floats) -> Floats:
        """(n, 3 + knots) the basis at these scores; one outside the boundary counts as on it."""
        low, high = self.boundary
        if not len(prior):
            return np.empty((0, 3 + len(self.knots)))
        knots = np.concatenate([[low] * 4, self.knots, [high] * 4])
        inside = np.clip(prior, low, high)
        values: Floats = BSpline.design_matrix(inside, knots, 3).toarray()
        return values[:, 1:]


@dataclass(frozen=True)
class Fit:
    """The quantile regressions of one order: of the score on the `order` latest priors."""

    order: int
    state: str
    """`estimated` or `not_estimated`."""
    reason: str
    """Empty, or `too_few_students`, `scores_equal`, `prior_constant`, `perfect_prediction`,
    `not_verified`."""
    n: int
    """Students fitted on."""
    splines: tuple[Spline, ...] = ()
    """One a prior, the latest first."""
    band: quantiles.Band | None = None
    """Coefficients of the constant and of each spline's columns; objectives; proof."""

    def quantiles(self, priors: ArrayLike) -> Floats:
        """(n, 100) fitted quantiles of students with these priors, crossings put in order.

        Args:
            priors: (n, order or more) finite, the latest first.

        Raises:
            ValueError: the fit is not estimated, or there are too few priors.
        """
        fitted, row = self._distinct(_history(priors, self.order))
        return np.sort(fitted, axis=1)[row]

    def projected(self, priors: ArrayLike, percentiles: Sequence[float]) -> Floats:
        """(n, g) the score that a student with these priors would have at growth percentiles.

        Between two fitted quantiles it lies on the line that joins them, so that the score
        projected for a whole percentile is given that percentile, wherever the two differ.

        Raises:
            ValueError: as `quantiles`; a percentile outside 1 to 99.
        """
        wanted = np.asarray(percentiles, dtype=float)
        if wanted.ndim != 1 or not ((wanted >= 1) & (wanted <= 99)).all():
            raise ValueError("growth percentiles lie within 1 and 99")
        history = _history(priors, self.order)
        place = wanted - 0.5
        left = np.floor(place).astype(int)
        share = place - left
        scores = np.empty((len(history), len(wanted)))
        for start in range(0, len(history), CHUNK):
            fitted = self.quantiles(history[start : start + CHUNK])
            scores[start : start + CHUNK] = (
                fitted[:, left] * (1 - share) + fitted[:, np.minimum(left + 1, 99)] * share
            )
        return scores

    def _unordered(self, history: Floats) -> Floats:
        fitted, row = self._distinct(history)
        return fitted[row]

    def _distinct(self, history: Floats) -> tuple[Floats, Integers]:
        """Quantiles of each history that there is, and which of these each student has."""
        if self.state != "estimated" or self.band is None:
            raise ValueError(f"the fit of order {self.order} is not estimated: {self.reason}")
        rows, row = _design(self.splines, history)
        return rows @ self.band.coefficients.T, row


@dataclass(frozen=True)
class Growth:
    """The growth percentiles of a cell's students."""

    percentile: Floats
    """(n,) whole numbers from 1 to 99; not a number where there is none."""
    order: NDArray[np.int8]
    """(n,) how many priors it rests on; 0 where there is none."""
    fits: tuple[Fit, ...]
    """Of order 1, 2, …"""


def growth_percentiles(
    score: ArrayLike,
    priors: ArrayLike,
    fewest_students: int = FEWEST_STUDENTS,
) -> Growth:
    """Growth percentiles of the students of one cell.

    The fit of order k uses every student who has a score and the k latest priors. Each student gets
    the percentile of the highest order that the own history allows and that could be estimated: the
    number of fitted quantiles below the score, held within 1 and 99. What is missing or not finite
    does not count; a history ends at its first gap.

    Args:
        score: (n,) in any unit.
        priors: (n, k) earlier scores, the latest first, k from 1 to 4.
        fewest_students: a fit of fewer is `not_estimated`.

    Raises:
        ValueError: shapes that do not fit; more than four priors.
    """
    score, priors, length = _cell(score, priors)
    percentile = np.full(len(score), np.nan)
    order = np.zeros(len(score), dtype=np.int8)
    fits = []
    for k in range(1, priors.shape[1] + 1):
        having = length >= k
        fits.append(fit_order(score[having], priors[having, :k], fewest_students))
        if fits[-1].state == "estimated":
            order[having] = k
    for fit in fits:
        own = order == fit.order
        if own.any():
            percentile[own] = _counted(fit, score[own], priors[own, : fit.order])
    return Growth(percentile, order, tuple(fits))


def fit_order(
    score: ArrayLike,
    priors: ArrayLike,
    fewest_students: int = FEWEST_STUDENTS,
    splines: Sequence[Spline] | None = None,
) -> Fit:
    """The quantile regressions of the score on all the priors given.

    Args:
        score: (n,) finite.
        priors: (n, k) finite, the latest first.
        fewest_students: with fewer the fit is `not_estimated`.
        splines: one a prior, where they are not to be those of these students.

    Raises:
        ValueError: shapes that do not fit, values that are not finite.
    """
    score, priors = np.asarray(score, dtype=float), np.asarray(priors, dtype=float)
    if score.ndim != 1 or priors.ndim != 2 or len(priors) != len(score) or not priors.shape[1]:
        raise ValueError("score must be (n,) and priors (n, k), k at least 1")
    if not (np.isfinite(score).all() and np.isfinite(priors).all()):
        raise ValueError("score and priors of a fit must be finite")
    n, k = priors.shape
    if n < max(fewest_students, 1):
        return Fit(k, "not_estimated", "too_few_students", n)
    spread = float(np.ptp(score))
    if spread == 0:
        return Fit(k, "not_estimated", "scores_equal", n)
    if (np.ptp(priors, axis=0) == 0).any():
        return Fit(k, "not_estimated", "prior_constant", n)
    splines = tuple(Spline.of(prior) for prior in priors.T) if splines is None else tuple(splines)
    rows, row = _design(splines, priors)
    band = quantiles.fit(rows, score, TAUS, row)
    if not band.verified.all():
        return Fit(k, "not_estimated", "not_verified", n, splines, band)
    if band.objective.max() <= ROUNDING * n * spread:
        return Fit(k, "not_estimated", "perfect_prediction", n, splines, band)
    return Fit(k, "estimated", "", n, splines, band)


def projected(
    fits: Sequence[Fit], priors: ArrayLike, percentiles: Sequence[float]
) -> tuple[Floats, NDArray[np.int8]]:
    """Scores that students would reach at growth percentiles, by the fits of an earlier cohort.

    Args:
        fits: as `growth_percentiles` gives them.
        priors: (n, k) the students' scores so far, the latest first; missing ones not a number.
        percentiles: (g,) within 1 and 99.

    Returns:
        (n, g) scores, not a number where the history allows none; (n,) the orders used, 0 for none.

    Raises:
        ValueError: shapes that do not fit; a percentile outside 1 to 99.
    """
    _, priors, length = _cell(np.zeros(np.shape(priors)[0]), priors)
    scores = np.full((len(priors), len(percentiles)), np.nan)
    order = np.zeros(len(priors), dtype=np.int8)
    for fit in fits:
        having = np.flatnonzero(length >= fit.order)
        if fit.state == "estimated" and len(having):
            scores[having] = fit.projected(priors[having], percentiles)
            order[having] = fit.order
    return scores, order


@dataclass(frozen=True)
class Calibration:
    """Shares of students below the fitted quantiles, by bands of the latest prior."""

    n: Integers
    """(b,) students in each band."""
    upper: Floats
    """(b,) the greatest prior of each band."""
    share: Floats
    """(b, 100) of them below each quantile, those on it by half; to be held against `TAUS`."""
    standard_error: Floats
    """(b, 100) of the share, if the quantile is right: sqrt(tau (1 - tau) / n)."""

    @property
    def largest(self) -> float:
        """The largest difference of a share from its tau."""
        return float(np.abs(self.share - TAUS).max(initial=0.0))

    @property
    def by_chance(self) -> float:
        """What `largest` exceeds once in twenty times at most if all quantiles are right.

        By Kolmogorov's distribution (1933) of the smallest band, for all bands at once; of the
        students fitted on it exceeds it less often, since the fit follows them.
        """
        each = 1 - 0.95 ** (1 / len(self.n))
        return float(kolmogi(each) / np.sqrt(self.n.min()))


def calibration(fit: Fit, score: ArrayLike, priors: ArrayLike, bands: int = 10) -> Calibration:
    """Whether the fitted quantiles hold of students, at every height of the latest prior.

    On the students fitted it shows whether the splines bend enough; on the next cohort, whether a
    projection was right. Bands are quantiles of the prior; equal priors are never split, so there
    may be fewer.

    Raises:
        ValueError: shapes that do not fit, values that are not finite, a fit not estimated.
    """
    score, history = np.asarray(score, dtype=float), _history(priors, fit.order)
    if score.shape != (len(history),) or not len(score) or not np.isfinite(score).all():
        raise ValueError("score must be (n,), finite, not empty")
    edges = np.unique(np.quantile(history[:, 0], np.arange(1, bands + 1) / bands, method="lower"))
    band = np.searchsorted(edges, history[:, 0])
    n = np.bincount(band, minlength=len(edges))
    below = np.zeros((len(edges), len(TAUS)))
    near = ROUNDING * max(float(np.ptp(score)), np.finfo(float).tiny)
    for start in range(0, len(score), CHUNK):
        part = slice(start, start + CHUNK)
        apart = score[part, None] - fit.quantiles(history[part])
        count = (apart < near) * 0.5 + (apart < -near) * 0.5
        below += (band[part] == np.arange(len(edges))[:, None]).astype(float) @ count
    return Calibration(n, edges, below / n[:, None], np.sqrt(TAUS * (1 - TAUS) / n[:, None]))


@dataclass(frozen=True)
class GroupGrowth:
    """Growth of groups of students (schools, districts), one entry a group."""

    label: NDArray[np.generic]
    """(J,) ascending."""
    n: Integers
    """(J,) students with a percentile; groups without one are left out."""
    median: Floats
    median_low: Floats
    """95 % interval from order statistics, which assumes no distribution (Hettmansperger & Sheather
    1986); not a number below six students, where there is none."""
    median_high: Floats
    mean: Floats
    mean_low: Floats
    """95 % interval by Student's t, held within 1 and 99; not a number for one student."""
    mean_high: Floats


def group_growth(percentile: ArrayLike, group: ArrayLike, level: float = 0.95) -> GroupGrowth:
    """Median and mean growth percentile of each group, with intervals.

    Args:
        percentile: (n,) from `growth_percentiles`; those that are not a number are left out.
        group: (n,) labels.
        level: what share of intervals is to hold the truth.

    Raises:
        ValueError: shapes that do not fit; a level outside (0, 1).
    """
    percentile, group = np.asarray(percentile, dtype=float), np.asarray(group)
    if percentile.ndim != 1 or percentile.shape != group.shape:
        raise ValueError("percentile and group must be (n,)")
    if not 0 < level < 1:
        raise ValueError("level must lie within (0, 1)")
    known = np.isfinite(percentile)
    label, of, n = np.unique(group[known], return_inverse=True, return_counts=True)
    ordered = percentile[known][np.lexsort((percentile[known], of))]
    start = np.cumsum(n) - n
    median = (ordered[start + (n - 1) // 2] + ordered[start + n // 2]) / 2
    low, high = _median_interval(ordered, start, n, level)
    mean = np.bincount(of, percentile[known], len(n)) / n
    squares = np.bincount(of, (percentile[known] - mean[of]) ** 2, len(n))
    freedom = np.where(n > 1, n - 1, np.nan)
    half = stdtrit(freedom, (1 + level) / 2) * np.sqrt(squares / freedom / n)
    return GroupGrowth(
        label, n, median, low, high,
        mean, np.clip(mean - half, 1, 99), np.clip(mean + half, 1, 99),
    )  # fmt: skip


def _median_interval(
    ordered: Floats, start: Integers, n: Integers, level: float
) -> tuple[Floats, Floats]:
    """Between two neighbouring pairs of order statistics, so that the level is nearly met."""
    low, high = np.full(len(n), np.nan), np.full(len(n), np.nan)
    # The d-th from either end hold the median with probability 1 - 2 P(B <= d - 1).
    d = binom.ppf((1 - level) / 2, n, 0.5)
    some = d >= 1
    d, size, first = d[some].astype(int), n[some], start[some]
    wide = 1 - 2 * binom.cdf(d - 1, size, 0.5)
    narrow = 1 - 2 * binom.cdf(d, size, 0.5)
    part = (wide - level) / (wide - narrow)
    inwards = (size - d) * part / (d + (size - 2 * d) * part)
    last = first + size - 1
    low[some] = ordered[first + d - 1] * (1 - inwards) + ordered[first + d] * inwards
    high[some] = ordered[last - d + 1] * (1 - inwards) + ordered[last - d] * inwards
    return low, high


def corrected_percentiles(
    score: ArrayLike,
    priors: ArrayLike,
    reliability: Sequence[float],
    rng: np.random.Generator,
    replicates: int = 20,
    amounts: Sequence[float] = (0.5, 1.0, 1.5, 2.0),
    fewest_students: int = FEWEST_STUDENTS,
) -> Growth:
    """Growth percentiles corrected for measurement error of the priors by SIMEX.

    Error of 0.5, 1, … times its own variance is added to the priors, the quantiles are fitted anew,
    each student's are averaged over the replicates, and the line through the amounts is followed
    back to -1, where there would be no error (Shang, VanIwaarden & Betebenner 2015; as in the R
    package SGP, knots and boundary of an amount are those of its replicates together). The error's
    variance is (1 - reliability) times the prior's. Takes `replicates` times the amounts as long as
    `growth_percentiles`. To be shown beside the percentiles without correction.

    Args:
        score, priors, fewest_students: as in `growth_percentiles`.
        reliability: (k,) of each prior, such as its alpha, within (0, 1].
        rng: the same seed gives the same percentiles.
        replicates: how often error of each amount is drawn.
        amounts: positive.

    Returns:
        The corrected percentiles (none where one of the fits fails), and the fits without
        correction.

    Raises:
        ValueError: shapes that do not fit; a reliability, amount or number that cannot be.
    """
    score, priors, length = _cell(score, priors)
    known, steps = np.asarray(reliability, dtype=float), np.asarray(amounts, dtype=float)
    if known.shape != (priors.shape[1],) or not ((known > 0) & (known <= 1)).all():
        raise ValueError("reliability must be (k,), within (0, 1]")
    if steps.ndim != 1 or not len(steps) or not (steps > 0).all() or replicates < 1:
        raise ValueError("amounts must be positive, replicates at least 1")
    # Least squares is linear, so each fit enters the extrapolated quantiles with a fixed weight.
    line = np.stack([np.ones(len(steps) + 1), np.r_[0.0, steps]], axis=1)
    weights = np.linalg.pinv(line).T @ [1.0, -1.0]
    plain = growth_percentiles(score, priors, fewest_students)
    percentile = plain.percentile.copy()
    for fit in plain.fits:
        k = fit.order
        having = np.flatnonzero(length >= k)
        own = plain.order[having] == k
        if not own.any():
            continue
        y, history = score[having], priors[having, :k]
        error = history.std(axis=0) * np.sqrt(1 - known[:k])
        total = weights[0] * fit._unordered(history[own])
        for amount, weight in zip(steps, weights[1:], strict=True):
            noise = rng.standard_normal((replicates, *history.shape))
            drawn = history + noise * (error * np.sqrt(amount))
            splines = [Spline.of(drawn[:, :, j].ravel()) for j in range(k)]
            for each in drawn:
                again = fit_order(y, each, fewest_students, splines)
                if again.state != "estimated":
                    total[:] = np.nan
                    break
                total += weight / replicates * again._unordered(each[own])
        percentile[having[own]] = _held(y[own], total, float(np.ptp(y)))
    order = np.where(np.isfinite(percentile), plain.order, 0).astype(np.int8)
    return Growth(percentile, order, plain.fits)


def _cell(score: ArrayLike, priors: ArrayLike) -> tuple[Floats, Floats, Integers]:
    """Score, priors, and how many priors without a gap each student with a score has."""
    score, priors = np.asarray(score, dtype=float), np.asarray(priors, dtype=float)
    if score.ndim != 1 or priors.ndim != 2 or len(priors) != len(score):
        raise ValueError("score must be (n,) and priors (n, k)")
    if not 1 <= priors.shape[1] <= MOST_PRIORS:
        raise ValueError(f"from 1 to {MOST_PRIORS} priors, not {priors.shape[1]}")
    length = np.isfinite(priors).cumprod(axis=1).sum(axis=1)
    return score, priors, np.where(np.isfinite(score), length, 0)


def _history(priors: ArrayLike, order: int) -> Floats:
    priors = np.asarray(priors, dtype=float)
    if priors.ndim != 2 or priors.shape[1] < order:
        raise ValueError(f"priors must be (n, {order} or more)")
    if not np.isfinite(priors[:, :order]).all():
        raise ValueError("priors must be finite")
    return priors[:, :order]


def _design(splines: Sequence[Spline], history: Floats) -> tuple[Floats, Integers]:
    """The distinct rows of the constant and all splines' columns, and which row is whose.

    Scores are marks, so many students share a history.
    """
    code = np.zeros(len(history), dtype=np.intp)
    columns, places = [], []
    for spline, prior in zip(splines, history.T, strict=True):
        values, place = np.unique(prior, return_inverse=True)
        _, code = np.unique(code * len(values) + place, return_inverse=True)
        columns.append(spline.columns(values))
        places.append(place)
    _, first, row = np.unique(code, return_index=True, return_inverse=True)
    parts = [part[place[first]] for part, place in zip(columns, places, strict=True)]
    return np.hstack([np.ones((len(first), 1)), *parts]), row


def _counted(fit: Fit, score: Floats, history: Floats) -> Floats:
    """Percentiles of students by a fit; sorting the quantiles would not change their number."""
    fitted, row = fit._distinct(history)
    spread = float(np.ptp(score))
    parts = [
        _held(score[start : start + CHUNK], fitted[row[start : start + CHUNK]], spread)
        for start in range(0, len(score), CHUNK)
    ]
    return np.concatenate(parts)


def _held(score: Floats, fitted: Floats, spread: float) -> Floats:
    """How many of the fitted quantiles are below the score, within 1 and 99."""
    below = (fitted < (score - ROUNDING * spread)[:, None]).sum(axis=1)
    held = np.clip(below, 1, 99).astype(float)
    held[np.isnan(fitted).any(axis=1)] = np.nan
    return held
