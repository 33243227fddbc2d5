"""The dbt project as the build uses it: its manifest, its environment, `ops`, sealing, its docs."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pipelines.feeds.contract import quoted
from pipelines.plan import TARGETS
from pipelines.settings import PROJECT, WORK, Settings

DBT_PROJECT = PROJECT / "dbt_project"
DBT = str(Path(sys.executable).with_name("dbt"))
MANIFEST, RESULTS = "manifest.json", "run_results.json"
READY_DBT, READ = (sys.executable, "-P", "-m", "pipelines.dbt"), "EQM_DBT_READ"
"""dbt that may know its project already, and the variable that names what it read of it."""
QUIET = {"DBT_LOG_LEVEL": "none"}
"""What has that dbt tell warnings and errors alone, a line of JSON each."""
KEPT = ("marts", "restricted", "published", "ops")
"""Schemas of the sealed warehouse. Rows of single students, under pseudonyms, are in `restricted`
only, which no page and no download reads; staging and intermediate stay behind."""

OPS: dict[str, dict[str, pa.DataType]] = {
    "submission": {
        "submission_id": pa.string(), "feed": pa.string(), "school_year": pa.string(),
        "source_file": pa.string(), "file_sha256": pa.string(), "state": pa.string(),
        "state_zh": pa.string(), "stands": pa.bool_(),
        "rows": pa.int64(), "rows_landed": pa.int64(), "rows_forgotten": pa.int64(),
        "problems": pa.int64(), "errors": pa.int64(), "queries": pa.int64(),
        "open_queries": pa.int64(), "received_at": pa.timestamp("us"),
        # What was explained stays in the ledger: it may name a pupil.
        "explained_by": pa.string(), "explained_at": pa.timestamp("us"),
        "approved_by": pa.string(), "approved_at": pa.timestamp("us"),
        "return_workbook": pa.string(),
    },
    "owed": {
        "feed": pa.string(), "school_year": pa.string(), "wave_id": pa.string(),
        "level": pa.string(), "unit_code": pa.string(), "unit_name": pa.string(),
        "due_on": pa.date32(), "due_assumed": pa.bool_(),
        "state": pa.string(), "state_zh": pa.string(),
        "overdue": pa.bool_(), "submission_id": pa.string(), "file": pa.string(),
        "files": pa.int64(), "errors": pa.int64(), "queries": pa.int64(),
        "received_at": pa.timestamp("us"),
    },
    "problem": {
        "submission_id": pa.string(), "feed": pa.string(), "severity": pa.string(),
        "rule": pa.string(), "file": pa.string(), "sheet": pa.string(), "row_first": pa.int64(),
        "row_last": pa.int64(), "count": pa.int64(), "column": pa.string(), "found": pa.string(),
        "expected": pa.string(), "message_zh": pa.string(), "message_en": pa.string(),
        "open_query": pa.bool_(),
        "title_zh": pa.string(), "title_en": pa.string(),
        "says_zh": pa.string(), "says_en": pa.string(),
    },
    "made_with": {"kind": pa.string(), "name": pa.string(), "value": pa.string()},
    "metric": {
        "place": pa.int64(), "name": pa.string(), "zh": pa.string(), "en": pa.string(),
        "formula": pa.string(), "unit": pa.string(), "better": pa.string(), "model": pa.string(),
        "column": pa.string(), "n": pa.string(), "low": pa.string(), "high": pa.string(),
        "source": pa.string(),
    },
    "quality_check": {
        "source": pa.string(), "on_table": pa.string(), "rule": pa.string(),
        "on_column": pa.string(), "passed": pa.bool_(), "rows": pa.int64(),
        "failed_rows": pa.int64(), "detail": pa.string(),
    },
    "release": {
        "release_id": pa.string(), "made_at": pa.timestamp("us"), "as_of": pa.timestamp("us"),
        "inputs": pa.string(), "code": pa.string(), "software": pa.string(),
        "settings": pa.string(),
    },
}  # fmt: skip
"""What the platform writes about itself: table → column → type."""


ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Models run side by side; the matrices of one are so small that threads of its own only wait."""


Rows = Callable[[str, set[str]], str]
"""From a table of single students (`restricted.dim_student`) and its columns to a condition in SQL;
empty where none of its rows is meant."""


class WarehouseError(Exception):
    """dbt could not read its project or write its documentation; the text is dbt's."""


def dbt(arguments: list[str], target: Path, environment: Mapping[str, str]) -> None:
    """Run dbt in a process of its own, with its own folder for what it compiles and logs.

    Where the environment says so (`EQM_DBT_READ`) it is one that knows its project already.

    Raises:
        WarehouseError: it failed; the text is dbt's.
    """
    done = subprocess.run(
        # Quiet, since whoever reads of a failure reads its beginning: errors alone are written.
        [*(READY_DBT if READ in environment else [DBT]), "--no-use-colors", "--quiet", *arguments],
        cwd=DBT_PROJECT,
        env={
            **os.environ,
            **environment,
            "DBT_TARGET_PATH": str(target),
            "DBT_LOG_PATH": str(target),
            "DBT_PROFILES_DIR": str(DBT_PROJECT),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise WarehouseError(f"dbt {arguments[0]}: {(done.stdout + done.stderr).strip()}")


def manifest(settings: Settings) -> Path:
    """dbt's description of its project; made anew only when a file of the project changed, or dbt.

    Beside it lies what dbt read of the project, so that the first build need not read it again.

    Raises:
        WarehouseError: dbt can't parse the project.
    """
    digest = hashlib.sha256(version("dbt-core").encode())
    for path in sorted(DBT_PROJECT.rglob("*")):
        parts = path.relative_to(DBT_PROJECT).parts
        # Whoever runs dbt or sqlfluff by hand leaves folders of these names.
        if path.is_file() and parts[0] not in ("target", "logs"):
            digest.update("/".join(parts).encode() + b"\0" + path.read_bytes())
    target = settings.dagster / "dbt" / digest.hexdigest()[:12]
    if not (target / MANIFEST).exists():
        # Aside first, so that a process that dies here leaves no half of it.
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=target.parent) as name:
            aside = Path(name)
            read = aside / _read_under(settings)
            dbt(
                ["parse", "--vars", variables(settings)],
                aside,
                environment(settings, aside, aside / WORK) | {READ: str(read)},
            )
            target.mkdir(exist_ok=True)
            # Where Spark makes tables, the build reads of other models than this did.
            if read.exists() and settings.target == "duckdb":
                read.replace(target / read.name)
            (aside / MANIFEST).replace(target / MANIFEST)
    return target / MANIFEST


def environment(settings: Settings, standing: Path, database: Path) -> dict[str, str]:
    """What dbt's profile, project and macros read from the environment."""
    return {
        "EQM_STANDING": str(standing),
        "EQM_WAREHOUSE": str(database),
        "EQM_PLAN_SEEDS": str(plan_seeds(settings)),
        "EQM_ENGINE_MEGABYTES": str(settings.engine_megabytes),
        **ONE_THREAD,
    }


def read_project(settings: Settings) -> Path:
    """The file of what dbt read of its project under these variables, where a build has it from,
    or leaves it."""
    return manifest(settings).with_name(_read_under(settings))


def _read_under(settings: Settings) -> str:
    given = [settings.target, str(plan_seeds(settings)), variables(settings)]
    digest = hashlib.sha256("\0".join(given).encode())
    return f"read-{digest.hexdigest()[:12]}.msgpack"


def variables(settings: Settings) -> str:
    """The values that the platform's settings give to the project's variables, as JSON."""
    return json.dumps(settings.figures(), ensure_ascii=False)


def plan_seeds(settings: Settings) -> Path:
    """The folder whose one file are the plan's targets, under the name that the models know.

    The project's own is named as the project names it, so that dbt sees nothing changed. A city's
    own is copied anew for every run: dbt writes what it ran over a seed from outside its project.
    """
    if settings.plan_targets is None:
        return TARGETS.parent.relative_to(DBT_PROJECT)
    digest = settings.figures()["plan_targets"]
    folder = settings.dagster / "plan" / digest
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    # A byte order mark, as spreadsheets write it, would be part of the first column's name.
    text = settings.plan_targets.read_text(encoding="utf-8-sig")
    (folder / TARGETS.name).write_text(text, encoding="utf-8", newline="")
    return folder


def write_ops(database: Path, table: str, rows: Iterable[Mapping[str, Any]]) -> int:
    """Replace a table of `ops`; answers the number of rows."""
    schema = pa.schema(list(OPS[table].items()))
    names = schema.names
    arrow = pa.Table.from_pylist([{n: row.get(n) for n in names} for row in rows], schema)
    with duckdb.connect(str(database)) as con:
        con.execute("create schema if not exists ops")
        con.register("rows_in", arrow)
        con.execute(f"create or replace table ops.{table} as select * from rows_in")
    return arrow.num_rows


def seal(database: Path, target: Path, left_out: Mapping[str, str] | None = None) -> None:
    """Copy what stays of dbt's database, or of a sealed one, into a new file.

    Rows are put in order, so that equal tables are stored equal; not those of `restricted`, which
    no page reads: to sort a city's single scores would take longer than to make them. Constraints
    come along.

    Args:
        database: where the tables are.
        target: the new file.
        left_out: table (`schema.table`) → condition, in SQL, of the rows that don't come along.
    """
    target.unlink(missing_ok=True)
    with duckdb.connect() as con:
        con.execute(f"attach {quoted(str(database))} as work (read_only)")
        con.execute(f"attach {quoted(str(target))} as sealed")
        tables = con.execute(
            "select schema_name, table_name, sql from duckdb_tables() "
            "where database_name = 'work' order by 1, 2"
        ).fetchall()
        for schema, table, create in tables:
            if schema not in KEPT:
                continue
            con.execute(f"create schema if not exists sealed.{schema}")
            columns = create.partition("(")[2]
            con.execute(f'create table sealed.{schema}."{table}" ({columns}')
            order = "" if schema == "restricted" else " order by all"
            without = (left_out or {}).get(f"{schema}.{table}", "false")
            con.execute(
                f'insert into sealed.{schema}."{table}" '
                f'select * from work.{schema}."{table}" where not coalesce({without}, false){order}'
            )


def count(warehouse: Path, rows: Rows) -> dict[str, int]:
    """Restricted tables of a sealed warehouse → how many of these rows they hold, where any."""
    found = {}
    with duckdb.connect(str(warehouse), read_only=True) as con:
        for table, condition in _conditions(con, rows).items():
            query = f"select count(*) from {table} where {condition}"
            if n := con.execute(query).fetchall()[0][0]:
                found[table] = n
    return found


def erase(warehouse: Path, rows: Rows) -> dict[str, int]:
    """Write a sealed warehouse anew without some rows of single students; answers as `count` did.

    The file takes the old one's place at once, so that nothing of them is left in it; whoever has
    the old one open reads it on. Where there are no such rows the file stays.
    """
    gone = count(warehouse, rows)
    if gone:
        with duckdb.connect(str(warehouse), read_only=True) as con:
            conditions = _conditions(con, rows)
        aside = warehouse.with_suffix(".erasing")
        seal(warehouse, aside, conditions)
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        aside.replace(warehouse)
    return gone


def _conditions(con: duckdb.DuckDBPyConnection, rows: Rows) -> dict[str, str]:
    tables = con.execute(
        "select schema_name || '.' || table_name, list(column_name) from duckdb_columns() "
        "where schema_name = 'restricted' group by 1 order by 1"
    ).fetchall()
    return {table: asked for table, names in tables if (asked := rows(table, set(names)))}


def table_of(node: Mapping[str, Any]) -> str:
    """The table (`schema.table`) of a model or seed as dbt describes it."""
    return f"{node['schema']}.{node['alias']}"


def forget_results(target: Path) -> None:
    """So that what dbt tells next of its results is of its next run."""
    (target / RESULTS).unlink(missing_ok=True)


def seconds(target: Path) -> dict[str, float]:
    """Model or seed that dbt has built, by its name → the seconds it took, the slowest first.

    None where none was built.
    """
    told = target / RESULTS
    results = json.loads(told.read_text(encoding="utf-8"))["results"] if told.exists() else []
    took = {
        one["unique_id"]: round(one["execution_time"], 3)
        for one in results
        if one["status"] == "success"
    }
    return dict(sorted(took.items(), key=lambda one: -one[1]))


def write_docs(settings: Settings, standing: Path, database: Path, target: Path, docs: Path) -> int:
    """The documentation of the warehouse as one page that opens anywhere; answers its bytes.

    It tells of the project, its variables and the columns of the database; while these stay, so
    does the page, and dbt is not asked again.

    Raises:
        WarehouseError: dbt can't write it.
    """
    given = variables(settings)
    kept = manifest(settings).with_name(f"docs-{_columns_digest(database, given)}.html")
    if not kept.exists():
        dbt(
            ["docs", "generate", "--static", "--no-compile", "--vars", given],
            target,
            environment(settings, standing, database) | {READ: str(read_project(settings))},
        )
        aside = kept.with_suffix(".new")
        shutil.copyfile(target / "static_index.html", aside)
        aside.replace(kept)
    docs.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(kept, docs / "index.html")
    return kept.stat().st_size


def _columns_digest(database: Path, given: str) -> str:
    with duckdb.connect(str(database), read_only=True) as con:
        columns = con.execute(
            "select schema_name, table_name, column_name, data_type from duckdb_columns() "
            "where not internal order by all"
        ).fetchall()
    return hashlib.sha256(json.dumps([given, columns]).encode()).hexdigest()[:12]


def read(database: Path, query: str) -> list[dict[str, Any]]:
    """The rows of a query on a sealed warehouse."""
    with duckdb.connect(str(database), read_only=True) as con:
        return con.sql(query).to_arrow_table().to_pylist()


def row_counts(database: Path) -> dict[str, int]:
    """Rows of every table, by `schema.table`; counted, since the catalogue only estimates them."""
    with duckdb.connect(str(database), read_only=True) as con:
        tables = con.execute("select schema_name, table_name from duckdb_tables() order by 1, 2")
        return {
            f"{schema}.{table}": con.table(f'"{schema}"."{table}"').count("*").fetchall()[0][0]
            for schema, table in tables.fetchall()
        }
