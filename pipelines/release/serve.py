"""Which release is served, to whom, and since when: the switch, and what is told of it."""

import contextlib
import time
from datetime import UTC, datetime

import duckdb

from pipelines.life import Event, Life, Standing, now_utc, read_life, seconds, tell
from pipelines.release.changes import changes
from pipelines.release.errors import ReleaseError
from pipelines.release.store import current, point, show
from pipelines.settings import Settings


def switch(settings: Settings, name: str, until: str = "") -> None:
    """Let `current` point to that release, in one step that no reader can see half done.

    What is another than in the release that was served is counted and told.

    Args:
        settings: of the home.
        name: of the release.
        until: ISO time with its zone until which it is the centre's alone, unless it was published
            before; empty: it is everybody's.

    Raises:
        NoSuchRelease: there is none of that name.
    """
    show(settings, name)
    before, life = current(settings), life_of(settings)
    if before != name or not life.knows(name):
        events = []
        since = before if before and before != name else ""
        if since and not life.knows(since):
            # Served before events were told.
            events.append(Event("published", since, str(show(settings, since)["made_at"])))
        if until and seconds(until) > time.time() and name not in _published(life):
            # Told first: nobody else is to see the release for a moment.
            events.append(Event("embargoed", name, now_utc(), until=_utc(until)))
        events.append(_publication(settings, name, since))
        tell(settings.releases, *events)
    point(settings.current, settings.releases / name)


def prepare(settings: Settings, name: str) -> None:
    """Tell of a release that is complete and served to nobody but the centre.

    Raises:
        NoSuchRelease: there is none of that name.
    """
    show(settings, name)
    if not life_of(settings).knows(name) and current(settings) != name:
        tell(settings.releases, Event("prepared", name, now_utc()))


def embargo(settings: Settings, name: str, until: str, reason: str, by: str) -> Standing:
    """Make a release the centre's alone until a moment; one that is over lifts the embargo.

    Meanwhile all others see the release that was published before.

    Args:
        settings: of the home.
        name: of the release.
        until: ISO time with its zone.
        reason: why.
        by: who says so.

    Raises:
        NoSuchRelease: there is none of that name.
    """
    show(settings, name)
    now = now_utc()
    told = Event("embargoed", name, now, until=_utc(until), reason=reason, by=by)
    tell(settings.releases, told)
    return standing(settings, name)


def note(settings: Settings, name: str, reason: str, by: str, corrects: str = "") -> Standing:
    """Say why a release was made, and which one's figures it corrects, if it does.

    Args:
        settings: of the home.
        name: of the release.
        reason: as viewers read it.
        by: who says so.
        corrects: an earlier release, which is said to be corrected from then on.

    Raises:
        NoSuchRelease: there is none of one of the names.
        ReleaseError: a release can't correct itself.
    """
    show(settings, name)
    if corrects:
        show(settings, corrects)
        if corrects == name:
            raise ReleaseError(f"{name} can't correct itself")
    told = Event("noted", name, now_utc(), reason=reason, by=by, corrects=corrects)
    tell(settings.releases, told)
    return standing(settings, name)


def standing(settings: Settings, name: str) -> Standing:
    """How a release stands now."""
    return life_of(settings).standing(name, current(settings) or "", time.time())


def life_of(settings: Settings) -> Life:
    """What became of the releases of a home.

    Raises:
        ReleaseError: the list of events is damaged.
    """
    try:
        return read_life(settings.releases)
    except ValueError as error:
        raise ReleaseError(str(error)) from error


def _publication(settings: Settings, name: str, since: str) -> Event:
    if not since:
        return Event("published", name, now_utc())
    causes, changed = {}, {}
    # What can't be compared is published all the same: an older layer, or a warehouse that is gone.
    with contextlib.suppress(duckdb.Error, OSError, LookupError):
        found = changes(settings, since, name)
        causes, changed = dict(found.causes), dict(found.counts)
    return Event("published", name, now_utc(), since=since, causes=causes, changed=changed)


def _published(life: Life) -> set[str]:
    return {event.release for event in life.events if event.what == "published"}


def _utc(moment: str) -> str:
    return datetime.fromtimestamp(seconds(moment), UTC).isoformat(timespec="seconds")
