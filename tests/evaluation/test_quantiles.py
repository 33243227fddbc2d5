"""The solver against HiGHS, against R's quantreg, and by what must hold of any exact solution."""

import csv
import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from pipelines.evaluation import quantiles
from pipelines.evaluation.growth import TAUS, Spline

DATA = Path(__file__).parent / "data"
FEW = np.array([0.005, 0.25, 0.5, 0.9])


def loss(rows: np.ndarray, score: np.ndarray, band: quantiles.Band) -> np.ndarray:
    """Objectives from the coefficients, by the definition."""
    residual = score[:, None] - rows @ band.coefficients.T
    return (residual * (band.taus - (residual < 0))).sum(axis=0)


def least(rows: np.ndarray, score: np.ndarray, weight: np.ndarray, tau: float) -> float:
    """The least objective, by HiGHS on the primal programme: another method and formulation."""
    n = len(score)
    cost = np.concatenate([np.zeros(2 * rows.shape[1]), tau * weight, (1 - tau) * weight])
    equal = np.hstack([rows, -rows, np.eye(n), -np.eye(n)])
    return float(linprog(cost, A_eq=equal, b_eq=score, method="highs").fun)


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Small data sets with what makes vertices degenerate: ties, grids, repeated columns."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, p = draw(st.integers(1, 60)), draw(st.integers(1, 6))
    rows = {
        "continuous": lambda: rng.normal(size=(n, p)),
        "grid": lambda: rng.integers(0, 4, size=(n, p)).astype(float),
        "repeated": lambda: rng.normal(size=(n, 1)) * np.ones(p),
        "powers": lambda: np.vander(rng.integers(0, 9, n) / 4.0, p, increasing=True),
    }[draw(st.sampled_from(["continuous", "grid", "repeated", "powers"]))]()
    rows[:, 0] = 1.0
    score = {
        "continuous": lambda: rng.normal(size=n),
        "few": lambda: rng.integers(0, 4, n).astype(float),
        "heavy": lambda: rng.standard_cauchy(n),
        "equal": lambda: np.full(n, 7.0),
        "explained": lambda: rows @ rng.normal(size=p),
    }[draw(st.sampled_from(["continuous", "few", "heavy", "equal", "explained"]))]()
    weight = rng.integers(1, 4, n).astype(float) if draw(st.booleans()) else np.ones(n)
    return rows, score, weight


@settings(max_examples=60)
@given(problems())
def test_no_plane_is_better_by_another_solver(
    problem: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    rows, score, weight = problem
    band = quantiles.fit(rows, score, FEW, weight=weight)
    assert band.verified.all()
    for place, tau in enumerate(FEW):
        residual = score - rows @ band.coefficients[place]
        reached = float((weight * residual * (tau - (residual < 0))).sum())
        scale = weight.sum() * (np.ptp(score) or 1.0)
        assert reached <= least(rows, score, weight, tau) + 1e-9 * scale
        assert band.objective[place] == pytest.approx(reached, rel=1e-8, abs=1e-10 * scale)


def test_a_constant_alone_gives_the_sample_quantiles() -> None:
    score = np.random.default_rng(1).normal(size=1001)
    band = quantiles.fit(np.ones((1001, 1)), score, TAUS)
    expected = np.sort(score)[np.ceil(TAUS * 1001).astype(int) - 1]
    np.testing.assert_allclose(band.coefficients[:, 0], expected, rtol=1e-12)


def many(seed: int, n: int, halves: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, whose they are, and scores of n students: enough that most stand in the sums."""
    rng = np.random.default_rng(seed)
    prior = rng.normal(60, 15, n)
    score = prior + (5 + prior / 15) * rng.standard_t(4, n)
    if halves:
        prior, score = np.round(2 * prior) / 2, np.clip(np.round(2 * score) / 2, 0, 100)
    values, row = np.unique(prior, return_inverse=True)
    rows = np.hstack([np.ones((len(values), 1)), Spline.of(prior).columns(values)])
    return rows, row, score


@pytest.mark.parametrize("halves", [False, True])
def test_a_band_on_many_students_is_proven_without_the_general_solver(halves: bool) -> None:
    rows, row, score = many(2, 20_000, halves)
    band = quantiles.fit(rows, score, TAUS, row)
    assert band.gap.max() < 1e-12
    assert not band.by_linear_program.any()
    np.testing.assert_allclose(loss(rows[row], score, band), band.objective, rtol=1e-12)
    # An exact solution has at most tau n below it and at least tau n not above it.
    apart = score[:, None] - rows[row] @ band.coefficients.T
    assert ((apart < -1e-9).sum(axis=0) <= TAUS * len(score) + 1e-6).all()
    assert ((apart < 1e-9).sum(axis=0) >= TAUS * len(score) - 1e-6).all()


def test_the_general_solver_takes_over_and_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, row, score = many(3, 600, halves=True)
    band = quantiles.fit(rows, score, FEW, row)
    monkeypatch.setattr(quantiles._Walk, "_descend", lambda *_: None)
    general = quantiles.fit(rows, score, FEW, row)
    assert general.by_linear_program.all()
    assert general.verified.all()
    np.testing.assert_allclose(general.objective, band.objective, rtol=1e-9)


def test_a_wrong_answer_is_caught_by_its_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, row, score = many(4, 600, halves=False)
    found = quantiles._Walk._descend

    def wrong(self: quantiles._Walk, tau: float, *rest: object) -> object:
        right = found(self, tau, *rest)  # type: ignore[arg-type]
        assert right is not None
        shifted = right.coefficients + 1e-3
        return self._proven(tau, shifted, (tau - (right.residual < 0)) * self.weight)

    monkeypatch.setattr(quantiles._Walk, "_descend", wrong)
    assert quantiles.fit(rows, score, FEW, row).by_linear_program.all()
    monkeypatch.setattr(
        quantiles._Walk,
        "_linear_program",
        lambda self, tau: quantiles._Solution(np.zeros(len(self.kept)), self.score, 1.0, np.inf),
    )
    unproven = quantiles.fit(rows, score, FEW, row)
    assert not unproven.verified.any()
    assert np.isnan(unproven.coefficients).all()


def test_weights_are_repetitions() -> None:
    rng = np.random.default_rng(5)
    rows = np.column_stack([np.ones(80), rng.normal(size=80)])
    score, times = rng.normal(size=80), rng.integers(1, 5, 80)
    weighted = quantiles.fit(rows, score, FEW, weight=times.astype(float))
    repeated = quantiles.fit(np.repeat(rows, times, axis=0), np.repeat(score, times), FEW)
    np.testing.assert_allclose(weighted.objective, repeated.objective, rtol=1e-12)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.floats(-1e6, 1e6), st.floats(1e-3, 1e3))
def test_shift_scale_and_slope_of_the_score_move_the_planes(
    seed: int, shift: float, scale: float
) -> None:
    rng = np.random.default_rng(seed)
    rows = np.column_stack([np.ones(300), rng.normal(size=(300, 2))])
    score = rng.normal(size=300)
    plain = quantiles.fit(rows, score, FEW)
    moved = quantiles.fit(rows, scale * (score + rows @ [shift, 1.0, -2.0]), FEW)
    np.testing.assert_allclose(
        moved.coefficients / scale - [shift, 1.0, -2.0],
        plain.coefficients,
        atol=1e-9 * max(1.0, abs(shift)),
    )
    turned = quantiles.fit(rows, -score, 1 - FEW)
    np.testing.assert_allclose(turned.objective, plain.objective, rtol=1e-9)


def test_order_of_students_and_of_quantiles_changes_no_bit() -> None:
    rows, row, score = many(6, 3000, halves=True)
    plain = quantiles.fit(rows, score, TAUS, row)
    mixed = np.random.default_rng(7).permutation(len(score))
    again = quantiles.fit(rows, score[mixed], TAUS[::-1], row[mixed])
    np.testing.assert_array_equal(plain.coefficients, again.coefficients[::-1])


def test_columns_that_others_explain_are_dropped() -> None:
    rng = np.random.default_rng(8)
    x = rng.normal(size=200)
    rows = np.column_stack([np.ones(200), x, 3 - 2 * x, np.zeros(200), x**2])
    band = quantiles.fit(rows, x + rng.normal(size=200), FEW)
    assert band.dropped == (2, 3)
    assert (band.coefficients[:, [2, 3]] == 0).all()
    assert band.verified.all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": np.ones((3, 0))}, "neither empty"),
        ({"score": np.ones((3, 1))}, "n the same"),
        ({"score": np.ones(4)}, "point into rows"),
        ({"score": np.array([1.0, np.nan, 2.0])}, "finite"),
        ({"taus": np.array([1.0])}, "within"),
        ({"weight": np.array([1.0, 0.0, 1.0])}, "positive"),
        ({"row": np.array([0, 1, 3])}, "point into rows"),
    ],
)
def test_wrong_shapes_and_values_are_the_callers_error(
    change: dict[str, np.ndarray], message: str
) -> None:
    given: dict[str, np.ndarray] = {"rows": np.ones((3, 1)), "score": np.ones(3), "taus": FEW}
    with pytest.raises(ValueError, match=message):
        quantiles.fit(**{**given, **change})


def test_objectives_are_those_of_quantreg() -> None:
    """`rq.fit.br` of quantreg 5.94 on R's own basis; the figures' script is beside them."""
    kept = json.loads((DATA / "growth.json").read_text(encoding="utf-8"))
    with gzip.open(DATA / "star_math.csv.gz", "rt") as text:
        star = np.array([[float(v or "nan") for v in r.values()] for r in csv.DictReader(text)])
    with gzip.open(DATA / "chem97.csv.gz", "rt") as text:
        chem = np.array([[float(v) for v in r.values()] for r in csv.DictReader(text)])
    both = star[np.isfinite(star[:, 2])]
    for name, table, priors in (
        ("star_order_1", star, 1),
        ("star_order_2", both, 2),
        ("chem97", chem, 1),
    ):
        rows = np.hstack(
            [np.ones((len(table), 1))]
            + [Spline.of(table[:, 1 + j]).columns(table[:, 1 + j]) for j in range(priors)]
        )
        assert rows.shape == (kept[name]["n"], kept[name]["columns"])
        band = quantiles.fit(rows, table[:, 0], TAUS)
        np.testing.assert_allclose(band.objective, kept[name]["objective"], rtol=1e-8, atol=1e-8)
        assert (band.objective <= np.array(kept[name]["objective"]) * (1 + 1e-10) + 1e-9).all()
