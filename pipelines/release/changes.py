"""What is another in a release than in an earlier one: its causes, and figure by figure."""

import contextlib
import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from pipelines.metrics import load_models
from pipelines.release.store import show
from pipelines.settings import Settings

KEYS: Mapping[str, tuple[str, ...]] = {
    "community_gap": ("stage", "subject", "measure", "school_year"),
    "dim_target": ("target_id", "reading"),
    "item_quality": ("wave_id", "grade", "subject", "item_no"),
    "never_observed": ("school_year", "level", "unit_code"),
    "observation_duty": ("school_year", "level", "unit_code", "role"),
    "paper_quality": ("wave_id", "grade", "subject"),
    # The day to which figures refer is one of the things that change.
    "plan_target": ("target_id", "reading", "level", "unit_code"),
    "protection": ("table_name", "fate"),
    "training_lapse": ("population", "level", "unit_code"),
    "unit": ("level", "unit_code"),
}
"""What tells rows of a published table apart, where that is not the grain of a metric's model.

Tables of neither, such as the dictionary and the state of submissions, hold no figures.
"""


@dataclass(frozen=True)
class Change:
    """A figure that is another, or that one of the releases has alone."""

    table: str
    key: tuple[tuple[str, str], ...]
    """Column of the grain → value."""
    column: str
    """Empty where the whole row is in one of the releases alone."""
    before: Any
    after: Any

    @property
    def kind(self) -> str:
        """`added` and `gone` of rows; `changed`, or of a number `withheld` or `shown`."""
        if not self.column:
            return "added" if self.before is None else "gone"
        if self.before is None and isinstance(self.after, int | float | Decimal):
            return "shown"
        if self.after is None and isinstance(self.before, int | float | Decimal):
            return "withheld"
        return "changed"


@dataclass(frozen=True)
class Changes:
    """What is another in `after` than in `before`."""

    before: str
    after: str
    causes: Mapping[str, Any]
    counts: Mapping[str, int]
    """Published table → number of figures that are others, rows of one side counted as one."""
    figures: tuple[Change, ...]
    """The first of them of each table, in the order of its grain."""
    left_out: tuple[str, ...]
    """Published tables that hold no figures, or that only one of the releases has."""


def changes(
    settings: Settings, before: str, after: str, most: int = 0, out: Path | None = None
) -> Changes:
    """What is another in a release than in an earlier one.

    Args:
        settings: of the home of both.
        before: name of the earlier one.
        after: name of the later one.
        most: so many figures of each table are answered one by one.
        out: a CSV file (UTF-8 with a byte order mark) that every one is written into.

    Raises:
        NoSuchRelease: there is none of that name.
    """
    causes = causes_of(show(settings, before), show(settings, after))
    counts: dict[str, int] = {}
    figures: list[Change] = []
    left_out: list[str] = []
    with contextlib.ExitStack() as stack:
        con = stack.enter_context(duckdb.connect())
        for side, name in (("old", before), ("new", after)):
            path = settings.releases / name / "warehouse.duckdb"
            where = str(path).replace("'", "''")
            con.execute(f"attach '{where}' as {side} (read_only)")
        lines = None
        if out:
            file = stack.enter_context(out.open("w", encoding="utf-8-sig", newline=""))
            lines = csv.writer(file)
            lines.writerow(["table", "key", "column", "kind", "before", "after"])
        held = {side: _columns(con, side) for side in ("old", "new")}
        for table in sorted(held["old"].keys() | held["new"].keys()):
            columns = [c for c in held["new"].get(table, ()) if c in held["old"].get(table, ())]
            key = _grain(con, table, columns)
            if not key:
                left_out.append(table)
                continue
            rest = [c for c in columns if c not in key]
            n = _compare(con, table, key, rest)
            if not n:
                continue
            counts[table] = n
            for i, one in enumerate(_figures(con, table, key, rest)):
                if i < most:
                    figures.append(one)
                elif lines is None:
                    break
                if lines:
                    told = "; ".join(f"{name}={value}" for name, value in one.key)
                    lines.writerow([table, told, one.column, one.kind, one.before, one.after])
    return Changes(before, after, causes, counts, tuple(figures), tuple(left_out))


def causes_of(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """What of inputs, settings and code is another, by the records of two releases.

    `files_new`, `files_changed` and `files_gone` count files handed in whose rows stand;
    `settings` names those that differ; `code` and `as_of` are there where they differ.
    """
    old, new = _inputs(before), _inputs(after)
    found: dict[str, Any] = {
        "files_new": len(new.keys() - old.keys()),
        "files_changed": sum(old[path] != new[path] for path in old.keys() & new.keys()),
        "files_gone": len(old.keys() - new.keys()),
    }
    was, now = before.get("settings") or {}, after.get("settings") or {}
    found["settings"] = sorted(
        name for name in was.keys() | now.keys() if was.get(name) != now.get(name)
    )
    for name in ("code", "as_of"):
        told = [(one.get(name) or {}) for one in (before, after)]
        if name == "code":
            told = [one.get("digest", "") for one in told]
        if told[0] != told[1]:
            found[name] = True
    return {name: value for name, value in found.items() if value}


def _inputs(record: Mapping[str, Any]) -> dict[str, str]:
    """Path → digest of the files whose rows stand."""
    return {
        one["source_file"]: one["file_sha256"]
        for one in record["inputs"]
        if one["state"] == "landed"
    }


def _columns(con: duckdb.DuckDBPyConnection, side: str) -> dict[str, tuple[str, ...]]:
    rows = con.execute(
        "select table_name, list(column_name order by column_index) from duckdb_columns() "
        "where database_name = ? and schema_name = 'published' group by table_name",
        [side],
    ).fetchall()
    return {name: tuple(columns) for name, columns in rows}


def _grain(con: duckdb.DuckDBPyConnection, table: str, columns: list[str]) -> tuple[str, ...]:
    """The columns that tell a table's rows apart in both releases; empty where none are known."""
    model = load_models().get(table)
    key = KEYS.get(table) or (model.grain if model else ())
    if not key or not set(key) <= set(columns):
        return ()
    names = ", ".join(f'"{name}"' for name in key)
    for side in ("old", "new"):
        twice = f"select 1 from {side}.published.{table} group by {names} having count(*) > 1"
        if con.execute(f"{twice} limit 1").fetchone():
            return ()
    return key


def _compare(
    con: duckdb.DuckDBPyConnection, table: str, key: tuple[str, ...], columns: list[str]
) -> int:
    """Put the rows that are not the same side by side, into `compared`; answers the changes."""
    whole = ", ".join(f'"{name}"' for name in (*key, *columns))
    for side, other in (("old", "new"), ("new", "old")):
        con.execute(
            f"create or replace temp table {side}_only as select {whole}, true as there from ("
            f"select {whole} from {side}.published.{table} "
            f"except all select {whole} from {other}.published.{table})"
        )
    same = " and ".join(f'o."{name}" is not distinct from n."{name}"' for name in key)
    keys = [f'coalesce(o."{name}", n."{name}") as k{i}' for i, name in enumerate(key)]
    pairs = [f'o."{name}" as o{i}, n."{name}" as n{i}' for i, name in enumerate(columns)]
    con.execute(
        "create or replace temp table compared as select "
        f"{', '.join(['o.there as in_old, n.there as in_new', *keys, *pairs])} "
        f"from old_only as o full join new_only as n on {same}"
    )
    each = "".join(f" + (o{i} is distinct from n{i})::int" for i in range(len(columns)))
    (n,) = con.execute(
        f"select coalesce(sum(if(in_old and in_new, 0{each}, 1)), 0) from compared"
    ).fetchone() or (0,)
    return int(n)


def _figures(
    con: duckdb.DuckDBPyConnection, table: str, key: tuple[str, ...], columns: list[str]
) -> Iterator[Change]:
    """The changes that `compared` holds, in the order of the grain."""
    answer = con.execute(f"from compared order by {', '.join(f'k{i}' for i in range(len(key)))}")
    cut = 2 + len(key)
    while rows := answer.fetchmany(1000):
        for in_old, in_new, *values in rows:
            of_key = tuple(zip(key, map(str, values[: cut - 2]), strict=True))
            if not (in_old and in_new):
                yield Change(table, of_key, "", in_old, in_new)
                continue
            for i, column in enumerate(columns):
                was, now = values[cut - 2 + 2 * i : cut + 2 * i]
                if was != now:
                    yield Change(table, of_key, column, was, now)
