"""Checks of value added against published figures, their definitions and simulated truth."""

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from pipelines.evaluation import robustness
from pipelines.evaluation.multilevel import Moments, fit, moments

DATA = Path(__file__).parent / "data"
Z = 1.959963984540054


def effects(
    rng: np.random.Generator, true: np.ndarray, n: np.ndarray, between: float, student: float = 1.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Effects, variances and reliabilities as the model with known variances gives them."""
    trust = n * between / (n * between + student)
    raw = true + np.sqrt(student / n) * rng.standard_normal(true.shape)
    return trust * raw, between * (1 - trust), trust


# --- bands and years


def test_bands_are_told_by_whether_the_interval_holds_nought() -> None:
    found = robustness.bands([0.3, -0.3, 0.1, np.nan], [0.01, 0.01, 0.01, 0.01])
    assert found.tolist() == ["above", "below", "as_expected", ""]


def test_shrinkage_is_shown() -> None:
    rng = np.random.default_rng(3)
    true, n = 0.3 * rng.standard_normal(4000), rng.integers(5, 60, 4000).astype(float)
    effect, variance, trust = effects(rng, true, n, 0.09)
    found = robustness.unshrunken(n, effect, variance, trust)
    assert (np.abs(found.value) >= np.abs(effect)).all()
    assert found.high - found.value == pytest.approx(Z / np.sqrt(n))
    assert 0.94 <= ((found.low <= true) & (true <= found.high)).mean() <= 0.96
    none = robustness.unshrunken([0, 9], [0.0, np.nan], [0.1, np.nan], [0.0, np.nan])
    assert none.reason.tolist() == ["no_effect"] * 2


def test_average_by_hand() -> None:
    """Two years of one school; the other school is there for the years' covariance alone."""
    effect = np.array([[0.2, -0.2], [0.4, 0.2]])
    variance = np.array([[0.01, 0.02], [0.03, 0.02]])
    trust = 1 - variance / 0.1
    found = robustness.multi_year(effect, variance, trust, [0.1, 0.1])
    shared = (0.2 * 0.4 - 0.2 * 0.2) / (0.9 * 0.7 + 0.8 * 0.8)
    mean = (0.2 / 0.01 + 0.4 / 0.03) / (1 / 0.01 + 1 / 0.03)
    squared = 0.75**2 * 0.01 + 0.25**2 * 0.03 + 2 * 0.75 * 0.25 * 0.1 * 0.3 * shared
    assert found.average.value[0] == pytest.approx(mean)
    assert found.average.high[0] - mean == pytest.approx(Z * np.sqrt(squared))
    assert found.stability[0, 1] == pytest.approx(shared / 0.1)
    assert found.average.n.tolist() == [2, 2]
    assert found.correlation.reason[0].tolist() == ["same_year", "too_few_schools"]


def test_multi_year_intervals_hold_the_mean_of_the_true_effects() -> None:
    rng = np.random.default_rng(31)
    years, schools, between = 3, 4000, 0.09
    lasting = np.sqrt(0.7) * rng.standard_normal(schools)
    true = 0.3 * (lasting + np.sqrt(0.3) * rng.standard_normal((years, schools)))
    n = rng.integers(10, 60, (years, schools)).astype(float)
    effect, variance, trust = effects(rng, true, n, between)
    effect[1, :1000] = np.nan
    found = robustness.multi_year(effect, variance, trust, [between] * years)
    assert found.stability[0, 1:] == pytest.approx([0.7, 0.7], abs=0.06)
    weight = np.where(np.isfinite(effect), 1 / variance, 0)
    target = (weight * true).sum(axis=0) / weight.sum(axis=0)
    held = (found.average.low <= target) & (target <= found.average.high)
    assert 0.94 <= held.mean() <= 0.96
    naive = np.abs(found.average.value - target) <= Z / np.sqrt(weight.sum(axis=0))
    assert naive.mean() < held.mean() - 0.01
    assert found.average.n.tolist() == [2] * 1000 + [3] * 3000
    # Published effects of two years correlate less than true ones.
    assert 0.3 < found.correlation.value[0, 2] < 0.65


def test_years_that_give_nothing() -> None:
    nothing = np.full((2, 6), np.nan)
    found = robustness.multi_year(nothing, nothing, nothing, [0.1, 0.1])
    assert (found.average.reason == "no_year").all()
    zero = np.zeros((2, 6))
    assert (robustness.multi_year(zero, zero, zero, [0, 0]).average.reason == "no_year").all()
    with pytest.raises(ValueError, match="at most 3"):
        robustness.multi_year(np.zeros((4, 6)), np.zeros((4, 6)), np.zeros((4, 6)), [0] * 4)


def test_correlation_as_r_has_it() -> None:
    by_r = json.loads((DATA / "equity.json").read_text())
    with gzip.open(DATA / "equity_exam.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    school = np.array([int(row["school"]) for row in rows]) - 1
    means = [
        np.bincount(school, [float(row[name]) for row in rows]) / np.bincount(school)
        for name in ("outcome", "prior")
    ]
    found = robustness.correlation(*means)
    ours = [float(part) for part in (found.value, found.low, found.high)]
    assert ours == pytest.approx(by_r["correlation"], rel=1e-9)
    pairs = robustness.correlation(
        np.append(means[0], np.nan), np.append(means, [[1], [2]], axis=1)
    )
    assert pairs.value[1] == pytest.approx(by_r["correlation"][0]) and pairs.n.tolist() == [65, 65]
    assert pairs.reason.tolist() == ["exact_relation", ""]
    assert robustness.correlation([1, 2, 3, 4], [1, 3, 2, 4]).reason[()] == "too_few_schools"
    assert robustness.correlation([7.1] * 9, range(9)).reason[()] == "no_variation"


def test_fisher_intervals_hold_the_truth() -> None:
    rng = np.random.default_rng(32)
    x, e = rng.standard_normal((2, 2000, 40))
    found = robustness.correlation(x, 0.6 * x + 0.8 * e)
    assert 0.94 <= ((found.low <= 0.6) & (found.high >= 0.6)).mean() <= 0.96


# --- the simple counterpart


def test_progress_by_hand() -> None:
    """Two bands, two schools: bands' means 0 and 1; school 1 has 2 above, school 2 has 2 below."""
    n = [[2, 2], [1, 1]]
    total, squares = [[1.0, -1.0], [2.0, 0.0]], [[0.5, 0.5], [4.0, 0.0]]
    found = robustness.simple_progress(n, total, squares)
    assert found.band_mean == pytest.approx([0, 1])
    assert found.progress.value == pytest.approx([2 / 3, -2 / 3])
    spread = np.sqrt((0.5 + 0.5 + 1 + 1) / 4)
    assert found.spread == pytest.approx(spread)
    assert found.progress.high - found.progress.value == pytest.approx(
        [Z * spread / np.sqrt(3)] * 2
    )


def test_progress_is_that_of_students_and_follows_the_model() -> None:
    rng = np.random.default_rng(33)
    school = np.repeat(np.arange(40), 50)
    u = 0.3 * rng.standard_normal(40)
    prior = rng.standard_normal(2000)
    y = 0.7 * prior + u[school] + 0.7 * rng.standard_normal(2000)
    band = robustness.prior_bands(prior)
    assert np.bincount(band).tolist() == [100] * 20
    assert (np.sort(band) == band[np.argsort(prior)]).all()
    cell = band * 40 + school
    sums = [np.bincount(cell, w, minlength=800).reshape(20, 40) for w in (np.ones(2000), y, y * y)]
    found = robustness.simple_progress(*sums)
    level = np.array([y[band == b].mean() for b in range(20)])
    progress = y - level[band]
    expected = np.bincount(school, progress) / 50
    assert found.progress.value == pytest.approx(expected, abs=1e-12)
    assert found.spread == pytest.approx(np.sqrt((progress**2).sum() / 1980), rel=1e-10)
    statistics, _ = moments(prior[:, None], y, school)
    model = fit(statistics, ["prior"])
    same = robustness.correlation(model.effect, found.progress.value)
    assert same.low > 0.9


def test_bands_of_ties_and_of_no_prior() -> None:
    assert robustness.prior_bands([5, np.nan, 5, 5, 5], 4).tolist() == [2, -1, 2, 2, 2]
    assert robustness.prior_bands([np.nan, np.nan]).tolist() == [-1, -1]
    assert robustness.prior_bands([3, 1, 2, 4], 4).tolist() == [2, 0, 1, 3]


def test_progress_that_cannot_be_told() -> None:
    zero = np.zeros((2, 2))
    assert (
        robustness.simple_progress(zero, zero, zero).progress.reason.tolist() == ["no_students"] * 2
    )
    same = robustness.simple_progress([[5, 0], [5, 0]], [[5, 0], [10, 0]], [[5, 0], [20, 0]])
    assert same.progress.reason.tolist() == ["no_variance", "no_students"]
    broken = robustness.simple_progress([[5, 5]], [[np.inf, 1]], [[5, 5]])
    assert broken.progress.reason.tolist() == ["not_finite"] * 2
    with pytest.raises(ValueError, match="alike"):
        robustness.simple_progress(zero, zero, np.zeros(2))


# --- measurement error


def sorted_city(
    rng: np.random.Generator, schools: int, size: int, error: float, slope: float = 0.8
) -> tuple[Moments, np.ndarray, np.ndarray]:
    """Schools that differ in intake; true effects are unrelated to it."""
    school = np.repeat(np.arange(schools), size)
    intake, u = 0.5 * rng.standard_normal(schools), 0.25 * rng.standard_normal(schools)
    true = intake[school] + np.sqrt(0.75) * rng.standard_normal(schools * size)
    other = 0.5 * true + rng.standard_normal(schools * size)
    y = slope * true + 0.2 * other + u[school] + 0.6 * rng.standard_normal(schools * size)
    seen = true + np.sqrt(error) * rng.standard_normal(schools * size)
    statistics, _ = moments(np.column_stack([seen, other]), y, school)
    return statistics, u, intake


def test_correction_finds_the_slope_and_takes_intake_out_of_effects() -> None:
    rng = np.random.default_rng(41)
    slopes, biased, tilts, held = [], [], [], []
    for _ in range(40):
        statistics, u, intake = sorted_city(rng, 100, 40, error=0.25)
        found = robustness.correct_for_error(statistics, ["prior", "other"], {"prior": 0.8})
        assert found.state == "estimated" and found.terms == ("constant", "prior", "other")
        slopes.append(found.coefficients[1])
        held.append(abs(found.coefficients[1] - 0.8) <= Z * found.standard_errors[1])
        biased.append(found.uncorrected.coefficients[1])
        tilts.append(
            [
                float(robustness.correlation(e, intake).value)
                for e in (found.uncorrected.effect, found.effect)
            ]
        )
    assert np.mean(slopes) == pytest.approx(0.8, abs=0.006)
    assert np.mean(biased) < 0.7
    assert np.mean(held) >= 0.85
    tilt = np.mean(tilts, axis=0)
    assert tilt[0] > 0.15 and abs(tilt[1]) < 0.04
    # Effects carry the reliability that they say.
    statistics, u, _ = sorted_city(rng, 1500, 20, error=0.25)
    found = robustness.correct_for_error(statistics, ["prior", "other"], {"prior": 0.8})
    assert np.corrcoef(found.effect, u)[0, 1] ** 2 == pytest.approx(
        found.reliability.mean(), abs=0.05
    )
    assert found.variance_school == pytest.approx(0.0625, rel=0.2)


def test_correction_of_a_prior_without_error_is_the_model() -> None:
    statistics, _, _ = sorted_city(np.random.default_rng(42), 60, 30, error=0.0)
    found = robustness.correct_for_error(statistics, ["prior", "other"], {"prior": 1.0})
    model = found.uncorrected
    # All but the two degrees of freedom that the residual's own model does not know of.
    assert found.coefficients == pytest.approx(model.coefficients, rel=1e-4, abs=1e-5)
    assert found.variance_student == pytest.approx(model.variance_student, rel=3e-3)
    assert found.effect == pytest.approx(model.effect, abs=2e-3)
    assert found.standard_errors[1:] == pytest.approx(model.standard_errors[1:], rel=0.35)


def test_correction_knows_no_scale() -> None:
    statistics, _, _ = sorted_city(np.random.default_rng(43), 50, 20, error=0.25)
    turn = np.array([100.0, 0.01, 1.0])
    moved = Moments(
        statistics.weight,
        statistics.mean * turn + np.array([500.0, 7.0, 0.0]),
        statistics.cross * turn * turn[:, None],
    )
    one, other = (
        robustness.correct_for_error(m, ["prior", "other"], {"prior": 0.8, "other": 0.9})
        for m in (statistics, moved)
    )
    assert other.coefficients[1:] * turn[:2] == pytest.approx(one.coefficients[1:], rel=1e-7)
    assert other.standard_errors[1:] * turn[:2] == pytest.approx(one.standard_errors[1:], rel=1e-6)
    assert other.effect == pytest.approx(one.effect, abs=1e-8)


def test_corrections_that_cannot_be_made() -> None:
    statistics, _, _ = sorted_city(np.random.default_rng(44), 20, 20, error=0.25)
    names = ["prior", "other"]
    assert robustness.correct_for_error(statistics, names, {"prior": 0.1}).reason == (
        "reliability_too_low"
    )
    one = Moments(statistics.weight[:1], statistics.mean[:1], statistics.cross[:1])
    alone = robustness.correct_for_error(one, names, {"prior": 0.8})
    assert alone.state == "not_estimated" and alone.reason and np.isnan(alone.effect).all()
    constant = Moments(
        statistics.weight,
        statistics.mean * [1, 0, 1],
        statistics.cross * [[1, 0, 1]] * [[1], [0], [1]],
    )
    assert robustness.correct_for_error(constant, names, {"prior": 0.8}).terms == (
        "constant",
        "prior",
    )
    for wrong in ({"prior": 0.0}, {"prior": 1.2}, {"age": 0.9}):
        with pytest.raises(ValueError, match="reliabilities"):
            robustness.correct_for_error(statistics, names, wrong)


# --- a missing factor


def test_darfur() -> None:
    """Cinelli & Hazlett (2020), section 5: RV 13.9 %, and 7.6 % at level 0.05 (t 4.18, 783 df)."""
    t = 0.09731582 / 0.02325654
    assert robustness.robustness_value(t, 783) == pytest.approx(0.139, abs=5e-4)
    assert robustness.robustness_value(t, 783, alpha=0.05) == pytest.approx(0.076, abs=5e-4)
    assert robustness.robustness_value(0.1, 783, alpha=0.05) == 0


@given(st.floats(0.1, 20), st.integers(10, 10_000))
def test_robustness_value_is_where_the_bias_takes_all(t: float, freedom: int) -> None:
    """The bound of the bias at R² = RV on both sides, in standard errors, is the estimate."""
    rv = float(robustness.robustness_value(t, freedom))
    assert np.sqrt(freedom) * rv / np.sqrt(1 - rv) == pytest.approx(t, rel=1e-9)


def test_a_factor_of_the_told_strength_turns_the_band() -> None:
    rng = np.random.default_rng(51)
    true = 0.3 * rng.standard_normal(200)
    effect, variance, trust = effects(rng, true, rng.integers(10, 200, 200) * 1.0, 0.09, 0.64)
    found = robustness.missing_factor(effect, variance, trust, 0.64, 20_000)
    band = robustness.bands(effect, variance)
    assert set(band) == {"above", "as_expected", "below"}
    toward = np.where(band == "as_expected", 1, -1) * np.sign(effect)
    for near, turned in ((0.999, False), (1.001, True)):
        raw = effect / trust + toward * near * found.shift
        assert ((robustness.bands(trust * raw, variance) != band) == turned).all()
    gamma, delta = found.strength * 0.8, found.strength
    assert gamma * delta == pytest.approx(found.shift)
    assert (found.robustness_value[band == "as_expected"] == 0).all()
    assert (found.robustness_value[band != "as_expected"] > 0).all()
    none = robustness.missing_factor([np.nan, 0.0], [0.1, 0.0], [0.5, 0.0], 0.64, 100)
    assert np.isnan(none.shift).all() and np.isnan(none.robustness_value).all()


# --- single students and missing priors


def test_influence_is_that_of_leaving_each_student_out() -> None:
    rng = np.random.default_rng(61)
    sizes = rng.integers(2, 25, 60)
    student, between = 0.6, 0.1
    schools = [0.3 * rng.standard_normal() + 0.8 * rng.standard_normal(k) for k in sizes]

    def effect(residuals: np.ndarray) -> tuple[float, float]:
        trust = len(residuals) * between / (len(residuals) * between + student)
        return trust * residuals.mean(), between * (1 - trust)

    whole = [effect(s) for s in schools]
    found = robustness.influence_of_students(
        sizes,
        [e for e, _ in whole],
        [s.min() for s in schools],
        [s.max() for s in schools],
        student,
        between,
    )
    for j, residuals in enumerate(schools):
        without = [effect(np.delete(residuals, i)) for i in range(len(residuals))]
        assert found.low[j] == pytest.approx(min(e for e, _ in without))
        assert found.high[j] == pytest.approx(max(e for e, _ in without))
        band = robustness.bands(*map(np.array, zip(whole[j], strict=True)))[0]
        others = {str(robustness.bands([e], [v])[0]) for e, v in without}
        assert bool(found.turns[j]) == (others != {band})
        # One more student with that residual taken out, the band is on its edge.
        total = residuals.sum() - found.break_even[j]
        edge = effect(np.full(len(residuals) - 1, total / (len(residuals) - 1)))
        assert abs(edge[0]) == pytest.approx(Z * np.sqrt(edge[1]))
    alone = robustness.influence_of_students([1], [0.1], [1.0], [1.0], student, between)
    assert np.isnan(alone.low[0]) and not alone.turns[0]


def test_missing_priors_are_bounded() -> None:
    n, gone = np.array([40.0, 40, 40]), np.array([0.0, 10, 40])
    trust = n * 0.1 / (n * 0.1 + 0.6)
    effect = trust * 0.4
    found = robustness.influence_of_missing(n, gone, effect, 0.6, 0.1)
    assert found.low[0] == found.high[0] == pytest.approx(effect[0])
    assert not found.turns[0] and np.isnan(found.break_even[0])
    reach = 0.5 * np.sqrt(0.6)
    for j in (1, 2):
        whole = n[j] + gone[j]
        after = whole * 0.1 / (whole * 0.1 + 0.6)
        for end, ours in ((-reach, found.low[j]), (reach, found.high[j])):
            assert ours == pytest.approx(after * (40 * 0.4 + gone[j] * end) / whole)
        at = after * (40 * 0.4 + gone[j] * found.break_even[j]) / whole
        assert at == pytest.approx(Z * np.sqrt(0.1 * (1 - after)))
    assert found.turns[2] and found.break_even[2] > found.break_even[1]


# --- ranks, bands, specifications


def test_ranks_and_probabilities_hold_what_they_say() -> None:
    rng = np.random.default_rng(71)
    within, above, again = [], [], []
    for seed in range(40):
        true = 0.3 * rng.standard_normal(60)
        n = rng.integers(10, 80, 60).astype(float)
        effect, variance, trust = effects(rng, true, n, 0.09)
        found = robustness.standing(effect, variance, trust, margin=0.1, draws=1000, seed=seed)
        rank = 60 - np.argsort(np.argsort(true))
        within.append((found.rank_low <= rank) & (rank <= found.rank_high))
        above.append([(true > 0.1).mean(), found.above.mean()])
        assert found.above + found.as_expected + found.below == pytest.approx(1)
        assert found.above == pytest.approx(norm.sf((0.1 - effect) / np.sqrt(variance)))
        repeated, _, _ = effects(rng, true, n, 0.09)
        same = robustness.bands(repeated, variance) == robustness.bands(effect, variance)
        again.append([same.mean(), found.same_again.mean()])
    assert 0.94 <= np.mean(within) <= 0.98
    for pairs in (above, again):
        happened, said = np.mean(pairs, axis=0)
        assert happened == pytest.approx(said, abs=0.02)


def test_standing_is_seeded_and_leaves_out_who_has_no_effect() -> None:
    given_effects = ([0.5, np.nan, -0.5], [0.001, 0.1, 0.001], [0.9, np.nan, 0.9])
    one, two = (robustness.standing(*given_effects, margin=0.0) for _ in range(2))
    assert one.rank_median[[0, 2]].tolist() == one.rank_low[[0, 2]].tolist() == [1, 2]
    assert np.isnan([one.rank_low[1], one.above[1], one.same_again[1]]).all()
    for a, b in zip(vars(one).values(), vars(two).values(), strict=True):
        assert a.tobytes() == b.tobytes()
    nobody: Any = robustness.standing([np.nan], [np.nan], [np.nan], margin=0.1)
    assert np.isnan(nobody.rank_low).all()
    with pytest.raises(ValueError, match="margin"):
        robustness.standing(*given_effects, margin=-1)


def test_specifications_by_hand() -> None:
    nan = np.nan
    effect = [[0.3, 0.3, nan, nan], [0.2, 0.1, -0.3, nan], [0.4, -0.3, nan, nan]]
    found = robustness.specifications(effect, np.full((3, 4), 0.0064))
    assert found.low == pytest.approx([0.2, -0.3, -0.3, nan], nan_ok=True)
    assert found.high == pytest.approx([0.4, 0.3, -0.3, nan], nan_ok=True)
    assert found.median == pytest.approx([0.3, 0.1, -0.3, nan], nan_ok=True)
    assert found.models.tolist() == [3, 3, 1, 0]
    assert found.above == pytest.approx([1, 1 / 3, 0, nan], nan_ok=True)
    assert found.same_in_all.tolist() == [True, False, True, False]
