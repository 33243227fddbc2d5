"""Real data, all the way: a part of the STAR panel (Mosteller 1995) against pandas."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.settings import PROJECT
from tests.end_to_end import star
from tests.end_to_end.conftest import House, NewHouse
from tests.oracle import agree
from tests.oracle.attainment import CELL, UNIT_YEAR, attainment, joined, trend

RAW = Path(__file__).parent / "star_raw"
CITY = "370400"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, new_house: NewHouse) -> House:
    """Nine of its eighty schools, three a locale, built."""
    house = replace(new_house(tmp_path_factory.mktemp("star")), raw=RAW)
    house.eqm("build")
    return house


def test_attainment_agrees_with_pandas_at_every_level_and_group(built: House) -> None:
    expected = attainment(joined(star.read(RAW), CITY))
    assert set(expected["level"]) == {"city", "district", "school", "class"}
    assert {"urban", "town", "rural", "male", "female"} <= set(expected["group_value"])
    agree(built.rows("from marts.attainment"), expected, CELL)


def test_the_trend_agrees_with_pandas(built: House) -> None:
    """Without a wave in the plan's baseline year, nothing is compared with it."""
    found = built.rows("from marts.pass_rate_trend")
    assert set(found["comparability"]) == {"no_baseline"} and found["status"].isna().all()
    agree(found, trend(joined(star.read(RAW), CITY)), UNIT_YEAR)


def test_foreign_numbers_are_taken_and_asked_about(built: House) -> None:
    problems = built.rows("select distinct severity, rule from ops.problem")
    assert problems.to_dict("records") == [{"severity": "query", "rule": "unusual_number"}]
    page = (built.current / "site" / "index.html").read_text(encoding="utf-8")
    assert "1988–1989学年" in page and "进度线" in page


def test_the_first_example_of_the_readme_is_true(built: House) -> None:
    """Its question to the warehouse and its count of the raw file, as they stand there."""
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    query = re.search(r"warehouse\.sql\('''(.*?)'''\)", readme, re.DOTALL)
    answer = re.search(r"It answers `\[\((.*?)\)\]`", readme)
    counted = re.search(r"^`(\d+ \d+ [\d.]+)`\.$", readme, re.MULTILINE)
    assert query and answer and counted
    (row,) = built.rows(query[1]).itertuples(index=False)
    assert repr(tuple(row)) == f"({answer[1]})"
    rows = (RAW / "monitoring_results" / "1985-1986" / "star.csv").read_text().splitlines()[1:]
    scores = [float(c) for c in (r.split(",")[6] for r in rows) if c[:1].isdigit()]
    passed = sum(score >= 462 for score in scores)
    assert counted[1] == f"{len(scores)} {passed} {passed / len(scores):.6f}"
