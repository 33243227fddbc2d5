"""Which landed rows stand: of two files with one key the newer wins. Frozen as a folder of files.

The folder holds links to the landed files, so it takes no room; only a file of which some rows
are superseded is written anew without them. What reads it can't be disturbed by a later ingest.
"""

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pipelines.feeds import Contract, load_contracts
from pipelines.feeds.contract import ORIGIN, quoted
from pipelines.intake.ingest import landed_path
from pipelines.intake.ledger import Ledger, arrival
from pipelines.intake.problems import IntakeError, NothingHandedIn, Problem
from pipelines.intake.states import approved_bytes, queries
from pipelines.settings import Settings
from pipelines.wording import bilingual

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
    """The rows that stand, in a folder that never changes; made once for each state.

    They are those of now or, where the setting `as_of` names a moment, of then: from the files
    that had arrived and stood at that moment, as they had been read.

    Raises:
        NothingHandedIn: nothing stood at that moment.
        IntakeError: landed files of then are gone.
    """
    submissions = _submissions(settings, settings.as_of_utc)
    path = _folder(settings, submissions)
    if not (path / SUMMARY).exists():
        if settings.as_of:
            _require(settings, submissions)
        _make(settings, path, submissions)
    summary = json.loads((path / SUMMARY).read_text(encoding="utf-8"))
    problems = [Problem(**problem) for problem in summary["problems"]]
    return Standing(summary["digest"], path, summary["rows"], problems)


def differing(settings: Settings) -> list[Problem]:
    """The queries between files that stand, as the last build of them found; none before it."""
    summary = _folder(settings, _submissions(settings, settings.as_of_utc)) / SUMMARY
    if not summary.exists():
        return []
    told = json.loads(summary.read_text(encoding="utf-8"))
    return [Problem(**problem) for problem in told["problems"]]


def _submissions(settings: Settings, as_of: datetime | None) -> list[dict[str, Any]]:
    """The submissions whose rows stand, by feed, as they arrived."""
    ledger = Ledger(settings)
    required = settings.require_approval
    landed = ledger.submissions(state="landed", as_of=as_of, full=required)
    if required:
        approved = approved_bytes(ledger, as_of)
        landed = [
            s
            for s in landed
            if (handed := (s["source_file"], s["file_sha256"])) in approved
            and queries(s["problems"]) <= approved[handed]
        ]
    return sorted(landed, key=lambda s: (s["feed"], *arrival(s)))


def _folder(settings: Settings, submissions: list[dict[str, Any]]) -> Path:
    ordered = [(s["feed"], s["submission_id"]) for s in submissions]
    # A moment of the past may hold files that were landed with other columns than today's.
    columns = [list(contract.landed.items()) for contract in load_contracts().values()]
    identity = json.dumps([ordered, columns])
    return settings.standing / hashlib.sha256(identity.encode()).hexdigest()[:16]


def _require(settings: Settings, submissions: list[dict[str, Any]]) -> None:
    if not submissions:
        begins = Ledger(settings).begins_at()
        raise NothingHandedIn(
            bilingual(
                "Nothing stood at {moment}. The ledger begins at {begins} (UTC).",
                moment=settings.as_of,
                begins=f"{begins:%Y-%m-%d %H:%M}" if begins else "-",
            )
        )
    gone = [s["source_file"] for s in submissions if not _path(settings, s).exists()]
    if gone:
        raise IntakeError(
            bilingual(
                "The landed rows of {count} files that stood at {moment} are gone, the first of "
                "them {file}. Restore the folder {landing} from its backup.",
                count=len(gone), moment=settings.as_of, file=gone[0], landing=settings.landing,
            )
        )  # fmt: skip


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
        _copy(con, _no_rows(contract), folder / NO_YEAR / "empty.parquet")
        return [], [], 0
    paths = [_path(settings, s) for s in submissions]
    columns = []
    if settings.as_of and _lack_columns(con, contract, paths):
        columns = [folder / NO_YEAR / "empty.parquet"]
        _copy(con, _no_rows(contract), columns[0])
    _find_superseded(con, contract, paths, columns)
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


def _path(settings: Settings, submission: dict[str, Any]) -> Path:
    where = (submission["feed"], submission["school_year"], submission["submission_id"])
    return landed_path(settings, *where)


def _no_rows(contract: Contract) -> str:
    """A query that answers the columns of a feed and no row."""
    typed = ", ".join(f'null::{t} as "{n}"' for n, t in contract.landed.items())
    return f"select {typed} where false"


def _lack_columns(con: duckdb.DuckDBPyConnection, contract: Contract, paths: list[Path]) -> bool:
    """Whether a landed file is older than a column of its feed."""
    listed = ", ".join(quoted(str(p)) for p in paths)
    query = f"""
        select count(*) from (
            select file_name, count(*) as n from parquet_schema([{listed}])
            where list_contains([{", ".join(quoted(n) for n in contract.landed)}], name)
            group by file_name
        ) where n < {len(contract.landed)}
    """
    return bool(con.execute(query).fetchall()[0][0])


def _find_superseded(
    con: duckdb.DuckDBPyConnection, contract: Contract, paths: list[Path], columns: list[Path]
) -> None:
    """Table `superseded`: rows of which a later file has the key, and whether the values differ.

    `columns` may name a file without rows that has columns which all others lack.
    """
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
            [{", ".join(quoted(str(p)) for p in [*columns, *paths])}],
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
