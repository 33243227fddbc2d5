"""A student is forgotten: no row of the student is left in the home, or read into it again.

What a school handed in stays as it is in the raw folder; where it still holds the student, that is
told. Whoever was forgotten is known by a digest alone (`pipelines.intake.forgotten`).
"""

import re
import secrets
import shutil
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines import intake, release, warehouse
from pipelines.feeds.contract import quoted
from pipelines.intake import erase as landing
from pipelines.intake import forgotten as known
from pipelines.intake.paths import WIDE
from pipelines.settings import Settings
from pipelines.wording import bilingual

WAREHOUSE = "warehouse.duckdb"
SUBMISSION = re.compile(r"\.([0-9a-f]{16})\.")
"""What a return workbook and a refused copy are named after, beside the file."""


@dataclass(frozen=True)
class Found:
    """What a home holds of a student."""

    landed: list[landing.Held] = field(default_factory=list)
    """Rows that were read, standing or not."""
    releases: dict[str, int] = field(default_factory=dict)
    """Release → rows in the restricted schema of its warehouse."""
    copies: list[Path] = field(default_factory=list)
    """Return workbooks and refused copies with the number in them."""
    unread: list[Path] = field(default_factory=list)
    """Such files that can't be looked into."""
    raw: list[str] = field(default_factory=list)
    """Files handed in that hold the student still, as they are told; they stay as they are."""
    other_keys: dict[str, int] = field(default_factory=dict)
    """Former pseudonym keys that were not given → landed files under them, not looked into."""
    before: datetime | None = None
    """When the student was forgotten already, UTC."""

    @property
    def anything(self) -> bool:
        """Whether there is something to remove."""
        return bool(self.landed or self.releases or self.copies)

    def as_dict(self) -> dict[str, Any]:
        """Without anything by which the student is known."""
        feeds: dict[str, dict[str, int]] = {}
        for one in self.landed:
            years = feeds.setdefault(one.feed, {})
            years[one.school_year] = years.get(one.school_year, 0) + one.rows
        return {
            "files": len(self.landed),
            "rows": sum(one.rows for one in self.landed),
            "feeds": feeds,
            "releases": self.releases,
            "copies": [_nameless(path) for path in self.copies],
            "unread": [_nameless(path) for path in self.unread],
            "raw": self.raw,
            "other_keys": self.other_keys,
            "before": self.before,
        }


@dataclass(frozen=True)
class _Person:
    """A student as the platform knows one."""

    digest: str
    key: bytes
    """Under which the digest is: that of those who are forgotten, or one of the moment."""
    known_as: dict[str, str]
    """Id of a pseudonym key → pseudonym under it."""

    @property
    def alone(self) -> known.Forgotten:
        """What reading leaves out where nobody else is to be."""
        return known.Forgotten(self.key, frozenset([self.digest]))


def look(settings: Settings, number: str, former: Iterable[Path] = ()) -> Found:
    """What the home holds of the student with this number, however it is written.

    Args:
        settings: the home.
        number: the student's; it is kept nowhere.
        former: files of former pseudonym keys, under which rows of then are known.

    Raises:
        IntakeError: that is no number.
        NoKey: a key is missing.
    """
    held = known.the_forgotten(settings, intake.Ledger(settings))
    key = held.key or secrets.token_bytes(32)
    return _look(settings, _person(settings, number, former, key))


def forget(
    settings: Settings, number: str, reason: str, by: str, former: Collection[Path] = ()
) -> Found:
    """Remove every row of a student, and read none any more; answers what was there.

    A line in the gate's audit log tells of it, then an event in the ledger; what a process that is
    killed afterwards leaves undone, the next build does (`finish`). Of a student of whom there is
    nothing, nothing is done.

    Raises:
        IntakeError: that is no number, or there is no reason.
        NoKey: a key is missing.
        Busy: a build works on the home.
    """
    from dashboards.gate import open_accounts

    reason, by = _discreet(reason, number), _discreet(by, number)
    if not reason:
        raise intake.IntakeError(bilingual("A student is forgotten for a reason; give one."))
    with release.hold(settings):
        finish(settings)
        found = look(settings, number, former)
        if not found.anything:
            return found
        key = known.own_key(settings, intake.Ledger(settings))
        person = _person(settings, number, former, key)
        told = found.as_dict()
        open_accounts(settings)[1].tell(
            "student_forgotten", by, reason=reason, person=person.digest[:12],
            files=told["files"], rows=told["rows"], releases=len(found.releases),
        )  # fmt: skip
        _begin(settings, person, found, reason, by)
        finish(settings, found.copies)
        return found


def finish(settings: Settings, copies: list[Path] | None = None) -> int:
    """Do what forgettings have left undone; answers how many there were.

    To be called while the home is held, before anything is read.

    Args:
        settings: the home.
        copies: those that hold the student, where they were just looked for; all are opened for it.
    """
    ledger = intake.Ledger(settings)
    left = known.unfinished(ledger)
    for event in left:
        detail = event["detail"]
        key = known.own_key(settings, ledger)
        _erase(settings, _Person(detail["person"], key, detail["known_as"]), copies)
        ledger.end_forgetting(event, landing.rows_landed(settings, detail["files"]))
    return len(left)


def again(settings: Settings, by: str) -> int:
    """Remove once more whoever was forgotten, such as after a backup was put back.

    Answers the students of whom there was something.

    Raises:
        NoKey: the key by which they are known is missing.
        Busy: a build works on the home.
    """
    with release.hold(settings):
        finish(settings)
        ledger, back = intake.Ledger(settings), 0
        for event in ledger.events([known.BEGUN]):
            key, detail = known.own_key(settings, ledger), event["detail"]
            person = _Person(detail["person"], key, detail["known_as"])
            found = _look(settings, person)
            if found.anything:
                back += 1
                _begin(settings, person, found, event["reason"], by)
                finish(settings, found.copies)
        return back


def clear(settings: Settings) -> None:
    """Remove what can be made again: frozen states, kept tables, builds that failed."""
    settings.building.unlink(missing_ok=True)
    places = [*settings.releases.glob("*.building"), settings.kept, settings.standing]
    for place in places:
        if place.exists():
            shutil.rmtree(place)


def erase_in_releases(settings: Settings, rows: Callable[[Path], warehouse.Rows]) -> dict[str, int]:
    """Remove rows of single students from the warehouse of each release, and say so in its record.

    What a release published, and its exact figures, stay as they are.

    Args:
        settings: the home.
        rows: from the warehouse of a release to the rows that go.

    Returns:
        Release → how many rows went, where any did.
    """
    gone = {}
    for name, path in _warehouses(settings).items():
        erased = warehouse.erase(path, rows(path))
        if erased:
            gone[name] = sum(erased.values())
        record, counted = release.show(settings, name), warehouse.row_counts(path)
        before = record.get("rows", {})
        if before != counted:
            # A process may have died between the two.
            at = datetime.now(UTC).isoformat(timespec="seconds")
            went = {"at": at, "rows": sum(before.values()) - sum(counted.values())}
            told = {"rows": counted, "removed": [*record.get("removed", []), went]}
            release.amend(settings, name, told)
    return gone


def _begin(settings: Settings, person: _Person, found: Found, reason: str, by: str) -> None:
    """From now on the student is left out of what is read, and `finish` has something to do."""
    detail = {
        "person": person.digest,
        "key_id": intake.key_id(person.key),
        "known_as": person.known_as,
        "files": [[h.feed, h.school_year, h.submission_id, h.records] for h in found.landed],
    }
    event = {"state": known.BEGUN, "reason": reason, "detail": detail}
    intake.Ledger(settings).tell([event], by)


def _person(settings: Settings, number: str, former: Iterable[Path], key: bytes) -> _Person:
    keys = [intake.load_key(settings), *map(intake.read_key, former)]
    known_as = {intake.key_id(one): known.digest_of(one, number) for one in keys}
    return _Person(known.digest_of(key, number), key, known_as)


def _look(settings: Settings, person: _Person) -> Found:
    ledger = intake.Ledger(settings)
    held = landing.held(settings, person.known_as.values())
    copies, unread = landing.copies(settings, person.alone)
    events = ledger.events([known.BEGUN])
    before = [e["at"] for e in events if e["detail"]["person"] == person.digest]
    rows = _theirs(person)
    in_releases = {
        name: sum(warehouse.count(path, rows).values())
        for name, path in _warehouses(settings).items()
    }
    return Found(
        held,
        {name: n for name, n in in_releases.items() if n},
        copies,
        unread,
        _still_raw(ledger, held, copies),
        {k: n for k, n in landing.keys_landed(settings).items() if k not in person.known_as},
        max(before, default=None),
    )


def _still_raw(ledger: intake.Ledger, held: list[landing.Held], copies: list[Path]) -> list[str]:
    """The files in the raw folder from which these rows and refused copies come."""
    ids = {one.submission_id for one in held}
    ids |= {one for path in copies for one in SUBMISSION.findall(path.name)}
    own = [s for s in ledger.submissions(full=False) if s["submission_id"] in ids]
    lying = {feed: ledger.seen(feed) for feed in {s["feed"] for s in own}}
    return sorted(
        {
            s["source_file"]
            for s in own
            if lying[s["feed"]].get(s["source_file"], ("", ""))[1] == s["file_sha256"]
        }
    )


def _warehouses(settings: Settings) -> dict[str, Path]:
    """The warehouse of each release."""
    places = {
        one.release_id: settings.releases / one.release_id / WAREHOUSE
        for one in release.releases(settings)
    }
    return {name: path for name, path in places.items() if path.is_file()}


def _theirs(person: _Person) -> warehouse.Rows:
    named = ", ".join(map(quoted, sorted(person.known_as.values())))
    return lambda _, columns: f"student_key in ({named})" if "student_key" in columns else ""


def _erase(settings: Settings, person: _Person, copies: list[Path] | None) -> None:
    """Take a student out of everything; can be done again."""
    clear(settings)
    landing.erase(settings, person.known_as.values())
    erase_in_releases(settings, lambda _: _theirs(person))
    landing.remove_copies(landing.copies(settings, person.alone)[0] if copies is None else copies)


def _nameless(path: Path) -> str:
    """A path without the name that its file was handed in under: a number or name may stand there.

    What is left names the file, since it ends with the submission.
    """
    own = SUBMISSION.search(path.name)
    return str(path.with_name(f"…{path.name[own.start() :]}" if own else f"…{path.suffix}"))


def _discreet(text: str, number: str) -> str:
    """A text without the number, however it is written there."""
    plain = "".join(number.translate(WIDE).split())
    if plain:
        spaced = re.compile(r"\s*".join(map(re.escape, plain)), re.IGNORECASE)
        for at in reversed(list(spaced.finditer(text.translate(WIDE)))):
            text = f"{text[: at.start()]}…{text[at.end() :]}"
    return intake.masked(text.strip())
