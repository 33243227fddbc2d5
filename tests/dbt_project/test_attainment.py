"""The warehouse's figures against the same figures worked out in pandas."""

import numpy as np
import pandas as pd
import pytest

from tests.conftest import Once
from tests.oracle import agree
from tests.oracle.attainment import (
    CELL,
    KINDS,
    MARKERS,
    PASS_ALL,
    UNIT_YEAR,
    attainment,
    distribution,
    fact_score,
    joined,
    pass_all,
    reconciliation,
    trend,
)

from .conftest import CITY, City, made_city, run_dbt

ROOM = "+path:models/marts/attainment +path:models/restricted"
MARTS = (
    "marts.attainment", "marts.pass_all", "marts.pass_rate_trend", "marts.score_distribution",
    "marts.score_quantile", "marts.attainment_reconciliation", "restricted.fact_score",
)  # fmt: skip


def marked_city(feeds: dict[str, pd.DataFrame] | None = None) -> dict[str, pd.DataFrame]:
    """The made city with markers, owners, and what else can go wrong with a result.

    `feeds` are those of the made city with more beside them, which is left as it is.
    """
    feeds = feeds or made_city()
    random = np.random.default_rng(7)
    schools, students = feeds["schools"], feeds["students"]
    private = schools["school_code"].isin(["3137000002", "3137000003"])
    schools["ownership"] = np.where(private, "private", "public")
    for share, marker in zip((0.3, 0.15, 0.1, 0.12, 0.6), MARKERS, strict=True):
        drawn = random.random(len(students))
        marks = np.where(drawn < 0.05, None, drawn < 0.05 + share * 0.95)
        students[marker] = pd.Series(marks, index=students.index, dtype=object)
    # The province has one paper sat, a school another for itself.
    for wave, level, paper, school in (
        ("P25", "province", "grade == 8 and subject == 'mathematics'", None),
        ("S25", "school", "grade == 5 and subject == 'chinese'", "3137000000"),
    ):
        own = {"level": level, "wave_id": wave, "school_code": school}
        own |= {"wave_kind": "unified_exam"}
        for feed in ("monitoring_waves", "monitoring_results"):
            rows = feeds[feed].query(f"wave_id == 'A25' and {paper}")
            if feed == "monitoring_results":
                rows = rows[rows["school_code"].eq(school) | (school is None)]
                own = {"wave_id": wave}
            feeds[feed] = pd.concat([feeds[feed], rows.assign(**own)], ignore_index=True)
    waves, results = feeds["monitoring_waves"], feeds["monitoring_results"]
    # A wave named by one year and held in the next; its pupils may have moved in between.
    waves.loc[waves["wave_id"] == "A23", "held_on"] = "2023-09-05"
    moved = students["student_key"].isin(students["student_key"].unique()[:40])
    moved &= students["school_year"].eq("2023-2024")
    students.loc[moved, "school_code"] = "3137000001"
    # Present without a score; a paper in which all have the same score; full marks and none.
    present = results["status"].eq("present")
    results.loc[results.index[present][5::50], "score"] = None
    same = results["wave_id"].eq("D25") & results["subject"].eq("physics") & present
    results.loc[same & results["score"].notna(), "score"] = 47.5
    top = results.index[present & results["score"].notna() & ~same]
    results.loc[top[::60], "score"] = results.loc[top[::60], "subject"].map(
        {"chinese": 120.0, "mathematics": 120.0, "physics": 80.0}
    )
    results.loc[top[7::60], "score"] = 0.0
    return feeds


def built_once(once: Once) -> City:
    """The marked city, built and tested by dbt once for all modules."""
    feeds = marked_city()
    home = once("marked_city", lambda home: run_dbt(home, feeds, ROOM))
    return City(feeds, home / "work.duckdb")


@pytest.fixture(scope="module")
def marked(once: Once) -> City:
    """The marked city."""
    return built_once(once)


def test_attainment_agrees_at_every_level_and_group(marked: City) -> None:
    expected = attainment(joined(marked.feeds, CITY))
    found = marked.table("marts.attainment")
    values = {"unknown", "rural", "female", "private", "yes", "no"}
    assert len(expected) > 1000 and set(expected["group_value"]) > values
    assert set(expected["group_kind"]) == set(KINDS)
    agree(found, expected, CELL)


def test_pass_all_counts_those_who_sat_every_subject_of_their_grade(marked: City) -> None:
    expected = pass_all(joined(marked.feeds, CITY), marked.feeds["monitoring_waves"])
    found = marked.table("marts.pass_all")
    assert len(expected) > 100 and 0 < expected["passed_all"].sum() < expected["n"].sum()
    agree(found.drop(columns="school_year"), expected, PASS_ALL)


def test_bands_and_quantiles_are_those_of_all_scores(marked: City) -> None:
    bands, quantiles = distribution(joined(marked.feeds, CITY))
    unit = ["wave_id", "grade", "subject", "level", "unit_code"]
    found = marked.table("marts.score_distribution")
    rounded = {"band_from": 6}
    assert {0.0, 0.95} < set(found["band_from"]) and found["band_to"].max() == 1
    agree(found.round(rounded), bands.round(rounded), [*unit, "band_from"])
    last = found.sort_values("band_from").groupby(unit)["cumulative_share"].last()
    assert np.allclose(last, 1)
    agree(marked.table("marts.score_quantile"), quantiles, unit)


def test_each_score_has_its_place_and_the_school_of_the_day(marked: City) -> None:
    expected = fact_score(marked.feeds)
    found = marked.table("restricted.fact_score")
    assert expected["enrolled_school_code"].isna().any()
    assert (expected["enrolled_school_code"] != expected["school_code"]).any()
    flags = {"is_pass": float}
    key = ["wave_id", "student_key", "subject"]
    agree(found.astype(flags), expected.astype(flags), key)


def test_every_student_is_counted_or_left_out_for_a_reason(marked: City) -> None:
    expected = reconciliation(marked.feeds)
    found = marked.table("marts.attainment_reconciliation")
    assert set(expected["reason"]) == {
        "present", "absent", "deferred", "exempt", "misconduct", "no_score", "transferred",
        "above_organiser", "no_district", "no_class", "no_result",
    }  # fmt: skip
    key = ["school_year", "wave_id", "grade", "subject", "level", "reason"]
    agree(found, expected, key)


def test_trend_agrees_with_students_as_clusters(marked: City) -> None:
    expected = trend(joined(marked.feeds, CITY))
    found = marked.table("marts.pass_rate_trend")
    assert set(expected["caution"].dropna()) == {"not_equated", "other_papers"}
    assert set(expected["comparability"]) == {
        "baseline_year", "before_baseline", "compared", "no_baseline"
    }  # fmt: skip
    agree(found, expected, UNIT_YEAR)


def test_a_wave_has_no_row_above_its_organiser(marked: City) -> None:
    found = marked.table("marts.attainment").groupby("wave_id")["level"].agg(set)
    assert found["P25"] == {"city", "district", "school", "class"}
    assert found["S25"] == {"school", "class"}


def test_a_district_wave_has_no_city_row(city: City) -> None:
    found = city.table("marts.attainment").query("wave_id == 'D25'")
    assert set(found["level"]) == {"district", "school", "class"}


def test_units_are_those_of_the_newest_register(city: City) -> None:
    unit = city.table("marts.unit").set_index(["level", "unit_code"])
    assert unit.loc[("school", "3137000000"), "unit_name"] == "样例0校2024"
    assert unit.loc[("school", "3137000005"), "unit_name"] == "样例5校2023"
    assert unit.loc[("district", "370481"), "parent_code"] == CITY
    assert unit.loc["city"].index.tolist() == [CITY]


def test_reporting_counts_schools_whose_grades_are_assessed(city: City) -> None:
    """The senior school and the closed one owe nothing; A23 came from one school only."""
    rows = city.table("marts.reporting").set_index(["wave_id", "level", "unit_code"])
    whole = rows.xs("city", level="level").droplevel("unit_code")
    counts = ["schools_expected", "schools_reported", "schools_not_reported", "files_returned"]
    assert whole.loc["A23", counts].tolist() == [8, 1, 7, 0]
    assert whole.loc["A24", counts].tolist() == [7, 7, 0, 0]
    assert whole.loc["A25", counts].tolist() == [6, 6, 0, 1]
    assert "D25" not in whole.index
    assert rows.loc[("A24", "district", "370402"), counts[:3]].tolist() == [4, 4, 0]


def test_nothing_of_fewer_than_ten_is_published(city: City) -> None:
    exact = city.table("marts.attainment").set_index(CELL)
    shown = city.table("published.attainment").set_index(CELL)
    small = exact["n"].reindex(shown.index) < 10
    hidden = shown["mark"].eq("c")
    figures = shown.columns.drop("mark")
    assert small.any() and hidden[small].all() and not hidden.all()
    assert shown.loc[hidden, figures].isna().all().all()
    assert shown.loc[~hidden, "n"].notna().all()
    middle = exact["n"].reindex(shown.index).between(10, 29)
    assert (shown["mark"].eq("u") == middle & ~hidden).all()
    rates = shown.loc[shown["n"] < 100, "pass_rate"].dropna()
    assert np.allclose(rates, rates.round(2), atol=1e-12)

    exact = city.table("marts.pass_rate_trend").set_index(UNIT_YEAR)
    shown = city.table("published.pass_rate_trend").set_index(UNIT_YEAR)
    few = exact["students"].reindex(shown.index) < 10
    pooled_small = few & (exact["n"].reindex(shown.index) >= 10)
    assert pooled_small.any() and shown.loc[few, ["n", "pass_rate", "status"]].isna().all().all()


def test_empty_feeds_build_empty_tables(nothing: City, marked: City) -> None:
    """A city that has handed in nothing: a green build, no warning, tables of the same types."""
    empty = nothing
    assert "WARNING" not in empty.words and "WARN=0 ERROR=0" in empty.words
    for name in ("attainment", "pass_rate_trend", "reporting"):
        assert empty.table(f"published.{name}").empty
    assert empty.table("published.unit")["level"].tolist() == ["city"]
    assert empty.table("published.attainment")["pass_rate"].dtype == np.float64
    for mart in MARTS:
        assert empty.table(mart).empty
        assert empty.table(f"(describe {mart})").equals(marked.table(f"(describe {mart})"))
