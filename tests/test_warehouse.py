"""The warehouse around dbt: what is sealed, what is said of submissions, when dbt is asked."""

import shutil
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from pipelines import warehouse
from pipelines.settings import Settings


def settings_in(folder: Path) -> Settings:
    return Settings.load(
        raw=folder / "raw", home=folder / "home", pseudonym_key_file=folder / "key"
    )


def test_what_dbt_left_by_hand_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """sqlfluff compiles into dbt_project/target, with folders named like files."""
    project = tmp_path / "dbt_project"
    shutil.copytree(warehouse.DBT_PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
    monkeypatch.setattr(warehouse, "DBT_PROJECT", project)
    first = warehouse.manifest(settings_in(tmp_path))
    (project / "target" / "compiled" / "models.yml").mkdir(parents=True)
    (project / "logs").mkdir()
    (project / "logs" / "dbt.log").write_text("x")
    assert warehouse.manifest(settings_in(tmp_path)) == first
    (project / "macros" / "school.sql").open("a").write("\n")
    assert warehouse.manifest(settings_in(tmp_path)) != first


def test_a_broken_project_is_said_in_dbts_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "dbt_project"
    shutil.copytree(warehouse.DBT_PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
    (project / "models" / "staging" / "stg_districts.sql").write_text("{{ ref('no_such_model') }}")
    monkeypatch.setattr(warehouse, "DBT_PROJECT", project)
    with pytest.raises(warehouse.WarehouseError, match="no_such_model"):
        warehouse.manifest(settings_in(tmp_path))


def test_a_sealed_warehouse_has_rows_in_order_constraints_and_no_student(tmp_path: Path) -> None:
    work, sealed = tmp_path / "work.duckdb", tmp_path / "sealed.duckdb"
    with duckdb.connect(str(work)) as con:
        con.execute("create schema intermediate; create schema marts")
        con.execute("create table intermediate.students as select 'key' as student_key")
        con.execute("create table marts.cell (name varchar not null, n integer)")
        con.execute("insert into marts.cell values ('b', 2), ('a', 1), ('b', null)")
    sealed.write_text("left by a build that died")
    warehouse.write_ops(work, "submission", [{"feed": "students", "rows": 3}])
    warehouse.seal(work, sealed)
    assert warehouse.row_counts(sealed) == {"marts.cell": 3, "ops.submission": 1}
    assert warehouse.read(sealed, "from marts.cell") == [
        {"name": "a", "n": 1}, {"name": "b", "n": 2}, {"name": "b", "n": None}
    ]  # fmt: skip
    with (
        duckdb.connect(str(sealed)) as con,
        pytest.raises(duckdb.ConstraintException, match="NOT NULL"),
    ):
        con.execute("insert into marts.cell values (null, 1)")


def test_ops_tables_are_typed_even_when_empty(tmp_path: Path) -> None:
    database = tmp_path / "work.duckdb"
    for table, columns in warehouse.OPS.items():
        assert warehouse.write_ops(database, table, []) == 0
        with duckdb.connect(str(database)) as con:
            found = con.execute(f"describe ops.{table}").fetchall()
        assert [row[0] for row in found] == list(columns)
    when = datetime(2026, 1, 2, 3, 4, 5, 6)
    row = {"submission_id": "a", "received_at": when, "not_a_column": 1}
    assert warehouse.write_ops(database, "submission", [row]) == 1
    (stored,) = warehouse.read(database, "from ops.submission")
    assert stored["received_at"] == when and stored["feed"] is None
