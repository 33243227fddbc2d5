"""When should a school's value added not be believed? Checks beside the estimate.

All of them start from effects that a model has given (`multilevel.fit`): per school the effect, its
posterior variance and its reliability, given the city's coefficients and variances. An effect is in
units of the outcome (z: standard deviations of students). Schools without one hold NaN.

A school's *raw mean residual* is its effect before shrinkage: effect / reliability. Its sampling
variance is effect variance / reliability.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigh
from scipy.special import ndtr
from scipy.stats import rankdata
from scipy.stats import t as student_t

from pipelines.evaluation.multilevel import Fit, Moments, fit
from pipelines.evaluation.resampling import FEWEST, Array, Figures, Z, figures

BANDS = ("below", "as_expected", "above")
YEARS = 3
"""Most years that an average joins."""
STEPS = 100
LEAST_LEFT = 0.05
"""Share of a column's variance, given the others, that must be more than error."""


def bands(effect: ArrayLike, variance: ArrayLike) -> NDArray[np.str_]:
    """`above` or `below` where the 95 % interval excludes 0, else `as_expected`.

    The word is empty where a school has no effect.
    """
    value, error = _pair(effect, variance)
    with np.errstate(invalid="ignore"):
        sure = np.abs(value) > Z * np.sqrt(error)
    word = np.where(sure, np.where(value > 0, "above", "below"), "as_expected")
    return np.where(np.isfinite(value) & np.isfinite(error), word, "")


def unshrunken(
    n: ArrayLike, effect: ArrayLike, variance: ArrayLike, reliability: ArrayLike
) -> Figures:
    """The raw mean residuals, to be shown beside the effects that they were shrunk to, (J,).

    The interval is that of the mean of the school's students, whatever other schools are like; the
    distance between the two figures is what shrinkage did.
    """
    value, error = _pair(effect, variance)
    size, trust = np.asarray(n, dtype=float), np.asarray(reliability, dtype=float)
    some = trust > 0
    raw = np.divide(value, trust, out=np.full(value.shape, np.nan), where=some)
    squared = np.divide(error, trust, out=np.full(value.shape, np.nan), where=some)
    reach = Z * np.sqrt(squared)
    return figures(raw, raw - reach, raw + reach, size, [("no_effect", ~some)])


# --- years ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MultiYear:
    """Effects of up to three years joined."""

    average: Figures
    """(J,): mean by precision; `n` is the number of years."""
    correlation: Figures
    """(Y, Y): of the published effects of two years (NaN on the diagonal); `n` is schools."""
    stability: Array
    """(Y, Y): correlation of the true effects, that is with shrinkage and chance taken out; from -1
    to 1. Low means that an average hides real change."""


def multi_year(
    effect: ArrayLike, variance: ArrayLike, reliability: ArrayLike, variance_school: ArrayLike
) -> MultiYear:
    """Average of a school's effects by precision, with the correlation from year to year.

    Args:
        effect, variance, reliability: (years, schools); NaN where a school has none.
        variance_school: (years,) variance between schools of each year's model.

    The interval counts that a school's true effects of two years are alike: the posterior errors
    −(1 − r) u + r e of two years share u, so that they correlate even if students differ. Their
    covariance is (1 − r₁)(1 − r₂) Cov(u₁, u₂), and Cov(u₁, u₂) is Σ û₁û₂ / Σ r₁r₂ over schools.
    It is the interval of the mean of those years' true effects, not of a lasting one.

    Raises:
        ValueError: more than three years, shapes that do not fit.
    """
    value, error, trust = (np.asarray(x, dtype=float) for x in (effect, variance, reliability))
    between = np.asarray(variance_school, dtype=float)
    if value.ndim != 2 or not value.shape == error.shape == trust.shape:
        raise ValueError("effects, variances and reliabilities are (years, schools), all alike")
    years = len(value)
    if years > YEARS or between.shape != (years,):
        raise ValueError(f"at most {YEARS} years, with a variance each")
    known = np.isfinite(value) & np.isfinite(error) & np.isfinite(trust) & (error > 0)
    weight = np.where(known, 1 / np.where(known, error, 1), 0.0)
    total = weight.sum(axis=0)
    share = np.divide(weight, total, out=np.zeros_like(weight), where=total > 0)
    u = np.where(known, value, 0.0)
    r = np.where(known, trust, 0.0)
    limit = np.sqrt(np.outer(between, between))
    # Both products are 0 unless the school has both years.
    alike = _divide(u @ u.T, r @ r.T)
    stability = np.clip(_divide(alike, limit), -1, 1)
    np.fill_diagonal(stability, 1.0)
    shared = stability * limit
    np.fill_diagonal(shared, 0.0)
    rest = share * np.where(known, 1 - r, 0.0)
    squared = (share**2 * np.where(known, error, 0.0)).sum(axis=0)
    squared = np.maximum(squared + np.einsum("tj,ts,sj->j", rest, shared, rest), 0)
    mean, spread = (share * u).sum(axis=0), Z * np.sqrt(squared)
    count = known.sum(axis=0)
    average = figures(mean, mean - spread, mean + spread, count, [("no_year", count == 0)])
    pairs = correlation(np.where(known, value, np.nan)[:, None], np.where(known, value, np.nan))
    diagonal = np.eye(years, dtype=bool)
    pairs = figures(
        pairs.value, pairs.low, pairs.high, pairs.n, [("same_year", diagonal), *_told(pairs)]
    )
    return MultiYear(average, pairs, stability)


def correlation(x: ArrayLike, y: ArrayLike) -> Figures:
    """Pearson's correlation over the last axis, with Fisher's interval (1921), schools equal.

    The fairness check is that of effects with intake means and with shares of subsidised students;
    a year's with another's is its stability. Pairs in which one is missing are left out; leading
    axes are broadcast. `n` is the number of pairs.

    Raises:
        ValueError: the last axes differ.
    """
    a, b = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if a.shape[-1:] != b.shape[-1:]:
        raise ValueError(f"{a.shape[-1:]} schools against {b.shape[-1:]}")
    a, b = np.broadcast_arrays(a, b)
    known = np.isfinite(a) & np.isfinite(b)
    n = known.sum(axis=-1)
    a, b = (np.where(known, v, 0.0) for v in (a, b))
    with np.errstate(divide="ignore", invalid="ignore"):
        da, db = (np.where(known, v - (v.sum(-1) / n)[..., None], 0.0) for v in (a, b))
        spreads = [(d * d).sum(-1) for d in (da, db)]
        sizes = [(v * v).sum(-1) for v in (a, b)]
        r = (da * db).sum(-1) / np.sqrt(spreads[0] * spreads[1])
        flat = np.logical_or.reduce(
            [s <= 1e-24 * size for s, size in zip(spreads, sizes, strict=True)]
        )
        # A correlation of 1 has no interval: it is a relation, not a sample.
        exact = np.abs(r) >= 1 - 1e-12
        middle, half = np.arctanh(np.where(exact, 0, r)), Z / np.sqrt(n - 3)
        low, high = np.tanh(middle - half), np.tanh(middle + half)
    reasons = [("too_few_schools", n < FEWEST), ("no_variation", flat), ("exact_relation", exact)]
    return figures(r, low, high, n, reasons)


# --- the simple counterpart ----------------------------------------------------------------------


@dataclass(frozen=True)
class Progress:
    """Mean progress of each school's students against students who started alike."""

    progress: Figures
    """(J,): with s/√n as standard error; `n` is students."""
    band_mean: Array
    """(B,): city mean of the outcome in each band; NaN of an empty band."""
    spread: float
    """s: standard deviation of students' progress in the city."""


def prior_bands(prior: ArrayLike, count: int = 20) -> NDArray[np.int_]:
    """Band of each student, 0 to `count` − 1, by prior: equally large but for ties.

    Students of one prior are in one band, that of the middle of their ranks; -1 without a prior.
    """
    values = np.asarray(prior, dtype=float)
    known = np.isfinite(values)
    band = np.full(values.shape, -1)
    middle = rankdata(values[known], method="average") - 0.5
    band[known] = np.minimum(middle * count // max(known.sum(), 1), count - 1).astype(int)
    return band


def simple_progress(n: ArrayLike, total: ArrayLike, squares: ArrayLike) -> Progress:
    """The counterpart that can be checked with a pencil, built as England's Progress 8 is (DfE).

    Args:
        n, total, squares: students, sum of z and sum of z² of each band and school, (B, J).

    A student's progress is z less the city's mean of the band; a school's is its students' mean.

    Raises:
        ValueError: shapes that differ, counts below 0.
    """
    size, added, raw = (np.asarray(x, dtype=float) for x in (n, total, squares))
    if size.ndim != 2 or not size.shape == added.shape == raw.shape:
        raise ValueError("(bands, schools) expected, all alike")
    if not (size >= 0).all():
        raise ValueError("counts are at least 0")
    known = np.isfinite(added) & np.isfinite(raw)
    # A band's mean is that of the city: one sum that is missing leaves no school a figure.
    finite = bool(known.all())
    added, raw = np.where(known, added, 0.0), np.where(known, raw, 0.0)
    in_band = size.sum(axis=1)
    level = _divide(added.sum(axis=1), in_band)
    students = size.sum(axis=0)
    progress = _divide((added - size * level[:, None]).sum(axis=0), students)
    left = float((raw.sum(axis=1) - in_band * level**2).sum())
    freedom = size.sum() - (in_band > 0).sum()
    spread = float(np.sqrt(max(left, 0) / freedom)) if freedom > 0 else np.nan
    error = Z * _divide(np.full(len(students), spread), np.sqrt(students))
    flat = not spread > 1e-7 * np.sqrt(max(float(raw.sum()), 0) / max(size.sum(), 1))
    reasons = [
        ("not_finite", not finite),
        ("no_students", students == 0),
        ("too_few_students", freedom <= 0),
        ("no_variance", flat),
    ]
    found = figures(progress, progress - error, progress + error, students, reasons)
    return Progress(found, np.where(in_band > 0, level, np.nan), spread)


# --- measurement error of the prior --------------------------------------------------------------


@dataclass(frozen=True)
class ErrorCorrection:
    """A model with and without correction for measurement error, beside each other."""

    state: str
    """`estimated` or `not_estimated`."""
    reason: str
    uncorrected: Fit
    terms: tuple[str, ...]
    """`constant` and the terms, as of the coefficients."""
    coefficients: Array
    standard_errors: Array
    """Of the corrected coefficients, robust to what goes on inside schools (sandwich)."""
    variance_student: float
    """Of the corrected residual, the part that the error of the prior makes included."""
    variance_school: float
    effect: Array
    """(J,): corrected."""
    effect_variance: Array
    reliability: Array


def correct_for_error(
    moments: Moments, terms: Sequence[str], reliability: Mapping[str, float]
) -> ErrorCorrection:
    """Value added if the prior had been measured without error (errors in variables, Fuller 1987).

    Args:
        moments: statistics of schools, columns the terms and then the outcome; whole rows.
        terms: names of the columns.
        reliability: of the terms that are measured with error, the share of their variance in the
            city that is true (such as Cronbach's alpha of the earlier paper), above 0 to 1. A
            square of such a term does not belong in the model: its error is not of this kind.

    With error δ of known variance in x, the residual e − bδ is again independent between students,
    so that only the equations of the coefficients change: of X'V⁻¹X is taken what δ adds to it,
    Σ_j (n_j − 1 + 1/(1 + n_j θ)) Var(δ), where θ is school over student variance. They are solved
    in turn with the variances, for which the residual's empty model is fitted by REML.

    Raises:
        ValueError: a reliability outside (0, 1], or of no term.
    """
    strange = set(reliability) - set(terms)
    if strange or not all(0 < value <= 1 for value in reliability.values()):
        raise ValueError(f"reliabilities are of terms, above 0 and up to 1: {dict(reliability)}")
    plain = fit(moments, terms)
    if plain.state != "estimated":
        return _uncorrected(plain, str(plain.reason))
    kept = [i for i, term in enumerate(terms) if term in plain.terms]
    names = plain.terms
    size = np.where(moments.weight > 0, moments.weight, 0.0)
    here = (size > 0)[:, None]
    x = np.where(here, moments.mean[:, kept], 0.0)
    y = np.where(here[:, 0], moments.mean[:, -1], 0.0)
    inner = np.where(here[..., None], moments.cross[:, kept][:, :, kept], 0.0)
    product = np.where(here, moments.cross[:, kept, -1], 0.0)
    centre = size @ x / size.sum()
    x = np.where(here, x - centre, 0.0)
    scale = np.sqrt((inner.sum(axis=0) + (x * size[:, None]).T @ x).diagonal() / size.sum())
    x, product, inner = x / scale, product / scale, inner / np.outer(scale, scale)
    error = np.array([1 - reliability.get(terms[i], 1.0) for i in kept])
    design = np.column_stack([np.ones(len(x)), x])
    b = np.zeros(len(kept) + 1)
    theta = plain.variance_school / plain.variance_student
    for _ in range(STEPS):
        shrunk = 1 / (1 + size * theta)
        added = np.maximum(size - 1, 0) + np.where(size > 0, shrunk, 0)
        matrix = (design * (size * shrunk)[:, None]).T @ design
        matrix[1:, 1:] += inner.sum(axis=0) - np.diag(error) * added.sum()
        right = design.T @ (size * shrunk * y)
        right[1:] += product.sum(axis=0)
        if _information_left(matrix[1:, 1:], error * added.sum()) < LEAST_LEFT:
            return _uncorrected(plain, "reliability_too_low")
        b = np.linalg.solve(matrix, right)
        slope = b[1:]
        residual = y - design @ b
        left = moments.cross[:, -1, -1] - 2 * product @ slope
        left = np.where(here[:, 0], left + np.einsum("i,jik,k->j", slope, inner, slope), 0.0)
        empty = fit(Moments(size, residual[:, None], left[:, None, None]), ())
        if empty.state != "estimated":
            return _uncorrected(plain, str(empty.reason))
        before, theta = theta, empty.variance_school / empty.variance_student
        if abs(theta - before) <= 1e-9 * (theta + 1e-9):
            break
    else:
        return _uncorrected(plain, "no_convergence")
    score = design * (size * shrunk * residual)[:, None]
    score[:, 1:] += product - np.einsum("jik,k->ji", inner, slope) + np.outer(added, error * slope)
    solved = np.linalg.solve(matrix, score.T)
    schools = int((size > 0).sum())
    spread = solved @ solved.T * schools / (schools - 1)
    back = np.diag(np.append(1.0, 1 / scale))
    back[0, 1:] = -centre / scale
    return ErrorCorrection(
        "estimated",
        "",
        plain,
        names,
        back @ b,
        np.sqrt((back @ spread @ back.T).diagonal()),
        empty.variance_student,
        empty.variance_school,
        empty.effect,
        empty.effect_variance,
        empty.reliability,
    )


def _information_left(corrected: Array, taken: Array) -> float:
    """Smallest share of what the columns say that is not error, over all their combinations."""
    if not len(corrected):
        return 1.0
    return float(eigh(corrected, corrected + np.diag(taken), eigvals_only=True)[0])


def _uncorrected(plain: Fit, reason: str) -> ErrorCorrection:
    none, nan = np.full(len(plain.terms), np.nan), np.full(len(plain.effect), np.nan)
    return ErrorCorrection(
        "not_estimated", reason, plain, plain.terms, none, none, np.nan, np.nan, nan, nan, nan
    )


# --- a factor that is missing --------------------------------------------------------------------


@dataclass(frozen=True)
class MissingFactor:
    """How strong a factor outside the model would have to be to turn a school's band, (J,) each."""

    shift: Array
    """Least change of the raw mean residual that turns the band, in units of the outcome."""
    strength: Array
    """The factor's one strength on both sides; see `missing_factor`."""
    robustness_value: Array
    """The same as a share of explained variance; see `robustness_value`."""


def missing_factor(
    effect: ArrayLike,
    variance: ArrayLike,
    reliability: ArrayLike,
    variance_student: float,
    freedom: float,
) -> MissingFactor:
    """Omitted-variable bias in school means: what would it take to turn the band?

    A factor that the model lacks, one standard deviation of which (given the model's terms) moves a
    student's outcome by γ, and on which a school's students stand δ standard deviations away from
    students of the same record elsewhere, moves the school's raw mean residual by γδ. The band of a
    school above or below turns to as expected, and that of a school as expected to the nearer of
    the others, as soon as |γδ| exceeds

        shift = | |effect| − z √variance | / reliability.

    `strength` is the s for which a factor with γ = s σ (σ: standard deviation of students'
    residuals) and δ = s does it: s = √(shift / σ). Weaker on one side it must be stronger on the
    other, as with the E-value (VanderWeele & Ding 2017). A factor known to have slope γ needs
    δ = shift / γ.

    `robustness_value` is RV of Cinelli & Hazlett (2020) at level 0.05 with belonging to the school
    as the treatment: a factor that explains less than this share of what the model leaves of both
    the outcome and the belonging cannot turn the band; 0 of schools as expected.

    Args:
        effect, variance, reliability: (J,).
        variance_student: σ².
        freedom: residual degrees of freedom: students less coefficients.
    """
    value, error = _pair(effect, variance)
    trust = np.asarray(reliability, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = np.abs(np.abs(value) - Z * np.sqrt(error)) / trust
        t = value / np.sqrt(error * trust)
        # With the threshold on the scale of the published interval, of which t is 1/√r times.
        needed = np.abs(value) / np.sqrt(error * trust) - Z / np.sqrt(trust)
    shift = np.where(np.isfinite(shift), shift, np.nan)
    strength = (
        np.sqrt(shift / np.sqrt(variance_student)) if variance_student > 0 else shift * np.nan
    )
    share = _robustness(np.maximum(needed, 0) / np.sqrt(max(freedom, 1.0)))
    return MissingFactor(shift, strength, np.where(np.isfinite(t), share, np.nan))


def robustness_value(
    t: ArrayLike, freedom: ArrayLike, *, q: float = 1.0, alpha: float | None = None
) -> Array:
    """Robustness value of a regression coefficient (Cinelli & Hazlett 2020).

    The share of the residual variance, both of the outcome and of the regressor, that a missing
    factor would have to explain to take away the part q of the estimate; with `alpha`, to make
    what is left not significant at that level.

    Args:
        t: estimate over its standard error.
        freedom: the regression's residual degrees of freedom.
    """
    df = np.asarray(freedom, dtype=float)
    f = q * np.abs(np.asarray(t, dtype=float)) / np.sqrt(df)
    if alpha is not None:
        f = f - student_t.ppf(1 - alpha / 2, df - 1) / np.sqrt(df - 1)
    return _robustness(np.maximum(f, 0))


def _robustness(f: Array) -> Array:
    return np.asarray((np.sqrt(f**4 + 4 * f**2) - f**2) / 2)


# --- single students and missing priors ----------------------------------------------------------


@dataclass(frozen=True)
class Bounds:
    """Least and largest effect that something could make of each school's, (J,) each."""

    low: Array
    high: Array
    turns: NDArray[np.bool_]
    """The band is another one at the low or at the high end."""
    break_even: Array
    """What turns the band; see the function. NaN where nothing does."""


def influence_of_students(
    n: ArrayLike,
    effect: ArrayLike,
    lowest: ArrayLike,
    highest: ArrayLike,
    variance_student: float,
    variance_school: float,
) -> Bounds:
    """Range of a school's effect over leaving out any one of its students.

    Args:
        n, effect: students and effect, (J,).
        lowest, highest: least and largest raw residual (outcome less fixed part) of its students.
        variance_student, variance_school: of the model, held as they are, as are coefficients.

    `break_even` is the residual of a student whose absence would turn the band, within the range
    or not. With fewer than two students there is none.
    """
    size = np.asarray(n, dtype=float)
    value = np.asarray(effect, dtype=float)
    ends = [np.asarray(x, dtype=float) for x in (highest, lowest)]
    trust = _reliability(size, variance_student, variance_school)
    raw = _nan_divide(value, trust)
    fewer = np.where(size >= 2, size - 1, np.nan)
    after = _reliability(fewer, variance_student, variance_school)
    low, high = (after * (size * raw - end) / fewer for end in ends)
    band = bands(value, variance_school * (1 - trust))
    error = variance_school * (1 - after)
    target = _edge(value, band, np.sqrt(error))
    break_even = size * raw - fewer * _nan_divide(target, after)
    return _bounds(low, high, error, band, break_even)


def influence_of_missing(
    n: ArrayLike,
    missing: ArrayLike,
    effect: ArrayLike,
    variance_student: float,
    variance_school: float,
    reach: float = 0.5,
) -> Bounds:
    """Range of a school's effect over what its students without a prior might have shown.

    Args:
        n, missing, effect: students in the model, students present but without a prior, and
            effect, (J,).
        variance_student, variance_school: of the model, held as they are, as are coefficients.
        reach: the missing students' mean raw residual is taken to lie within so many standard
            deviations of students' residuals from the city's (0). Bounds of this kind assume
            nothing else (Manski 1990; Horowitz & Manski 2000).

    `break_even` is the mean residual of the missing students that would turn the band, in units of
    the outcome; whoever thinks it out of reach may trust the band.
    """
    size, gone = np.asarray(n, dtype=float), np.asarray(missing, dtype=float)
    value = np.asarray(effect, dtype=float)
    trust = _reliability(size, variance_student, variance_school)
    raw = _nan_divide(value, trust)
    whole = size + gone
    after = _reliability(whole, variance_student, variance_school)
    limit = reach * np.sqrt(variance_student)
    low, high = (after * (size * raw + gone * end) / whole for end in (-limit, limit))
    band = bands(value, variance_school * (1 - trust))
    error = variance_school * (1 - after)
    target = _edge(value, band, np.sqrt(error))
    needed = _nan_divide(_nan_divide(target, after) * whole - size * raw, gone)
    return _bounds(low, high, error, band, needed)


def _reliability(n: Array, variance_student: float, variance_school: float) -> Array:
    return _nan_divide(n * variance_school, n * variance_school + variance_student)


def _edge(value: Array, band: NDArray[np.str_], error: Array) -> Array:
    """The nearest effect at which the band is another one."""
    side = np.where(value < 0, -1.0, 1.0)
    return np.where(band == "", np.nan, side * Z * error)


def _bounds(
    low: Array, high: Array, error: Array, band: NDArray[np.str_], break_even: Array
) -> Bounds:
    known = np.isfinite(low) & np.isfinite(high)
    turns = known & ((bands(low, error) != band) | (bands(high, error) != band))
    return Bounds(low, high, turns, break_even)


# --- ranks, bands, specifications ----------------------------------------------------------------


@dataclass(frozen=True)
class Standing:
    """Where a school may stand, (J,) each; NaN of a school without an effect."""

    rank_low: Array
    """95 % interval of the rank; 1 has the largest effect."""
    rank_high: Array
    rank_median: Array
    above: Array
    """Probability that the true effect is above `margin`, within it, or below."""
    as_expected: Array
    below: Array
    same_again: Array
    """Probability that the published band comes out again if the school is assessed once more,
    with as many other students and the same true effect."""


def standing(
    effect: ArrayLike,
    variance: ArrayLike,
    reliability: ArrayLike,
    *,
    margin: float,
    draws: int = 2000,
    seed: int = 0,
) -> Standing:
    """Intervals of ranks, and the probability of each band, in place of ranks.

    Ranks are those of draws from the joint posterior given the city's coefficients and variances
    (Goldstein & Spiegelhalter 1996), in which schools are independent.

    Args:
        effect, variance, reliability: (J,).
        margin: effect from which a difference is one that matters, at least 0.
        draws: of the posterior.
        seed: the same gives the same.

    Raises:
        ValueError: a margin below 0, fewer than 100 draws.
    """
    if margin < 0 or draws < 100:
        raise ValueError("margin at least 0, draws at least 100")
    value, error = _pair(effect, variance)
    trust = np.asarray(reliability, dtype=float)
    known = np.isfinite(value) & (error > 0) & (trust > 0)
    mean, spread = value[known], np.sqrt(error[known])
    ranks = np.full((3, len(value)), np.nan)
    if known.any():
        noise = np.random.default_rng(seed).standard_normal((draws, len(mean)))
        order = np.argsort(-(mean + spread * noise), axis=1)
        drawn = np.empty_like(order)
        np.put_along_axis(drawn, order, np.arange(1, len(mean) + 1)[None], axis=1)
        ranks[:, known] = np.quantile(drawn, [0.025, 0.5, 0.975], axis=0, method="inverted_cdf")
    probability = np.full((3, len(value)), np.nan)
    over, under = ndtr((mean - margin) / spread), ndtr((-margin - mean) / spread)
    probability[:, known] = over, np.maximum(1 - over - under, 0), under
    # Another year's effect is r (u + e'), with u as of the posterior and e' as uncertain as e was.
    r = trust[known]
    again = r * spread * np.sqrt(1 + 1 / r)
    up, down = ndtr((r * mean - Z * spread) / again), ndtr((-Z * spread - r * mean) / again)
    band = bands(mean, spread**2)
    same = np.full(len(value), np.nan)
    same[known] = np.select([band == "above", band == "below"], [up, down], 1 - up - down)
    return Standing(
        ranks[0], ranks[2], ranks[1], probability[0], probability[1], probability[2], same
    )


@dataclass(frozen=True)
class Specifications:
    """Each school's effects under all models that are reasonable, (J,) each."""

    low: Array
    high: Array
    median: Array
    models: NDArray[np.int_]
    """Models that give the school an effect."""
    above: Array
    """Share of those models in which it is above; as expected; below."""
    as_expected: Array
    below: Array
    same_in_all: NDArray[np.bool_]
    """Every model that has the school gives it one band."""


def specifications(effect: ArrayLike, variance: ArrayLike) -> Specifications:
    """The range of a school's effect over several models (Steegen et al. 2016).

    Args:
        effect, variance: (models, schools), the schools in one order; NaN where a model has none.

    Raises:
        ValueError: shapes that differ.
    """
    value, error = _pair(effect, variance)
    if value.ndim != 2:
        raise ValueError("(models, schools) expected")
    band = bands(value, error)
    known = band != ""
    models = known.sum(axis=0)
    some = models > 0
    shown = np.where(known, value, np.nan)[:, some]
    spans = np.full((3, value.shape[1]), np.nan)
    if some.any():
        spans[:, some] = np.nanmin(shown, 0), np.nanmax(shown, 0), np.nanmedian(shown, 0)
    with np.errstate(invalid="ignore"):
        share = {word: (band == word).sum(axis=0) / models for word in BANDS}
    same = some & np.logical_or.reduce([x == 1 for x in share.values()])
    return Specifications(
        spans[0],
        spans[1],
        spans[2],
        models,
        share["above"],
        share["as_expected"],
        share["below"],
        same,
    )


# --- shared --------------------------------------------------------------------------------------


def _pair(effect: ArrayLike, variance: ArrayLike) -> tuple[Array, Array]:
    value, error = np.asarray(effect, dtype=float), np.asarray(variance, dtype=float)
    if value.shape != error.shape:
        raise ValueError(f"shapes differ: {value.shape} and {error.shape}")
    return value, error


def _told(found: Figures) -> list[tuple[str, NDArray[np.bool_]]]:
    return [(str(word), found.reason == word) for word in np.unique(found.reason) if word]


def _divide(top: Array, bottom: Array) -> Array:
    """top / bottom, 0 where there is nothing below."""
    return np.divide(top, bottom, out=np.zeros(np.shape(top)), where=bottom != 0)


def _nan_divide(top: Array, bottom: Array) -> Array:
    """top / bottom, NaN where there is nothing below."""
    return np.divide(top, bottom, out=np.full(np.shape(top), np.nan), where=bottom != 0)
