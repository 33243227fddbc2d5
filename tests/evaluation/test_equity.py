"""Equity figures against published ones, R, their definitions student by student, and properties.

Intervals are held against a BCa written out draw by draw, and by how often they hold the truth.
"""

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import nct, norm

from pipelines.evaluation import equity
from pipelines.evaluation.equity import Cells
from pipelines.evaluation.resampling import Figures, Resampling, bca, figures

DATA = Path(__file__).parent / "data"
R = Resampling(seed=7)
QUICK = Resampling(draws=99, seed=7)
MEASURES = ("coefficient_of_variation", "range_ratio", "gini", "theil")
Schools = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def exam() -> dict[str, np.ndarray]:
    with gzip.open(DATA / "equity_exam.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}


@pytest.fixture(scope="module")
def by_r() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DATA / "equity.json").read_text())
    return found


def cells(score: np.ndarray, school: np.ndarray, schools: int) -> Cells:
    """One cell from single students."""
    n = np.bincount(school, minlength=schools).astype(float)
    mean = np.bincount(school, score, minlength=schools) / np.maximum(n, 1)
    squares = np.bincount(school, (score - mean[school]) ** 2, minlength=schools)
    return Cells(n, mean, squares)


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


# --- inequality between schools


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


# --- the bootstrap


def test_bca_is_efrons_draw_by_draw() -> None:
    rng = np.random.default_rng(4)
    x = rng.gamma(2, 10, 23)
    ones = np.ones(23)
    found = equity.inequality(ones, x, resampling=R).coefficient_of_variation
    drawn = []
    for row in R.weights(23):
        taken = np.repeat(x, row.astype(int))
        drawn.append(taken.std() / taken.mean())
    point = x.std() / x.mean()
    z0 = norm.ppf(np.mean(np.array(drawn) < point))
    left = np.array([np.delete(x, i).std() / np.delete(x, i).mean() for i in range(23)])
    pull = left.mean() - left
    a = (pull**3).sum() / (6 * (pull**2).sum() ** 1.5)
    ends = []
    for z in (-1.959963984540054, 1.959963984540054):
        alpha = norm.cdf(z0 + (z0 + z) / (1 - a * (z0 + z)))
        place = alpha * 1000 - 1
        ends.append(np.interp(place, np.arange(999), np.sort(drawn)))
    assert [found.low[0, 0], found.high[0, 0]] == pytest.approx(ends, rel=1e-12)


def test_many_schools_are_left_out_by_groups_to_the_same_end() -> None:
    x = np.random.default_rng(6).gamma(2, 10, 1000)
    rows = R.rows(1000)
    assert rows.shape == (1 + 999 + 200, 1000) and (rows[1000:].sum(axis=1) == 995).all()
    assert (rows[1000:].sum(axis=0) == 199).all()

    def variation(weights: np.ndarray) -> np.ndarray:
        mean = weights @ x / weights.sum(axis=1)
        return np.asarray(np.sqrt(weights @ x**2 / weights.sum(axis=1) - mean**2) / mean)[:, None]

    drawn, point = variation(rows[1:1000]), variation(rows[:1])[0]
    ends = [
        np.array(bca(point, drawn, variation(left_out))[:2]).ravel()
        for left_out in (rows[1000:], 1 - np.eye(1000))
    ]
    assert ends[0] == pytest.approx(ends[1], abs=0.05 * (ends[1][1] - ends[1][0]))


def test_draws_are_seeded_multinomial_weights() -> None:
    weights = Resampling(draws=2000, seed=1).weights(30)
    assert (weights.sum(axis=1) == 30).all()
    assert weights.mean(axis=0) == pytest.approx(1, abs=0.1)
    assert weights.var(axis=0) == pytest.approx(29 / 30, abs=0.15)
    assert (weights == Resampling(draws=2000, seed=1).weights(30)).all()
    assert (weights != Resampling(draws=2000, seed=2).weights(30)).any()
    with pytest.raises(ValueError, match="at least 99"):
        Resampling(draws=20)


def test_a_figure_that_most_draws_lack_is_unstable() -> None:
    drawn = np.full((200, 2), np.nan)
    drawn[:190, 0] = np.linspace(0, 1, 190)
    drawn[:100, 1] = np.linspace(0, 1, 100)
    low, high, usable = bca(np.array([0.5, 0.5]), drawn, np.full((10, 2), 0.5))
    assert usable.tolist() == [True, False]
    assert 0 < low[0] < 0.05 and 0.95 < high[0] < 1


def test_figures_hold_no_number_without_meaning() -> None:
    found = figures([1, 2, np.nan, 4], 0, [2, 3, 4, np.inf], 9, [("why", [0, 1, 1, 0])])
    assert found.reason.tolist() == ["", "why", "why", "not_finite"]
    assert np.isnan(found.value[1:]).all() and found.value[0] == 1


# --- coverage: how often the interval holds the truth


def holds(figure: Figures, truth: float) -> float:
    assert (figure.reason == "").all()
    return float(((figure.low <= truth) & (truth <= figure.high)).mean())


def draw_city(rng: np.random.Generator, cities: int, count: int) -> Schools:
    n = rng.integers(20, 160, (cities, count)).astype(float)
    return n, 60 + 8 * rng.standard_normal(n.shape) + 10 * rng.standard_normal(n.shape) / np.sqrt(n)


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


def clustered_groups(
    rng: np.random.Generator, cities: int, count: int, gap: float
) -> tuple[Cells, Cells, np.ndarray, np.ndarray]:
    """Both groups in each school, share and effect of the school related; scores as students have
    them. Also single scores (of the first cities) for V."""
    n = rng.integers(10, 60, (2, cities, count)).astype(float)
    u = 0.5 * rng.standard_normal((cities, count))
    mean = u + np.array([gap / 2, -gap / 2])[:, None, None]
    mean = mean + rng.standard_normal(n.shape) / np.sqrt(n)
    squares = rng.chisquare(n - 1)
    return Cells(n[0], mean[0], squares[0]), Cells(n[1], mean[1], squares[1]), n, u


def test_gap_intervals_hold_the_truth() -> None:
    """Group membership by school (as of locale): only the clustered interval holds."""
    rng = np.random.default_rng(12)
    a, b, _, _ = clustered_groups(rng, 400, 80, 0.4)
    rural = np.arange(80) < 40
    one = Cells(np.where(rural, a.n, 0), a.mean, a.squares)
    other = Cells(np.where(rural, 0, b.n), b.mean, b.squares)
    truth = 0.4 / np.sqrt(1.25)
    found = equity.standardised_gap(one, other, resampling=R)
    assert 0.92 <= holds(found.clustered, truth) <= 0.98
    assert holds(found.analytic, truth) < 0.6
    # Both groups in each school: the school's effect goes out of the difference, not of the pooled
    # deviation.
    found = equity.standardised_gap(a, b, resampling=R)
    assert 0.92 <= holds(found.clustered, truth) <= 0.98


def test_analytic_gap_holds_the_truth_of_independent_students() -> None:
    rng = np.random.default_rng(13)
    shape = (2, 1000, 1)
    n = np.full(shape, 60.0)
    mean = np.array([0.5, 0.0])[:, None, None] + rng.standard_normal(shape) / np.sqrt(n)
    groups = [Cells(k, m, rng.chisquare(k - 1)) for k, m in zip(n, mean, strict=True)]
    found = equity.standardised_gap(*groups, resampling=QUICK)
    assert 0.93 <= holds(found.analytic, 0.5) <= 0.97
    scores = [0.5 + rng.standard_normal((400, 80)), rng.standard_normal((400, 80))]
    tried = [
        equity.rank_gap_of_scores(np.append(a, b), np.arange(160) < 80).analytic[0]
        for a, b in zip(*scores, strict=True)
    ]
    held = [bool(f.low <= 0.5 <= f.high) for f in tried]
    assert 0.92 <= np.mean(held) <= 0.98


def test_clustered_rank_gap_holds_the_truth() -> None:
    rng = np.random.default_rng(14)
    held = []
    for _ in range(250):
        u = 0.5 * rng.standard_normal(60)
        school = np.repeat(np.arange(60), 30)
        in_a = school < 30
        score = u[school] + rng.standard_normal(1800) + 0.4 * in_a
        found = equity.rank_gap_of_scores(score, in_a, school).clustered[0]
        held.append(bool(found.low <= 0.4 / np.sqrt(1.25) <= found.high))
    assert 0.91 <= np.mean(held) <= 0.98


def test_parity_and_gradient_intervals_hold_the_truth() -> None:
    rng = np.random.default_rng(15)
    shape = (300, 80)
    n = rng.integers(20, 80, (2, *shape))
    lift = rng.uniform(-0.2, 0.2, shape)
    passed = [rng.binomial(k, p + lift) for k, p in zip(n, (0.5, 0.6), strict=True)]
    found = equity.parity(passed[0], n[0], passed[1], n[1], resampling=R)
    assert 0.92 <= holds(found.ratio.clustered, 0.5 / 0.6) <= 0.98
    assert 0.92 <= holds(found.difference.clustered, -0.1) <= 0.98

    share = rng.uniform(0.1, 0.6, shape)
    yes = np.maximum(rng.binomial(60, share), 1).astype(float)
    no = 60 - yes
    u = -0.8 * share + 0.3 * rng.standard_normal(shape)
    means = [u + rng.standard_normal(shape) / np.sqrt(k) for k in (yes, no)]
    slopes = equity.social_gradient(
        *equity.of_members(yes, means[0] - 0.3, no, means[1]), resampling=R
    )
    assert 0.92 <= holds(slopes.within, -0.3) <= 0.98
    # Between schools the share drawn stands for the school's own: −0.8 is weakened a little.
    assert 0.90 <= holds(slopes.contextual, -0.8 * slopes_kept(share)) <= 0.98


def slopes_kept(share: np.ndarray) -> float:
    """Part of the variance of drawn shares that is of the schools' own."""
    own = float(share.var())
    return own / (own + float((share * (1 - share)).mean()) / 60)


def test_share_intervals_hold_the_truth() -> None:
    rng = np.random.default_rng(16)
    cities, count = 120, 60
    n = rng.integers(10, 60, (cities, count)).astype(float)
    district = np.repeat(np.arange(12), 5)
    v = 0.4 * rng.standard_normal((cities, 12))
    u = 0.5 * rng.standard_normal(n.shape) + v[:, district]
    students = Cells(n, u + rng.standard_normal(n.shape) / np.sqrt(n), rng.chisquare(n - 1))
    found = equity.shares(students, district)
    assert 0.91 <= holds(found.between_districts, 0.16 / 1.41) <= 0.99
    assert 0.91 <= holds(found.within_districts, 0.25 / 1.41) <= 0.99
    two = equity.shares(
        Cells(n, u - v[:, district] + rng.standard_normal(n.shape) / np.sqrt(n), students.squares)
    )
    assert 0.91 <= holds(two.between_schools, 0.25 / 1.25) <= 0.99


# --- gaps


def test_exam_gap_as_r_has_it(exam: dict[str, np.ndarray], by_r: dict[str, Any]) -> None:
    girl, school = exam["girl"] == 1, exam["school"].astype(int) - 1
    groups = [cells(exam["outcome"][g], school[g], 65) for g in (girl, ~girl)]
    d = equity.standardised_gap(*groups, resampling=R)
    assert d.analytic.value[0] == pytest.approx(by_r["d"], rel=1e-12)
    v = equity.rank_gap_of_scores(exam["outcome"], girl, school)
    assert norm.cdf(v.analytic.value[0] / np.sqrt(2)) == pytest.approx(by_r["auc"], rel=1e-12)
    slope = np.sqrt(2) / norm.pdf(v.analytic.value[0] / np.sqrt(2))
    error = (v.analytic.high[0] - v.analytic.low[0]) / 2 / 1.959963984540054
    assert error == pytest.approx(slope * np.sqrt(by_r["auc_variance"]), rel=1e-9)
    # Two ways to count whole schools: resampled, and from their parts in P(a > b).
    widths = [g.clustered.high[0] - g.clustered.low[0] for g in (d, v)]
    assert widths[1] == pytest.approx(widths[0], rel=0.15)
    assert widths[0] > 1.2 * (d.analytic.high[0] - d.analytic.low[0])


def test_hedges_and_olkin_near_the_exact_interval() -> None:
    """The noncentral t gives the exact limits; the large-sample ones are near at 100 a group."""
    n = 100
    groups = [Cells([n], [m], [n - 1.0]) for m in (0.5, 0.0)]
    d = equity.standardised_gap(*groups, resampling=QUICK).analytic
    assert d.value[0] == pytest.approx(0.5, rel=1e-12)
    scale = np.sqrt(n / 2)
    below = nct.sf(0.5 * scale, 2 * n - 2, d.low[0] * scale)
    above = nct.cdf(0.5 * scale, 2 * n - 2, d.high[0] * scale)
    assert [below, above] == pytest.approx([0.025, 0.025], abs=0.003)
    expected = 0.5 - 1.959963984540054 * np.sqrt(2 / n + 0.25 / (4 * n))
    assert d.low[0] == pytest.approx(expected, rel=1e-12)


grid = arrays(int, (6, 8), elements=st.integers(0, 3))


@given(grid, grid)
@settings(max_examples=60)
def test_rank_gap_is_its_definition_and_knows_no_scale(a: np.ndarray, b: np.ndarray) -> None:
    found, turned = equity.rank_gap(a, b), equity.rank_gap(b, a)
    one, other = (np.repeat(np.arange(8), g.sum(axis=0)) for g in (a, b))
    if min(len(one), len(other)) < 2:
        assert found.analytic.reason[0] == "too_few_students"
        return
    wins = np.sign(one[:, None] - other) / 2 + 0.5
    p = wins.mean()
    if found.analytic.reason[0]:
        assert p in (0, 1) or (wins.mean(axis=0).std() == 0 and wins.mean(axis=1).std() == 0)
        return
    assert found.analytic.value[0] == pytest.approx(np.sqrt(2) * norm.ppf(p), abs=1e-9)
    assert turned.analytic.value[0] == pytest.approx(-found.analytic.value[0], abs=1e-9)
    assert turned.analytic.high[0] == pytest.approx(-found.analytic.low[0], abs=1e-9)
    # DeLong's variance of its two sets of placements.
    expected = wins.mean(axis=1).var(ddof=1) / len(one) + wins.mean(axis=0).var(ddof=1) / len(other)
    half = (found.analytic.high[0] - found.analytic.low[0]) / 2 / 1.959963984540054
    assert half * norm.pdf(norm.ppf(p)) / np.sqrt(2) == pytest.approx(np.sqrt(expected), rel=1e-6)
    # A rescaling of scores, even by cubes, changes nothing.
    school = [np.concatenate([np.full(k, i) for i, k in enumerate(g.sum(axis=1))]) for g in (a, b)]
    scores = [np.concatenate([np.repeat(np.arange(8), row) for row in g]) for g in (a, b)]
    raw = equity.rank_gap_of_scores(
        np.concatenate(scores).astype(float) ** 3,
        np.arange(len(one) + len(other)) < len(one),
        np.concatenate(school),
    )
    for part in ("value", "low", "high"):
        assert getattr(raw.analytic, part) == pytest.approx(getattr(found.analytic, part))
        ours, theirs = (getattr(g.clustered, part)[0] for g in (raw, found))
        assert ours == pytest.approx(theirs, nan_ok=True)


def test_rank_gap_is_d_where_groups_are_normal() -> None:
    score = np.concatenate([norm.ppf((np.arange(4000) + 0.5) / 4000) + m for m in (0.3, 0.0)])
    found = equity.rank_gap_of_scores(score, np.arange(8000) < 4000)
    assert found.analytic.value[0] == pytest.approx(0.3, abs=1e-3)


@given(
    st.integers(0, 50),
    st.floats(0.01, 100),
    st.floats(-1000, 1000),
)
@settings(max_examples=30)
def test_d_knows_neither_scale_nor_origin(seed: int, factor: float, added: float) -> None:
    a, b, _, _ = clustered_groups(np.random.default_rng(seed), 1, 12, 0.4)
    moved = [Cells(c.n, c.mean * factor + added, c.squares * factor**2) for c in (a, b)]
    before = equity.standardised_gap(a, b, resampling=QUICK)
    after = equity.standardised_gap(*moved, resampling=QUICK)
    for kind in ("analytic", "clustered"):
        for part in ("value", "low", "high"):
            ours, theirs = (getattr(getattr(g, kind), part)[0] for g in (after, before))
            assert ours == pytest.approx(theirs, rel=1e-7, abs=1e-9)


def test_cells_from_sums_are_those_of_students() -> None:
    rng = np.random.default_rng(3)
    score, school = rng.standard_normal(200), rng.integers(0, 9, 200)
    c = cells(score, school, 10)
    sums = [np.bincount(school, w, minlength=10) for w in (score, score**2)]
    other = Cells.from_sums(c.n, *sums)
    assert other.mean == pytest.approx(c.mean, abs=1e-12)
    assert other.squares == pytest.approx(c.squares, abs=1e-10)


def test_gaps_that_cannot_be_told() -> None:
    n = np.full((3, 6), 5.0)
    one = Cells(n, np.tile(np.arange(6.0), (3, 1)), n * 0 + 1)
    gone = n.copy()
    gone[0] = [1, 0, 0, 0, 0, 0]
    broken = np.zeros((3, 6))
    broken[1, 2] = np.inf
    other = Cells(gone, broken, n * 0)
    found = equity.standardised_gap(one, other, resampling=QUICK)
    assert found.analytic.reason.tolist() == ["too_few_students", "not_finite", ""]
    flat = Cells(n, n * 0 + 70.1, n * 0)
    same = equity.standardised_gap(flat, flat, resampling=QUICK)
    assert same.analytic.reason.tolist() == same.clustered.reason.tolist() == ["no_variance"] * 3
    ranks = [[[3, 0], [0, 3]], [[0, 3], [0, 3]], [[2, 2], [0, 0]]]
    pairs = [(0, 1), (2, 0), (1, 1)]
    reasons = [equity.rank_gap(ranks[i], ranks[j]).analytic.reason[0] for i, j in pairs]
    assert reasons == ["", "", "no_variance"]
    assert equity.rank_gap([[0, 5]], [[5, 0]]).analytic.reason[0] == "no_overlap"
    with pytest.raises(ValueError, match="shapes differ"):
        equity.rank_gap([[1, 2]], [[1, 2, 3]])


# --- parity


@pytest.mark.parametrize(
    ("a", "m", "b", "n", "low", "high"),
    [
        (56, 70, 48, 80, 0.0524, 0.3339),
        (9, 10, 3, 10, 0.1705, 0.8090),
        (10, 10, 0, 10, 0.6075, 1.0),
        (10, 10, 0, 20, 0.6791, 1.0),
    ],
)
def test_newcombes_table(a: int, m: int, b: int, n: int, low: float, high: float) -> None:
    """Newcombe (1998), table II, method 10."""
    found = equity.parity([a], [m], [b], [n], resampling=QUICK).difference.analytic
    assert [found.low[0], found.high[0]] == pytest.approx([low, high], abs=5e-5)


def test_relative_risk_of_the_physicians_study() -> None:
    """Agresti (2002), section 2.1: 189 of 11,034 against 104 of 11,037 is 1.82 (1.43, 2.31)."""
    found = equity.parity([189], [11034], [104], [11037], resampling=QUICK).ratio.analytic
    assert [found.value[0], found.low[0], found.high[0]] == pytest.approx(
        [1.82, 1.43, 2.31], abs=5e-3
    )


rates = st.integers(1, 40).flatmap(lambda m: st.tuples(st.integers(0, m), st.just(m)))


@given(rates, rates)
def test_parity_has_its_bounds_and_turns_around(
    one: tuple[int, int], other: tuple[int, int]
) -> None:
    found = equity.parity([one[0]], [one[1]], [other[0]], [other[1]], resampling=QUICK)
    turned = equity.parity([other[0]], [other[1]], [one[0]], [one[1]], resampling=QUICK)
    d, e = found.difference.analytic, turned.difference.analytic
    assert -1 <= d.low[0] <= d.value[0] <= d.high[0] <= 1
    assert [e.low[0], e.high[0]] == pytest.approx([-d.high[0], -d.low[0]], abs=1e-12)
    r, s = found.ratio.analytic, turned.ratio.analytic
    if not r.reason[0]:
        assert 0 < r.low[0] <= r.value[0] <= r.high[0]
        assert [s.low[0], s.high[0]] == pytest.approx([1 / r.high[0], 1 / r.low[0]], rel=1e-9)
    else:
        assert 0 in (one[0], other[0]) or (one[0] == one[1] and other[0] == other[1])


def test_parity_that_cannot_be_told() -> None:
    n = np.full((3, 6), 4.0)
    passed = np.tile([[0.0], [4.0], [2.0]], 6)
    found = equity.parity(passed, n, n, n, resampling=QUICK)
    assert found.ratio.analytic.reason.tolist() == ["zero_count", "no_variance", ""]
    assert found.difference.analytic.reason.tolist() == ["", "", ""]
    assert found.difference.clustered.reason[1] == "no_variance"
    none = equity.parity([0.0] * 6, [0.0] * 6, n[0], n[0], resampling=QUICK)
    assert none.difference.analytic.reason[0] == "too_few_students"
    with pytest.raises(ValueError, match="more passed"):
        equity.parity([5], [4], [1], [4], resampling=QUICK)


# --- social gradient, shares, convergence


def test_exam_slopes_and_share_as_r_has_them(
    exam: dict[str, np.ndarray], by_r: dict[str, Any]
) -> None:
    school = exam["school"].astype(int) - 1
    x, y = cells(exam["prior"], school, 65), cells(exam["outcome"], school, 65)
    cross = np.bincount(
        school, (exam["prior"] - x.mean[0, school]) * (exam["outcome"] - y.mean[0, school])
    )
    found = equity.social_gradient(y.n, x.mean, y.mean, x.squares, cross[None], resampling=R)
    assert found.within.value[0] == pytest.approx(by_r["within"], rel=1e-10)
    assert found.between.value[0] == pytest.approx(by_r["between"], rel=1e-10)
    assert found.contextual.value[0] == pytest.approx(by_r["between"] - by_r["within"], rel=1e-9)
    share = equity.shares(y).between_schools
    assert share.value[0] == pytest.approx(by_r["icc"], rel=1e-6)
    assert share.low[0] < by_r["icc"] < share.high[0]


@given(st.integers(0, 30))
@settings(max_examples=15)
def test_gradient_is_least_squares_of_students(seed: int) -> None:
    rng = np.random.default_rng(seed)
    school = rng.integers(0, 7, 90)
    x = (rng.random(90) < 0.2 + 0.08 * school).astype(float)
    y = rng.standard_normal(90) - 0.3 * x + 500
    yes, no = (cells(y[x == k], school[x == k], 7) for k in (1, 0))
    found = equity.social_gradient(
        *equity.of_members(yes.n, yes.mean, no.n, no.mean), resampling=QUICK
    )
    dummies = (school[:, None] == np.arange(7)).astype(float)
    within = np.linalg.lstsq(np.column_stack([x, dummies]), y, rcond=None)[0][0]
    size = dummies.sum(axis=0)
    here = size > 0
    mx, my = dummies.T @ x / np.maximum(size, 1), dummies.T @ y / np.maximum(size, 1)
    between = np.polyfit(mx[here], my[here], 1, w=np.sqrt(size[here]))[0]
    assert found.within.value[0] == pytest.approx(within, rel=1e-7, abs=1e-9)
    assert found.between.value[0] == pytest.approx(between, rel=1e-6, abs=1e-7)


def test_gradients_and_shares_that_cannot_be_told() -> None:
    n = np.full(6, 10.0)
    found = equity.social_gradient(
        *equity.of_members(n, np.arange(6.0), n, np.arange(6.0)[::-1]), resampling=QUICK
    )
    assert found.between.reason[0] == "no_variation_between"
    assert found.within.reason[0] == ""
    alone = equity.social_gradient(
        *equity.of_members([10, 0, 10, 0, 10, 0], n, [0, 10, 0, 10, 0, 10], n), resampling=QUICK
    )
    assert alone.within.reason[0] == "no_variation_within"
    few = equity.shares(Cells(n[:3], n[:3], n[:3]), np.array([0, 1, 1]))
    assert few.between_schools.reason[0] == "too_few_schools"
    assert equity.shares(Cells(n, n, n * 0)).between_schools.state[0] == "not_estimated"
    assert equity.shares(Cells(n, np.arange(6), n)).between_districts.reason[0] == "no_districts"
    alike = equity.shares(Cells(n, n * 0, n)).between_schools
    assert alike.value[0] == 0 and alike.low[0] == 0 and 0 < alike.high[0] < 0.5


def communities(
    rng: np.random.Generator, count: int, slope: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    community = np.repeat(np.arange(count), 4 * 3)
    year = np.tile(np.repeat([2021, 2022, 2023], 4), count)
    lead = np.tile([True, False, False, False], 3 * count)
    n = rng.integers(20, 80, len(year)).astype(float)
    own = 0.05 * rng.standard_normal(count)[community]
    mean = np.where(lead, 0.3, -0.3 - (slope + own) * (year - 2021))
    mean = mean + rng.standard_normal(len(n)) / np.sqrt(n)
    return community, year, lead, n, mean, rng.chisquare(n - 1)


def test_convergence_by_hand() -> None:
    found = equity.convergence(
        ["a"] * 6,
        [2022, 2022, 2022, 2024, 2024, 2024],
        [True, False, False] * 2,
        [50, 20, 30, 50, 20, 30],
        [0.4, -0.2, 0.3, 0.4, 0.0, 0.3],
        [49, 19, 29, 49, 19, 29],
        resampling=QUICK,
    )
    assert found.years == (2022, 2024) and found.communities == ("a",)
    assert found.rural[0] == pytest.approx([0.1, 0.18])
    assert found.gap.value[0] == pytest.approx([0.3, 0.22])
    half = 1.959963984540054 * np.sqrt(1 / 50 + (20 + 30) / 50**2)
    assert found.gap.high[0] - found.gap.value[0] == pytest.approx([half, half])
    assert found.change.value[0] == pytest.approx(-0.04)
    assert found.change.high[0] + 0.04 == pytest.approx(half / np.sqrt(2))
    assert found.overall_gap.reason.tolist() == ["too_few_communities"] * 2


def test_convergence_holds_the_truth_and_forgets_order() -> None:
    rng = np.random.default_rng(21)
    each, overall = [], []
    for _ in range(150):
        given_rows = communities(rng, 30, -0.1)
        found = equity.convergence(*given_rows, resampling=Resampling(draws=499, seed=1))
        low, high = found.overall_change.low[0], found.overall_change.high[0]
        overall.append(low <= -0.1 <= high)
        # At the start every community's true gap is 0.6.
        each.append((found.gap.low[:, 0] <= 0.6) & (found.gap.high[:, 0] >= 0.6))
    assert 0.90 <= np.mean(overall) <= 0.985
    assert 0.94 <= np.mean(each) <= 0.96
    order = rng.permutation(len(given_rows[0]))
    again = equity.convergence(
        *(v[order] for v in given_rows), resampling=Resampling(draws=499, seed=1)
    )
    assert again.overall_change.low == pytest.approx(found.overall_change.low, rel=1e-10)


def test_communities_that_lack_something() -> None:
    rng = np.random.default_rng(5)
    community, year, lead, n, mean, squares = communities(rng, 3, 0.0)
    lead = lead & (community != 0)
    n[(community == 1) & (year < 2023)] = 0
    mean[(community == 2) & (year == 2022)] = np.nan
    found = equity.convergence(community, year, lead, n, mean, squares, resampling=QUICK)
    assert (found.gap.reason[0] == "no_lead_or_rural_school").all()
    assert found.gap.reason[2].tolist() == ["", "not_finite", ""]
    assert found.change.reason.tolist() == ["too_few_years", "too_few_years", ""]


@pytest.mark.parametrize("count", [0, 1, 6])
def test_cells_without_anybody_have_no_figure(count: int) -> None:
    none = np.zeros((2, count))
    empty = Cells(none, none, none)
    gap = equity.standardised_gap(empty, empty, resampling=QUICK)
    ranks = equity.rank_gap(np.zeros((2, count, 3)), np.zeros((2, count, 3)))
    parity = equity.parity(none, none, none, none, resampling=QUICK)
    slopes = equity.social_gradient(none, none, none, none, none, resampling=QUICK)
    spread = equity.inequality(none, none, np.zeros(count), resampling=QUICK)
    shares = equity.shares(empty, np.zeros(count, dtype=int))
    met = equity.convergence(*np.zeros((6, count)), resampling=QUICK)
    parts = [gap, ranks, parity.ratio, parity.difference, slopes, spread, shares, met]
    found = [f for part in parts for f in vars(part).values() if isinstance(f, Figures)]
    assert len(found) >= 22
    for figure in found:
        assert (figure.state == "not_estimated").all() and np.isnan(figure.value).all()


@given(
    arrays(float, (3, 9), elements=st.integers(0, 3).map(float)),
    arrays(
        float,
        (2, 9),
        elements=st.sampled_from([0.0, 1.0, 1e-60, 1e60, 55.5, -3.0, np.nan, np.inf, -np.inf]),
    ),
)
@settings(max_examples=60)
def test_whatever_comes_in_a_figure_is_a_number_or_has_a_reason(
    n: np.ndarray, x: np.ndarray
) -> None:
    a, b = (Cells(n[i], x[i], np.abs(x[i])) for i in (0, 1))
    parts: list[Any] = [
        equity.inequality(n[2], x[0], np.arange(9) % 2, resampling=QUICK),
        equity.standardised_gap(a, b, resampling=QUICK),
        equity.social_gradient(n[0], x[0], x[1], np.abs(x[1]), x[0], resampling=QUICK),
        equity.shares(a, np.arange(9) % 3),
        equity.convergence(
            np.arange(9) % 2, n[2], n[1] > 1, n[0], x[0], np.abs(x[1]), resampling=QUICK
        ),
    ]
    for figure in (f for part in parts for f in vars(part).values() if isinstance(f, Figures)):
        told = figure.reason == ""
        for values_told in (figure.value, figure.low, figure.high):
            assert np.isfinite(values_told[told]).all() and np.isnan(values_told[~told]).all()
        assert (figure.low[told] <= figure.high[told]).all()


def test_the_same_input_gives_the_same_bits() -> None:
    rng = np.random.default_rng(9)
    n, x = draw_city(rng, 3, 50)
    one, two = (equity.inequality(n, x, np.arange(50) % 4, resampling=R) for _ in range(2))
    for name in (*MEASURES, "theil_between", "theil_within"):
        for part in ("value", "low", "high"):
            a, b = (getattr(getattr(found, name), part) for found in (one, two))
            assert a.tobytes() == b.tobytes()
