"""The social gradient and shares of variance against R and least squares of single students."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.evaluation import equity
from pipelines.evaluation.equity import Cells
from tests.evaluation.equity.students import QUICK, R, cells, holds


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


def slopes_kept(share: np.ndarray) -> float:
    """Part of the variance of drawn shares that is of the schools' own."""
    own = float(share.var())
    return own / (own + float((share * (1 - share)).mean()) / 60)


def test_gradient_intervals_hold_the_truth() -> None:
    rng = np.random.default_rng(15)
    shape = (300, 80)
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
