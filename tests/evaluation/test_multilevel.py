"""The multilevel model: a dense second method, what may not change, what is refused."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.linalg import block_diag
from scipy.optimize import OptimizeResult, minimize
from scipy.stats import chi2

from pipelines.evaluation import likelihood
from pipelines.evaluation.likelihood import Convergence, Optimum
from pipelines.evaluation.multilevel import Fit, Moments, add, fit, from_sums, moments, pool
from tests.evaluation.lme4 import covariates, far, table, upper_of_groups

TERMS = ["a", "b"]
FINE = {"fatol": 1e-10, "xatol": 1e-8}
Rows = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]


def made_up(seed: int, groups: int = 12, uppers: int = 4, least: int = 1, most: int = 9) -> Rows:
    """Covariates and outcome on a lattice (so that sums and shifts are exact), group, upper."""
    rng = np.random.default_rng(seed)
    size = rng.integers(least, most + 1, groups)
    size[0] += 2  # some group has students to compare
    group = np.repeat(np.arange(groups), size)
    upper = np.arange(groups) % uppers
    x = np.round(rng.normal(size=(len(group), 2)) * 64) / 64
    y = x @ [0.5, -0.25] + rng.normal(size=groups)[group] + rng.normal(size=uppers)[upper[group]]
    y = np.round((y + rng.normal(size=len(group))) * 64) / 64
    return x, y, group, upper


def numbers(found: Fit) -> dict[str, Any]:
    """Every estimate that a change of the data's form may not touch."""
    assert found.state == "estimated"
    return {
        "coefficients": found.coefficients,
        "standard_errors": found.standard_errors,
        "student": found.variance_student,
        "school": found.variance_school,
        "district": np.nan_to_num(found.variance_district),
        "effect": found.effect,
        "effect_variance": found.effect_variance,
        "effect_error_variance": found.effect_error_variance,
        "reliability": found.reliability,
        "upper_effect": np.append(found.upper_effect, 1.0),
        "shares": [found.icc, found.r_squared_marginal, found.r_squared_conditional],
        "tests": [1 + found.lr_statistic, found.lr_p],
        "log_likelihood": found.log_likelihood,
    }


def assert_same(found: dict[str, Any], expected: dict[str, Any], within: float = 1e-10) -> None:
    for name, value in expected.items():
        # A variance beside 0 is held to a hundredth of that of the scores, which is about 1.
        largest = max(float(np.max(np.abs(value))), 1e-2)
        difference = float(np.max(np.abs(np.asarray(found[name]) - np.asarray(value))))
        assert difference < within * largest, (name, found[name], value)


def both(x: Any, y: Any, group: Any, upper: Any, weight: Any = None) -> list[Fit]:
    """A two-level REML fit and a three-level ML fit."""
    statistics, _ = moments(x, y, group, weight)
    return [fit(statistics, TERMS), fit(statistics, TERMS, upper, "ml")]


# --- a second method: dense matrices, nothing profiled ---------------------------------------


def dense(found: Fit, x: Any, y: Any, group: Any, upper: Any, weight: Any) -> dict[str, Any]:
    """Generalised least squares at the fitted variances, with the whole covariance matrix."""
    z = np.eye(group.max() + 1)[group]
    v = np.eye(upper.max() + 1)[upper[group]]
    school, district = found.variance_school, np.nan_to_num(found.variance_district)
    full = school * z @ z.T + district * v @ v.T + np.diag(found.variance_student / weight)
    inverse = np.linalg.inv(full)
    design = np.column_stack([np.ones(len(y)), x])
    information = design.T @ inverse @ design
    covariance = np.linalg.inv(information)
    coefficients = covariance @ design.T @ inverse @ y
    left = y - design @ coefficients
    value = np.linalg.slogdet(full)[1] + left @ inverse @ left + len(y) * math.log(2 * math.pi)
    if found.method == "reml":
        k = design.shape[1]
        value += np.linalg.slogdet(information)[1] - k * math.log(2 * math.pi)
    project = inverse - inverse @ design @ covariance @ design.T @ inverse
    return {
        "coefficients": coefficients,
        "covariance": covariance,
        "log_likelihood": -value / 2,
        "effect": school * z.T @ inverse @ left,
        "effect_variance": np.diag(school * np.eye(z.shape[1]) - school**2 * z.T @ inverse @ z),
        "effect_error_variance": np.diag(
            school * np.eye(z.shape[1]) - school**2 * z.T @ project @ z
        ),
        "total_effect": (school * z + district * v @ np.eye(v.shape[1])[upper].T).T
        @ inverse
        @ left,
    }


@settings(max_examples=8)
@given(st.integers(0, 10**6), st.booleans(), st.booleans(), st.booleans())
def test_agrees_with_dense_matrices(seed: int, three: bool, reml: bool, weighted: bool) -> None:
    x, y, group, upper = made_up(seed)
    rng = np.random.default_rng(seed)
    weight = rng.uniform(0.5, 3, len(y)) if weighted else np.ones(len(y))
    statistics, _ = moments(x, y, group, weight if weighted else None)
    found = fit(statistics, TERMS, upper if three else None, "reml" if reml else "ml")
    expected = dense(found, x, y, group, upper, weight)
    for name, value in expected.items():
        assert np.asarray(getattr(found, name)) == pytest.approx(value, rel=1e-7, abs=1e-8), name
    # No other variances are likelier, near or far.
    for _ in range(8):
        other = replace(
            found,
            variance_student=found.variance_student * math.exp(rng.normal()),
            variance_school=max(found.variance_school, 1e-3) * math.exp(rng.normal()),
            variance_district=found.variance_district * math.exp(rng.normal()),
        )
        height = dense(other, x, y, group, upper, weight)["log_likelihood"]
        assert height <= found.log_likelihood + 1e-9


def test_intervals_end_where_the_profile_says() -> None:
    """At an end the other variances' best choice brings the deviance to the limit."""
    x, y, group, upper = made_up(3, groups=20)
    statistics, _ = moments(x, y, group)
    found = fit(statistics, TERMS, upper)
    ones = np.ones(len(y))
    for name in ("variance_student", "variance_school", "variance_district"):
        end = getattr(found, name.replace("variance", "interval"))[1]
        others = sorted({"variance_student", "variance_school", "variance_district"} - {name})

        def deviance(logarithms: NDArray[Any], end: float, name: str, others: list[str]) -> float:
            given = dict(zip(others, np.exp(logarithms), strict=True)) | {name: end}
            return -2 * dense(replace(found, **given), x, y, group, upper, ones)["log_likelihood"]

        start = np.log([max(getattr(found, other), 1e-2) for other in others])
        least = minimize(deviance, start, (end, name, others), "Nelder-Mead", options=FINE).fun
        assert least + 2 * found.log_likelihood == pytest.approx(chi2.ppf(0.95, 1), abs=1e-6)


@pytest.mark.parametrize("away", [-1000.0, 1000.0])
def test_a_search_that_went_far_away_is_no_end_of_an_interval(
    away: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the quick search finds nothing nearby, the slower one gives the same ends."""
    x, y, group, upper = made_up(3, groups=20)
    statistics, _ = moments(x, y, group)
    usual = fit(statistics, TERMS, upper)

    def lost(system: Any, start: NDArray[Any], **more: Any) -> OptimizeResult:
        return OptimizeResult(x=start + away, fun=np.zeros(len(start)))

    monkeypatch.setattr(likelihood, "root", lost)
    found = fit(statistics, TERMS, upper)
    for name in ("interval_student", "interval_school", "interval_district"):
        assert getattr(found, name) == pytest.approx(getattr(usual, name), rel=1e-4)


# --- what may not change ---------------------------------------------------------------------


@settings(max_examples=8)
@given(st.integers(0, 10**6), st.sampled_from([3.0, -1000.0, 1e6]))
def test_a_constant_added_moves_only_the_constant(seed: int, shift: float) -> None:
    x, y, group, upper = made_up(seed)
    for found, moved in zip(
        both(x, y, group, upper), both(x, y + shift, group, upper), strict=True
    ):
        expected, other = numbers(found), numbers(moved)
        other["coefficients"] = other["coefficients"] - [shift, 0, 0]
        # A score near a million is itself rounded to a ten-thousand-millionth.
        assert_same(other, expected, within=1e-8 if abs(shift) > 1e5 else 1e-10)


@settings(max_examples=8)
@given(st.integers(0, 10**6), st.sampled_from([2.0, 0.125, -1.0, 1e4]))
def test_scaling_scales(seed: int, factor: float) -> None:
    x, y, group, upper = made_up(seed)
    for found, scaled in zip(
        both(x, y, group, upper), both(x, y * factor, group, upper), strict=True
    ):
        expected, other = numbers(found), numbers(scaled)
        for name in ("coefficients", "effect", "upper_effect"):
            other[name] = other[name] / factor
        other["upper_effect"][-1] = 1
        other["standard_errors"] = other["standard_errors"] / abs(factor)
        for name in ("student", "school", "district", "effect_variance", "effect_error_variance"):
            other[name] = other[name] / factor**2
        df = found.n - (3 if found.method == "reml" else 0)
        other["log_likelihood"] += df * math.log(abs(factor))
        assert_same(other, expected)


@settings(max_examples=8)
@given(st.integers(0, 10**6))
def test_units_of_covariates_do_not_matter(seed: int) -> None:
    x, y, group, upper = made_up(seed)
    for found, other in zip(
        both(x, y, group, upper),
        both(x * [1024.0, 0.25] + [512.0, -8.0], y, group, upper),
        strict=True,
    ):
        assert far(other.coefficients[1:] * [1024.0, 0.25], found.coefficients[1:]) < 1e-9
        assert far(other.effect, found.effect) < 1e-9 or found.variance_school == 0
        assert other.variance_student == pytest.approx(found.variance_student, rel=1e-9)


@settings(max_examples=8)
@given(st.integers(0, 10**6))
def test_order_and_names_do_not_matter(seed: int) -> None:
    x, y, group, upper = made_up(seed)
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(y))
    name = rng.permutation(group.max() + 1)
    upper_name = rng.permutation(upper.max() + 1)
    renamed = np.empty_like(upper)
    renamed[name] = upper_name[upper]
    for found, other in zip(
        both(x, y, group, upper), both(x[rows], y[rows], name[group][rows], renamed), strict=True
    ):
        expected, values = numbers(found), numbers(other)
        for key in ("effect", "effect_variance", "effect_error_variance", "reliability"):
            values[key] = values[key][name]
        if len(found.upper_effect):
            values["upper_effect"][:-1] = values["upper_effect"][:-1][upper_name]
        assert_same(values, expected)


@settings(max_examples=8)
@given(st.integers(0, 10**6), st.booleans())
def test_statistics_of_files_add_up(seed: int, weighted: bool) -> None:
    x, y, group, upper = made_up(seed)
    rng = np.random.default_rng(seed)
    weight = rng.integers(1, 5, len(y)) / 2 if weighted else None
    whole, labels = moments(x, y, group, weight)
    part = rng.integers(0, 2, len(y))
    # Every file has every group, some with no rows: the rows of the other file at weight 0.
    files = [
        moments(x, y, group, (part == k) * (1.0 if weight is None else weight))[0] for k in (0, 1)
    ]
    together = add(*files)
    assert_same(numbers(fit(together, TERMS)), numbers(fit(whole, TERMS)))
    # The same by file and group, then pooled; groups that a file lacks are no rows at all.
    pieces, keys = moments(x, y, group * 2 + part, weight)
    pooled = pool(pieces, np.searchsorted(labels, keys // 2), len(labels))
    found, expected = (numbers(fit(m, TERMS, upper, "ml")) for m in (pooled, whole))
    assert_same(found, expected)


def test_the_same_input_gives_the_same_bits() -> None:
    x, y, group, upper = made_up(1)
    first, second = both(x, y, group, upper)[1], both(x, y, group, upper)[1]
    assert first.effect.tobytes() == second.effect.tobytes()
    assert first.interval_school == second.interval_school


def test_sums_of_centred_columns_give_the_moments() -> None:
    data, terms = table("star"), ["small", "aide", "lunch", "girl"]
    columns = np.column_stack([covariates("star", terms), data["y"]])
    centre = np.round(columns.mean(axis=0))
    group = data["group"].astype(int) - 1
    away = columns - centre
    sums = np.column_stack([np.bincount(group, c) for c in away.T])
    a, b = np.triu_indices(5)
    products = np.column_stack(
        [np.bincount(group, away[:, i] * away[:, j]) for i, j in zip(a, b, strict=True)]
    )
    from_pass = from_sums(np.bincount(group), sums, products, centre)
    expected, _ = moments(columns[:, :-1], data["y"], group)
    assert far(from_pass.mean, expected.mean) < 1e-14
    assert far(from_pass.cross, expected.cross) < 1e-12
    assert far(fit(from_pass, terms).effect, fit(expected, terms).effect) < 1e-11


def test_counts_may_stand_for_rows_that_look_alike() -> None:
    x, y, group, _ = made_up(2)
    repeated, _ = moments(np.repeat(x, 3, 0), np.repeat(y, 3), np.repeat(group, 3))
    once, _ = moments(x, y, group)
    counted = Moments(3 * once.weight, once.mean, 3 * once.cross)
    assert_same(numbers(fit(counted, TERMS)), numbers(fit(repeated, TERMS)))


# --- what the estimates mean -----------------------------------------------------------------


def test_two_schools_of_two_by_hand() -> None:
    """Balanced, no terms: the variances are those of the analysis of variance."""
    y = np.array([1.0, 3.0, 7.0, 9.0])
    statistics, labels = moments(np.empty((4, 0)), y, np.array(["b", "b", "a", "a"]))
    found = fit(statistics, [])
    assert labels.tolist() == ["a", "b"]
    # Within: (1 + 1 + 1 + 1) / 2; between: 2 × (9 + 9) / 1 = 36, so (36 - 2) / 2 a school.
    assert found.variance_student == pytest.approx(2)
    assert found.variance_school == pytest.approx(17)
    assert found.coefficients == pytest.approx([5])
    shrunk = 17 / (17 + 2 / 2)
    assert found.reliability == pytest.approx([shrunk, shrunk])
    assert found.effect == pytest.approx([3 * shrunk, -3 * shrunk])
    assert found.effect_variance == pytest.approx([17 * (1 - shrunk)] * 2)
    assert found.icc == pytest.approx(17 / 19)
    assert found.standard_errors == pytest.approx([math.sqrt(17 / 2 + 2 / 4)])


def test_shares_of_variance() -> None:
    data = table("exam")
    statistics, _ = moments(data["lrt"][:, None], data["y"], data["group"])
    found = fit(statistics, ["lrt"])
    explained = np.var(found.coefficients[1] * data["lrt"], ddof=1)
    total = explained + found.variance_school + found.variance_student
    assert found.r_squared_marginal == pytest.approx(explained / total)
    assert found.r_squared_conditional == pytest.approx(1 - found.variance_student / total)
    empty, without = (fit(statistics, ["lrt"], method=m) for m in ("ml", "ml"))
    assert empty.log_likelihood == without.log_likelihood


def test_likelihood_ratio_against_the_ordinary_regression() -> None:
    data = table("exam")
    x, y = data["lrt"], data["y"]
    statistics, _ = moments(x[:, None], y, data["group"])
    found = fit(statistics, ["lrt"], method="ml")
    left = y - np.polyval(np.polyfit(x, y, 1), x)
    ordinary = -len(y) / 2 * (math.log(2 * math.pi * left.var()) + 1)
    assert found.lr_statistic == pytest.approx(2 * (found.log_likelihood - ordinary), rel=1e-9)


def test_the_three_level_test_is_against_the_two_level_model() -> None:
    statistics, _ = moments(
        covariates("star", ["small", "lunch"]), table("star")["y"], table("star")["group"]
    )
    three = fit(statistics, TERMS, upper_of_groups("star"))
    two = fit(statistics, TERMS)
    assert three.lr_statistic_district == pytest.approx(
        2 * (three.log_likelihood - two.log_likelihood), rel=1e-8
    )
    assert three.total_effect == pytest.approx(
        three.effect + three.upper_effect[upper_of_groups("star")]
    )
    assert far(1 - three.effect_variance / three.variance_school, three.reliability) < 1e-12


def test_empty_groups_are_expected_to_be_average() -> None:
    x, y, group, upper = made_up(4)
    statistics, _ = moments(x, y, group)
    wider = Moments(
        np.append(statistics.weight, 0.0),
        np.vstack([statistics.mean, np.full((1, 3), np.nan)]),
        np.concatenate([statistics.cross, np.zeros((1, 3, 3))]),
    )
    found, expected = fit(wider, TERMS), fit(statistics, TERMS)
    assert found.groups == expected.groups == 12
    assert_same({"e": found.effect[:-1]}, {"e": expected.effect})
    assert found.effect[-1] == 0 == found.reliability[-1]
    assert found.effect_variance[-1] == found.variance_school
    three = fit(wider, TERMS, np.append(upper, 1))
    assert three.total_effect[-1] == three.upper_effect[1]


# --- bad and hard data -----------------------------------------------------------------------


def test_constant_and_collinear_columns_are_dropped_and_named() -> None:
    x, y, group, upper = made_up(5)
    wide = np.column_stack([np.full(len(y), 1e6), x[:, 0], x[:, 1], x[:, 0] - 3 * x[:, 1] + 7])
    statistics, _ = moments(wide, y, group)
    found = fit(statistics, ["mark", "a", "b", "mixed"], upper)
    assert found.dropped == ("mark", "mixed")
    assert found.terms == ("constant", "a", "b")
    alone = fit(moments(x, y, group)[0], TERMS, upper)
    assert_same(numbers(found), numbers(alone))


def test_huge_offsets_lose_nothing() -> None:
    """Scores about a million, spread ten; a prior and its square about as large."""
    rng = np.random.default_rng(6)
    group = np.repeat(np.arange(80), 25)
    prior = np.round(rng.normal(size=2000) * 1024) / 1024
    x = np.column_stack([prior, prior**2])
    y = 5 * prior + rng.normal(0, 3, 80)[group] + rng.normal(0, 8, 2000)
    y = np.round(y * 1024) / 1024
    near = fit(moments(x, y, group)[0], TERMS)
    away = fit(moments(x + 1e6, y + 1e6, group)[0], TERMS)
    assert far(away.effect, near.effect) < 1e-9
    assert away.variance_school == pytest.approx(near.variance_school, rel=1e-9)
    assert far(away.coefficients[1:], near.coefficients[1:]) < 1e-9
    assert away.log_likelihood == pytest.approx(near.log_likelihood, rel=1e-10)


def statistics_of(x: Any, y: Any, group: Any) -> Moments:
    return moments(x, y, group)[0]


def test_no_estimate_is_said() -> None:
    x, y, group, _ = made_up(7)
    n = len(y)
    broken = y.copy()
    broken[0] = np.nan
    one_cell = np.zeros(12, dtype=int)
    between = np.random.default_rng(0).normal(size=(12, 11))[group]
    cases = {
        "not_finite": fit(statistics_of(x, broken, group), TERMS),
        "negative_weight": fit(moments(x, y, group, np.full(n, -1.0))[0], TERMS),
        "one_group": fit(statistics_of(x, y, group * 0), TERMS),
        "too_few_groups": fit(statistics_of(between, y, group), [f"s{i}" for i in range(11)]),
        "too_few_rows": fit(statistics_of(x[:3], y[:3], [0, 0, 1]), TERMS),
        "outcome_constant": fit(statistics_of(x, np.full(n, 1e6), group), TERMS),
        "perfect_prediction": fit(statistics_of(x, x @ [2.0, 1.0] + 5, group), TERMS),
        "no_variation_within_groups": fit(statistics_of(x, x[:, 0] + group, group), TERMS),
        "no_repeated_rows": fit(statistics_of(x, y, np.arange(n)), TERMS),
        "one_upper_group": fit(statistics_of(x, y, group), TERMS, one_cell),
        "upper_is_group": fit(statistics_of(x, y, group), TERMS, np.arange(12)),
    }
    for reason, found in cases.items():
        assert (found.state, found.reason) == ("not_estimated", reason)
        assert np.isnan(found.coefficients).all() and np.isnan(found.effect).all()
        assert np.isnan([found.variance_school, found.icc, found.lr_p, found.log_likelihood]).all()
        assert found.convergence is None


def test_no_students_at_all() -> None:
    empty = fit(moments(np.empty((0, 2)), np.empty(0), np.empty(0))[0], TERMS)
    assert (empty.reason, empty.n, empty.groups) == ("one_group", 0, 0)
    infinite = fit(moments(np.full((4, 2), np.inf), np.ones(4), [0, 0, 1, 1])[0], TERMS)
    assert infinite.reason == "not_finite"


def test_one_school_that_holds_nearly_all() -> None:
    rng = np.random.default_rng(9)
    group = np.concatenate([np.zeros(5000, dtype=int), np.arange(1, 6)])
    y = rng.normal(size=5005)
    found = fit(statistics_of(np.empty((5005, 0)), y, group), [])
    assert found.state == "estimated" and np.isfinite(found.effect).all()
    assert found.interval_school[0] == 0


@pytest.mark.parametrize("seed", [8470, 44, 72, 78, 7, 21])
def test_small_cities_have_an_optimum_and_intervals(seed: int) -> None:
    """Few schools in few districts, a variance near 0 or far above the others: where searches for
    an interval's end have met two minima, and those for the optimum have stopped early."""
    rng = np.random.default_rng(seed)
    groups = rng.integers(3, 25)
    uppers = rng.integers(2, max(3, groups - 1))
    size = rng.integers(1, 40, groups)
    size[0] += 5
    group, upper = np.repeat(np.arange(groups), size), np.arange(groups) % uppers
    x = rng.normal(size=(len(group), 2))
    x[:, 1] = x[:, 0] ** 2
    y = 0.7 * x[:, 0] + rng.choice([0, 0.1, 1]) * rng.normal(size=groups)[group]
    y = y + rng.choice([0, 0.1, 1]) * rng.normal(size=uppers)[upper[group]]
    y = y + rng.normal(size=len(group)) * rng.choice([0.01, 1])
    found = fit(statistics_of(x, y, group), TERMS, upper, ("reml", "ml")[seed % 2])
    assert found.convergence is not None and found.convergence.converged
    for part in ("student", "school", "district"):
        low, high = getattr(found, f"interval_{part}")
        assert low <= getattr(found, f"variance_{part}") < high < math.inf


@pytest.mark.parametrize("three", [False, True])
def test_a_search_that_ends_nowhere_is_no_estimate(
    monkeypatch: pytest.MonkeyPatch, three: bool
) -> None:
    rng = np.random.default_rng(3)
    group = np.repeat(np.arange(12), 9)
    data, _ = moments(rng.normal(size=(108, 1)), rng.normal(size=108), group)
    lost = Convergence(False, 9, 0.1, 1.0, ())
    monkeypatch.setattr(Optimum, "convergence", lambda _self: lost)
    found = fit(data, ["x"], np.arange(12) % 4 if three else None)
    assert (found.state, found.reason) == ("not_estimated", "no_convergence")
    assert np.isnan(found.effect).all() and np.isnan(found.variance_school)


def test_wrong_shapes_are_the_callers_errors() -> None:
    x, y, group, upper = made_up(8)
    statistics = statistics_of(x, y, group)
    with pytest.raises(ValueError, match="terms"):
        fit(statistics, ["a"])
    with pytest.raises(ValueError, match="neither"):
        fit(statistics, TERMS, method="mle")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="indices"):
        fit(statistics, TERMS, upper[:-1])
    with pytest.raises(ValueError, match="rows"):
        moments(x, y[:-1], group)
    with pytest.raises(ValueError, match="fit"):
        Moments(np.ones(3), np.ones((2, 2)), np.ones((2, 2, 2)))
    with pytest.raises(ValueError, match="fit"):
        add(statistics, statistics_of(x[:5], y[:5], group[:5]))
    with pytest.raises(ValueError, match="index"):
        pool(statistics, np.full(12, 12), 12)
    with pytest.raises(ValueError, match="products"):
        from_sums(np.ones(2), np.ones((2, 3)), np.ones((2, 5)))


@pytest.mark.parametrize("three", [False, True])
def test_two_hundred_thousand_tiny_schools_take_few_looks_at_the_likelihood(three: bool) -> None:
    rng = np.random.default_rng(10)
    schools = 200_000
    size = rng.integers(1, 6, schools)
    mean = rng.normal(size=(schools, 7)) * np.sqrt(0.2 + 1 / size)[:, None]
    spread = (size - 1)[:, None, None] * np.eye(7)
    district = rng.integers(0, 130, schools) if three else None
    found = fit(Moments(size.astype(float), mean, spread), list("abcdef"), district)
    # `bench/evaluation.py` tells the seconds.
    assert found.convergence is not None and found.convergence.evaluations < 1500
    assert found.variance_student == pytest.approx(1, abs=0.02)
    assert found.variance_school == pytest.approx(0.2, abs=0.01)


def test_block_diagonal_of_the_dense_method() -> None:
    """The dense method itself: without districts the covariance is one block a school."""
    x, y, group, _ = made_up(11)
    found = fit(statistics_of(x, y, group), TERMS)
    blocks = [
        found.variance_school + found.variance_student * np.eye(k) for k in np.bincount(group)
    ]
    full = block_diag(*blocks)
    design = np.column_stack([np.ones(len(y)), x])
    weighted = np.linalg.solve(full, design)
    assert far(np.linalg.solve(design.T @ weighted, weighted.T @ y), found.coefficients) < 1e-10
