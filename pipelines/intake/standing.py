"""Which landed rows stand: of two files with one key the newer wins. Frozen as a folder of files.

The folder holds links to the landed files, so it takes no room; only a file of which some rows
are superseded is written anew without them. What reads it can't be disturbed by a later ingest.
"""

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pipelines.feeds import Contract, load_contracts
from pipelines.feeds.contract import ORIGIN, quoted
from pipelines.intake.ingest import landed_path
from pipelines.intake.ledger import Ledger, arrival
from pipelines.intake.problems import Problem
from pipelines.settings import Settings

SUMMARY = "standing.json"
NO_YEAR = "0000-0000"
"""Folder of the empty file that stands for a feed without files, so that its columns are known."""


@dataclass(frozen=True)
class Standing:
    """A frozen state of the landing zone."""

    digest: str
    """Equal for equal rows, whenever and in whichever order their files arrived."""
    path: Path
    """`<feed>/<school year>/<submission>.parquet`."""
    rows: dict[str, int]
    """Rows that stand, by feed."""
    problems: list[Problem]
    """Keys that stand in two files with different values: queries that name both."""


def freeze(settings: Settings) -> Standing:
    """The rows that stand now, in a folder that never changes; made once for each state."""
    submissions = sorted(
        Ledger(settings).submissions(state="landed"),
        key=lambda s: (s["feed"], *arrival(s)),
    )
    ordered = [(s["feed"], s["submission_id"]) for s in submissions]
    name = hashlib.sha256(json.dumps(ordered).encode()).hexdigest()[:16]
    path = settings.standing / name
    if not (path / SUMMARY).exists():
        _make(settings, path, submissions)
    summary = json.loads((path / SUMMARY).read_text(encoding="utf-8"))
    problems = [Problem(**problem) for problem in summary["problems"]]
    return Standing(summary["digest"], path, summary["rows"], problems)


def sweep(settings: Settings, kept: set[str]) -> None:
    """Remove frozen states other than those of these names (last part of their paths)."""
    if settings.standing.is_dir():
        for path in settings.standing.iterdir():
            if path.name not in kept:
                shutil.rmtree(path, ignore_errors=True)


def _make(settings: Settings, path: Path, submissions: list[dict[str, Any]]) -> None:
    aside = path.with_name(f"{path.name}.building")
    shutil.rmtree(aside, ignore_errors=True)
    settings.standing.mkdir(parents=True, exist_ok=True, mode=0o700)
    aside.mkdir()
    losses: list[tuple[str, str]] = []
    problems: list[Problem] = []
    rows: dict[str, int] = {}
    for feed, contract in load_contracts().items():
        own = [s for s in submissions if s["feed"] == feed]
        with duckdb.connect() as con:
            con.execute("set enable_progress_bar = false")
            pairs, found, lost = _freeze_feed(con, settings, aside / feed, contract, own)
        losses += pairs
        problems += found
        rows[feed] = sum(s["rows_landed"] for s in own) - lost
    identity = [sorted((s["feed"], s["submission_id"]) for s in submissions), sorted(losses)]
    summary = {
        "digest": hashlib.sha256(json.dumps(identity).encode()).hexdigest(),
        "rows": rows,
        "problems": [asdict(p) for p in problems],
    }
    (aside / SUMMARY).write_text(json.dumps(summary, ensure_ascii=False), encoding="utf-8")
    shutil.rmtree(path, ignore_errors=True)
    aside.rename(path)


def _freeze_feed(
    con: duckdb.DuckDBPyConnection,
    settings: Settings,
    folder: Path,
    contract: Contract,
    submissions: list[dict[str, Any]],
) -> tuple[list[tuple[str, str]], list[Problem], int]:
    """Links and filtered copies; pairs (superseded, standing) of submissions, queries, rows lost.

    `submissions` are in the order of their arrival, the newest last.
    """
    if not submissions:
        typed = ", ".join(f'null::{t} as "{n}"' for n, t in contract.landed.items())
        _copy(con, f"select {typed} where false", folder / NO_YEAR / "empty.parquet")
        return [], [], 0
    paths = [
        landed_path(settings, s["feed"], s["school_year"], s["submission_id"]) for s in submissions
    ]
    _find_superseded(con, contract, paths)
    lost = con.execute(
        "select position, count(*)::bigint from superseded group by position order by position"
    ).fetchall()
    by_position = dict(lost)
    for position, (submission, source) in enumerate(zip(submissions, paths, strict=True)):
        target = folder / submission["school_year"] / source.name
        if position in by_position:
            _copy(
                con,
                f"select * exclude (file_row_number) from "
                f"read_parquet({quoted(str(source))}, file_row_number = true) "
                f"where file_row_number not in "
                f"(select file_row from superseded where position = {position})",
                target,
            )
        else:
            _link(source, target)
    pairs = con.execute(
        """
        select position, newer, count(*) filter (where differs)::bigint,
            min(newer_row) filter (where differs), max(newer_row) filter (where differs)
        from superseded group by position, newer order by newer, position
        """
    ).fetchall()
    header = "、".join(contract.column(k).header for k in contract.key if k != "school_year")
    problems = [
        Problem(
            "differs_between_files",
            submissions[newer]["source_file"],
            row_first=first,
            row_last=last,
            count=differing,
            column=header,
            expected=submissions[older]["source_file"],
        )
        for older, newer, differing, first, last in pairs
        if differing
    ]
    ids = [s["submission_id"] for s in submissions]
    return [(ids[o], ids[n]) for o, n, *_ in pairs], problems, sum(by_position.values())


def _find_superseded(con: duckdb.DuckDBPyConnection, contract: Contract, paths: list[Path]) -> None:
    """Table `superseded`: rows of which a later file has the key, and whether the values differ."""
    con.register(
        "arrivals",
        pa.table({"path": [str(p) for p in paths], "position": range(len(paths))}),
    )
    keys = ", ".join(f'"{k}"' for k in contract.landed_key)
    values = ", ".join(f'"{n}"' for n in contract.landed if n not in ORIGIN)
    con.execute(
        f"""
        create view landed as
        select *, hash({keys}) as key_hash
        from read_parquet(
            [{", ".join(quoted(str(p)) for p in paths)}],
            union_by_name = true, filename = true, file_row_number = true
        )
        """
    )
    # The window is kept to the few rows whose key may stand twice.
    con.execute(
        f"""
        create temp table superseded as
        with repeated as (
            select key_hash from landed group by key_hash having count(*) > 1
        ),
        candidates as (
            select {keys}, a.position, l.file_row_number as file_row, l.source_row,
                hash({values}) as content
            from landed as l
            join arrivals as a on a.path = l.filename
            where key_hash in (select key_hash from repeated)
        ),
        newest_first as (
            select *,
                row_number() over same_key as nth,
                first_value(position) over same_key as newer,
                first_value(source_row) over same_key as newer_row,
                first_value(content) over same_key <> content as differs
            from candidates
            window same_key as (partition by {keys} order by position desc, file_row desc)
        )
        select position, file_row, newer, newer_row, differs from newest_first where nth > 1
        """
    )


def _copy(con: duckdb.DuckDBPyConnection, query: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    con.execute(f"copy ({query}) to {quoted(str(target))} (format parquet, compression zstd)")


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:  # a file system without links
        shutil.copyfile(source, target)
