"""Crossed factors against lme4, against the three-level model, and where there is no estimate."""

from typing import Any

import numpy as np
import pytest

from pipelines.evaluation import crossed
from pipelines.evaluation.crossed import CrossedFit, fit_crossed
from pipelines.evaluation.likelihood import Convergence, Optimum
from pipelines.evaluation.multilevel import fit, moments
from tests.evaluation.lme4 import covariates, far, fits, label, table, upper_of_groups

EXACT = 1e-6


def estimated(case: dict[str, Any]) -> CrossedFit:
    data = table(case["set"])
    x = covariates(case["set"], case["terms"])
    return fit_crossed(
        x, data["y"], data["group"], data["second"], case["terms"], method=case["method"]
    )


@pytest.mark.parametrize("case", fits("crossed"), ids=label)
def test_agrees_with_lme4(case: dict[str, Any]) -> None:
    found = estimated(case)
    assert found.convergence is not None and found.convergence.converged
    assert far(found.coefficients, case["coefficients"]) < EXACT
    assert far(found.covariance, np.atleast_2d(case["covariance"])) < EXACT
    assert found.log_likelihood == pytest.approx(case["log_likelihood"], rel=1e-10)
    factors = {"group": found.first, "second": found.second}
    for name, factor in factors.items():
        expected = case["effects"][name]
        assert factor.variance == pytest.approx(case["variances"][name], rel=EXACT, abs=1e-12)
        if factor.variance > 0:
            assert far(factor.effect, expected["effect"]) < EXACT
            assert far(factor.effect_variance, expected["variance"]) < EXACT
    intervals = {name: factor.interval for name, factor in factors.items()}
    intervals["Residual"] = found.interval_residual
    if case["intervals"] is not None:
        for name, ends in zip(case["component_order"], case["intervals"], strict=True):
            assert intervals[name] == pytest.approx(ends, rel=EXACT, abs=1e-9)
    assert found.variance_residual == pytest.approx(case["variances"]["Residual"], rel=EXACT)


def test_nested_factors_give_the_three_level_model() -> None:
    """Another algorithm, and the same estimates to the last digits."""
    data, terms = table("star"), ["small", "aide", "lunch", "girl"]
    x = covariates("star", terms)
    statistics, _ = moments(x, data["y"], data["group"])
    nested = fit(statistics, terms, upper_of_groups("star"))
    crossed = fit_crossed(x, data["y"], data["group"], data["upper"], terms)
    turned = fit_crossed(x, data["y"], data["upper"], data["group"], terms)
    assert far(crossed.coefficients, nested.coefficients) < 1e-10
    assert crossed.first.variance == pytest.approx(nested.variance_school, rel=1e-9)
    assert crossed.second.variance == pytest.approx(nested.variance_district, rel=1e-9)
    assert crossed.first.interval == pytest.approx(nested.interval_school, rel=1e-8)
    assert far(crossed.first.effect, nested.effect) < 1e-9
    assert far(crossed.first.effect_variance, nested.effect_variance) < 1e-9
    assert far(crossed.first.effect_error_variance, nested.effect_error_variance) < 1e-9
    assert crossed.first.lr_statistic == pytest.approx(nested.lr_statistic, rel=1e-8)
    assert crossed.connected == len(nested.upper_effect)
    assert far(turned.second.effect, crossed.first.effect) < 1e-9
    assert turned.first.variance == pytest.approx(crossed.second.variance, rel=1e-9)


def test_a_mild_observer_does_not_make_a_good_teacher() -> None:
    """Severity is taken out of the teachers' effects, and both are told with their reliability."""
    rng = np.random.default_rng(5)
    teachers, observers, lessons = 400, 40, 2400
    level, severity = rng.normal(0, 3, teachers), rng.normal(0, 4, observers)
    # A teacher is seen by the observers of its part of the city, and by some of elsewhere.
    teacher = rng.integers(0, teachers, lessons)
    observer = (teacher // 20 * 2 + rng.integers(0, 2, lessons)) % observers
    away = rng.random(lessons) < 0.3
    observer[away] = rng.integers(0, observers, away.sum())
    y = 80 + level[teacher] + severity[observer] + rng.normal(0, 5, lessons)
    found = fit_crossed(np.empty((lessons, 0)), y, teacher, observer, [])
    assert found.connected == 1
    for factor, truth in ((found.first, level), (found.second, severity)):
        known = np.corrcoef(factor.effect, truth)[0, 1] ** 2
        assert known == pytest.approx(factor.reliability.mean(), abs=0.08)
        assert factor.interval[0] < truth.var() < factor.interval[1]
        error = (factor.effect - truth + truth.mean()) / np.sqrt(factor.effect_error_variance)
        assert np.mean(np.abs(error) < 1.96) > 0.9
    raw = np.bincount(teacher, y, teachers) / np.maximum(
        np.bincount(teacher, minlength=teachers), 1
    )
    with_severity = np.corrcoef(raw[found.first.labels], level[found.first.labels])[0, 1] ** 2
    assert np.corrcoef(found.first.effect, level)[0, 1] ** 2 > with_severity + 0.1


@pytest.mark.parametrize("most_dense", [600, 0])
def test_a_factor_taken_out_is_a_column_for_each_of_its_groups(
    monkeypatch: pytest.MonkeyPatch, most_dense: int
) -> None:
    monkeypatch.setattr(crossed, "DENSE", most_dense)
    rng = np.random.default_rng(1)
    school = rng.integers(0, 8, 600)
    teacher, observer = school * 6 + rng.integers(0, 6, 600), rng.integers(0, 25, 600)
    x, weight = rng.normal(size=(600, 2)), rng.uniform(0.5, 2, 600)
    y = x @ [1.0, 2.0] + 3 * rng.normal(size=8)[school] + rng.normal(size=48)[teacher]
    y += rng.normal(size=25)[observer] + rng.normal(size=600)
    each = (school[:, None] == np.arange(1, 8)).astype(float)
    names = ["a", "b", *map(str, range(7))]
    for own in (None, weight):
        found = fit_crossed(x, y, teacher, observer, ["a", "b"], own, within=school)
        plain = fit_crossed(np.column_stack([x, each]), y, teacher, observer, names, own)
        assert found.log_likelihood == pytest.approx(plain.log_likelihood, abs=1e-8)
        assert found.coefficients[1:] == pytest.approx(plain.coefficients[1:3], abs=1e-9)
        assert found.standard_errors[1:] == pytest.approx(plain.standard_errors[1:3], abs=1e-9)
        assert np.isnan(found.standard_errors[0])
        assert found.variance_residual == pytest.approx(plain.variance_residual, rel=1e-8)
        for one, other in ((found.first, plain.first), (found.second, plain.second)):
            assert one.variance == pytest.approx(other.variance, rel=1e-7)
            assert far(one.effect, other.effect) < 1e-7
            assert far(one.effect_error_variance, other.effect_error_variance) < 1e-7
            assert one.lr_statistic == pytest.approx(other.lr_statistic, abs=1e-7)
            assert one.interval == pytest.approx(other.interval, rel=1e-6)


def test_who_sees_a_good_school_alone_is_not_mild() -> None:
    """Principals see their own teachers, some officials all schools; schools differ much."""
    rng = np.random.default_rng(11)
    schools, staff, seen = 60, 12, 4
    level, principal, official = (rng.normal(0, s, n) for s, n in ((3, 60), (2, 60), (2, 10)))
    at = np.repeat(np.arange(schools), staff * seen)
    teacher = np.repeat(np.arange(schools * staff), seen)
    visited = rng.integers(0, schools * staff, 600)
    school, teacher = np.append(at, visited // staff), np.append(teacher, visited)
    observer = np.append(at, schools + np.arange(600) % 10)
    y = (
        80
        + level[school]
        + rng.normal(0, 2, schools * staff)[teacher]
        + rng.normal(0, 4, len(at) + 600)
    )
    y += np.append(principal, official)[observer]
    nothing = np.empty((len(y), 0))
    plain, found = (
        fit_crossed(nothing, y, teacher, observer, [], within=within).second
        for within in (None, school)
    )
    missed, error = ((own.effect[:schools] - principal) for own in (plain, found))
    assert np.corrcoef(missed, level)[0, 1] > 0.6
    assert abs(np.corrcoef(error, level)[0, 1]) < 0.3
    sure = 1.96 * np.sqrt(found.effect_error_variance[:schools])
    assert np.mean(np.abs(error) < sure) > 0.9
    assert np.mean(np.abs(missed) < 1.96 * np.sqrt(plain.effect_error_variance[:schools])) < 0.8
    assert found.interval[0] < 4 < found.interval[1] < plain.variance


def test_weights_of_whole_numbers_equal_averages_of_rows() -> None:
    """A row of weight w is the mean of w rows: only the residual within such rows is lost."""
    rng = np.random.default_rng(8)
    n = 300
    first, second = rng.integers(0, 30, n), rng.integers(0, 12, n)
    weight = rng.integers(0, 4, n).astype(float)
    x = rng.normal(size=(n, 1))
    y = x[:, 0] + rng.normal(size=30)[first] + rng.normal(size=12)[second] + rng.normal(size=n)
    found = fit_crossed(x, y, first, second, ["x"], weight)
    doubled = fit_crossed(x, y, first, second, ["x"], 2 * weight)
    assert found.n == (weight > 0).sum()
    assert doubled.variance_residual == pytest.approx(2 * found.variance_residual, rel=1e-9)
    assert far(doubled.first.effect, found.first.effect) < 1e-9
    assert doubled.log_likelihood == pytest.approx(found.log_likelihood, abs=1e-8)


def rows(n: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 1)), rng.normal(size=n), np.arange(n) % 10, np.arange(n) % 7


def test_no_estimate_is_said() -> None:
    x, y, first, second = rows()
    infinite = y.copy()
    infinite[3] = np.inf

    def reason(*given: Any) -> str | None:
        found = fit_crossed(*given)
        assert found.state == "not_estimated"
        assert np.isnan(found.coefficients).all() and np.isnan(found.first.effect).all()
        return found.reason

    assert reason(x, infinite, first, second, ["x"]) == "not_finite"
    assert reason(x, y, first, second, ["x"], np.full(60, np.nan)) == "not_finite"
    assert reason(x, y, first, second, ["x"], np.full(60, -1.0)) == "negative_weight"
    assert reason(x, y, first, np.zeros(60), ["x"]) == "one_group"
    assert reason(x, y, np.arange(60), second, ["x"]) == "no_repeated_rows"
    assert reason(x, y, first, first + 1, ["x"]) == "same_factors"
    # Of each place one observer: nothing tells severity from the level of the place.
    none = (None, "reml", True)
    assert reason(x, y, first, first // 5, ["x"], *none, first // 5) == "same_factors"
    assert reason(x, np.ones(60), first, second, ["x"]) == "outcome_constant"
    assert reason(x, 2 * x[:, 0] + 1, first, second, ["x"]) == "perfect_prediction"
    assert reason(x, first + 10.0 * second, first, second, ["x"]) == "no_variation_within_groups"
    assert reason(x[:0], y[:0], first[:0], second[:0], ["x"]) == "one_group"


def test_a_search_that_ends_nowhere_is_no_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = Convergence(False, 9, 0.1, 1.0, ())
    monkeypatch.setattr(Optimum, "convergence", lambda _self: lost)
    found = fit_crossed(*rows(), ["x"])
    assert (found.state, found.reason) == ("not_estimated", "no_convergence")
    assert np.isnan(found.second.effect).all()


def test_constant_and_collinear_columns_are_dropped_and_named() -> None:
    x, y, first, second = rows()
    wide = np.column_stack([np.full(60, 1e6), x, 2 * x - 1])
    found = fit_crossed(wide, y, first, second, ["constant_mark", "x", "twice"])
    assert found.dropped == ("constant_mark", "twice")
    assert found.terms == ("constant", "x")
    alone = fit_crossed(x, y, first, second, ["x"])
    assert far(found.coefficients, alone.coefficients) < 1e-10


def test_wrong_shapes_are_the_callers_errors() -> None:
    x, y, first, second = rows()
    with pytest.raises(ValueError, match="terms"):
        fit_crossed(x, y, first, second, [])
    with pytest.raises(ValueError, match="rows"):
        fit_crossed(x, y, first[:-1], second, ["x"])
    with pytest.raises(ValueError, match="neither"):
        fit_crossed(x, y, first, second, ["x"], method="mle")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not for within"):
        fit_crossed(x, y, first, second, ["x"], method="ml", within=first)
    with pytest.raises(ValueError, match="two groups of within"):
        fit_crossed(x, y, first, second, ["x"], within=second)


def test_taking_out_the_one_place_that_there_is_changes_no_effect() -> None:
    x, y, first, second = rows()
    one = fit_crossed(x, y, first, second, ["x"], within=np.zeros(60))
    plain = fit_crossed(x, y, first, second, ["x"])
    assert one.log_likelihood == pytest.approx(plain.log_likelihood, abs=1e-9)
    assert far(one.second.effect, plain.second.effect) < 1e-9
    assert one.coefficients[1] == pytest.approx(plain.coefficients[1], abs=1e-9)


def test_many_groups_are_factored_sparsely_to_the_same_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Posterior variances and effects too; a variance of 0 is found as one."""
    rng = np.random.default_rng(5)
    first, second = rng.integers(0, 300, 2500), rng.integers(0, 60, 2500)
    x = rng.normal(size=(2500, 1))
    for spread in (0.5, 0.0):
        y = x[:, 0] + rng.normal(size=300)[first] + rng.normal(size=2500)
        y = y + spread * rng.normal(size=60)[second]
        monkeypatch.setattr("pipelines.evaluation.crossed.DENSE", 600)
        dense = fit_crossed(x, y, first, second, ["x"], intervals=False)
        monkeypatch.setattr("pipelines.evaluation.crossed.DENSE", 5)
        monkeypatch.setattr("pipelines.evaluation.crossed.COLUMNS", 17)
        sparse = fit_crossed(x, y, first, second, ["x"], intervals=False)
        assert sparse.convergence is not None and sparse.convergence.converged
        assert far(sparse.coefficients, dense.coefficients) < 1e-7
        assert sparse.log_likelihood == pytest.approx(dense.log_likelihood, abs=1e-7)
        for one, other in ((sparse.first, dense.first), (sparse.second, dense.second)):
            assert one.variance == pytest.approx(other.variance, rel=1e-6, abs=1e-9)
            np.testing.assert_allclose(one.effect, other.effect, atol=1e-6)
            np.testing.assert_allclose(one.effect_variance, other.effect_variance, atol=1e-7)
