"""Numbers that are none, which no file can bring, are said and not reckoned with."""

import numpy as np
import pyarrow as pa
import pytest

from pipelines.estimates import equity, growth, measurement_error, severity, value_added
from tests.estimates.made_up_sums import sums_of

NOT_FINITE = [np.inf, -np.inf, np.nan]
EFFECTS = ("effect", "se", "ci_low", "ci_high", "reliability", "band")


def schools() -> list[tuple[np.ndarray, np.ndarray]]:
    """Scores and earlier scores of eight schools."""
    random = np.random.default_rng(5)
    found = []
    for effect in random.normal(0, 0.3, 8):
        prior = random.normal(0, 1, 20)
        found.append((0.7 * prior + effect + random.normal(0, 0.6, 20), prior))
    return found


def cells(own: list[tuple[np.ndarray, np.ndarray]]) -> pa.Table:
    """Rows of `int_progress_cells`, of one band."""
    return pa.Table.from_pylist(
        [
            {"paper_no": 1, "band": 1, "school_code": f"S{j:03d}", "n": len(z)}
            | {"z_sum": z.sum(), "z_square_sum": (z**2).sum()}
            for j, (z, _) in enumerate(own)
        ]
    )


@pytest.mark.parametrize("wrong", NOT_FINITE)
@pytest.mark.parametrize("earlier", [False, True])
def test_value_added_with_a_score_that_is_no_number(wrong: float, earlier: bool) -> None:
    own = schools()
    sound = value_added(sums_of(own), cells(own), {"standard": []}, 10).to_pylist()
    assert [row["state"] for row in sound] == ["estimated", "estimated"]
    own[3][earlier][7] = wrong
    with np.errstate(invalid="ignore"):
        sums, progress = sums_of(own), cells(own)
    rows = value_added(sums, progress, {"standard": []}, 10).to_pylist()
    assert {(row["levels"], row["state"], row["reason"]) for row in rows} == {
        (2, "not_estimated", "not_finite"),
        (3, "not_estimated", "not_finite"),
    }
    for row in rows:
        assert row["variance_school"] is row["icc"] is row["log_likelihood"] is None
        assert set(row["coefficients"]) == {None}
        units = row["effects"]
        assert len(units) == (8 if row["levels"] == 2 else 3)
        assert {unit[name] for unit in units for name in EFFECTS} == {None}
    (error,) = measurement_error(
        sums, pa.table({"paper_no": [1], "prior_paper_no": [0], "n": [160], "alpha": [0.9]}), 10
    ).to_pylist()
    assert error["state"] == "not_estimated"
    assert error["corrected_coefficients"] is None and error["effect_correlation"] is None


@pytest.mark.parametrize("wrong", NOT_FINITE)
def test_a_school_with_such_a_mean_leaves_its_paper_without_figures(wrong: float) -> None:
    random = np.random.default_rng(6)
    rows = [
        {"school_year": "2024-2025", "wave_id": "W", "grade": 6, "subject": subject}
        | {"school_code": f"S{j}", "district_code": f"D{j % 2}", "n": 30.0 + j, "passed": 20.0}
        | {"group_kind": kind, "group_value": value, "squares_z": 25.0}
        | {
            "score_ratio": wrong if (subject, j) == ("english", 4) else random.uniform(0.5, 0.8),
            "mean_z": wrong if (subject, j) == ("english", 4) else random.normal(0, 0.3),
        }
        for subject in ("english", "mathematics")
        for j in range(14)
        for kind, value in (
            ("all", "all"), ("gender", "female"), ("gender", "male"),
            ("subsidised", "yes"), ("subsidised", "no"),
        )
    ]  # fmt: skip
    for row in rows:
        # Shares of subsidised students differ from school to school.
        row["n"] += 20 * (row["group_value"] == "yes")
    spread = pa.table({"wave_id": [], "grade": [], "subject": [], "group_kind": [],
                       "group_value": [], "score": [], "n": []})  # fmt: skip
    found = equity(pa.Table.from_pylist(rows), spread, "C").to_pylist()
    for row in found:
        figures = (row["value"], row["ci_low"], row["ci_high"])
        assert (None in figures) == (row["state"] == "not_estimated") == (row["reason"] is not None)
    city = {
        (row["subject"], row["measure"]): row["reason"]
        for row in found
        if row["level"] == "city" and row["dimension"] in ("school", "gender", "subsidised")
    }
    measures = {measure for _, measure in city}
    assert measures >= {"gini", "between_share", "gap_d", "gradient_within", "parity_ratio"}
    counts = {"parity_ratio", "parity_difference"}
    assert {city["english", m] for m in measures - counts} == {"not_finite"}
    assert {city["mathematics", m] for m in measures} == {None}


@pytest.mark.parametrize("wrong", NOT_FINITE)
def test_a_student_with_such_a_score_has_no_growth_percentile(wrong: float) -> None:
    random = np.random.default_rng(7)
    before = random.normal(60, 10, 600)
    score = before + random.normal(0, 6, 600)
    score[11], before[12] = wrong, wrong
    histories = pa.table(
        {
            "paper_no": [1] * 600, "student_key": [f"s{i:03d}" for i in range(600)],
            "school_code": [f"S{i % 6}" for i in range(600)], "district_code": ["D"] * 600,
            "city_code": ["C"] * 600, "score": score, "score_1": before,
        }
    )  # fmt: skip
    (row,) = growth(histories, 500).to_pylist()
    assert [(fit["state"], fit["n"]) for fit in row["fits"]] == [("estimated", 598)]
    assert not {"s011", "s012"} & {student["student_key"] for student in row["students"]}
    assert sum(unit["n"] for unit in row["units"] if unit["level"] == "school") == 598


@pytest.mark.parametrize("wrong", NOT_FINITE)
def test_a_lesson_with_such_a_score_leaves_its_year_without_severity(wrong: float) -> None:
    random = np.random.default_rng(8)
    rows = [
        {"school_year": year, "observer_code": f"O{i % 5}", "teacher_code": f"T{i % 13}"}
        | {"school_code": "S", "subject": "english", "score": 80 + random.normal(0, 5)}
        for year in ("2023-2024", "2024-2025")
        for i in range(60)
    ]
    rows[70]["score"] = wrong
    first, second = severity(pa.Table.from_pylist(rows)).to_pylist()
    assert (first["state"], first["reason"]) == ("estimated", None)
    assert (second["state"], second["reason"]) == ("not_estimated", "not_finite")
    assert {unit[name] for unit in second["observers"] for name in EFFECTS} == {None}
