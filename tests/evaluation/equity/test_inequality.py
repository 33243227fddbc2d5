"""Inequality between schools against R, and its definitions student by student."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipelines.evaluation import equity
from pipelines.evaluation.resampling import Resampling
from tests.evaluation.equity.students import MEASURES, QUICK, R, Schools, cells, draw_city, holds


def plain(n: np.ndarray, x: np.ndarray) -> dict[str, float]:
    """The definitions, student by student (n small whole numbers)."""
    students = np.repeat(x, n.astype(int))
    mu, q = students.mean(), students / students.mean()
    logs = np.log(np.where(q > 0, q, 1))
    # Five copies of every school make the fifth a whole number of them; schools of one mean share
    # their students, so that it does not matter which of them stands on the edge.
    alike = np.array([n[x == level].mean() for level in x])
    five = np.repeat(np.argsort(x, kind="stable"), 5)
    ends = [five[-len(x) :], five[: len(x)]]
    top, bottom = (float((alike[e] * x[e]).sum() / alike[e].sum()) for e in ends)
    return {
        "coefficient_of_variation": float(students.std() / mu),
        "gini": float(np.abs(students[:, None] - students).mean() / (2 * mu)),
        "theil": float((q * logs).mean()),
        "range_ratio": top / bottom if bottom > 0 else np.nan,
    }


def values(n: np.ndarray, x: np.ndarray, resampling: Resampling = QUICK) -> dict[str, float]:
    found = equity.inequality(n, x, resampling=resampling)
    return {name: float(getattr(found, name).value[0, 0]) for name in MEASURES}


level = st.floats(1, 100).map(lambda v: round(v, 3))
schools = st.integers(5, 12).flatmap(
    lambda k: st.tuples(
        arrays(float, k, elements=st.integers(1, 6).map(float)), arrays(float, k, elements=level)
    )
)


def test_incomes_of_the_manual_of_ineq() -> None:
    """R package ineq (Zeileis 2014): its example has Gini 0.4620911 and Theil 0.3623412."""
    x = np.array([541, 1463, 2445, 3438, 4437, 5401, 6392, 8304, 11904, 22261.0])
    found = values(np.ones(10), x)
    assert found["gini"] == pytest.approx(0.4620911, abs=5e-8)
    assert found["theil"] == pytest.approx(0.3623412, abs=5e-8)
    assert found["range_ratio"] == pytest.approx((11904 + 22261) / (541 + 1463), rel=1e-14)


def test_exam_as_r_has_it(exam: dict[str, np.ndarray], by_r: dict[str, Any]) -> None:
    school = exam["school"].astype(int) - 1
    c = cells(50 + 10 * exam["outcome"], school, 65)
    found = equity.inequality(c.n, c.mean, resampling=Resampling(draws=9999, seed=1))
    for name in ("coefficient_of_variation", "gini", "theil"):
        assert getattr(found, name).value[0, 0] == pytest.approx(by_r[name], rel=1e-12)
    cv = found.coefficient_of_variation
    # Two sets of draws: each limit is a quantile of 9,999 and of 99,999.
    assert [cv.low[0, 0], cv.high[0, 0]] == pytest.approx(
        by_r["coefficient_of_variation_bca"], rel=0.015
    )


@given(schools)
def test_figures_are_their_definitions(given_schools: Schools) -> None:
    n, x = given_schools
    found, expected = values(n, x), plain(n, x)
    for name in MEASURES:
        assert found[name] == pytest.approx(expected[name], rel=1e-9, abs=1e-12), name


@given(schools, st.floats(0.01, 1000))
def test_scale_changes_nothing_and_a_constant_does(given_schools: Schools, factor: float) -> None:
    n, x = given_schools
    before, scaled, raised = values(n, x), values(n, x * factor), values(n, x + 50)
    for name in MEASURES:
        assert scaled[name] == pytest.approx(before[name], rel=1e-9, abs=1e-12), name
        least = 1.0 if name == "range_ratio" else 0.0
        assert raised[name] <= before[name] + 1e-12, name
        if before[name] > least + 1e-6:
            assert raised[name] < before[name], name


@given(schools, st.data())
def test_transfer_from_rich_to_poor_lowers_inequality(
    given_schools: Schools, data: st.DataObject
) -> None:
    """Pigou-Dalton: the best school's students lose and the worst one's gain, up to equality."""
    n, x = given_schools
    rich, poor = int(np.argmax(x)), int(np.argmin(x))
    share = data.draw(st.floats(0.05, 1.0))
    meeting = (n[rich] * x[rich] + n[poor] * x[poor]) / (n[rich] + n[poor])
    after = x.copy()
    after[rich] += share * (meeting - x[rich])
    after[poor] += share * (meeting - x[poor])
    before, then = values(n, x), values(n, after)
    for name in ("coefficient_of_variation", "gini", "theil"):
        assert then[name] <= before[name] + 1e-12, name
        if x[rich] - x[poor] > 1e-3:
            assert then[name] < before[name], name
    assert then["range_ratio"] <= before["range_ratio"] + 1e-9 or n.min() != n.max()


@given(schools, st.integers(2, 4))
def test_a_city_taken_twice_is_as_unequal(given_schools: Schools, times: int) -> None:
    n, x = given_schools
    before = values(n, x)
    for more in (values(np.tile(n, times), np.tile(x, times)), values(n * times, x)):
        for name in MEASURES:
            assert more[name] == pytest.approx(before[name], rel=1e-9, abs=1e-12), name


@given(schools)
def test_bounds(given_schools: Schools) -> None:
    n, x = given_schools
    found, total = values(n, x), n.sum()
    assert 0 <= found["gini"] < 1
    assert 0 <= found["theil"] <= np.log(total)
    assert 0 <= found["coefficient_of_variation"] <= np.sqrt(total - 1)
    assert found["range_ratio"] >= 1 - 1e-12


@given(st.integers(5, 9), level)
def test_equality_is_nought(count: int, x: float) -> None:
    found = equity.inequality(np.arange(1.0, count + 1), np.full(count, x), resampling=QUICK)
    for name in MEASURES:
        figure, none = getattr(found, name), 1.0 if name == "range_ratio" else 0.0
        ends = [figure.value[0, 0], figure.low[0, 0], figure.high[0, 0]]
        assert ends == pytest.approx([none] * 3, abs=1e-12)


@given(
    arrays(float, 12, elements=st.integers(1, 500).map(float)),
    arrays(float, 12, elements=st.one_of(level, st.floats(59.999999, 60.000001))),
    arrays(int, 12, elements=st.integers(0, 3)),
)
def test_theil_parts_add_up(n: np.ndarray, x: np.ndarray, district: np.ndarray) -> None:
    found = equity.inequality(n, x, district, resampling=QUICK)
    total, between, within = (
        float(f.value[0, 0]) for f in (found.theil, found.theil_between, found.theil_within)
    )
    assert between >= 0 and within >= 0
    assert between + within == pytest.approx(total, rel=1e-12, abs=1e-15)
    # The parts by their definitions.
    mu, names = (n * x).sum() / n.sum(), np.unique(district)
    share = [(n * x)[district == k].sum() / (n * x).sum() for k in names]
    means = [(n * x)[district == k].sum() / n[district == k].sum() for k in names]
    expected = sum(s * np.log(m / mu) for s, m in zip(share, means, strict=True))
    assert between == pytest.approx(expected, rel=1e-9, abs=1e-13)


def test_nearly_equal_schools_keep_their_digits() -> None:
    n, e = np.array([3.0, 5, 2, 7, 4]), np.array([1, -2, 3, 0, -1.0])
    e -= (n * e).sum() / n.sum()
    found = values(n, 70 * (1 + 1e-7 * e))
    second = (n * e * e).sum() / n.sum() * 1e-14
    assert found["theil"] == pytest.approx(second / 2, rel=1e-6)
    assert found["coefficient_of_variation"] == pytest.approx(np.sqrt(second), rel=1e-6)


def test_each_unit_is_as_if_alone_and_each_cell_too() -> None:
    rng = np.random.default_rng(2)
    n = rng.integers(0, 4, (4, 40)).astype(float)
    x = rng.uniform(20, 90, (4, 40))
    x[n == 0] = np.nan
    district = np.repeat(["b", "a", "c"], [20, 15, 5])
    found = equity.inequality(n, x, district, resampling=R)
    assert found.districts == ("a", "b", "c")
    for unit, chosen in enumerate([district != "", district == "a", district == "b"]):
        for cell in range(4):
            alone = equity.inequality(n[cell, chosen], x[cell, chosen], resampling=R)
            for name in MEASURES:
                one, many = getattr(alone, name)[0, 0], getattr(found, name)[cell, unit]
                for part in ("value", "low", "high"):
                    assert getattr(one, part) == pytest.approx(getattr(many, part), rel=1e-12)
                assert one.reason == many.reason


def test_what_cannot_be_said() -> None:
    n = np.full((6, 6), 10.0)
    x = np.tile([10.0, 20, 30, 40, 50, 60], (6, 1))
    n[0, :2] = 0
    x[1, 3] = -1
    x[2, 3] = np.nan
    x[3] = 0
    x[4, :2] = 0
    found = equity.inequality(n, x, resampling=QUICK)
    said = ["too_few_schools", "negative_value", "not_finite", "zero_mean", "", ""]
    assert found.gini.reason[:, 0].tolist() == said
    assert found.range_ratio.reason[:, 0].tolist() == [*said[:4], "zero_denominator", ""]
    assert found.gini.state[:, 0].tolist() == ["not_estimated"] * 4 + ["estimated"] * 2
    assert np.isnan(found.gini.value[:4]).all() and np.isfinite(found.theil.high[4:]).all()
    for wrong in ([1.0, 2.0], [-1.0] * 6, [np.nan] * 6):
        with pytest.raises(ValueError):
            equity.inequality(wrong, x[0], resampling=QUICK)


def test_inequality_intervals_hold_the_truth() -> None:
    """300 cities of 120 schools: 95 % less what BCa lacks at this size (about one in a hundred)."""
    rng = np.random.default_rng(11)
    n, x = draw_city(rng, 1, 60_000)
    q, weight = x / np.average(x, weights=n), n[0] / n.sum()
    truth = {
        "coefficient_of_variation": np.sqrt((weight * (q[0] - 1) ** 2).sum()),
        "theil": (weight * q[0] * np.log(q[0])).sum(),
    }
    order = np.argsort(q[0])
    upto = np.cumsum(weight[order]) - weight[order] / 2
    truth["gini"] = 2 * (weight[order] * q[0, order] * upto).sum() - 1
    fifth = len(order) // 5
    ends = [np.average(q[0, part], weights=n[0, part]) for part in (order[-fifth:], order[:fifth])]
    truth["range_ratio"] = ends[0] / ends[1]
    found = equity.inequality(*draw_city(rng, 300, 120), resampling=R)
    for name in MEASURES:
        assert 0.90 <= holds(getattr(found, name), truth[name]) <= 0.985, name


def test_the_same_input_gives_the_same_bits() -> None:
    rng = np.random.default_rng(9)
    n, x = draw_city(rng, 3, 50)
    one, two = (equity.inequality(n, x, np.arange(50) % 4, resampling=R) for _ in range(2))
    for name in (*MEASURES, "theil_between", "theil_within"):
        for part in ("value", "low", "high"):
            a, b = (getattr(getattr(found, name), part) for found in (one, two))
            assert a.tobytes() == b.tobytes()
