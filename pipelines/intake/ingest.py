"""Raw folder → landing zone, ledger and quarantine; or, for `check`, only the problems."""

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pipelines.feeds import Contract, contract_files, load_contracts
from pipelines.feeds.contract import FOLDER as FEEDS_FOLDER
from pipelines.feeds.contract import quoted
from pipelines.intake import raw as raw_folder
from pipelines.intake.feedback import return_path, returned_submission, write_returns
from pipelines.intake.forgotten import the_forgotten
from pipelines.intake.given_back import (
    quarantine,
    return_task,
    sweep_feedback,
    sweep_quarantine,
)
from pipelines.intake.ledger import PRESENT, Ledger, arrival, as_json, now, severity
from pipelines.intake.paths import Paths
from pipelines.intake.problems import NothingHandedIn, Problem
from pipelines.intake.pseudonym import key_id, key_of, load_key
from pipelines.intake.raw import NO_FEED, Found
from pipelines.intake.states import Declared, declared_replacements, heard, retired, taken_back
from pipelines.intake.take import File, Limits, Rows, Taken, Usual, take
from pipelines.settings import Settings
from pipelines.wording import bilingual

HALF_WRITTEN = ".tmp"
"""Suffix of a landed file until it is whole; a process that died may have left one."""
BOOKKEEPING = {
    "duties.py",
    "erase.py",
    "examine.py",
    "feedback.py",
    "given_back.py",
    "keys.py",
    "ledger.py",
    "renew.py",
    "returned.py",
    "returned_sheet.py",
    "rotation.py",
    "standing.py",
    "states.py",
    "submissions.py",
}
"""Modules of this room that have no part in what is made of a file's bytes."""
UNITS = ("school_code", "district_code")
"""Columns that say whose a row is."""
Tell = Callable[[str, int], None]
"""Called as files are done with, with their feed and how many they are."""


def _silent(feed: str, files: int) -> None:
    """Nobody waits for it."""


@dataclass(frozen=True)
class FeedReport:
    """What the ingest of one feed did, in files; rows and seconds."""

    feed: str
    files: int = 0
    new: int = 0
    """Files whose rows stand since this run."""
    reused: int = 0
    """Files whose rows stood before."""
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


def ingest(settings: Settings, tell: Tell = _silent) -> list[FeedReport]:
    """Every feed, registers before what refers to them, then files that lie astray.

    Args:
        settings: where files lie and go.
        tell: is told of each file once, unchanged ones included (see `files_in_all`).

    Raises:
        IntakeError: no raw folder, none of its files belongs to a feed, or no key.
    """
    require_files(settings)
    feeds = [_Intake(settings, name, own, tell).run() for name, own in load_contracts().items()]
    return [*feeds, _Intake(settings, NO_FEED, None, tell).run()]


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
    return _Intake(settings, NO_FEED, None).run()


def ingest_feed(settings: Settings, feed: str) -> FeedReport:
    """One feed's files: what is new is taken, what is refused goes to quarantine.

    Raises:
        KeyError: no such feed.
        IntakeError: no key in production.
    """
    return _Intake(settings, feed, load_contracts()[feed]).run()


def problems(settings: Settings) -> list[Problem]:
    """What is wrong with the files that lie in the raw folder, as the last ingest found it.

    With the setting `as_of`, what was wrong with those of then.
    """
    ledger, moment = Ledger(settings), settings.as_of_utc
    stood = [s for state in PRESENT for s in ledger.submissions(state=state, as_of=moment)]
    # Registers first: what is wrong there is the cause of much that follows.
    place = {feed: at for at, feed in enumerate(load_contracts())}
    stood.sort(key=lambda s: (place.get(s["feed"], -1), s["source_file"]))
    return [Problem(**each) for submission in stood for each in submission["problems"]]


def files_by_feed(settings: Settings) -> dict[str, int]:
    """Number of files in each feed's raw folder, for the feeds that have any."""
    counts = {name: raw_folder.count(settings, name) for name in load_contracts()}
    return {name: n for name, n in counts.items() if n}


def files_in_all(settings: Settings) -> int:
    """Number of files in the raw folder, those that lie astray included."""
    return sum(raw_folder.count(settings, name) for name in (*load_contracts(), NO_FEED))


def usual(settings: Settings) -> Usual:
    """What the settings call usual."""
    return Usual(settings.student_no_pattern, settings.plan_kinds)


def limits(settings: Settings) -> Limits:
    """What the settings let one file take to be read."""
    return Limits(settings.reader_seconds, settings.reader_megabytes)


@cache
def _code() -> str:
    """What decides how a file is read: this room's code and the contracts."""
    digest = hashlib.sha256()
    own = [p for p in Path(__file__).parent.glob("*.py") if p.name not in BOOKKEEPING]
    feeds = [FEEDS_FOLDER / "contract.py", FEEDS_FOLDER / "rules.yml", *contract_files()]
    # By name alone, so that where a city keeps its contracts decides nothing.
    for path in sorted([*own, *feeds], key=lambda path: path.name):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def landed_files(settings: Settings, ledger: Ledger, feed: str) -> list[Path]:
    """The landed files of a feed as they arrived, the newest last."""
    return [
        landed_path(settings, feed, s["school_year"], s["submission_id"])
        for s in sorted(ledger.submissions(feed, "landed", full=False), key=arrival)
    ]


def landed_path(settings: Settings, feed: str, school_year: str, submission_id: str) -> Path:
    """Where the rows of a submission are landed. They stay there, whatever comes later."""
    return settings.landing / feed / school_year / f"{submission_id}.parquet"


class _Intake:
    """One feed's files, from the raw folder to what stands."""

    def __init__(
        self, settings: Settings, feed: str, contract: Contract | None, tell: Tell = _silent
    ) -> None:
        self.settings, self.feed, self.contract, self.tell = settings, feed, contract, tell
        self.started = time.perf_counter()
        self.ledger = Ledger(settings)
        self.key = load_key(settings)
        self.forgotten = the_forgotten(settings, self.ledger)
        self.paths = Paths(self.key, self.ledger.named(feed))
        self.usual = usual(settings)
        self.seen = self.ledger.seen(feed)
        self.known = {s["submission_id"]: s for s in self.ledger.submissions(feed)}
        self.registers = {
            name: sorted(self.ledger.submissions(name, "landed", full=False), key=arrival)
            for name in (contract.depends_on if contract else ())
        }
        self.by_path: dict[str, list[dict[str, Any]]] = {}
        self.by_digest: dict[str, list[dict[str, Any]]] = {}
        for submission in self.known.values():
            self.by_path.setdefault(submission["source_file"], []).append(submission)
            self.by_digest.setdefault(submission["file_sha256"], []).append(submission)

    def run(self) -> FeedReport:
        """Read what is new, then set the state of every submission of the feed."""
        found = raw_folder.scan(self.settings, self.feed, self.seen, self.paths)
        if self.feed:
            for left in (self.settings.landing / self.feed).rglob(f"*{HALF_WRITTEN}"):
                left.unlink()
        back = taken_back(self.ledger, self.feed)
        over = {year for _, year in retired(self.ledger, self.feed)}
        here = [
            f
            for f in found
            if (f.file.source_file, f.file.sha256) not in back and f.file.school_year not in over
        ]
        ids = self._ids(here)
        fresh = [f for f in here if not self._is_read(ids[f.file.source_file])]
        self.tell(self.feed, len(found) - len(fresh))
        received = now()
        self._tell_of_arrivals(fresh, ids)
        rows, carries, unsettled, renamed = self._take(fresh, ids, received)
        if renamed:
            ids = {renamed.get(name, name): one for name, one in ids.items()}
            found, here = ([_renamed(f, renamed) for f in each] for each in (found, here))
            self._rename(renamed)
        # The reading of each file that lies there, made now or in an earlier run.
        added = {row["submission_id"]: row for row in rows}
        entries = {
            f.file.source_file: added.get(ids[f.file.source_file])
            or self.known[ids[f.file.source_file]]
            for f in here
        }
        targets = self._targets(entries)
        for row in rows:
            row["state"] = targets.get(row["submission_id"], row["state"])
        states = {
            one: state
            for one, state in targets.items()
            if one not in added and self.known[one]["state"] != state
        }
        arrived = {
            one: self._received(self.known[one], received)
            for one, state in states.items()
            if state in PRESENT
        }
        self.ledger.record(rows, states, arrived=arrived, carries=carries)
        self._tell_of_queries(rows)
        after = {f.file.source_file: f.seen for f in found if f.file.source_file not in unsettled}
        told = {*self.paths.named.values(), *renamed.values()}
        named = {f.file.source_file: f.key for f in found if f.file.source_file in told}
        self.ledger.keep_seen(self.feed, self.seen, after, named)
        sweep_quarantine(self.settings, self.feed, self.ledger)
        sweep_feedback(self.settings, self.feed, self.ledger)
        stood = {s["submission_id"]: s["state"] for s in self.known.values()}
        for row in entries.values():
            row["state"] = targets[row["submission_id"]]
        return self._report(found, list(entries.values()), added, states, stood)

    def _ids(self, here: list[Found]) -> dict[str, str]:
        """Path → the submission that these bytes are under this code and these registers."""
        reference = {year: self._reference(year) for year in {f.file.school_year for f in here}}
        named = key_id(self.key)
        asks = self.contract is not None and any(c.usual for c in self.contract.columns)
        kinds = sorted(self.usual.kinds) if asks else []

        def identity(file: File, key: str) -> str:
            parts = (
                self.feed,
                file.school_year,
                key,
                file.sha256,
                _code(),
                self.usual.student_no,
                *kinds,
                named,
                reference[file.school_year],
            )
            return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]

        return {f.file.source_file: identity(f.file, f.key) for f in here}

    def _reference(self, year: str) -> str:
        """Which landed registers a file of that year is held against."""
        ids = [
            s["submission_id"]
            for feed, landed in self.registers.items()
            for s in landed
            if "school_year" not in load_contracts()[feed].key or s["school_year"] == year
        ]
        return hashlib.sha256("".join(sorted(ids)).encode()).hexdigest()

    def _is_read(self, submission_id: str) -> bool:
        """Whether the outcome is known, and the rows, where there are any, are there."""
        one = self.known.get(submission_id)
        if one is None or any(p["rule"] == "changed_while_read" for p in one["problems"]):
            return False
        if one["state"] not in PRESENT and self._registers_moved_since(one):
            return False
        if _is_refused(one):
            return True
        return landed_path(self.settings, self.feed, one["school_year"], submission_id).exists()

    def _registers_moved_since(self, one: Mapping[str, Any]) -> bool:
        """Whether a register arrived after a reading, so that other rows of it may stand now."""
        newest = max(
            (s["received_at"] for own in self.registers.values() for s in own), default=None
        )
        if newest is None:
            return False
        read = [
            event["at"]
            for event in self.ledger.events(["checking"], self.feed, one["source_file"])
            if event["submission_id"] == one["submission_id"]
        ]
        return not read or max(read) < newest

    def _tell_of_arrivals(self, fresh: list[Found], ids: Mapping[str, str]) -> None:
        """`received` once for each new content of a path, `checking` for each reading."""
        told = []
        for state in ("received", "checking"):
            for file in (f.file for f in fresh):
                known = self.by_path.get(file.source_file, [])
                if state == "received" and any(s["file_sha256"] == file.sha256 for s in known):
                    continue
                told.append(
                    {
                        "state": state, "feed": self.feed, "source_file": file.source_file,
                        "file_sha256": file.sha256,
                        "submission_id": ids[file.source_file] if state == "checking" else "",
                    }
                )  # fmt: skip
        self.ledger.tell(told)

    def _tell_of_queries(self, rows: list[dict[str, Any]]) -> None:
        asked = []
        for row in rows:
            queries = sum(severity(problem) == "query" for problem in row["problems"])
            if row["state"] == "landed" and queries:
                asked.append(
                    {
                        "state": "awaiting_explanation", "reason": f"{queries} queries",
                        **{
                            name: row[name]
                            for name in ("feed", "source_file", "file_sha256", "submission_id")
                        },
                    }
                )  # fmt: skip
        self.ledger.tell(asked)

    def _take(
        self, fresh: list[Found], ids: Mapping[str, str], received: datetime
    ) -> tuple[list[dict[str, Any]], dict[str, set[tuple[str, str]]], set[str], dict[str, str]]:
        """Read the files, keep rows and refused copies.

        Answers the ledger's rows, whose each landed one's rows are, the paths of files that changed
        while they were read, which the next scan has to look at anew, and those under which files
        go from now on whose own rows hold a name that stands in the path.
        """
        rows: list[dict[str, Any]] = []
        carries: dict[str, set[tuple[str, str]]] = {}
        unsettled: set[str] = set()
        renamed: dict[str, str] = {}

        back: list[tuple[Any, ...]] = []
        # Of bytes that are read once more, under other code or against other registers.
        told = heard(self.ledger, ["asked", "explained"] if fresh else [], self.feed)

        def rename(file: File, names: set[str]) -> File:
            own = file.path.relative_to(self.settings.raw).as_posix()
            told = self.paths.without(own, names)
            renamed[file.source_file] = told
            return replace(file, source_file=told)

        def keep(one: Taken, submission_id: str) -> None:
            file = one.file
            handed = (file.source_file, file.sha256)
            between = [] if one.rows is None else told.asked.get(handed, [])
            found = [*one.problems, *(Problem(**problem) for problem in between)]
            if any(p.severity != "note" for p in found):
                self.settings.feedback.mkdir(parents=True, exist_ok=True, mode=0o700)
                target = return_path(
                    self.settings.feedback,
                    file.feed,
                    file.school_year,
                    file.path.stem,
                    submission_id,
                )
                answers = told.explained.get(handed, [])
                back.append(return_task(self.settings, target, one, found, answers))
            if one.rows is None:
                quarantine(self.settings, one, submission_id)
            else:
                carries[submission_id] = _units(one.rows)
                _land(self.settings, one, submission_id)
            rows.append(self._entry(one, submission_id, received))
            self.tell(self.feed, 1)

        for each in fresh:
            if each.problem is not None:
                file = each.file
                keep(Taken(file, [each.problem], 0, None), ids[file.source_file])
        if self.contract is None:
            write_returns(back)
            return rows, carries, unsettled, renamed
        registers = {
            name: [
                landed_path(self.settings, name, s["school_year"], s["submission_id"]) for s in own
            ]
            for name, own in self.registers.items()
        }
        good = {f.file.path: f for f in fresh if f.problem is None}
        files = [f.file for f in good.values()]
        # Each file's rows are let go once they are kept.
        bounds = limits(self.settings)
        how = (self.key, self.usual, bounds, rename, self.forgotten)
        for one in take(self.contract, files, registers, *how):
            if raw_folder.changed(good[one.file.path]):
                unsettled.add(one.file.source_file)
                moved = Problem("changed_while_read", one.file.source_file)
                one = replace(one, problems=[*one.problems, moved], rows=None)
            keep(one, ids[good[one.file.path].file.source_file])
        write_returns(back)
        return rows, carries, unsettled, renamed

    def _rename(self, renamed: Mapping[str, str]) -> None:
        """Let files go by other paths, in what is known of them and in the ledger."""
        for before, after in renamed.items():
            for submission in self.by_path.pop(before, []):
                submission["source_file"] = after
                self.by_path.setdefault(after, []).append(submission)
            if before in self.seen:
                self.seen[after] = self.seen.pop(before)
        self.ledger.rename(renamed)

    def _entry(self, one: Taken, submission_id: str, received: datetime) -> dict[str, Any]:
        row = {
            "submission_id": submission_id,
            "feed": one.file.feed,
            "school_year": one.file.school_year,
            "source_file": one.file.source_file,
            "file_sha256": one.file.sha256,
            "state": "returned" if one.rows is None else "landed",
            "rows_read": one.rows_read,
            "rows_landed": one.rows.num_rows if one.rows is not None else 0,
            "problems": as_json(one.problems),
            "sheets": as_json(one.sheets),
            "rows_forgotten": one.forgotten if one.rows is not None else 0,
        }
        return {**row, "received_at": self._received(row, received)}

    def _received(self, row: Mapping[str, Any], received: datetime) -> datetime:
        """The same bytes keep the time at which they first arrived, as long as they lie there.

        Under whatever name: a copy of an old file must not overturn its correction.
        """
        digest, path = row["file_sha256"], row["source_file"]
        same = self.by_digest.get(digest, [])
        times = [
            s["received_at"]
            for s in same
            if s["school_year"] == row["school_year"] and s["state"] in PRESENT
        ]
        own = [s["received_at"] for s in same if s["source_file"] == path]
        if own and self.seen.get(path, ("", ""))[1] == digest:
            times.append(max(own))
        return min(times, default=received)

    def _targets(self, entries: Mapping[str, dict[str, Any]]) -> dict[str, str]:
        """The state that each submission of the feed is to have."""
        targets: dict[str, str] = {}
        lingering: list[dict[str, Any]] = []
        for path, own in self.by_path.items():
            now_here = entries.get(path)
            for submission in own:
                if submission is now_here or submission["state"] not in PRESENT:
                    continue
                one = submission["submission_id"]
                if now_here is None:
                    targets[one] = "withdrawn"
                elif (
                    submission["state"] == "landed"
                    and submission["file_sha256"] != now_here["file_sha256"]
                    and _is_refused(now_here)
                ):
                    # Other bytes that are refused leave the earlier rows standing.
                    lingering.append(submission)
                else:
                    targets[one] = "replaced"
        fit = _of_known_schools(self.settings, self.ledger, self.contract, lingering)
        fit &= self._of_this_key(lingering)
        for submission in lingering:
            stays = submission["submission_id"] in fit
            targets[submission["submission_id"]] = "landed" if stays else "replaced"
        for entry in entries.values():
            targets[entry["submission_id"]] = "returned" if _is_refused(entry) else "landed"
        alive = {entries[p]["source_file"] for p in entries if not _is_refused(entries[p])}
        alive |= {s["source_file"] for s in lingering if s["submission_id"] in fit}
        declared = [*declared_replacements(self.ledger, self.feed), *self._answers(entries)]
        for entry in [*entries.values(), *lingering]:
            # Rows wait for an answer that is taken; without rows any answer is the one to mend.
            waits = targets[entry["submission_id"]] == "landed"
            if _superseded(entry, declared, alive if waits else {*alive, *entries}):
                targets[entry["submission_id"]] = "replaced"
        return targets

    def _of_this_key(self, submissions: list[dict[str, Any]]) -> set[str]:
        """Those of these landed submissions whose students are known by the present key."""
        present = key_id(self.key)
        return {
            one["submission_id"]
            for one in submissions
            if (key_of(self._landed(one)) or present) == present
        }

    def _landed(self, one: Mapping[str, Any]) -> Path:
        return landed_path(self.settings, self.feed, one["school_year"], one["submission_id"])

    def _answers(self, entries: Mapping[str, dict[str, Any]]) -> list[Declared]:
        """Return workbooks that came back mended, under their own name: each replaces its file."""
        answers = []
        for path in entries:
            one = self.known.get(returned_submission(path) or "")
            if one is not None and one["source_file"] != path:
                digests = frozenset([one["file_sha256"]])
                answers.append(Declared(path, one["source_file"], digests))
        return answers

    def _report(
        self,
        found: list[Found],
        entries: list[dict[str, Any]],
        added: Mapping[str, Any],
        states: Mapping[str, str],
        stood: Mapping[str, str],
    ) -> FeedReport:
        landed = [e for e in entries if e["state"] == "landed"]
        new = [
            e
            for e in landed
            if e["submission_id"] in added or stood.get(e["submission_id"]) != "landed"
        ]
        counted = [e for e in entries if e["state"] in PRESENT]
        return FeedReport(
            self.feed,
            files=len(found),
            new=len(new),
            reused=len(landed) - len(new),
            returned=len(counted) - len(landed),
            withdrawn=sum(state == "withdrawn" for state in states.values()),
            rows=sum(e["rows_landed"] for e in landed),
            rows_landed=sum(e["rows_landed"] for e in new),
            bytes=sum(
                landed_path(self.settings, self.feed, e["school_year"], e["submission_id"])
                .stat()
                .st_size
                for e in landed
            ),
            seconds=round(time.perf_counter() - self.started, 3),
            problems=[Problem(**problem) for e in counted for problem in e["problems"]],
        )


def _renamed(found: Found, renamed: Mapping[str, str]) -> Found:
    file = found.file
    return replace(
        found,
        file=replace(file, source_file=renamed.get(file.source_file, file.source_file)),
    )


def _is_refused(entry: Mapping[str, Any]) -> bool:
    """Whether the reading ended in an error, whatever became of it later."""
    if entry["state"] in PRESENT:
        return bool(entry["state"] == "returned")
    return any(severity(problem) == "error" for problem in entry["problems"])


def _superseded(entry: Mapping[str, Any], declared: Iterable[Declared], alive: set[str]) -> bool:
    """Whether one of these files was declared to replace these bytes, itself or through others."""
    over, todo = set(), [(entry["source_file"], entry["file_sha256"])]
    while todo:
        path, digest = todo.pop()
        for each in declared:
            if each.old == path and (not digest or digest in each.digests) and each.new not in over:
                if each.new in alive:
                    return True
                over.add(each.new)
                todo.append((each.new, ""))
    return False


def _of_known_schools(
    settings: Settings,
    ledger: Ledger,
    contract: Contract | None,
    submissions: list[dict[str, Any]],
) -> set[str]:
    """Those of these landed submissions whose schools all stand in their year's register.

    The bytes that they were read from are gone, so they can't be read again when a register
    changes; what would be refused for it must not stand either.
    """
    named = (
        [c.name for c in contract.columns if c.references == "schools.school_code"]
        if contract
        else []
    )
    ids = {s["submission_id"] for s in submissions}
    if not named or not submissions:
        return ids
    register = landed_files(settings, ledger, "schools")
    unknown: set[str] = set()
    with duckdb.connect() as con:
        con.execute("set enable_progress_bar = false")
        paths = ", ".join(quoted(str(p)) for p in register)
        con.execute(
            "create view school as select school_code, school_year "
            + (
                f"from read_parquet([{paths}], union_by_name = true)"
                if register
                else "from (select null as school_code, null as school_year) where false"
            )
        )
        for s in submissions:
            path = landed_path(settings, s["feed"], s["school_year"], s["submission_id"])
            missing = " or ".join(
                f'("{name}" is not null and "{name}" not in '
                "(select school_code from school where school_year = $year))"
                for name in named
            )
            query = f"select count(*) from read_parquet({quoted(str(path))}) where {missing}"
            if con.execute(query, {"year": s["school_year"]}).fetchall()[0][0]:
                unknown.add(s["submission_id"])
    return ids - unknown


def _units(landed: Rows) -> set[tuple[str, str]]:
    """The (wave, unit) pairs of landed rows; a unit is empty where the rows name none."""
    pairs: set[tuple[str, str]] = set()
    for rows in landed.pieces(["wave_id", "source_row", *UNITS]):
        nothing = pa.nulls(len(rows), pa.string())
        waves = rows["wave_id"] if "wave_id" in rows.column_names else nothing
        named = [rows[name] for name in UNITS if name in rows.column_names]
        for units in named or [nothing]:
            both = pa.table({"wave": waves, "unit": units})
            distinct = both.group_by(["wave", "unit"]).aggregate([]).to_pydict()
            pairs |= {(w or "", u or "") for w, u in zip(*distinct.values(), strict=True)}
    return pairs


def _land(settings: Settings, one: Taken, submission_id: str) -> None:
    """The rows as Parquet, complete or not there at all."""
    assert one.rows is not None
    target = landed_path(settings, one.file.feed, one.file.school_year, submission_id)
    settings.landing.mkdir(parents=True, exist_ok=True, mode=0o700)
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_suffix(HALF_WRITTEN)
    one.rows.write(aside)
    aside.replace(target)
