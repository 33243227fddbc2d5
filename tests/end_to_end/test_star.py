"""Real data, all the way: a part of the STAR panel (Mosteller 1995) against pandas."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from notebooks.run import execute
from pipelines.settings import PROJECT
from tests.attack.intruder import Intruder, Told, tables_of
from tests.attack.town import town_of
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
    page = (built.current / "site" / "pass-rates.html").read_text(encoding="utf-8")
    assert "1988–1989学年" in page and "进度线" in page


def test_an_intruder_recovers_nothing(built: House) -> None:
    """The audit passed, or there were no release; he shares no code with it."""
    told = Told(tables_of(built.current / "downloads" / "published-csv.zip"))
    intruder = Intruder([(told, town_of(built.current / "warehouse.duckdb"))])
    assert len(told.n) > 100 and told.withheld
    assert [*intruder.numbers(), *intruder.sitting(), *intruder.deeds()] == []


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


def test_value_added_is_found_where_there_are_earlier_scores(built: House) -> None:
    models = built.rows("from marts.value_added_model where levels = 2").set_index("grade")
    assert set(models.loc[1, "reason"]) == {"no_priors"}
    assert set(models.loc[[2, 3, 4], "state"]) == {"estimated"}
    note = (built.current / "analysis" / "STAR-1989" / "note.html").read_text(encoding="utf-8")
    assert "只有学校、没有区（市）效应，因为学校所属的区（市）不足两个" in note
    assert len(list((built.current / "analysis" / "STAR-1989").glob("4-*.html"))) == 2


def test_the_notebook_runs_on_it(built: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cell by cell; what it keeps in its file is of all eighty schools, and of no machine."""
    text = (PROJECT / "notebooks" / "star.ipynb").read_text(encoding="utf-8")
    notebook = json.loads(text)
    monkeypatch.setenv("EQM_HOME", str(built.home))
    ran = list(execute(notebook))
    for cell, value, _names in ran:
        kinds = [output["output_type"] for output in cell["outputs"]]
        assert kinds == (["execute_result"] if value is not None else [])
    names = ran[-1][2]
    names["warehouse"].close()
    models, effects, small = names["models"], names["effects"], names["small"]
    assert (models["state"] == "estimated").sum() == 6
    assert ((effects["low"] > 0) & (effects["high"] < 2)).sum() >= 4 and len(small) >= 3
    assert (names["gaps"].query("measure == 'gradient_within'")["value"] < 0).all()
    assert not re.search(r"/(?:tmp|home|root|work|usr)/", text)
