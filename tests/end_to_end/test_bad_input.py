"""Bad input, told in order: what a city with broken files gets, and what mends it."""

import csv
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.sample import write_sample
from pipelines.settings import PROJECT
from tests.end_to_end.conftest import House, NewHouse

YEAR = "2025-2026"
PLAN = PROJECT / "tests" / "dbt_project" / "another_city.csv"
"""The small plan of another city, which this one follows."""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, new_house: NewHouse) -> House:
    house = replace(new_house(tmp_path_factory.mktemp("bad")), plan=PLAN)
    write_sample(house.raw, students=900, years=2, seed=5)
    return house


def files_by_school(house: House) -> dict[str, list[Path]]:
    """The newest results, by the school that handed them in."""
    found: dict[str, list[Path]] = {}
    for path in sorted((house.raw / "monitoring_results" / YEAR).glob("*")):
        found.setdefault(path.name[:10], []).append(path)
    return found


def spoil(path: Path) -> None:
    """One score above every full mark."""
    text = path.read_text(encoding="utf-8-sig").splitlines()
    header, cells = text[0].split(","), text[1].split(",")
    at = next(i for i, name in enumerate(header) if name in ("语文", "成绩", "chinese", "score"))
    cells[at] = "9999"
    path.write_text("\n".join([text[0], ",".join(cells), *text[2:]]) + "\n", encoding="utf-8")


def page(house: House, lang: str = "") -> str:
    return (house.current / "site" / lang / "pass-rates.html").read_text(encoding="utf-8")


def test_what_is_good_is_released_and_the_rest_is_said(house: House, tmp_path: Path) -> None:
    schools = files_by_school(house)
    silent, spoilt = list(schools)[:2]
    spoilt_file = next(p for p in schools[spoilt] if p.suffix == ".csv")
    for path in schools[silent]:
        path.rename(tmp_path / path.name)
    good = spoilt_file.read_bytes()
    spoil(spoilt_file)
    (house.raw / "students" / YEAR / "broken.xlsx").write_bytes(os.urandom(4000))
    report = house.report("build", code=1)
    assert report["released"] and report["returned"] == 2
    errors = [p for p in report["problems"] if p["severity"] == "error"]
    assert {p["rule"] for p in errors} - {"wrong_total"} == {"unreadable", "above_full_mark"}
    above = next(p for p in errors if p["rule"] == "above_full_mark")
    assert above["file"].endswith(spoilt_file.name) and above["found"] == "9999"
    assert (above["row_first"], above["count"]) == (2, 1) and above["expected"]
    kept = sorted(p.name for p in (house.home / "quarantine").rglob("*") if p.is_file())
    assert len(kept) == 4 and any(name.endswith(".problems.csv") for name in kept)
    table = next((house.home / "quarantine" / "monitoring_results").rglob("*.problems.csv"))
    with table.open(encoding="utf-8-sig", newline="") as text:
        line = next(row for row in csv.DictReader(text) if row["found"] == "9999")
    assert "满分" in line["message_zh"] and "full mark" in line["message_en"]

    released = house.rows("from ops.problem where rule = 'above_full_mark'").iloc[0]
    assert released["row_first"] == 2 and "9999" not in released.to_json(force_ascii=False)

    told = house.rows(
        f"select schools_not_reported, files_returned from marts.reporting "
        f"where level = 'city' and school_year = '{YEAR}'"
    ).iloc[0]
    assert told["schools_not_reported"] >= 1 and told["files_returned"] == 1
    assert f"有 {told['schools_not_reported']} 所学校尚未报送" in page(house)
    assert "1 份文件退回修改" in page(house)
    missing = house.report("status")["missing"]
    assert [year for _, year, _, _ in missing] == [YEAR]

    # Corrected under the same path, and the late school reports.
    first = house.current.name
    spoilt_file.write_bytes(good)
    for path in schools[silent]:
        (tmp_path / path.name).rename(path)
    (house.raw / "students" / YEAR / "broken.xlsx").unlink()
    report = house.report("build")
    assert report["released"] and not report["returned"] and house.current.name != first
    assert "尚未报送" not in page(house).split("<main")[1].split("<table")[0]


def test_the_targets_are_those_of_the_plan_that_a_setting_names(house: House) -> None:
    with PLAN.open(encoding="utf-8", newline="") as text:
        named = {row["target_id"] for row in csv.DictReader(text)}
    found = house.rows("select distinct target_id from marts.plan_target")
    assert set(found["target_id"]) == named
    assert house.record()["settings"]["plan_targets"]


def test_a_broken_version_leaves_the_earlier_one_standing(house: House) -> None:
    before = house.rows("from marts.attainment")
    path = next(p for ps in files_by_school(house).values() for p in ps if p.suffix == ".csv")
    good = path.read_bytes()
    spoil(path)
    report = house.report("build", code=1)
    assert report["released"] and report["returned"] == 1
    assert house.rows("from marts.attainment").equals(before)
    assert "1 份文件退回修改" in page(house)
    path.write_bytes(good)


@contextmanager
def tampered(house: House, column: str, value: object) -> Iterator[None]:
    """A landed file of results whose first row has another value: checks do not trust intake."""
    folder = house.home / "landing" / "monitoring_results" / YEAR
    stand = house.rows(
        "select submission_id from ops.submission where stands and feed = 'monitoring_results'"
    )["submission_id"]
    landed = next(path for path in folder.glob("*.parquet") if path.stem in set(stand))
    table = pq.read_table(landed)
    at = table.schema.get_field_index(column)
    values = [value, *table.column(column).to_pylist()[1:]]
    field = table.schema.field(at)
    aside = landed.with_suffix(".x")
    pq.write_table(table.set_column(at, field, pa.array(values, field.type)), aside)
    good = landed.read_bytes()
    aside.replace(landed)
    shutil.rmtree(house.home / "standing", ignore_errors=True)
    try:
        yield
    finally:
        landed.write_bytes(good)
        shutil.rmtree(house.home / "standing")


def another_line(house: House) -> None:
    """So that a release must be made."""
    staff = next((house.raw / "staff" / YEAR).glob("*.csv"))
    staff.write_text(staff.read_text(encoding="utf-8-sig") + "\n", encoding="utf-8")


def test_rows_that_break_their_contract_stop_the_release(house: House) -> None:
    served = house.current
    with tampered(house, "grade", 13):
        another_line(house)
        done = house.report("build", code=1)
        assert not done["released"] and house.current == served
        assert "standing/monitoring_results" in done["failure"] and "grade" in done["failure"]
        assert house.report("status")["last_run"][0] == "FAILURE"
        assert "last build: failed" in house.eqm("status")


def test_a_test_that_fails_stops_the_release_and_shows_the_rows(house: House) -> None:
    served = house.current
    with tampered(house, "wave_id", "NOWAVE"):
        another_line(house)
        done = house.report("build", code=1)
        assert not done["released"] and house.current == served
        (told,) = (line for line in done["failure"].splitlines() if "refers_to" in line)
        assert told.startswith("staging/stg_monitoring_results: tests: refers_to: 1 rows")
        database, query = told.partition("to see them in ")[2].split(": ", 1)
        with duckdb.connect(database, read_only=True) as con:
            (row,) = con.execute(query).fetchall()
        assert row[0] == "NOWAVE"


def test_an_empty_raw_folder_withdraws_nothing(house: House, tmp_path: Path) -> None:
    served = house.current
    empty = House(tmp_path / "nothing", house.home, house.key)
    assert "没有可读取的文件" not in empty.eqm("status")
    empty.eqm("build", code=1)
    assert house.current == served
    assert all(f["landed"] for f in house.report("status")["feeds"] if f["files"])
