"""The warehouse around dbt: what is sealed, what is said of submissions, when dbt is asked."""

import json
import os
import shutil
import subprocess
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


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project without what rests on the staging layer: dbt reads it in a third of the time."""
    folder = tmp_path / "dbt_project"
    shutil.copytree(warehouse.DBT_PROJECT, folder, ignore=shutil.ignore_patterns("target", "logs"))
    for kept in (folder / "models").iterdir():
        if kept.is_dir() and kept.name != "staging":
            shutil.rmtree(kept)
    for test in (folder / "tests").glob("*.sql"):
        test.unlink()
    for of_all in ("selectors.yml", "models/exposures.yml", "models/unit_tests.yml"):
        (folder / of_all).unlink()
    monkeypatch.setattr(warehouse, "DBT_PROJECT", folder)
    monkeypatch.setattr(warehouse, "TARGETS", folder / "seeds" / warehouse.TARGETS.name)
    return folder


def test_what_dbt_left_by_hand_does_not_matter(tmp_path: Path, project: Path) -> None:
    """sqlfluff compiles into dbt_project/target, with folders named like files."""
    first = warehouse.manifest(settings_in(tmp_path))
    (project / "target" / "compiled" / "models.yml").mkdir(parents=True)
    (project / "logs").mkdir()
    (project / "logs" / "dbt.log").write_text("x")
    assert warehouse.manifest(settings_in(tmp_path)) == first
    (project / "macros" / "school.sql").open("a").write("\n")
    assert warehouse.manifest(settings_in(tmp_path)) != first


def test_a_broken_project_is_said_in_dbts_words(tmp_path: Path, project: Path) -> None:
    (project / "models" / "staging" / "stg_districts.sql").write_text("{{ ref('no_such_model') }}")
    with pytest.raises(warehouse.WarehouseError, match="no_such_model"):
        warehouse.manifest(settings_in(tmp_path))


def test_a_failed_model_is_said_first(tmp_path: Path, project: Path) -> None:
    """Of a long text people are shown the beginning; what went well is not the reason."""
    settings = settings_in(tmp_path)
    nowhere = warehouse.environment(settings, tmp_path / "nowhere", tmp_path / "work.duckdb")
    run = ["run", "--select", "stg_schools", "--vars", warehouse.variables(settings)]
    with pytest.raises(warehouse.WarehouseError) as told:
        warehouse.dbt(run, tmp_path / "target", nowhere)
    first, *_ = str(told.value).splitlines()
    assert "ERROR creating" in first and "stg_schools" in first
    assert "nowhere/schools" in str(told.value)


def test_a_table_that_can_not_be_made_leaves_its_former(tmp_path: Path, project: Path) -> None:
    """And one in Python may read its former rows while it makes its new ones."""
    settings, database = settings_in(tmp_path), tmp_path / "work.duckdb"
    given = warehouse.environment(settings, tmp_path, database)
    run = ["run", "--select", "a_table", "a_view", "in_python", "--vars"]
    run.append(warehouse.variables(settings))

    def write(number: str, former: str) -> None:
        for name, kind in (("a_table", "table"), ("a_view", "view")):
            head = f"{{{{ config(materialized='{kind}') }}}}"
            model = project / "models" / "staging" / f"{name}.sql"
            model.write_text(f"{head} select {number} as number", encoding="utf-8")
        (project / "models" / "staging" / "in_python.py").write_text(
            "def model(dbt, session):\n"
            "    dbt.config(materialized='table')\n"
            f"    return session.sql(f'select 1 + {former} as number')\n",
            encoding="utf-8",
        )

    def numbers() -> list[int]:
        with duckdb.connect(str(database), read_only=True) as con:
            names = ("a_table", "a_view", "in_python")
            return [con.execute(f"from staging.{name}").fetchall()[0][0] for name in names]

    write("1", "0")
    warehouse.dbt(run, tmp_path / "target", given)
    assert numbers() == [1, 1, 1]
    write("no_such_column", "(select number from {dbt.this})")
    with pytest.raises(warehouse.WarehouseError, match="no_such_column"):
        warehouse.dbt(run, tmp_path / "target", given)
    assert numbers() == [1, 1, 2]
    with duckdb.connect(str(database), read_only=True) as con:
        left = con.execute("select table_name from duckdb_tables() order by 1").fetchall()
    assert left == [("a_table",), ("in_python",)], "nothing is left aside"


def test_what_dbt_read_is_of_one_project_its_variables_and_its_engine(
    tmp_path: Path, project: Path
) -> None:
    (tmp_path / "home" / "dagster" / "dbt").mkdir(parents=True)
    settings = settings_in(tmp_path)
    first = warehouse.read_project(settings)
    # It is there before the first build.
    assert first == warehouse.read_project(settings) and first.exists()
    own = tmp_path / "targets.csv"
    own.write_bytes(warehouse.TARGETS.read_bytes())
    changes = ({"pass_share": 0.7}, {"target": "spark"}, {"plan_targets": own})
    others = [warehouse.read_project(settings.model_copy(update=change)) for change in changes]
    assert len({first, *others}) == 4


def test_dbt_reads_its_project_once_and_again_where_what_it_kept_is_damaged(
    tmp_path: Path, project: Path
) -> None:
    kept, database = tmp_path / "read.msgpack", tmp_path / "work.duckdb"

    def models(place: str) -> str:
        (tmp_path / place).mkdir()
        done = subprocess.run(
            [*warehouse.READY_DBT, "--log-format", "json", "ls", "--select", "stg_districts"],
            cwd=project,
            env={
                **os.environ,
                "EQM_DBT_READ": str(kept),
                "EQM_WAREHOUSE": str(database.with_name(f"{place}.duckdb")),
                "DBT_TARGET_PATH": str(tmp_path / place),
                "DBT_LOG_PATH": str(tmp_path / place),
                "DBT_PROFILES_DIR": str(project),
            },
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def read(place: str) -> bool:
        return (tmp_path / place / "partial_parse.msgpack").exists()

    first = models("first")
    assert read("first") and "eqm.staging.stg_districts" in first
    whole = kept.read_bytes()
    # Another database does not matter; dbt by itself would read all anew.
    assert "eqm.staging.stg_districts" in models("second") and not read("second")
    kept.write_bytes(whole[:-1000])
    assert "eqm.staging.stg_districts" in models("third") and read("third")
    assert len(kept.read_bytes()) > len(whole) - 1000


def test_of_a_run_whose_log_is_off_warnings_and_errors_are_told(
    tmp_path: Path, project: Path
) -> None:
    broken = project / "models" / "staging" / "stg_districts.sql"
    broken.write_text("select no_such_column from (select 1 as one)")
    done = subprocess.run(
        [*warehouse.READY_DBT, "run", "--select", "stg_districts"],
        cwd=project,
        env={
            **os.environ,
            **warehouse.environment(settings_in(tmp_path), tmp_path, tmp_path / "work.duckdb"),
            **warehouse.QUIET,
            "EQM_DBT_READ": str(tmp_path / "read.msgpack"),
            "DBT_TARGET_PATH": str(tmp_path / "target"),
            "DBT_LOG_PATH": str(tmp_path / "logs"),
            "DBT_PROFILES_DIR": str(project),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    told = [json.loads(line)["info"] for line in done.stdout.splitlines()]
    assert done.returncode == 1, done.stdout
    assert {line["level"] for line in told} <= {"warn", "error"}
    assert any(line["level"] == "error" and "no_such_column" in line["msg"] for line in told)
    assert not list((tmp_path / "logs").rglob("*")), "a log that nobody reads"


def test_the_documentation_is_made_of_what_dbt_has_read(tmp_path: Path, project: Path) -> None:
    settings, database = settings_in(tmp_path), tmp_path / "work.duckdb"
    target, docs = tmp_path / "target", tmp_path / "docs"
    target.mkdir()
    shutil.copy(warehouse.manifest(settings), target)
    duckdb.connect(str(database)).close()
    size = warehouse.write_docs(settings, tmp_path, database, target, docs)
    page = (docs / "index.html").read_text(encoding="utf-8")
    assert "stg_districts" in page and len(page.encode()) == size
    assert not (target / "partial_parse.msgpack").exists(), "read a second time"


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
