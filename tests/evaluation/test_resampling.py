"""The bootstrap against a BCa written out draw by draw."""

import numpy as np
import pytest
from scipy.stats import norm

from pipelines.evaluation import equity
from pipelines.evaluation.resampling import Resampling, bca, figures
from tests.evaluation.equity.students import R


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
