"""Which landed rows stand: of two files with one key the newer wins. Frozen as a folder of files.

The folder holds links to the landed files, so it takes no room; a file of which some rows are
superseded is written anew without them. Where a feed has many files of a school year, as schools
hand them in, their rows lie in one file: a question to thousands of files takes ten times as long.
What reads the folder can't be disturbed by a later ingest.

After a change most is as it was: a feed whose files are the same is linked from the state before,
so is a school year of another feed, of which only the files that are new are looked through
(`pipelines.intake.keys`).
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
from pipelines.feeds.contract import quoted
from pipelines.intake import keys
from pipelines.intake.ingest import landed_path
from pipelines.intake.ledger import Ledger, arrival
from pipelines.intake.problems import IntakeError, NothingHandedIn, Problem
from pipelines.intake.states import heard, queries, retired
from pipelines.settings import Settings
from pipelines.wording import bilingual

SUMMARY = "standing.json"
FEW = 20
"""So many files of a feed and school year stay as they are."""
NO_YEAR = "0000-0000"
"""Folder of the empty file that stands for a feed without files, so that its columns are known."""


@dataclass(frozen=True)
class _Frozen:
    """What the freezing of one feed came to, as the summary keeps it."""

    files: str
    """Digest of its files as they arrived: equal files come to the same."""
    losses: list[list[str]]
    """Pairs (superseded, standing) of submissions."""
    problems: list[dict[str, Any]]
    rows: int


@dataclass(frozen=True)
class Standing:
    """A frozen state of the landing zone."""

    digest: str
    """Equal for equal rows, whenever and in whichever order their files arrived."""
    path: Path
    """`<feed>/<school year>/*.parquet`: one a submission, or one of them all."""
    rows: dict[str, int]
    """Rows that stand, by feed."""
    problems: list[Problem]
    """Keys that stand in two files with different values: queries that name both."""
    digests: dict[str, str]
    """Feed → digest; equal only for equal rows."""


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
    digests = {
        feed: hashlib.sha256(json.dumps([one["files"], one["losses"]]).encode()).hexdigest()
        for feed, one in summary["feeds"].items()
    }
    return Standing(summary["digest"], path, summary["rows"], problems, digests)


def _submissions(settings: Settings, as_of: datetime | None) -> list[dict[str, Any]]:
    """The submissions whose rows stand, by feed, as they arrived."""
    ledger = Ledger(settings)
    required = settings.require_approval
    landed = ledger.submissions(state="landed", as_of=as_of, full=required)
    # A school year whose time is over stood once, and stands no more even of then.
    over = retired(ledger)
    landed = [s for s in landed if (s["feed"], s["school_year"]) not in over]
    if required:
        approved = heard(ledger, ["district_approved"], as_of=as_of).approved
        landed = [
            s
            for s in landed
            if (handed := (s["source_file"], s["file_sha256"])) in approved
            and queries(s["problems"]) <= approved[handed].queries
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
    before, known = _last(settings)
    feeds: dict[str, _Frozen] = {}
    for feed, contract in load_contracts().items():
        own = [s for s in submissions if s["feed"] == feed]
        files = _files(settings, contract, own)
        if feed in known and known[feed].files == files:
            _link_all(before, aside, contract)
            feeds[feed] = known[feed]
            continue
        with duckdb.connect() as con:
            con.execute("set enable_progress_bar = false")
            feeds[feed] = _freeze_feed(con, settings, before, aside, contract, own, files)
    losses = sorted(tuple(pair) for one in feeds.values() for pair in one.losses)
    identity = [sorted((s["feed"], s["submission_id"]) for s in submissions), losses]
    gone = {s["submission_id"]: n for s in submissions if (n := s["rows_forgotten"])}
    if gone:
        identity.append(sorted(gone.items()))
    summary = {
        "digest": hashlib.sha256(json.dumps(identity).encode()).hexdigest(),
        "rows": {feed: one.rows for feed, one in feeds.items()},
        "problems": [problem for one in feeds.values() for problem in one.problems],
        "feeds": {feed: asdict(one) for feed, one in feeds.items()},
    }
    (aside / SUMMARY).write_text(json.dumps(summary, ensure_ascii=False), encoding="utf-8")
    shutil.rmtree(path, ignore_errors=True)
    aside.rename(path)


def _last(settings: Settings) -> tuple[Path, dict[str, _Frozen]]:
    """The state that was frozen last, and what each feed came to there, if there is one."""
    made = [path for path in settings.standing.glob(f"*/{SUMMARY}") if path.parent.suffix == ""]
    if not made:
        return settings.standing, {}
    last = max(made, key=lambda path: (path.stat().st_mtime_ns, path))
    told = json.loads(last.read_text(encoding="utf-8"))
    # A state that an older version froze does not say it by feed.
    return last.parent, {feed: _Frozen(**one) for feed, one in told.get("feeds", {}).items()}


def _files(settings: Settings, contract: Contract, submissions: list[dict[str, Any]]) -> str:
    """What decides how a feed is frozen."""
    stamps = [keys.stamp(s["submission_id"], _path(settings, s)) for s in submissions]
    parts = [list(contract.landed.items()), contract.landed_key, bool(settings.as_of), stamps]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _link_all(before: Path, after: Path, contract: Contract) -> None:
    """A feed as it stood in the state before."""
    for source in (before / contract.feed).glob("*/*.parquet"):
        _link(source, after / source.relative_to(before))
    kept = keys.kept(before, contract)
    if kept.exists():
        _link(kept, keys.kept(after, contract))


def _freeze_feed(
    con: duckdb.DuckDBPyConnection,
    settings: Settings,
    before: Path,
    after: Path,
    contract: Contract,
    submissions: list[dict[str, Any]],
    files: str,
) -> _Frozen:
    """Links and filtered copies of one feed below `after`, helped by the state `before`.

    `submissions` are in the order of their arrival, the newest last.
    """
    folder = after / contract.feed
    if not submissions:
        _copy(con, _no_rows(contract), folder / NO_YEAR / "empty.parquet")
        return _Frozen(files, [], [], 0)
    ids = [s["submission_id"] for s in submissions]
    paths = [_path(settings, s) for s in submissions]
    columns = []
    if settings.as_of and _lack_columns(con, contract, paths):
        columns = [folder / NO_YEAR / "empty.parquet"]
        _copy(con, _no_rows(contract), columns[0])
    keys.find_superseded(con, contract, list(zip(ids, paths, strict=True)), columns, before, after)
    lost = con.execute(
        "select position, count(*)::bigint from superseded group by position order by position"
    ).fetchall()
    by_position = dict(lost)
    years: dict[str, list[int]] = {}
    for position, submission in enumerate(submissions):
        years.setdefault(submission["school_year"], []).append(position)
    for year, positions in years.items():
        if len(positions) > FEW:
            own = {position: paths[position] for position in positions}
            _join(con, own, [ids[position] for position in positions], before, folder / year)
            continue
        for position in positions:
            target = folder / year / paths[position].name
            if position in by_position:
                _copy(con, _without_superseded(position, paths[position]), target)
            else:
                _link(paths[position], target)
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
    return _Frozen(
        files,
        [[ids[older], ids[newer]] for older, newer, *_ in pairs],
        [asdict(problem) for problem in problems],
        sum(s["rows_landed"] for s in submissions) - sum(by_position.values()),
    )


def _without_superseded(position: int, path: Path) -> str:
    """A query that answers the rows of a landed file that stand."""
    return (
        f"select * exclude (file_row_number) from "
        f"read_parquet({quoted(str(path))}, file_row_number = true) "
        f"where file_row_number not in "
        f"(select file_row from superseded where position = {position})"
    )


def _join(
    con: duckdb.DuckDBPyConnection,
    paths: dict[int, Path],
    ids: list[str],
    before: Path,
    folder: Path,
) -> None:
    """The rows of a feed and year that stand, as one file, or as the link to that of `before`."""
    ordered = sorted(zip(ids, paths.items(), strict=True))
    con.register(
        "joined",
        pa.table(
            {
                "submission": [one for one, _ in ordered],
                "position": pa.array([position for _, (position, _) in ordered], pa.int32()),
                "path": [str(path) for _, (_, path) in ordered],
            }
        ),
    )
    left_out = con.execute(
        "select md5(string_agg(concat_ws(' ', submission, file_row), ',' "
        "order by submission, file_row)) from superseded join joined using (position)"
    ).fetchall()[0][0]
    identity = json.dumps([[keys.stamp(one, path) for one, (_, path) in ordered], left_out])
    name = f"rows-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.parquet"
    target = folder / name
    source = before / folder.parent.name / folder.name / name
    if source.exists():
        _link(source, target)
        return
    listed = ", ".join(quoted(str(path)) for _, (_, path) in ordered)
    if left_out:
        query = (
            f"select * exclude (filename, file_row_number) from read_parquet([{listed}], "
            "union_by_name = true, filename = true, file_row_number = true) "
            "where (filename, file_row_number) not in "
            "(select (path, file_row) from superseded join joined using (position))"
        )
    else:
        query = f"select * from read_parquet([{listed}], union_by_name = true)"
    _copy(con, query, target)


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


def _copy(con: duckdb.DuckDBPyConnection, query: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    con.execute(f"copy ({query}) to {quoted(str(target))} (format parquet, compression zstd)")


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:  # a file system without links
        shutil.copyfile(source, target)
