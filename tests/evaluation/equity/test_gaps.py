"""Gaps of scores and of rates against R, published tables and their definitions."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import nct, norm

from pipelines.evaluation import equity
from pipelines.evaluation.equity import Cells
from tests.evaluation.equity.students import QUICK, R, cells, holds


def clustered_groups(
    rng: np.random.Generator, cities: int, count: int, gap: float
) -> tuple[Cells, Cells]:
    """Both groups in each school, which has an effect of its own; scores as students have them."""
    n = rng.integers(10, 60, (2, cities, count)).astype(float)
    u = 0.5 * rng.standard_normal((cities, count))
    mean = u + np.array([gap / 2, -gap / 2])[:, None, None]
    mean = mean + rng.standard_normal(n.shape) / np.sqrt(n)
    squares = rng.chisquare(n - 1)
    return Cells(n[0], mean[0], squares[0]), Cells(n[1], mean[1], squares[1])


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
    a, b = clustered_groups(np.random.default_rng(seed), 1, 12, 0.4)
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


def test_gap_intervals_hold_the_truth() -> None:
    """Group membership by school (as of locale): only the clustered interval holds."""
    rng = np.random.default_rng(12)
    a, b = clustered_groups(rng, 400, 80, 0.4)
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


def test_parity_intervals_hold_the_truth() -> None:
    rng = np.random.default_rng(15)
    shape = (300, 80)
    n = rng.integers(20, 80, (2, *shape))
    lift = rng.uniform(-0.2, 0.2, shape)
    passed = [rng.binomial(k, p + lift) for k, p in zip(n, (0.5, 0.6), strict=True)]
    found = equity.parity(passed[0], n[0], passed[1], n[1], resampling=R)
    assert 0.92 <= holds(found.ratio.clustered, 0.5 / 0.6) <= 0.98
    assert 0.92 <= holds(found.difference.clustered, -0.1) <= 0.98


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
