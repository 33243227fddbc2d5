"""What people say and decide about files handed in: explain, sign off, take back, replace.

Each is an event in the ledger with who, when and why. A file is named by its submission id, any
beginning of it that no other file shares, or by its path within the raw folder; ids of earlier
readings of the same bytes name the same file.
"""

import getpass
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from pipelines.feeds import load_contracts
from pipelines.feeds.contract import quoted
from pipelines.intake import raw as raw_folder
from pipelines.intake.ingest import landed_path
from pipelines.intake.ledger import PRESENT, STANDING, Ledger, arrival
from pipelines.intake.paths import Paths
from pipelines.intake.problems import IntakeError, Problem, masked
from pipelines.intake.pseudonym import load_key
from pipelines.intake.renew import renew_returns
from pipelines.intake.states import (
    Bytes,
    FileState,
    by_file,
    declared_replacements,
    file_states,
    heard,
    queries,
    retired,
    taken_back,
)
from pipelines.settings import Settings
from pipelines.wording import bilingual

NAMED = 5
"""So many files are named in a message."""


class NoSuchFile(IntakeError):
    """No file, or more than one, goes by that name; the text says how to find it."""


@dataclass(frozen=True)
class Refused:
    """A file that can't be signed off, and why, in both languages."""

    file: FileState
    reason: str


@dataclass(frozen=True)
class SignedOff:
    """What a sign-off came to."""

    approved: list[FileState]
    refused: list[Refused]


def user() -> str:
    """The name of whoever runs this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no such user in this container
        return "unknown"


def submissions(
    settings: Settings, between: Iterable[Problem] | None = None, releasing: bool = False
) -> list[FileState]:
    """Every submission and where it is in the workflow, of now or of the setting `as_of`.

    Args:
        settings: the home.
        between: the queries between files that the release in the making found; see `file_states`.
        releasing: whether it is asked for that release; likewise.
    """
    return file_states(settings, Ledger(settings), between, settings.as_of_utc, releasing)


def in_hand(settings: Settings) -> list[tuple[str, str]]:
    """Feed and path of files whose reading has begun and not ended, such as now in a build."""
    ledger = Ledger(settings)
    last: dict[tuple[str, str], str] = {}
    for event in ledger.events(["received", "checking", *STANDING]):
        last[event["feed"], event["source_file"]] = event["state"]
    return [where for where, state in last.items() if state in ("received", "checking")]


def ask(settings: Settings, between: Iterable[Problem]) -> int:
    """What a build found between files and over time is asked of each file that it names.

    It replaces what the build before asked. Return workbooks of files that are asked something else
    now are written anew. To be called while the home is held; answers how many files those are.
    """
    ledger = Ledger(settings)
    before, found = heard(ledger, ["asked"]).asked, by_file(between)
    changed = [
        s
        for s in ledger.submissions(state="landed", full=False)
        if before.get((s["source_file"], s["file_sha256"]), []) != found.get(s["source_file"], [])
    ]
    ledger.tell(
        {
            "state": "asked", "reason": f"{len(found.get(s['source_file'], []))} queries",
            "detail": found.get(s["source_file"], []),
            **{n: s[n] for n in ("feed", "source_file", "file_sha256", "submission_id")},
        }
        for s in changed
    )  # fmt: skip
    if changed:
        ids = {s["submission_id"] for s in changed}
        renew_returns(settings, [f for f in submissions(settings) if f.submission_id in ids])
    return len(changed)


def waiting(settings: Settings, name: str) -> FileState:
    """The file that goes by a name, with the queries that wait for an answer (`awaiting`).

    Raises:
        NoSuchFile: nothing goes by that name.
        IntakeError: the file has no open query.
    """
    file = _find(settings, name)
    if not file.present or not file.open_queries:
        raise IntakeError(
            bilingual("{file} has no query that waits for an answer.", file=file.source_file)
        )
    return file


def explain(
    settings: Settings, name: str, reason: str, by: str = "", rules: Collection[str] = ()
) -> FileState:
    """Answer the open queries of a file, and write its return workbook anew.

    Args:
        settings: the home.
        name: of the file.
        reason: what is answered.
        by: who says so; the user of this machine by default.
        rules: the rules whose queries are answered; all by default.

    Raises:
        NoSuchFile: nothing goes by that name.
        IntakeError: the file has no open query, none of one of the rules, or the reason is empty.
    """
    if not reason.strip():
        raise IntakeError(bilingual("An explanation needs words."))
    file = waiting(settings, name)
    open_rules = sorted({rule for rule, *_ in file.open_queries})
    for rule in rules:
        if rule not in open_rules:
            raise IntakeError(
                bilingual("{file} has no open query of the rule {rule}; it has: {rules}",
                          file=file.source_file, rule=rule, rules=", ".join(open_rules))
            )  # fmt: skip
    _say(settings, [file], "explained", by, masked(reason.strip()), rules)
    after = _find(settings, file.submission_id)
    renew_returns(settings, [after])
    return after


def approve(
    settings: Settings,
    names: Iterable[str] = (),
    district: str | None = None,
    feed: str | None = None,
    by: str = "",
) -> SignedOff:
    """Sign files off for the district: those named, or all whose rows are of that district alone.

    Files with errors or unanswered queries are refused, the others are signed off. Of a district,
    files that are signed off already are left out.

    Raises:
        NoSuchFile: nothing goes by a name, no such district or feed, or it has no files.
    """
    chosen = [_find(settings, name) for name in names]
    if district is not None:
        chosen += _of_district(settings, district, feed)
    refused = [Refused(file, why) for file in chosen if (why := _not_ready(file))]
    unfit = {one.file.submission_id for one in refused}
    approved = [file for file in chosen if file.submission_id not in unfit]
    _say(settings, approved, "district_approved", by, f"district {district}" if district else "")
    signed = {file.submission_id for file in approved}
    return SignedOff([f for f in submissions(settings) if f.submission_id in signed], refused)


def withdraw(settings: Settings, name: str, reason: str = "", by: str = "") -> FileState:
    """Take a file back: it stays in the raw folder, its rows no longer stand.

    A new version under the same path is taken in as usual. To be called while the home is held.

    Raises:
        NoSuchFile: nothing goes by that name.
        IntakeError: it is withdrawn already, or was replaced.
    """
    file = _find(settings, name)
    ledger = Ledger(settings)
    own = [s for s in ledger.submissions(file.feed) if s["source_file"] == file.source_file]
    standing = {s["submission_id"]: "withdrawn" for s in own if s["state"] in PRESENT}
    if not standing:
        raise IntakeError(
            bilingual(
                "{file} does not stand; there is nothing to take back.", file=file.source_file
            )
        )
    here = {(s["source_file"], s["file_sha256"]) for s in own if s["state"] in PRESENT}
    told = [
        {"state": "taken_back", "feed": file.feed, "source_file": path, "file_sha256": digest,
         "reason": reason, "detail": {s["submission_id"]: s["state"] for s in own
                                      if s["file_sha256"] == digest and s["state"] in PRESENT}}
        for path, digest in sorted(here)
    ]  # fmt: skip
    ledger.tell(told, by or user())
    ledger.record([], standing, by=by or user(), reason=reason)
    return _find(settings, file.submission_id)


def give_back(settings: Settings, name: str, reason: str = "", by: str = "") -> FileState:
    """Undo the last `withdraw` of a file: what stood then stands again, as if nothing had been.

    Where a newer version stands, that one stays.

    Raises:
        NoSuchFile: nothing goes by that name.
        IntakeError: nobody took it back, or its school year is over.
    """
    file = _find(settings, name)
    ledger = Ledger(settings)
    if (file.feed, file.school_year) in retired(ledger, file.feed):
        raise IntakeError(
            bilingual("{year} is over for {feed}; nothing of it is kept.",
                      year=file.school_year, feed=file.feed)
        )  # fmt: skip
    back = taken_back(ledger, file.feed)
    events = [
        event
        for event in ledger.events(["taken_back"], file.feed, file.source_file)
        if (file.source_file, event["file_sha256"]) in back
    ]
    if not events:
        raise IntakeError(bilingual("{file} was not taken back by anybody.", file=file.source_file))
    undone = [event for event in events if event["at"] == events[-1]["at"]]
    states = {one: state for event in undone for one, state in (event["detail"] or {}).items()}
    own = [s for s in ledger.submissions(file.feed) if s["source_file"] == file.source_file]
    newer = any(s["state"] in PRESENT for s in own)
    ledger.tell(
        (
            {
                "state": "given_back",
                "feed": file.feed,
                "source_file": file.source_file,
                "file_sha256": event["file_sha256"],
                "reason": reason,
            }
            for event in undone
        ),
        by or user(),
    )
    if not newer:
        ledger.record([], states, by=by or user(), reason=reason)
    return _find(settings, file.submission_id)


def declare_replacement(settings: Settings, new: str, old: str, by: str = "") -> None:
    """From now on the file at path `new` stands in place of the one at `old`, as that is now.

    Paths are within the raw folder. The next ingest heeds it, and each later one. As long as `new`
    is refused or not there, `old` stands; a later version of `old` is a file of its own again.

    Raises:
        NoSuchFile: `new` is not in the raw folder, or `old` was never handed in.
        IntakeError: they are of different feeds, or replace each other in a circle.
    """
    feeds = {path.split("/")[0] for path in (new, old)}
    if len(feeds) != 1 or not feeds <= load_contracts().keys():
        raise IntakeError(
            bilingual(
                "{new} and {old} are not paths of one feed, such as students/2024-2025/a.csv.",
                new=new,
                old=old,
            )
        )
    (feed,) = feeds
    ledger = Ledger(settings)
    paths = Paths(load_key(settings), ledger.named(feed))
    places = {path: raw_folder.path_of(settings, path, paths) for path in (new, old)}
    if places[new] is None:
        raise NoSuchFile(bilingual("No file {file} in {raw}.", file=new, raw=settings.raw))
    lies = places[old]
    new, old = paths.told(new), paths.told(old)
    digests = {s["file_sha256"] for s in ledger.submissions(feed, full=False)
               if s["source_file"] == old}  # fmt: skip
    if lies is not None:
        digests.add(raw_folder.digest_of(lies))
    if not digests:
        raise NoSuchFile(bilingual("No file {file} in {raw}.", file=old, raw=settings.raw))
    declared = {each.new: set[str]() for each in declared_replacements(ledger, feed)}
    for each in declared_replacements(ledger, feed):
        declared[each.new].add(each.old)
    under, todo = set(), [old]
    while todo:
        one = todo.pop()
        if one not in under:
            under.add(one)
            todo += declared.get(one, ())
    if new in under:
        raise IntakeError(bilingual("{new} and {old} would replace each other.", new=new, old=old))
    detail = {"old": old, "digests": sorted(digests)}
    known = next((d for d in declared_replacements(ledger, feed)
                  if (d.new, d.old, set(d.digests)) == (new, old, digests)), None)  # fmt: skip
    if known is None:
        event = {"state": "replaces", "feed": feed, "source_file": new, "reason": old}
        ledger.tell([{**event, "detail": detail}], by or user())


def published(settings: Settings, release_id: str, files: Iterable[Bytes]) -> int:
    """A release made from these files is served now; answers how many are newly published."""
    ledger = Ledger(settings)
    before: set[Bytes] = set()
    for event in ledger.events(["published", "unpublished"]):
        one = (event["source_file"], event["file_sha256"])
        (before.add if event["state"] == "published" else before.discard)(one)
    after = set(files)
    ledger.tell(
        {"state": state, "feed": path.partition("/")[0], "source_file": path,
         "file_sha256": digest, "reason": release_id}
        for state, which in (("published", after - before), ("unpublished", before - after))
        for path, digest in sorted(which)
    )  # fmt: skip
    return len(after - before)


def _say(
    settings: Settings,
    files: list[FileState],
    state: str,
    by: str,
    reason: str,
    rules: Collection[str] = (),
) -> None:
    """Attach what was said to the bytes of files, with the queries that they have.

    Only with those of some rules, where any are given.
    """
    Ledger(settings).tell(
        (
            {
                "state": state,
                "reason": reason,
                "feed": file.feed,
                "source_file": file.source_file,
                "file_sha256": file.file_sha256,
                "submission_id": file.submission_id,
                "detail": sorted(
                    list(q)
                    for q in queries([*file.problems, *file.asked])
                    if not rules or q[0] in rules
                ),
            }
            for file in files
        ),
        by or user(),
    )


def _find(settings: Settings, name: str) -> FileState:
    """The file that goes by a name, as it was read last.

    Raises:
        NoSuchFile: none does, or several do.
    """
    states = submissions(settings)
    named = [s for s in states if s.submission_id.startswith(name.lower())] if name else []
    files = {s.source_file for s in named} or _going_by(settings, states, name)
    if not files:
        raise NoSuchFile(
            bilingual(
                "No file goes by {name}. Give the beginning of its id or its path in the raw "
                "folder; `eqm status --files` lists both.",
                name=name,
            )
        )
    if len(files) > 1:
        listed = ", ".join(sorted(f"{s.submission_id} {s.source_file}" for s in named)[:NAMED])
        raise NoSuchFile(
            bilingual("{name} fits several files: {files}. Give more of the id.",
                      name=name, files=listed)
        )  # fmt: skip
    own = [s for s in states if s.source_file in files]
    # The bytes of an id that was given, whatever reading of them it was; else what lies there now.
    meant = {s.file_sha256 for s in named} or {s.file_sha256 for s in own}
    place = {"returned": 2, "withdrawn": 1, "replaced": 0}
    return max(
        (s for s in own if s.file_sha256 in meant),
        key=lambda s: (place.get(s.state, 3), s.received_at),
    )


def _going_by(settings: Settings, states: Iterable[FileState], path: str) -> set[str]:
    """The file that goes by a path as it is told, or as it lies in the raw folder."""
    known = {s.source_file for s in states}
    if path and path not in known:
        path = Paths(load_key(settings), Ledger(settings).named()).told(path)
    return known & {path}


def _not_ready(file: FileState) -> str:
    """Why a file can't be signed off; empty where it can."""
    if file.state == "returned":
        return bilingual("{count} errors have to be mended first", count=file.errors)
    if not file.present:
        return bilingual("it does not stand")
    if file.open_queries:
        return bilingual(
            "{count} queries are not answered; `eqm explain {id} --reason …`",
            count=len(file.open_queries),
            id=file.submission_id,
        )
    return ""


def _of_district(settings: Settings, district: str, feed: str | None) -> list[FileState]:
    """The files whose rows are all of a district and its schools, not signed off yet."""
    if feed is not None and feed not in load_contracts():
        raise NoSuchFile(
            bilingual("No feed {feed}; the feeds are: {feeds}", feed=feed,
                      feeds=", ".join(load_contracts()))
        )  # fmt: skip
    ledger = Ledger(settings)
    home: Mapping[tuple[str, str], set[str]] = _units_of_districts(settings, ledger)
    if not any(district in own for own in home.values()):
        known = sorted({d for own in home.values() for d in own if d})
        raise NoSuchFile(
            bilingual("No district {district}; the districts are: {districts}",
                      district=district, districts=", ".join(known) or "-")
        )  # fmt: skip
    carried: dict[str, set[str]] = {}
    for submission_id, _, unit in ledger.carried():
        if unit:
            carried.setdefault(submission_id, set()).add(unit)
    return [
        s
        for s in submissions(settings)
        if s.present
        and s.approved is None
        and (feed is None or s.feed == feed)
        and s.submission_id in carried
        and all(home.get((s.school_year, unit)) == {district} for unit in carried[s.submission_id])
    ]


def _units_of_districts(settings: Settings, ledger: Ledger) -> dict[tuple[str, str], set[str]]:
    """(School year, school or district) → the district that it is or lies in, as registered."""
    home: dict[tuple[str, str], set[str]] = {}
    with duckdb.connect() as con:
        con.execute("set enable_progress_bar = false")
        for feed, unit in (("districts", "district_code"), ("schools", "school_code")):
            register_view(con, settings, ledger, feed)
            rows = con.execute(
                f"select distinct school_year, {unit}, district_code from {feed}"
            ).fetchall()
            for year, code, district in rows:
                home.setdefault((year, code), set()).add(district)
    return home


def register_view(
    con: duckdb.DuckDBPyConnection, settings: Settings, ledger: Ledger, feed: str
) -> None:
    """Make view `<feed>`: the landed rows of a register, of each key the newest."""
    contract = load_contracts()[feed]
    over = retired(ledger, feed)
    landed = sorted(
        (
            s
            for s in ledger.submissions(feed, "landed", as_of=settings.as_of_utc, full=False)
            if (feed, s["school_year"]) not in over
        ),
        key=arrival,
    )
    paths = [str(landed_path(settings, feed, s["school_year"], s["submission_id"])) for s in landed]
    typed = ", ".join(f'null::{t} as "{n}"' for n, t in contract.landed.items())
    source = f"select {typed}, 0 as arrival where false"
    if paths:
        con.register(
            f"{feed}_arrivals", pa.table({"filename": paths, "arrival": range(len(paths))})
        )
        listed = ", ".join(map(quoted, paths))
        source += (
            f" union all by name select * exclude (filename) from "
            f"read_parquet([{listed}], union_by_name = true, filename = true) "
            f"join {feed}_arrivals using (filename)"
        )
    keys = ", ".join(f'"{k}"' for k in contract.landed_key)
    con.execute(
        f"create view {feed} as select * from ({source}) qualify "
        f"row_number() over (partition by {keys} order by arrival desc, source_row desc) = 1"
    )
