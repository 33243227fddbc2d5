"""Checks of value added from tables: years joined, and error of the prior corrected."""

import numpy as np
import pyarrow as pa
import pytest

from pipelines.estimates import measurement_error, years
from pipelines.estimates.checks import LINEAR
from tests.estimates.made_up_sums import sums_of

Z = 1.959963984540054
NAMES = ["2021-2022", "2022-2023", "2023-2024", "2024-2025"]
SCHOOLS, STUDENTS = 30, 40


def effects_of_years() -> tuple[pa.Table, np.ndarray, np.ndarray, np.ndarray]:
    """Four years of one grade in 30 schools; in the last the third school has too few students."""
    random = np.random.default_rng(3)
    between, size = 0.09, random.integers(15, 90, (4, SCHOOLS))
    trust = size * between / (size * between + 0.6)
    lasting = random.normal(0, 0.24, SCHOOLS)
    true = lasting + random.normal(0, 0.18, (4, SCHOOLS))
    effect = trust * (true + random.normal(size=(4, SCHOOLS)) * np.sqrt(0.6 / size))
    se = np.sqrt(between * (1 - trust))
    effect[3, 2] = np.nan
    rows = [
        {
            "school_year": name, "grade": 8, "subject": "english", "level": "school",
            "unit_code": f"S{j:02d}", "variance_between": between,
            "effect": None if np.isnan(effect[i, j]) else effect[i, j],
            "se": None if np.isnan(effect[i, j]) else se[i, j],
            "reliability": None if np.isnan(effect[i, j]) else trust[i, j],
        }
        for i, name in enumerate(NAMES)
        for j in range(SCHOOLS)
    ]  # fmt: skip
    random.shuffle(rows)
    return pa.Table.from_pylist(rows), effect, se, trust


def test_years_are_averaged_by_precision_and_told_how_alike_they_are() -> None:
    table, effect, se, trust = effects_of_years()
    found = {row["school_year"]: row for row in years(table).to_pylist()}
    assert list(found) == NAMES
    last = found["2024-2025"]
    assert [pair["earlier_year"] for pair in last["pairs"]] == NAMES[1:3]
    known = np.isfinite(effect[3])
    # Year by year: how alike true effects are.
    alike = {}
    for pair, i in zip(last["pairs"], (1, 2), strict=True):
        r = np.corrcoef(effect[i, known], effect[3, known])[0, 1]
        assert (pair["correlation"], pair["n"]) == (pytest.approx(r), SCHOOLS - 1)
        reach = Z / np.sqrt(SCHOOLS - 4)
        assert pair["ci_low"] == pytest.approx(np.tanh(np.arctanh(r) - reach))
        covariance = (effect[i] * effect[3])[known].sum() / (trust[i] * trust[3])[known].sum()
        assert pair["true_correlation"] == pytest.approx(min(covariance / 0.09, 1))
        alike[i, 3] = pair["true_correlation"] * 0.09
    alike[1, 2] = 0.09 * found["2023-2024"]["pairs"][1]["true_correlation"]
    for j, unit in enumerate(last["units"]):
        used = [i for i in (1, 2, 3) if np.isfinite(effect[i, j])]
        weight = np.array([1 / se[i, j] ** 2 for i in used])
        weight /= weight.sum()
        mean = sum(w * effect[i, j] for w, i in zip(weight, used, strict=True))
        variance = sum((w * se[i, j]) ** 2 for w, i in zip(weight, used, strict=True))
        for a, first in enumerate(used):
            for b, second in enumerate(used):
                if first < second:
                    rest = (1 - trust[first, j]) * (1 - trust[second, j]) * alike[first, second]
                    variance += 2 * weight[a] * weight[b] * rest
        assert unit["unit_code"] == f"S{j:02d}"
        assert unit["years"] == [NAMES[i] for i in used] and unit["n"] == len(used)
        assert unit["effect"] == pytest.approx(mean)
        assert unit["ci_high"] - unit["effect"] == pytest.approx(Z * np.sqrt(variance))
    assert found["2021-2022"]["pairs"] == [] and found["2021-2022"]["units"][0]["n"] == 1


def test_a_year_without_differences_joins_no_average() -> None:
    table, *_ = effects_of_years()
    rows = table.to_pylist()
    for row in rows:
        if row["school_year"] == "2023-2024":
            row |= {"effect": 0.0, "se": 0.0, "reliability": 0.0, "variance_between": 0.0}
    found = {row["school_year"]: row for row in years(pa.Table.from_pylist(rows)).to_pylist()}
    assert found["2024-2025"]["units"][0]["years"] == ["2022-2023", "2024-2025"]
    pairs = {pair["earlier_year"]: pair for pair in found["2024-2025"]["pairs"]}
    assert pairs["2023-2024"]["reason"] == "no_year"
    assert pairs["2022-2023"]["state"] == "estimated"


def sums_with_error(reliability: float) -> tuple[pa.Table, np.ndarray]:
    """Sums of 200 schools whose prior is measured with error; the true slope is 0.7."""
    random = np.random.default_rng(11)
    columns, effects = [], random.normal(0, 0.2, 200)
    for effect in effects:
        true = random.normal(random.normal(0, 0.4), 0.9, STUDENTS)
        prior = true + random.normal(0, np.sqrt((1 - reliability) / reliability), STUDENTS)
        prior *= np.sqrt(reliability)
        z = 0.7 * np.sqrt(reliability) * true + effect + random.normal(0, 0.5, STUDENTS)
        columns.append((z, prior))
    return sums_of(columns), effects


def test_error_of_the_prior_is_corrected_by_its_papers_alpha() -> None:
    sums, effects = sums_with_error(0.8)
    priors = pa.table({"paper_no": [1, 1], "prior_paper_no": [5, 6], "n": [7800, 200],
                       "alpha": pa.array([0.8, None], pa.float64())})  # fmt: skip
    (row,) = measurement_error(sums, priors, 10).to_pylist()
    assert (row["state"], row["terms"], row["dropped"]) == (
        "estimated", ["constant", "prior_z"], ["others", "no_others"]
    )  # fmt: skip
    n = sums["n"].to_numpy().sum()
    spread = sums["sum_prior_z_prior_z"].to_numpy().sum() / n
    spread -= (sums["sum_prior_z"].to_numpy().sum() / n) ** 2
    assert row["alpha_share"] == pytest.approx(0.975)
    assert row["prior_reliability"] == pytest.approx(1 - 0.2 / spread)
    plain, corrected = row["coefficients"][1], row["corrected_coefficients"][1]
    assert plain < 0.6 < corrected and corrected == pytest.approx(0.7, abs=0.03)
    given = np.array([unit["corrected_effect"] for unit in row["effects"]])
    without = np.array([unit["linear_effect"] for unit in row["effects"]])
    assert ((given - effects) ** 2).mean() < ((without - effects) ** 2).mean()
    assert row["largest_difference"] == pytest.approx(np.abs(given - without).max())
    assert row["schools"] == 200 and "prior_squared" not in LINEAR


@pytest.mark.parametrize(
    ("alpha", "n", "reason"),
    [(None, 8000, "no_item_results"), (0.1, 8000, "reliability_too_low")],
)
def test_without_a_usable_alpha_nothing_is_corrected(
    alpha: float | None, n: int, reason: str
) -> None:
    sums, _ = sums_with_error(0.8)
    priors = pa.table({"paper_no": [1], "prior_paper_no": [5], "n": [n],
                       "alpha": pa.array([alpha], pa.float64())})  # fmt: skip
    (row,) = measurement_error(sums, priors, 10).to_pylist()
    assert (row["state"], row["reason"]) == ("not_estimated", reason)
    assert row["corrected_coefficients"] is None and row["bands_changed"] is None
    assert row["effects"][0]["linear_effect"] is not None
    assert row["effects"][0]["corrected_effect"] is None
