"""Growth percentiles: uniform by construction, as R has them, right where the truth is known."""

import csv
import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from pipelines.evaluation import growth, quantiles
from pipelines.evaluation.growth import TAUS, Growth, Spline, growth_percentiles

DATA = Path(__file__).parent / "data"
KEPT = json.loads((DATA / "growth.json").read_text(encoding="utf-8"))


def read(name: str) -> np.ndarray:
    with gzip.open(DATA / name, "rt") as text:
        rows = csv.reader(text)
        next(rows)
        return np.array([[float(value or "nan") for value in row] for row in rows])


def cohort(seed: int, n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Scores in half points, and two priors, some of them missing."""
    rng = np.random.default_rng(seed)
    ability = rng.normal(size=n)
    marks = 60 + 12 * (0.9 * ability[:, None] + 0.45 * rng.normal(size=(n, 3)))
    marks = np.clip(np.round(2 * marks) / 2, 0, 100)
    marks[rng.random(n) < 0.2, 2] = np.nan
    marks[rng.random(n) < 0.05, 1] = np.nan
    marks[rng.random(n) < 0.02, 0] = np.nan
    return marks[:, 0], marks[:, 1:]


@pytest.fixture(scope="module")
def found() -> tuple[np.ndarray, np.ndarray, Growth]:
    score, priors = cohort(1)
    return score, priors, growth_percentiles(score, priors)


def test_the_basis_is_that_of_r() -> None:
    kept = KEPT["basis"]
    spline = Spline.of(read("star_math.csv.gz")[:, 1])
    np.testing.assert_array_equal(spline.knots, kept["knots"])
    np.testing.assert_allclose(spline.boundary, kept["boundary"], rtol=1e-15)
    np.testing.assert_allclose(spline.columns(np.array(kept["at"])), kept["rows"], atol=1e-14)


def test_percentiles_of_star_are_those_of_quantreg() -> None:
    """Quantiles that several planes solve equally well may differ, so a few are one off."""
    star = read("star_math.csv.gz")
    both = np.isfinite(star[:, 2])
    made = growth_percentiles(star[:, 0], star[:, 1:])
    assert [fit.n for fit in made.fits] == [len(star), both.sum()]
    assert (made.order == np.where(both, 2, 1)).all()
    off = made.percentile[both] - KEPT["star_order_2"]["percentile"]
    assert np.abs(off).max() <= 1
    assert (off == 0).mean() > 0.99
    first = growth_percentiles(star[:, 0], star[:, 1:2]).percentile
    off = first - KEPT["star_order_1"]["percentile"]
    assert np.abs(off).max() <= 1
    assert (off == 0).mean() > 0.98


def test_percentiles_are_uniform_by_construction(found: tuple) -> None:
    score, priors, made = found
    fit = made.fits[0]
    having = np.isfinite(score) & np.isfinite(priors[:, 0])
    below = fit.quantiles(priors[having]) < score[having, None] - 1e-6
    # Each fitted quantile has its share below it, up to the members of its vertex.
    assert np.abs(below.mean(axis=0) - (1 - TAUS)).max() <= 2 * 8 / having.sum()
    own = made.percentile[made.order == 2]
    assert abs(own.mean() - 50) < 0.7
    counts = np.histogram(own, bins=np.arange(1, 101, 11))[0] / len(own)
    assert np.abs(counts - 1 / 9).max() < 0.02


def test_each_student_has_the_highest_order_of_the_own_history(found: tuple) -> None:
    score, priors, made = found
    here, first, second = np.isfinite(score), np.isfinite(priors[:, 0]), np.isfinite(priors[:, 1])
    assert (made.order == np.where(here & first, 1 + second, 0)).all()
    assert (np.isfinite(made.percentile) == (made.order > 0)).all()
    assert [fit.n for fit in made.fits] == [(here & first).sum(), (here & first & second).sum()]
    some = made.percentile[made.order > 0]
    assert some.min() >= 1 and some.max() <= 99 and (some == np.round(some)).all()


def test_true_percentiles_are_found() -> None:
    rng = np.random.default_rng(2)
    prior = rng.normal(size=20_000)
    error = rng.normal(size=20_000)
    score = prior + (1 + 0.3 * np.tanh(prior)) * error
    made = growth_percentiles(score, prior[:, None]).percentile
    assert np.abs(made - 100 * norm.cdf(error)).mean() < 1
    assert abs(np.corrcoef(made, prior)[0, 1]) < 0.01


def test_too_few_for_two_priors_falls_back_to_one() -> None:
    score, priors = cohort(3, 700)
    priors[400:, 1] = np.nan
    made = growth_percentiles(score, priors)
    assert (made.fits[1].state, made.fits[1].reason) == ("not_estimated", "too_few_students")
    assert made.order.max() == 1
    lower = growth_percentiles(score, priors[:, :1])
    np.testing.assert_array_equal(made.percentile, lower.percentile)
    assert growth_percentiles(score, priors, fewest_students=200).order.max() == 2


def test_four_priors() -> None:
    rng = np.random.default_rng(4)
    ability = rng.normal(size=900)
    priors = ability[:, None] + 0.5 * rng.normal(size=(900, 4))
    made = growth_percentiles(ability + 0.3 * rng.normal(size=900), priors)
    assert (made.order == 4).all()
    assert made.fits[3].band is not None
    assert made.fits[3].band.coefficients.shape == (100, 29)
    with pytest.raises(ValueError, match="from 1 to 4 priors"):
        growth_percentiles(np.ones(3), np.ones((3, 5)))


@pytest.mark.parametrize(
    ("score", "prior", "reason"),
    [
        (np.full(600, 7.0), np.arange(600.0), "scores_equal"),
        (np.arange(600.0), np.full(600, 7.0), "prior_constant"),
        (np.arange(600.0), np.arange(600.0), "perfect_prediction"),
        (np.arange(600.0), np.full(600, np.inf), "too_few_students"),
        (np.full(600, np.nan), np.arange(600.0), "too_few_students"),
        (np.empty(0), np.empty(0), "too_few_students"),
    ],
)
def test_bad_input_ends_in_a_stated_reason(
    score: np.ndarray, prior: np.ndarray, reason: str
) -> None:
    made = growth_percentiles(score, prior[:, None])
    assert [(fit.state, fit.reason) for fit in made.fits] == [("not_estimated", reason)]
    assert np.isnan(made.percentile).all() and not made.order.any()


@pytest.mark.parametrize("distinct", [2, 3, 5])
def test_fewer_distinct_priors_than_columns(distinct: int) -> None:
    """As many planes as there are values fit; the percentile is then that within each value."""
    rng = np.random.default_rng(5)
    prior = rng.integers(0, distinct, 900).astype(float)
    made = growth_percentiles(prior + rng.normal(size=900), prior[:, None])
    band = made.fits[0].band
    assert band is not None and band.verified.all()
    assert band.coefficients.shape[1] - len(band.dropped) == distinct
    for value in range(distinct):
        assert abs(made.percentile[prior == value].mean() - 50) < 0.5


def test_most_students_at_the_full_mark() -> None:
    rng = np.random.default_rng(6)
    prior = np.minimum(np.round(rng.normal(100, 10, 2000)), 100)
    score = np.minimum(np.round(prior + rng.normal(0, 8, 2000)), 100)
    made = growth_percentiles(score, prior[:, None])
    assert made.fits[0].state == "estimated"
    assert (np.diff(made.fits[0].splines[0].knots) > 0).all()


@settings(max_examples=5)
@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e3), st.integers(0, 2**32 - 1))
def test_units_offsets_and_order_of_students_do_not_matter(
    shift: float, scale: float, seed: int
) -> None:
    score, priors = cohort(7, 900)
    plain = growth_percentiles(score, priors)
    mixed = np.random.default_rng(seed).permutation(len(score))
    again = growth_percentiles(score[mixed], priors[mixed])
    np.testing.assert_array_equal(plain.percentile[mixed], again.percentile)
    moved = growth_percentiles((score + shift) * scale, (priors - shift) * [scale, 1 / scale])
    off = np.abs(moved.percentile - plain.percentile)[plain.order > 0]
    assert off.max() <= 1 and off.mean() < 0.01
    for before, after in zip(plain.fits, moved.fits, strict=True):
        assert before.band is not None and after.band is not None
        np.testing.assert_allclose(after.band.objective / scale, before.band.objective, rtol=1e-9)


def test_a_student_with_a_higher_score_never_has_a_lower_percentile(found: tuple) -> None:
    score, priors, made = found
    own = np.flatnonzero(made.order == 2)
    order = own[np.lexsort((score[own], priors[own, 1], priors[own, 0]))]
    same = (np.diff(priors[order], axis=0) == 0).all(axis=1)
    assert same.sum() > 100
    assert (np.diff(made.percentile[order])[same] >= 0).all()


def test_the_score_projected_for_a_percentile_is_given_that_percentile(found: tuple) -> None:
    _, priors, made = found
    wanted = [1, 35, 50, 65, 99]
    scores, order = growth.projected(made.fits, priors, wanted)
    assert (np.isfinite(scores).all(axis=1) == (order > 0)).all()
    assert (order == np.isfinite(priors).cumprod(axis=1).sum(axis=1)).all()
    assert (np.diff(scores[order > 0], axis=1) >= 0).all()
    two = made.fits[1]
    both = priors[order == 2]
    for place, percentile in enumerate(wanted):
        fitted = two.quantiles(both)
        count = (fitted < scores[order == 2, place][:, None] - 1e-9).sum(axis=1)
        clear = fitted[:, percentile - 1] < fitted[:, percentile] - 1e-6
        assert clear.mean() > 0.5
        assert (count[clear] == percentile).all()
    beyond = two.projected(np.array([[1e6, -1e6]]), [50])
    edge = [[two.splines[0].boundary[1], two.splines[1].boundary[0]]]
    assert beyond == two.projected(edge, [50])
    assert two.quantiles(np.empty((0, 2))).shape == (0, 100)


def test_projections_hold_of_the_next_cohort() -> None:
    score, priors = cohort(8, 12_000)
    fit = growth_percentiles(score, priors).fits[0]
    other, earlier = cohort(9, 12_000)
    known = np.isfinite(other) & np.isfinite(earlier[:, 0])
    report = growth.calibration(fit, other[known], earlier[known])
    assert report.n.sum() == known.sum() and len(report.n) == 10
    # Both cohorts vary, so a difference has twice the variance that the share alone has.
    apart = (report.share - TAUS) / (np.sqrt(2) * report.standard_error)
    assert np.abs(apart).mean() < 1.2
    assert report.largest < 0.06
    harder = growth.calibration(fit, other[known] - 5, earlier[known])
    assert harder.largest > 0.2


def test_what_chance_makes_of_right_quantiles() -> None:
    rng = np.random.default_rng(7)
    n = np.array([120, 130, 150, 180])
    exceeded = []
    for _ in range(600):
        share = np.array([(rng.random(size)[:, None] < growth.TAUS).mean(axis=0) for size in n])
        found = growth.Calibration(n, np.arange(4.0), share, np.zeros_like(share))
        exceeded.append(found.largest > found.by_chance)
    assert 0.01 < np.mean(exceeded) <= 0.05


def test_calibration_on_the_students_fitted(found: tuple) -> None:
    score, priors, made = found
    known = np.isfinite(score) & np.isfinite(priors[:, 0])
    report = growth.calibration(made.fits[0], score[known], priors[known], bands=1)
    assert report.n.tolist() == [known.sum()]
    assert report.largest <= 8 / known.sum()


def test_growth_of_groups_by_hand() -> None:
    percentile = [10, 20, 30, 40, 50, 60, 70, np.nan, 5, 90, 42]
    group = ["b"] * 8 + ["a", "a", "c"]
    made = growth.group_growth(percentile, group)
    assert made.label.tolist() == ["a", "b", "c"]
    assert made.n.tolist() == [2, 7, 1]
    assert made.median.tolist() == [47.5, 40, 42]
    np.testing.assert_allclose(made.mean, [47.5, 40, 42])
    # Seven: the extremes hold the median with 1 - 2/128; the next pair with 1 - 16/128. So by
    # Hettmansperger & Sheather 6 I / (1 + 5 I) inwards, I = (0.984375 - 0.95) / 0.109375.
    inwards = 6 * 0.3142857 / (1 + 5 * 0.3142857)
    np.testing.assert_allclose(made.median_low[1], 10 + 10 * inwards, rtol=1e-6)
    np.testing.assert_allclose(made.median_high[1], 70 - 10 * inwards, rtol=1e-6)
    # s = 21.602469, t(6) = 2.446912.
    np.testing.assert_allclose(made.mean_low[1], 40 - 2.446912 * 21.602469 / 7**0.5, rtol=1e-6)
    assert made.mean_low[0] == 1 and made.mean_high[0] == 99
    assert np.isnan(made.mean_low[2]) and np.isnan(made.median_low[[0, 2]]).all()
    nobody = growth.group_growth([np.nan], ["a"])
    assert len(nobody.label) == len(nobody.median_low) == 0


@pytest.mark.parametrize("n", [8, 25, 60])
def test_intervals_hold_the_truth_as_often_as_they_say(n: int) -> None:
    trials = 4000
    drawn = np.random.default_rng(10).uniform(1, 99, size=(trials, n))
    made = growth.group_growth(drawn.ravel(), np.repeat(np.arange(trials), n))
    margin = 3 * np.sqrt(0.95 * 0.05 / trials)
    held = (made.median_low <= 50) & (made.median_high >= 50)
    assert abs(held.mean() - 0.95) < margin + 0.005
    held = (made.mean_low <= 50) & (made.mean_high >= 50)
    assert abs(held.mean() - 0.95) < margin + 0.01


def test_correction_for_measurement_error() -> None:
    """Without it, students with high priors look as if they grew less than they did (Shang et al.
    2015): the percentile given the true prior is what is wanted, and on average is 50 at any."""
    rng = np.random.default_rng(11)
    true = rng.normal(size=3000)
    prior = (true + rng.normal(0, 0.5, 3000))[:, None]
    score = true + rng.normal(0, 0.5, 3000)
    plain = growth_percentiles(score, prior)
    made = growth.corrected_percentiles(
        score, prior, [0.8], np.random.default_rng(12), replicates=5, amounts=(1.0, 2.0)
    )
    tilt = [np.polyfit(true, one.percentile, 1)[0] for one in (plain, made)]
    assert tilt[0] > 5
    assert abs(tilt[1]) < 0.6 * tilt[0]
    again = growth.corrected_percentiles(
        score, prior, [0.8], np.random.default_rng(12), replicates=5, amounts=(1.0, 2.0)
    )
    np.testing.assert_array_equal(made.percentile, again.percentile)
    np.testing.assert_array_equal(made.order, plain.order)


def test_priors_without_error_need_no_correction() -> None:
    score, priors = cohort(13, 800)
    whole = np.isfinite(priors).all(axis=1)
    score, priors = score[whole], priors[whole]
    made = growth.corrected_percentiles(
        score, priors, [1.0, 1.0], np.random.default_rng(0), replicates=1, amounts=(1.0,)
    )
    off = made.percentile - growth_percentiles(score, priors).percentile
    assert np.nanmax(np.abs(off)) <= 1


def test_what_is_not_verified_is_not_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    score, priors = cohort(14, 700)
    nothing = quantiles._Solution(np.zeros(8), np.zeros(1), np.nan, np.inf)
    monkeypatch.setattr(quantiles._Walk, "_descend", lambda *_: None)
    monkeypatch.setattr(quantiles._Walk, "_linear_program", lambda *_: nothing)
    made = growth_percentiles(score, priors[:, :1])
    assert (made.fits[0].state, made.fits[0].reason) == ("not_estimated", "not_verified")
    assert np.isnan(made.percentile).all()
    with pytest.raises(ValueError, match="not_verified"):
        made.fits[0].quantiles(priors[:1, :1])


def test_wrong_shapes_and_values_are_the_callers_error(found: tuple) -> None:
    fit = found[2].fits[1]
    rng = np.random.default_rng(0)
    for call, message in (
        (lambda: growth_percentiles(np.ones(3), np.ones(3)), "score must be"),
        (lambda: growth_percentiles(np.ones(3), np.ones((4, 1))), "score must be"),
        (lambda: growth.fit_order(np.ones(3), np.ones((3, 0))), "k at least 1"),
        (lambda: growth.fit_order([1.0, np.nan], np.ones((2, 1))), "must be finite"),
        (lambda: fit.quantiles(np.ones((2, 1))), "2 or more"),
        (lambda: fit.quantiles([[1.0, np.nan]]), "finite"),
        (lambda: fit.projected(np.ones((1, 2)), [0.5]), "within 1 and 99"),
        (lambda: growth.calibration(fit, np.ones(2), np.ones((3, 2))), "score must be"),
        (lambda: growth.group_growth(np.ones(2), np.ones(3)), "percentile and group"),
        (lambda: growth.group_growth(np.ones(2), np.ones(2), level=1), "level"),
        (lambda: growth.corrected_percentiles([1.0], [[1.0]], [0.0], rng), "reliability"),
        (lambda: growth.corrected_percentiles([1.0], [[1.0]], [0.9], rng, amounts=()), "amounts"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
