"""Tables of the last build that still hold, so that a build makes only what has changed.

A table is a function of the code, the settings and the tables that it reads. The digest of a table
is that of all these, down to the rows that stand; a build that finds a table of the same digest in
the database of the last one uses it again, and so it does with the outcome of a test of such tables
and of the suite of a feed. Of a table with parts (`pipelines.parts`) only those are made anew that
the change concerns. A release can't tell: what it holds is the same, cell by cell.

The last database is kept once it is sealed, thus only if every test of it has passed. A build works
on a copy, so that one that is killed harms nothing.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import duckdb

from pipelines import parts
from pipelines.feeds import load_contracts
from pipelines.intake import Standing
from pipelines.release import Building, code_digest, point
from pipelines.settings import Settings
from pipelines.warehouse import WarehouseError

DATABASE, RECORD, STANDING = "tables.duckdb", "made.json", "standing"
CODE = ("pipelines", "dbt_project")
"""Folders whose files decide what a table holds."""


@dataclass(frozen=True)
class Made:
    """What a database's tables were made from, and what was found out about them."""

    base: str = ""
    """Digest of what all tables rest on: code, settings, libraries."""
    standing: str = ""
    """Where views among the tables look for the rows that stand."""
    nodes: dict[str, str] = field(default_factory=dict)
    """Model, seed or test, and what they are made from, by dbt's name → its digest."""
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Feed that has parts → `of`, its digest, and `parts`, those of its rows (`parts.Rows`)."""
    tests: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Test, by dbt's name → its row of `ops.quality_check`."""
    suites: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Feed → `of`, the digest of what its suite looked at, and `rows`, what it found."""


@dataclass(frozen=True)
class State:
    """What all tables would be made from now."""

    nodes: dict[str, str]
    rows: dict[str, dict[str, Any]]
    """Both as `Made` has them."""


def lend(settings: Settings, building: Building, view: Standing) -> None:
    """Copy the kept tables to where a build works, if its code and settings are those of then."""
    folder = settings.kept
    last = _read(folder / RECORD)
    if settings.target != "duckdb" or last.base != _base(settings):
        return
    shutil.copyfile(folder / DATABASE, building.work)
    shutil.copyfile(folder / RECORD, building.made)
    now = str(show_standing(settings, view))
    if last.standing != now:
        _move_views(building.work, last.standing, now)


def _move_views(database: Path, before: str, after: str) -> None:
    """Let views look in another folder: the home was moved, or comes from a backup."""
    with duckdb.connect(str(database)) as con:
        views = con.execute(
            "select sql from duckdb_views() where contains(sql, $1)", [f"'{before}/"]
        ).fetchall()
        for (sql,) in views:
            moved = sql.replace(f"'{before}/", f"'{after}/")
            con.execute(moved.replace("CREATE VIEW", "CREATE OR REPLACE VIEW", 1))


def keep(settings: Settings, building: Building, view: Standing) -> None:
    """Keep the tables of a sealed build for the next; not those of the past, or of Spark.

    A database of which most is room that replaced tables have left is not kept: the next build
    then makes a new one.
    """
    folder = settings.kept
    if settings.target != "duckdb" or settings.as_of:
        return
    folder.mkdir(exist_ok=True, mode=0o700)
    (folder / RECORD).unlink(missing_ok=True)
    with duckdb.connect(str(building.work)) as con:
        con.execute("checkpoint")
        free, total = con.execute(
            "select free_blocks, total_blocks from pragma_database_size() where "
            "database_name = current_database()"
        ).fetchall()[0]
    if 2 * free > total:
        (folder / DATABASE).unlink(missing_ok=True)
        return
    building.work.replace(folder / DATABASE)
    found = json.loads(building.quality.read_text(encoding="utf-8"))
    of = suites_of(view)
    suites = {
        feed: {"of": of[feed], "rows": [row for row in found if row["feed"] == feed]} for feed in of
    }
    told = asdict(made(building)) | {"suites": suites}
    aside = folder / f"{RECORD}.new"
    aside.write_text(json.dumps(told, ensure_ascii=False), encoding="utf-8")
    for path in (folder / DATABASE, aside):
        with path.open("rb") as file:
            os.fsync(file.fileno())
    aside.replace(folder / RECORD)


def made(building: Building) -> Made:
    """What is known of the tables where a build works: those it was lent, or has made since."""
    return _read(building.made)


def note(
    settings: Settings, building: Building, now: State, tests: dict[str, dict[str, Any]]
) -> None:
    """Note what the tables where a build works were made from, and how their tests ended.

    Raises:
        WarehouseError: a test neither ran nor had its outcome from the last build.
    """
    names = now.nodes
    if missing := sorted(name for name in names if name.startswith("test.") and name not in tests):
        raise WarehouseError(f"{len(missing)} tests did not run, such as {missing[0]}")
    told = asdict(
        Made(_base(settings), str(settings.kept / STANDING), now.nodes, now.rows, tests=tests)
    )
    building.made.write_text(json.dumps(told, ensure_ascii=False), encoding="utf-8")


def show_standing(settings: Settings, view: Standing) -> Path:
    """A link to the frozen state under a name that stays, which tables that are views remember."""
    settings.kept.mkdir(exist_ok=True, mode=0o700)
    point(settings.kept / STANDING, view.path)
    return settings.kept / STANDING


def suites_of(view: Standing) -> dict[str, str]:
    """Feed → digest of the rows that its suite looks at: its own, and those it refers to."""
    return {
        feed: _digest([view.digests[feed], *(view.digests[f] for f in contract.depends_on)])
        for feed, contract in load_contracts().items()
    }


def state(settings: Settings, manifest: Path, view: Standing, building: Building) -> State:
    """What every model, seed and test would be made from now.

    Args:
        settings: of the build.
        manifest: dbt's description of the project.
        view: the rows that stand.
        building: where the build works; its database holds `ops` already.
    """
    base, known = _base(settings), made(building).rows
    project = json.loads(manifest.read_text(encoding="utf-8"))
    found: dict[str, str] = {}
    rows: dict[str, dict[str, Any]] = {}
    waves: dict[str, list[str]] = {}
    for name, source in project["sources"].items():
        feed, by = source["name"], parts.declared(source)
        if source["schema"] != "standing":
            found[name] = _table(building.work, f"{source['schema']}.{feed}")
        elif by is None:
            found[name] = view.digests[feed]
        else:
            rows[feed] = known.get(feed, {})
            if rows[feed].get("of") != view.digests[feed]:
                own = parts.of_feed(view.path, feed, by)
                rows[feed] = {"of": view.digests[feed], "parts": own}
            found[name] = _digest([json.dumps(rows[feed]["parts"], sort_keys=True)])
            waves[name] = parts.waves(rows[feed]["parts"])
    nodes, reads = project["nodes"], _reads(project)
    for name in TopologicalSorter(reads).static_order():
        if name not in nodes:
            continue
        waves[name] = sorted({wave for one in reads[name] for wave in waves.get(one, [])})
        given = waves[name] if parts.alone(nodes[name]) else [found[one] for one in reads[name]]
        found[name] = _digest([base, name, *given])
    return State(found, rows)


def concerned(manifest: Path, last: Made, now: State, database: Path) -> dict[str, set[parts.Part]]:
    """Model, by dbt's name → the parts of its table that are to be replaced.

    One that is not there is to be made as a whole, or not at all.

    Args:
        manifest: dbt's description of the project.
        last: what the tables in the database were made from, under the same code and settings.
        now: what they would be made from.
        database: where they are.
    """
    project = json.loads(manifest.read_text(encoding="utf-8"))
    reads = _reads(project)
    found: dict[str, set[parts.Part] | None] = {}
    for name in TopologicalSorter(reads).static_order():
        if last.nodes.get(name) == now.nodes[name]:
            found[name] = set()
        elif name not in last.nodes:
            found[name] = None
        elif name in project["sources"]:
            feed = project["sources"][name]["name"]
            known = feed in last.rows and feed in now.rows
            found[name] = (
                parts.changed(last.rows[feed]["parts"], now.rows[feed]["parts"]) if known else None
            )
        else:
            own = project["nodes"][name]
            found[name] = parts.concerned(own, [found[one] for one in reads[name]], database)
    return {name: own for name, own in found.items() if own and name in project["nodes"]}


def _reads(project: Mapping[str, Any]) -> dict[str, list[str]]:
    """Model, seed, test or source → what it reads, in order."""
    return {
        **{name: [] for name in project["sources"]},
        **{
            name: sorted(set(node["depends_on"].get("nodes", [])))
            for name, node in project["nodes"].items()
        },
    }


def _table(database: Path, table: str) -> str:
    with duckdb.connect(str(database), read_only=True) as con:
        rows = con.execute(f"from {table} order by all").fetchall()
    return _digest(map(repr, rows))


def _base(settings: Settings) -> str:
    return _digest([code_digest(CODE), json.dumps(settings.figures())])


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _read(path: Path) -> Made:
    try:
        return Made(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        # None yet, or one that an older version wrote.
        return Made()
