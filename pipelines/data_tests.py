"""What dbt's project tests of its tables, asked of the engine itself.

A build has some four hundred tests, most of them answered in a few milliseconds. dbt takes some
twenty more for each: it makes the question out of its project, where nothing has changed, and tells
at length what it does. So dbt makes all questions once, for a project and its variables, and builds
ask them.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from graphlib import TopologicalSorter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from pipelines import warehouse
from pipelines.settings import WORK, Settings

Row = dict[str, Any]
"""How a test ended: its row of `ops.quality_check`. One that stops the build has a `query` besides,
which shows the rows that fail."""


def tables(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Of dbt's description of the project: each test, by dbt's name → the table (`schema.table`)
    that it is of; one of several tables is of the first that it reads."""
    nodes = manifest["nodes"]
    return {
        name: warehouse.table_of(nodes[_tested(node)])
        for name, node in nodes.items()
        if node["resource_type"] == "test"
    }


def questions(settings: Settings) -> dict[str, str]:
    """Test, by dbt's name → its question in SQL, which answers the rows that fail.

    Raises:
        WarehouseError: dbt can't make them; the text is dbt's.
    """
    read = warehouse.read_project(settings)
    kept = read.with_name(f"{read.stem}-tests.json")
    if not kept.exists():
        with TemporaryDirectory(dir=kept.parent) as name:
            aside = Path(name)
            # They are made without looking into any table, so the database may be an empty one.
            nowhere = warehouse.environment(settings, aside, aside / WORK)
            # What a build has read is used; to leave it is the build's part, which knows more.
            nowhere |= {warehouse.READ: str(read)} if read.exists() else {}
            given = ["--select", "resource_type:test", "--vars", warehouse.variables(settings)]
            warehouse.dbt(["compile", *given], aside, nowhere)
            made = json.loads((aside / warehouse.MANIFEST).read_text(encoding="utf-8"))
            told = {
                test: node["compiled_code"]
                for test, node in made["nodes"].items()
                if node["resource_type"] == "test"
            }
            (aside / kept.name).write_text(json.dumps(told), encoding="utf-8")
            (aside / kept.name).replace(kept)
    found: dict[str, str] = json.loads(kept.read_text(encoding="utf-8"))
    return found


def ask(
    settings: Settings,
    manifest: Mapping[str, Any],
    names: Iterable[str],
    made: Collection[str],
    database: Path,
) -> dict[str, Row]:
    """How tests end in a database, by dbt's name of each; those alone whose tables are all made.

    Where one stops the build, those of tables that rest on its table are left out: what is wrong
    there comes of it.

    Args:
        settings: under which the tables were made.
        manifest: dbt's description of the project: how severe each is, and of what table.
        names: those of which the tests are asked; other nodes may be among them.
        made: models and seeds whose tables are as they should be now.
        database: where they are; its file is called `WORK`.

    Raises:
        WarehouseError: dbt can't make the questions; the text is dbt's.
    """
    nodes = manifest["nodes"]
    able = [
        name
        for name in names
        if nodes[name]["resource_type"] == "test"
        and all(one in made for one in nodes[name]["depends_on"]["nodes"] if one in nodes)
    ]
    if not able:
        return {}
    asked, on_table = questions(settings), tables(manifest)
    rows: dict[str, Row] = {}
    with duckdb.connect(str(database), read_only=True) as con:
        con.execute(f"set memory_limit = '{settings.engine_megabytes}MB'")
        for name in able:
            node = nodes[name]
            failed, stops, message = _outcome(con, asked[name], node["config"])
            rows[name] = {
                "source": "dbt",
                "on_table": on_table[name],
                "rule": (node.get("test_metadata") or {}).get("name") or node["name"],
                "on_column": node.get("column_name") or "",
                "passed": not message,
                "rows": None,
                "failed_rows": failed,
                "detail": message,
            }
            if stops:
                lines = (line.strip() for line in asked[name].splitlines())
                rows[name]["query"] = " ".join(line for line in lines if line[:2] not in ("", "--"))
    return _without_what_follows(rows, manifest)


def _outcome(
    con: duckdb.DuckDBPyConnection, question: str, config: Mapping[str, Any]
) -> tuple[int, bool, str]:
    """How many rows fail, whether that stops the build, and what is said of it, as dbt says it."""
    warns, errs = config["warn_if"], config["error_if"]
    try:
        failed, warned, erred = con.execute(
            f"select failed, failed {warns}, failed {errs} from "
            f"(select {config['fail_calc']} as failed from (\n{question}\n) as failing)"
        ).fetchall()[0]
    except duckdb.Error as error:
        return 0, True, str(error)
    got = f"Got {failed} result{'' if failed == 1 else 's'}, configured to"
    if erred and config["severity"].lower() == "error":
        return failed, True, f"{got} fail if {errs}"
    return (failed, False, f"{got} warn if {warns}") if warned else (0, False, "")


def _without_what_follows(rows: dict[str, Row], manifest: Mapping[str, Any]) -> dict[str, Row]:
    nodes = manifest["nodes"]
    broken = {_tested(nodes[name]) for name, row in rows.items() if "query" in row}
    if not broken:
        return rows
    reads = {name: set(node["depends_on"].get("nodes", ())) for name, node in nodes.items()}
    follows: set[str] = set()
    for name in TopologicalSorter(reads).static_order():
        if reads.get(name, set()) & (broken | follows):
            follows.add(name)
    return {name: row for name, row in rows.items() if not reads[name] & follows}


def _tested(node: Mapping[str, Any]) -> str:
    return str(node.get("attached_node") or node["depends_on"]["nodes"][0])
