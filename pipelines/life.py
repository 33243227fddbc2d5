"""The life of releases: prepared, embargoed, published, and in the end superseded or corrected.

A release never changes; what becomes of it is a list of events beside the releases, and its state
follows from them and from the clock. An embargo so ends by itself, and nothing runs for it. Builds
and `eqm releases` write the list; the gate obeys it.
"""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

FILE = "life.jsonl"
"""Name of the list, in the folder of the releases: a line an event, the newest last."""

What = Literal["prepared", "published", "embargoed", "noted"]
State = Literal["prepared", "embargoed", "published", "superseded", "corrected"]


@dataclass(frozen=True)
class Event:
    """Something that became of a release."""

    what: What
    release: str
    at: str
    """ISO time, UTC."""
    until: str = ""
    """Of an embargo: when it ends, ISO time, UTC."""
    reason: str = ""
    by: str = ""
    corrects: str = ""
    """Of a note: the release whose figures were wrong."""
    since: str = ""
    """Of a publication: the release that was served before."""
    causes: Mapping[str, Any] = field(default_factory=dict)
    """Of a publication: what of its inputs, settings and code is another than before."""
    changed: Mapping[str, int] = field(default_factory=dict)
    """Of a publication: published table → how many of its figures are others than before."""


@dataclass(frozen=True)
class Standing:
    """How a release stands at a moment."""

    state: State
    until: str = ""
    """When the embargo ends."""
    reason: str = ""
    """Why it was made, or why it was corrected."""


class Life:
    """The events of a home's releases."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.events = tuple(events)
        self._opens: dict[str, float] = {}
        self._prepared: set[str] = set()
        self._published: list[str] = []
        self._notes: dict[str, str] = {}
        self._corrected: dict[str, str] = {}
        for event in self.events:
            match event.what:
                case "prepared":
                    self._prepared.add(event.release)
                case "published":
                    self._prepared.discard(event.release)
                    self._published.append(event.release)
                case "embargoed":
                    self._opens[event.release] = seconds(event.until)
                case "noted":
                    self._notes[event.release] = event.reason
                    if event.corrects:
                        self._corrected[event.corrects] = event.reason

    def seen(self, release: str, now: float) -> bool:
        """Whether a release is there for those who are not of the centre.

        Of a release that no event tells of, as one made before there were any, it is.
        """
        return release not in self._prepared and self._opens.get(release, 0) <= now

    def public(self, current: str, now: float) -> str:
        """The release that those see who are not of the centre, while `current` is served to it.

        The last that was published and may be seen; empty where there is none.
        """
        if not current or self.seen(current, now):
            return current
        return next((one for one in reversed(self._published) if self.seen(one, now)), "")

    def standing(self, release: str, current: str, now: float) -> Standing:
        """How a release stands at a moment, while `current` is served to the centre."""
        note = self._notes.get(release, "")
        if release in self._prepared:
            return Standing("prepared", reason=note)
        if self._opens.get(release, 0) > now:
            until = datetime.fromtimestamp(self._opens[release], UTC)
            return Standing("embargoed", until.isoformat(timespec="seconds"), note)
        if release in self._corrected:
            return Standing("corrected", reason=self._corrected[release])
        if release == self.public(current, now):
            return Standing("published", reason=note)
        return Standing("superseded", reason=note)

    def note(self, release: str) -> str:
        """Why a release was made, as somebody said; empty where nobody did."""
        return self._notes.get(release, "")

    def publications(self) -> list[Event]:
        """The last publication of each release, the newest first."""
        found: dict[str, Event] = {}
        for event in self.events:
            if event.what == "published":
                found.pop(event.release, None)
                found[event.release] = event
        return list(reversed(found.values()))

    def knows(self, release: str) -> bool:
        """Whether some event tells of a release's publication or preparation."""
        return release in self._prepared or release in self._published


def read_life(releases: Path) -> Life:
    """The events of the releases in a folder.

    Raises:
        ValueError: a line is not as it was written; its number is named.
    """
    try:
        lines = (releases / FILE).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return Life()
    events = []
    for number, line in enumerate(lines, 1):
        try:
            events.append(Event(**json.loads(line)))
        except (ValueError, TypeError) as error:
            raise ValueError(f"{FILE}: line {number} is not as it was written") from error
    return Life(events)


def tell(releases: Path, *events: Event) -> None:
    """Add events to the list, all of them or none, and make sure that they are on the disk."""
    path = releases / FILE
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    lines = [json.dumps(_short(event), ensure_ascii=False, sort_keys=True) for event in events]
    aside = path.with_suffix(".new")
    with aside.open("w", encoding="utf-8") as file:
        file.write(before + "".join(f"{line}\n" for line in lines))
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def _short(event: Event) -> dict[str, Any]:
    """An event without what is empty."""
    return {key: value for key, value in asdict(event).items() if value}


def now_utc() -> str:
    """This moment as events tell it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def seconds(moment: str) -> float:
    """An ISO time with its zone, in seconds since 1970."""
    return datetime.fromisoformat(moment).timestamp()
