"""What cannot be estimated is said to be so, by every table of evaluation: no number without sense.

Each case is a city of its own: a wave in which everybody is in grade 6, and one a year later.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import Once

from .conftest import City, run_dbt

SELECT = "+path:models/marts/evaluation +student_growth +published_value_added"
BEFORE, NOW = "2023-2024", "2024-2025"
MATHS = "mathematics"
SOUND = ("estimated", None)
CASES: dict[str, tuple[tuple[str, str | None], tuple[str, str | None]]] = {
    "sound": (SOUND, SOUND),
    "no earlier scores": (("not_estimated", "no_priors"), ("not_estimated", "no_priors")),
    "earlier scores of another subject": (
        ("not_estimated", "no_priors"),
        ("not_estimated", "no_priors"),
    ),
    "earlier scores all equal": (("not_estimated", "no_priors"), ("not_estimated", "no_priors")),
    "scores all equal": (
        ("not_estimated", "outcome_constant"),
        ("not_estimated", "outcome_constant"),
    ),
    "scores as before": (
        ("not_estimated", "perfect_prediction"),
        ("not_estimated", "perfect_prediction"),
    ),
    "one school": (("not_estimated", "one_group"), ("not_estimated", "one_group")),
    "one school but for one student": (SOUND, ("not_estimated", "upper_is_group")),
    "schools of one student": (
        ("not_estimated", "no_repeated_rows"),
        ("not_estimated", "no_repeated_rows"),
    ),
    "students of a school all alike": (
        ("not_estimated", "no_variation_within_groups"),
        ("not_estimated", "no_variation_within_groups"),
    ),
    "three students": (("not_estimated", "too_few_rows"), ("not_estimated", "too_few_rows")),
    "small schools": (SOUND, SOUND),
    "one district": (SOUND, ("not_estimated", "one_upper_group")),
    "a district a school": (SOUND, ("not_estimated", "upper_is_group")),
    "schools of no register": (SOUND, ("not_estimated", "one_upper_group")),
    "few with earlier scores": (SOUND, SOUND),
}
"""Case → state and reason of the models of schools and of districts."""


def made(case: str, number: int) -> dict[str, pd.DataFrame]:
    """The feeds of one case."""
    random = np.random.default_rng(number)
    schools, size = {
        "one school": (1, 60), "one school but for one student": (2, 31),
        "schools of one student": (40, 1), "three students": (2, 2), "small schools": (8, 6),
    }.get(case, (10, 20))  # fmt: skip
    at = np.repeat(np.arange(schools), size)
    if case == "one school but for one student":
        at[1:] = 0
        at[0] = 1
    if case == "three students":
        at = at[:3]
    able = random.normal(0, 10, len(at))
    before = np.round(60 + able + random.normal(0, 5, len(at)))
    now = np.round(60 + able + random.normal(0, 5, len(at)) + random.normal(0, 4, schools)[at])
    if case == "scores all equal":
        now[:] = 70
    if case == "earlier scores all equal":
        before[:] = 70
    if case == "scores as before":
        now = before.copy()
    if case == "students of a school all alike":
        now, before = (np.round(random.normal(60, 9, schools))[at] for _ in "ab")
    codes = np.array([f"{number:02d}{school:08d}" for school in range(schools)])
    districts = {"one district": 1, "a district a school": schools}.get(case, 2)
    register = pd.DataFrame(
        {
            "school_code": codes, "school_name": "校", "stage": "nine_year", "locale": "town",
            "ownership": "public",
            "district_code": [f"{number:02d}D{school % districts}" for school in range(schools)],
        }
    )  # fmt: skip
    if case == "schools of no register":
        register = register[:0]
    sat = np.ones(len(at), dtype=bool)
    if case == "no earlier scores":
        sat[:] = False
    if case == "few with earlier scores":
        # In one school nobody has an earlier score, in another few have one.
        sat &= (at > 1) | (np.arange(len(at)) % 7 == 0) & (at == 1)
    other = case == "earlier scores of another subject"
    years = [(BEFORE, 6, "chinese" if other else MATHS, before, sat)]
    years.append((NOW, 7, MATHS, now, np.ones(len(at), dtype=bool)))
    feeds: dict[str, list[pd.DataFrame]] = {}
    for year, grade, subject, score, there in years:
        wave = {"wave_id": f"{case} {year}", "grade": grade, "subject": subject}
        keys = np.array([f"{number:02d}-{i:04d}" for i in range(len(at))])
        students = {"student_key": keys, "school_code": codes[at], "grade": grade, "class_no": "1"}
        held = {"level": "city", "wave_kind": "annual_monitoring", "full_mark": 100.0}
        result = pd.DataFrame({**students, **wave, "score": score, "status": "present"})[there]
        frames = {
            "schools": register,
            "students": pd.DataFrame({**students, "gender": "female", "subsidised": False}),
            "monitoring_waves": pd.DataFrame(
                [{**wave, **held, "wave_name": case, "held_on": f"{year[5:]}-06-10"}]
            ),
            # Who was absent has no score, and counts for nothing.
            "monitoring_results": pd.concat(
                [result, result.tail(1).assign(student_key="-", score=np.nan, status="absent")]
            ),
        }
        for feed, frame in frames.items():
            feeds.setdefault(feed, []).append(frame.assign(school_year=year))
    return {feed: pd.concat(frames, ignore_index=True) for feed, frames in feeds.items()}


@pytest.fixture(scope="module")
def city(once: Once) -> City:
    """All cases in one warehouse, in which every test of the models holds."""

    def build(home: Path) -> None:
        every = [made(case, number) for number, case in enumerate(CASES)]
        run_dbt(home, {feed: pd.concat([f[feed] for f in every]) for feed in every[0]}, SELECT)

    return City({}, once("limits", build) / "work.duckdb")


def of_case(rows: pd.DataFrame, case: str) -> pd.DataFrame:
    return rows[rows["wave_id"] == f"{case} {NOW}"]


@pytest.mark.parametrize("case", CASES)
def test_a_model_says_whether_there_is_an_estimate(city: City, case: str) -> None:
    models = of_case(city.table("marts.value_added_variant_model"), case)
    assert set(models["model"]) == {"standard", "intake", "contextual"}
    for levels, expected in zip((2, 3), CASES[case], strict=True):
        own = models[(models["levels"] == levels) & (models["model"] == "standard")].iloc[0]
        assert (own["state"], own["reason"] if pd.notna(own["reason"]) else None) == expected
        figures = ["variance_student", "variance_school", "icc", "r_squared", "log_likelihood"]
        assert own[figures].notna().all() == (own["state"] == "estimated")
        if levels == 2:
            assert own["match_rate"] == pytest.approx(own["n"] / present(case))


def present(case: str) -> int:
    """Students with a score now."""
    number = list(CASES).index(case)
    return int((made(case, number)["monitoring_results"].query("grade == 7")["score"]).count())


@pytest.mark.parametrize("case", CASES)
def test_a_unit_has_an_effect_or_a_reason(city: City, case: str) -> None:
    units = of_case(city.table("marts.value_added"), case)
    schools = units[units["level"] == "school"]
    assert len(schools) == of_case(city.table("marts.value_added_standing"), case).shape[0] > 0
    told = units["state"] == "estimated"
    assert units["reason"].isna().equals(told)
    for name in ("effect", "se", "ci_low", "ci_high", "reliability", "band"):
        assert units[name].notna().equals(told), name
    for level, (state, reason) in zip(("school", "district"), CASES[case], strict=True):
        own = units[units["level"] == level]
        if state == "estimated":
            assert (own["state"] == "estimated").equals(own["n"] >= 10)
            assert set(own.loc[own["n"] < 10, "reason"]) <= {"too_few_students"}
        else:
            assert set(own["reason"]) <= {reason}


def test_who_is_left_out_of_an_estimate_has_its_reason(city: City) -> None:
    units = city.table("marts.value_added")
    small = of_case(units, "small schools").query("level == 'school'")
    assert set(small["reason"]) == {"too_few_students"} and small["effect"].isna().all()
    few = of_case(units, "few with earlier scores").query("level == 'school'").set_index("n")
    assert few.loc[0, "state"] == few.loc[3, "state"] == "not_estimated"
    assert few.loc[[0, 3], "is_low_match"].all() and not few.loc[20, "is_low_match"].any()


def test_no_table_holds_a_number_that_is_none_or_one_beside_a_reason(city: City) -> None:
    """Of all tables of evaluation: what is a number is finite; what was not estimated is empty."""
    figures = {
        "value_added": "effect", "value_added_variant": "effect", "equity": "value",
        "community_gap": "value", "value_added_standing": "effect",
        "value_added_fairness": "correlation", "value_added_error": "corrected_variance_school",
        "value_added_multi_year": "effect", "value_added_stability": "correlation",
        "growth_model": None, "growth": "median_growth_percentile", "value_added_model": "icc",
        "value_added_variant_model": "icc", "value_added_curve": "mean_z",
    }  # fmt: skip
    for table, figure in figures.items():
        rows = city.table(f"marts.{table}")
        assert len(rows) or table in ("growth", "community_gap", "value_added_stability"), table
        for name in rows.select_dtypes("float"):
            assert np.isfinite(rows[name].dropna()).all(), (table, name)
        if "state" in rows:
            told = rows["state"] == "estimated"
            assert set(rows["state"]) <= {"estimated", "not_estimated"}, table
            assert rows["reason"].isna().equals(told), table
            if figure:
                assert rows[figure].notna().equals(told), table


def test_equity_and_growth_say_what_they_lack(city: City) -> None:
    equity = of_case(city.table("marts.equity"), "one school").query("level == 'city'")
    between = equity[equity["dimension"] == "school"]
    assert len(between) and set(between["reason"]) <= {"too_few_schools", "one_group"}
    growth = city.table("marts.growth_model")
    assert set(growth["reason"]) == {"no_priors", "too_few_students"}
    # Every paper says what became of its growth percentiles.
    papers = city.table("marts.value_added_model")[["wave_id", "grade", "subject"]]
    assert set(growth["wave_id"]) == set(papers["wave_id"])
    without = of_case(growth, "no earlier scores")
    assert without[["priors", "state", "reason", "n"]].to_numpy().tolist() == [
        [1, "not_estimated", "no_priors", 0]
    ]
