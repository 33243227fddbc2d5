"""Raw folder → landing zone, ledger and quarantine; or, for `check`, only the problems."""

import csv
import hashlib
import re
import shutil
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from pipelines.feeds import Contract, contract_files, load_contracts
from pipelines.feeds.contract import FOLDER as FEEDS_FOLDER
from pipelines.intake.ledger import Ledger, arrival, as_json, now
from pipelines.intake.problems import NothingHandedIn, Problem
from pipelines.intake.pseudonym import key_id, load_key
from pipelines.intake.take import File, Taken, misplaced, take
from pipelines.settings import Settings
from pipelines.wording import bilingual, inert

SCHOOL_YEAR = re.compile(r"\d{4}-\d{4}")
SYSTEM_FILES = {"thumbs.db", "desktop.ini"}
"""Files that Windows leaves in folders."""
STEM_CHARACTERS = 60
"""So much of a file's name is kept in quarantine: names there get longer, and have a limit."""
HALF_WRITTEN = ".tmp"
"""Suffix of a landed file until it is whole; a process that died may have left one."""
NO_FEED = ""
"""The feed, in ledger and reports, of files that lie outside every feed's folders."""


@dataclass(frozen=True)
class FeedReport:
    """What the ingest of one feed did, in files; rows and seconds."""

    feed: str
    files: int = 0
    new: int = 0
    reused: int = 0
    returned: int = 0
    withdrawn: int = 0
    rows: int = 0
    """Rows of the landed files, new or unchanged."""
    rows_landed: int = 0
    """Rows of the new ones."""
    bytes: int = 0
    """Size of the landed files."""
    seconds: float = 0.0
    problems: list[Problem] = field(default_factory=list)
    """Of the files that lie in the raw folder now, whether taken in this run or earlier."""


def ingest(settings: Settings) -> list[FeedReport]:
    """Every feed, registers before what refers to them, then files that lie astray.

    Raises:
        IntakeError: no raw folder, none of its files belongs to a feed, or no key.
    """
    require_files(settings)
    return [*(ingest_feed(settings, name) for name in load_contracts()), ingest_strays(settings)]


def require_files(settings: Settings) -> None:
    """Refuse an empty raw folder, which would withdraw everything that was handed in.

    Raises:
        NothingHandedIn: no raw folder, or none of its files belongs to a feed.
    """
    if not files_by_feed(settings):
        raise NothingHandedIn(
            bilingual(
                "No files to take in under {raw}; expected <feed>/<school year>/<file>, with feeds "
                "such as {feeds}. `eqm sample` writes an example.",
                raw=settings.raw,
                feeds=", ".join(list(load_contracts())[:3]),
            )
        )


def ingest_strays(settings: Settings) -> FeedReport:
    """Files outside every feed's folder: they go to quarantine, each with its problem."""
    return _take_in(settings, NO_FEED, None)


def ingest_feed(settings: Settings, feed: str) -> FeedReport:
    """One feed's files: what is new is taken, what is refused goes to quarantine.

    Raises:
        KeyError: no such feed.
        IntakeError: no key in production.
    """
    contract = load_contracts()[feed]
    return _take_in(settings, feed, contract)


def problems(settings: Settings) -> list[Problem]:
    """What is wrong with the files that lie in the raw folder, as the last ingest found it."""
    stood = [*Ledger(settings).submissions(state="landed")]
    stood += Ledger(settings).submissions(state="returned")
    # Registers first: what is wrong there is the cause of much that follows.
    place = {feed: at for at, feed in enumerate(load_contracts())}
    stood.sort(key=lambda s: (place.get(s["feed"], -1), s["source_file"]))
    return [Problem(**each) for submission in stood for each in submission["problems"]]


def files_by_feed(settings: Settings) -> dict[str, int]:
    """Number of files in each feed's raw folder, for the feeds that have any."""
    counts = {name: len(_handed_in(settings.raw / name)) for name in load_contracts()}
    return {name: n for name, n in counts.items() if n}


def check(
    settings: Settings,
    paths: Iterable[Path],
    feed: str | None = None,
    school_year: str | None = None,
) -> list[Problem]:
    """What would be wrong with these files or folders; lands nothing.

    Feed and school year are read from the path (`…/<feed>/<school year>/…`) unless given. The
    files are held against the landed registers and against each other.

    Raises:
        FileNotFoundError: a path does not exist.
    """
    contracts = load_contracts()
    files: list[File] = []
    problems: list[Problem] = []
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(path)
        for each in [path] if path.is_file() else _handed_in(path):
            parts = each.resolve().parts
            places = [i for i in range(len(parts) - 2) if parts[i] in contracts]
            at = next((i for i in reversed(places) if _is_year(parts[i + 1])), None)
            own_feed = feed or (parts[at] if at is not None else "")
            year = school_year or (parts[at + 1] if at is not None else "")
            if own_feed not in contracts or not year:
                problems.append(Problem("misplaced_file", str(each)))
                continue
            files.append(File(each, own_feed, year, str(each), _digest(each)))
    if not files:
        return problems
    key = load_key(settings)
    ledger = Ledger(settings)
    registers = {name: _landed(settings, ledger, name) for name in contracts}
    with tempfile.TemporaryDirectory() as folder:
        for name, contract in contracts.items():
            own = [f for f in files if f.feed == name]
            for i, taken in enumerate(
                take(contract, own, registers, key, settings.student_no_pattern)
            ):
                problems += taken.problems
                if taken.rows is not None:
                    target = Path(folder) / f"{name}-{i}.parquet"
                    taken.rows.write(target)
                    registers[name].append(target)
    return problems


def _handed_in(folder: Path) -> list[Path]:
    """Files below a folder in the order of their paths; hidden and lock files are none."""
    if not folder.is_dir():
        return []
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not path.name.startswith("~$")
        and path.name.lower() not in SYSTEM_FILES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files(settings: Settings, feed: str) -> tuple[list[File], list[File]]:
    """A feed's files, those in their place and those astray."""
    contracts = load_contracts()
    if feed == NO_FEED:
        paths = [
            path
            for path in _handed_in(settings.raw)
            if path.relative_to(settings.raw).parts[0] not in contracts
            or len(path.relative_to(settings.raw).parts) == 1
        ]
    else:
        paths = _handed_in(settings.raw / feed)
    placed: list[File] = []
    astray: list[File] = []
    for path in paths:
        relative = path.relative_to(settings.raw)
        good = feed != NO_FEED and len(relative.parts) > 2 and _is_year(relative.parts[1])
        year = relative.parts[1] if good else ""
        file = File(path, feed, year, relative.as_posix(), _digest(path))
        (placed if good else astray).append(file)
    return placed, astray


def _is_year(text: str) -> bool:
    return bool(SCHOOL_YEAR.fullmatch(text)) and int(text[5:]) == int(text[:4]) + 1


@cache
def _code() -> str:
    """What decides how a file is read: this room's code and the contracts."""
    digest = hashlib.sha256()
    feeds = [FEEDS_FOLDER / "contract.py", FEEDS_FOLDER / "rules.yml", *contract_files()]
    paths = [*Path(__file__).parent.glob("*.py"), *feeds]
    # By name alone, so that where a city keeps its contracts decides nothing.
    for path in sorted(paths, key=lambda path: path.name):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def _references(ledger: Ledger, contract: Contract | None, year: str) -> str:
    """Which landed registers a file of that year is held against."""
    ids = []
    for feed in contract.depends_on if contract else []:
        yearly = "school_year" in load_contracts()[feed].key
        landed = ledger.submissions(feed, "landed")
        ids += [s["submission_id"] for s in landed if not yearly or s["school_year"] == year]
    return hashlib.sha256("".join(sorted(ids)).encode()).hexdigest()


def _landed(settings: Settings, ledger: Ledger, feed: str) -> list[Path]:
    """The landed files of a feed as they arrived, the newest last."""
    return [
        landed_path(settings, feed, s["school_year"], s["submission_id"])
        for s in sorted(ledger.submissions(feed, "landed"), key=arrival)
    ]


def landed_path(settings: Settings, feed: str, school_year: str, submission_id: str) -> Path:
    """Where the rows of a submission are landed."""
    return settings.landing / feed / school_year / f"{submission_id}.parquet"


def _take_in(settings: Settings, feed: str, contract: Contract | None) -> FeedReport:
    start = time.perf_counter()
    ledger = Ledger(settings)
    known = {s["submission_id"]: s for s in ledger.submissions(feed)}
    by_path: dict[str, list[dict[str, Any]]] = {}
    for submission in known.values():
        by_path.setdefault(submission["source_file"], []).append(submission)
    placed, astray = _files(settings, feed)
    for left in (settings.landing / feed).rglob(f"*{HALF_WRITTEN}") if feed else ():
        left.unlink()
    key = load_key(settings) if contract else b""
    reference = {
        year: _references(ledger, contract, year) for year in {f.school_year for f in placed}
    }

    def identity(file: File) -> str:
        parts = (
            feed,
            file.school_year,
            file.source_file,
            file.sha256,
            _code(),
            settings.student_no_pattern,
            key_id(key),
            reference.get(file.school_year, ""),
        )
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]

    ids = {file.source_file: identity(file) for file in [*placed, *astray]}
    standing = {
        file.source_file
        for file in [*placed, *astray]
        if _stands(settings, known.get(ids[file.source_file]))
    }
    fresh = [file for file in placed if file.source_file not in standing]
    received = now()
    rows: list[dict[str, Any]] = []
    states: dict[str, str] = {}
    registers = (
        {name: _landed(settings, ledger, name) for name in contract.depends_on} if contract else {}
    )

    def keep(one: Taken) -> None:
        submission_id = ids[one.file.source_file]
        if one.rows is None:
            _quarantine(settings, one, submission_id)
        else:
            _land(settings, one, submission_id)
        rows.append(_entry(one, submission_id, by_path, received))
        for earlier in by_path.get(one.file.source_file, []):
            same = earlier["file_sha256"] == one.file.sha256
            if earlier["submission_id"] == submission_id:
                continue
            # Other bytes that are refused leave the earlier rows standing.
            if earlier["state"] == "returned" or (
                earlier["state"] == "landed" and (same or one.rows is not None)
            ):
                states[earlier["submission_id"]] = "replaced"

    for name in standing:
        own = known[ids[name]]
        for other in by_path[name]:
            # Bytes that were refused in between are over once the good ones are back.
            over = ("landed", "returned") if own["state"] == "landed" else ("returned",)
            if other is not own and other["state"] in over:
                states[other["submission_id"]] = "replaced"
    for file in astray:
        if file.source_file not in standing:
            keep(misplaced(file))
    if contract:
        # Each file's rows are let go once they are kept.
        for one in take(contract, fresh, registers, key, settings.student_no_pattern):
            keep(one)
    gone = [s for s in known.values() if s["source_file"] not in ids]
    withdrawn = [s["submission_id"] for s in gone if s["state"] in ("landed", "returned")]
    states |= dict.fromkeys(withdrawn, "withdrawn")
    ledger.record(rows, states)
    stood = [known[ids[name]] for name in sorted(standing)]
    entries = [*stood, *rows]
    return FeedReport(
        feed,
        files=len(ids),
        new=sum(entry["state"] == "landed" for entry in rows),
        reused=sum(entry["state"] == "landed" for entry in stood),
        returned=sum(entry["state"] == "returned" for entry in entries),
        withdrawn=len(withdrawn),
        rows=sum(entry["rows_landed"] for entry in entries),
        rows_landed=sum(entry["rows_landed"] for entry in rows),
        bytes=sum(
            landed_path(settings, feed, e["school_year"], e["submission_id"]).stat().st_size
            for e in entries
            if e["state"] == "landed"
        ),
        seconds=round(time.perf_counter() - start, 3),
        problems=[Problem(**problem) for entry in entries for problem in entry["problems"]],
    )


def _stands(settings: Settings, submission: dict[str, Any] | None) -> bool:
    """Whether the ledger knows the outcome, and the rows, where there are any, are there."""
    if submission is None or submission["state"] not in ("landed", "returned"):
        return False
    if submission["state"] == "returned":
        return True
    where = (submission["feed"], submission["school_year"], submission["submission_id"])
    return landed_path(settings, *where).exists()


def _entry(
    one: Taken, submission_id: str, by_path: dict[str, list[dict[str, Any]]], received: Any
) -> dict[str, Any]:
    """The ledger's row. The same bytes keep the time at which they first arrived.

    Under whatever name: a copy of an old file must not overturn its correction.
    """
    times = [
        s["received_at"]
        for submissions in by_path.values()
        for s in submissions
        if s["file_sha256"] == one.file.sha256
        and s["school_year"] == one.file.school_year
        and s["state"] in ("landed", "returned")
    ]
    return {
        "submission_id": submission_id,
        "feed": one.file.feed,
        "school_year": one.file.school_year,
        "source_file": one.file.source_file,
        "file_sha256": one.file.sha256,
        "state": "returned" if one.rows is None else "landed",
        "rows_read": one.rows_read,
        "rows_landed": one.rows.num_rows if one.rows is not None else 0,
        "problems": as_json(one.problems),
        "received_at": min(times, default=received),
    }


def _land(settings: Settings, one: Taken, submission_id: str) -> None:
    """The rows as Parquet, complete or not there at all."""
    assert one.rows is not None
    target = landed_path(settings, one.file.feed, one.file.school_year, submission_id)
    settings.landing.mkdir(parents=True, exist_ok=True, mode=0o700)
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_suffix(HALF_WRITTEN)
    one.rows.write(aside)
    aside.replace(target)


def _quarantine(settings: Settings, one: Taken, submission_id: str) -> None:
    """A copy of the file as handed in, and beside it what is wrong, for a spreadsheet."""
    settings.quarantine.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder = settings.quarantine / (one.file.feed or "unplaced") / one.file.school_year
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{one.file.path.stem[:STEM_CHARACTERS]}.{submission_id}"
    shutil.copyfile(one.file.path, folder / f"{name}{one.file.path.suffix}")
    with (folder / f"{name}.problems.csv").open("w", encoding="utf-8-sig", newline="") as file:
        columns = [
            "severity", "file", "sheet", "row_first", "row_last", "count", "column",
            "found", "expected", "message_zh", "message_en",
        ]  # fmt: skip
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        for problem in one.problems:
            writer.writerow({name: inert(cell) for name, cell in problem.as_dict().items()})
