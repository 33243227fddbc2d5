"""Of whatever comes in: a figure is a number or has a reason; without anybody there is none."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipelines.evaluation import equity
from pipelines.evaluation.equity import Cells
from pipelines.evaluation.resampling import Figures
from tests.evaluation.equity.students import QUICK


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
