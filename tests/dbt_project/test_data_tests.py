"""The tests of tables, asked of the engine: they end as dbt says that they end."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from pipelines import data_tests, warehouse
from pipelines.definitions import checked
from pipelines.settings import Settings

from .conftest import City, home_in

KEY, REFERENCE = "primary_key", "refers_to"
SPOILED = {
    # Two rows of one key.
    "marts.attainment": "from {0} union all (from {0} limit 1)",
    # What many tables refer to.
    "marts.dim_subject": "from {0} where subject <> 'mathematics'",
    # A rate that is none.
    "marts.inclass_check": "select * replace (1.5 as schools_met_rate) from {0}",
}
"""Table → what is put in its place, without its constraints."""
LOOKED_AT = (
    *(table.removeprefix("marts.") for table in SPOILED),
    "published_attainment", "published_inclass_check",  # rest on them
    "stg_students", "dim_staff",
)  # fmt: skip
"""Models whose tests dbt is asked."""


@dataclass(frozen=True)
class Asked:
    """A warehouse, what dbt says of its tests (dbt's name → its result), and what `ask` does."""

    database: Path
    manifest: dict[str, Any]
    said: dict[str, dict[str, Any]]
    rows: dict[str, dict[str, Any]]

    def of(self, table: str, rule: str) -> list[dict[str, Any]]:
        """The rows of a table's tests of a kind."""
        return [r for r in self.rows.values() if (r["on_table"], r["rule"]) == (table, rule)]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return home_in(tmp_path_factory.mktemp("data_tests"))


def asked_of(settings: Settings, database: Path, target: Path) -> Asked:
    """Of a database whose tests dbt has just looked at."""
    manifest = json.loads((target / warehouse.MANIFEST).read_text(encoding="utf-8"))
    results = json.loads((target / warehouse.RESULTS).read_text(encoding="utf-8"))["results"]
    said = {one["unique_id"]: one for one in results if one["unique_id"].startswith("test.")}
    rows = data_tests.ask(settings, manifest, said, manifest["nodes"], database)
    return Asked(database, manifest, said, rows)


@pytest.fixture(scope="module")
def sound(city: City, settings: Settings) -> Asked:
    return asked_of(settings, city.warehouse, city.warehouse.parent / "target")


@pytest.fixture(scope="module")
def spoiled(city: City, settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Asked:
    """Of a copy in which some tables are not as they should be, which dbt tests anew."""
    folder = tmp_path_factory.mktemp("spoiled")
    database = folder / city.warehouse.name
    shutil.copy(city.warehouse, database)
    with duckdb.connect(str(database)) as con:
        for table, instead in SPOILED.items():
            con.execute(f"create table aside as {instead.format(table)}")
            con.execute(f"drop table {table}")
            con.execute(f"create table {table} as from aside")
            con.execute("drop table aside")
    given = warehouse.environment(settings, city.warehouse.parent / "standing", database)
    given |= {warehouse.READ: str(warehouse.read_project(settings))}
    without = ["--exclude-resource-types", "unit_test"]
    with pytest.raises(warehouse.WarehouseError):
        warehouse.dbt(["test", "--select", *LOOKED_AT, *without], folder, given)
    return asked_of(settings, database, folder)


def as_dbt_says(result: dict[str, Any]) -> tuple[bool, bool, int, str]:
    """Whether it passed and whether it stops the build, how many rows fail, and the message."""
    status = result["status"]
    failed, message = result["failures"] or 0, result["message"] or ""
    return status == "pass", status in ("fail", "error"), failed, message


def as_asked(row: dict[str, Any]) -> tuple[bool, bool, int, str]:
    return row["passed"], "query" in row, row["failed_rows"], row["detail"]


def test_each_test_of_a_sound_city_ends_as_dbt_says(sound: Asked) -> None:
    assert len(sound.rows) > 400
    assert {name: as_asked(row) for name, row in sound.rows.items()} == {
        name: as_dbt_says(result) for name, result in sound.said.items()
    }
    assert sum(not row["passed"] for row in sound.rows.values()) == 3, "warnings, nothing else"


def test_each_test_of_a_spoiled_city_ends_as_dbt_says(spoiled: Asked) -> None:
    for name, row in spoiled.rows.items():
        assert as_asked(row) == as_dbt_says(spoiled.said[name]), name
    (key,) = spoiled.of("marts.attainment", KEY)
    assert not key["passed"] and key["failed_rows"] == 1
    (range_of_rates,) = spoiled.of("marts.inclass_check", "within")
    assert not range_of_rates["passed"] and range_of_rates["failed_rows"] > 0
    warned = {r["on_table"] for r in spoiled.rows.values() if not r["passed"] and "query" not in r}
    assert "marts.dim_paper" in warned, "that a paper's subject is not there stops nothing"


def test_of_what_rests_on_a_broken_table_nothing_is_said(spoiled: Asked) -> None:
    """What were wrong there would come of it; the other tests of the table itself are told."""
    assert spoiled.of("marts.attainment", REFERENCE) and spoiled.of("staging.stg_students", KEY)
    of = data_tests.tables(spoiled.manifest)
    silent = {of[name] for name in spoiled.said if name not in spoiled.rows}
    assert {"published.attainment", "published.inclass_check"} <= silent
    assert silent.isdisjoint({*SPOILED, "staging.stg_students"})


def test_of_a_table_that_is_not_made_nothing_is_asked(sound: Asked, settings: Settings) -> None:
    """Nor of one that it refers to: a build that fails asks of what it has made all the same."""
    made = sound.manifest["nodes"].keys() - {"model.eqm.dim_subject"}
    rows = data_tests.ask(settings, sound.manifest, sound.manifest["nodes"], made, sound.database)
    left_out = sound.said.keys() - rows.keys()
    reads = {name: sound.manifest["nodes"][name]["depends_on"]["nodes"] for name in sound.said}
    assert left_out == {name for name in reads if "model.eqm.dim_subject" in reads[name]}
    assert 1 < len(left_out) < 100
    assert rows.items() <= sound.rows.items()


def test_the_query_of_a_failed_test_shows_its_rows(spoiled: Asked) -> None:
    checks = {
        tuple(one.asset_key.path): one for one in checked(spoiled.rows.values(), spoiled.database)
    }
    broken = checks["marts", "attainment"]
    assert not broken.passed and broken.severity == dg.AssetCheckSeverity.ERROR
    assert "primary_key: 1 rows (Got 1 result, configured to fail if != 0)" in broken.description
    _, _, query = broken.description.partition(f"to see them in {spoiled.database}: ")
    with duckdb.connect(str(spoiled.database), read_only=True) as con:
        (row,) = con.sql(query.splitlines()[0]).to_arrow_table().to_pylist()
    assert row["occurrences"] == 2
    warned = checks["staging", "stg_students"]
    assert not warned.passed and warned.severity == dg.AssetCheckSeverity.WARN
    assert "to see them" not in warned.description
    assert checks["marts", "dim_staff"].passed


def test_a_question_that_the_engine_refuses_stops_the_build(
    sound: Asked, settings: Settings, tmp_path: Path
) -> None:
    database = tmp_path / sound.database.name
    with duckdb.connect(str(database)) as con:
        con.execute("create schema marts; create table marts.attainment (wave_id text)")
    keys = sound.of("marts.attainment", KEY)
    (name,) = (name for name, row in sound.rows.items() if row in keys)
    (row,) = data_tests.ask(
        settings, sound.manifest, [name], sound.manifest["nodes"], database
    ).values()
    assert not row["passed"] and row["query"].startswith("with repeated as")
    assert 'Referenced column "school_year" not found' in row["detail"]


def test_questions_are_made_once_for_a_project_and_its_variables(
    sound: Asked, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = {name: result["compiled_code"] for name, result in sound.said.items()}
    assert data_tests.questions(settings) == compiled

    class AskedAnew(Exception):
        pass

    def dbt(*_: object) -> None:
        raise AskedAnew

    monkeypatch.setattr(warehouse, "dbt", dbt)
    assert data_tests.questions(settings) == compiled
    with pytest.raises(AskedAnew):
        data_tests.questions(settings.model_copy(update={"inclass_share": 0.7}))
