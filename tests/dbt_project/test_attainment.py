"""The warehouse's figures against the same figures worked out in pandas."""

from pathlib import Path

import numpy as np

from tests.oracle import agree
from tests.oracle.attainment import CELL, UNIT_YEAR, attainment, joined, trend

from .conftest import CITY, City, run_dbt


def test_attainment_agrees_at_every_level_and_group(city: City) -> None:
    expected = attainment(joined(city.feeds, CITY))
    found = city.table("marts.attainment")
    assert len(expected) > 300 and set(expected["group_value"]) > {"unknown", "rural", "female"}
    agree(found, expected, CELL)


def test_trend_agrees_with_students_as_clusters(city: City) -> None:
    expected = trend(joined(city.feeds, CITY))
    found = city.table("marts.pass_rate_trend")
    assert set(expected["comparability"]) == {
        "baseline_year", "before_baseline", "compared", "no_baseline"
    }  # fmt: skip
    agree(found, expected, UNIT_YEAR)


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
    figures = shown.columns.drop("mark")
    assert small.any() and shown.loc[small, figures].isna().all().all()
    assert (shown["mark"].eq("c") == small).all()
    assert shown.loc[~small, "n"].notna().all()
    middle = exact["n"].reindex(shown.index).between(10, 29)
    assert (shown["mark"].eq("u") == middle).all()
    rates = shown.loc[shown["n"] < 100, "pass_rate"]
    assert np.allclose(rates, rates.round(2), atol=1e-12)

    exact = city.table("marts.pass_rate_trend").set_index(UNIT_YEAR)
    shown = city.table("published.pass_rate_trend").set_index(UNIT_YEAR)
    few = exact["students"].reindex(shown.index) < 10
    pooled_small = few & (exact["n"].reindex(shown.index) >= 10)
    assert pooled_small.any() and shown.loc[few, ["n", "pass_rate", "status"]].isna().all().all()


def test_empty_feeds_build_empty_tables(tmp_path: Path) -> None:
    """A city that has handed in nothing: a green build, no warning, tables of the same types."""
    warehouse, words = run_dbt(tmp_path, {})
    assert "WARNING" not in words
    empty = City({}, warehouse)
    for name in ("attainment", "pass_rate_trend", "reporting"):
        assert empty.table(f"published.{name}").empty
    assert empty.table("published.unit")["level"].tolist() == ["city"]
    assert empty.table("published.attainment")["pass_rate"].dtype == np.float64
