"""Whether the schools of a community draw near to its lead school, by hand and by truth put in."""

import numpy as np
import pytest

from pipelines.evaluation import equity
from pipelines.evaluation.resampling import Resampling
from tests.evaluation.equity.students import QUICK


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
