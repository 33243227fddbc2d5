"""The releases of a home: which there are, which is served, going back, and clearing up."""

import contextlib
import json
import os
import re
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.life import read_life
from pipelines.release.errors import NoSuchRelease
from pipelines.settings import Settings

RECORD = "release.json"
NAME = re.compile(r"[0-9a-f]{12}")


@dataclass(frozen=True)
class Release:
    """A complete release."""

    release_id: str
    made_at: str
    """ISO time, UTC."""
    files: int
    """Files handed in that it was made from."""
    bytes: int
    """Size on disk."""
    current: bool
    """Whether it is served."""
    as_of: str = ""
    """The moment of the past whose figures it holds; empty for that of its making."""


def current(settings: Settings) -> str | None:
    """Name of the release that is served; none before the first."""
    link = settings.current
    return link.resolve().name if link.is_symlink() and link.exists() else None


def releases(settings: Settings) -> list[Release]:
    """The complete releases, the newest first."""
    served = current(settings)
    found = []
    for path in settings.releases.glob(f"*/{RECORD}"):
        name = path.parent.name
        if NAME.fullmatch(name):
            record = show(settings, name)
            size = sum(p.stat().st_size for p in path.parent.rglob("*") if p.is_file())
            made, files = record["made_at"], len(record["inputs"])
            moment = record.get("as_of") or ""
            found.append(Release(name, made, files, size, name == served, moment))
    return sorted(found, key=lambda r: (r.made_at, r.release_id), reverse=True)


def newest_told(settings: Settings) -> str | None:
    """Name of the newest release that anybody may have kept; none before the first.

    It need not be the one that is served: gone back from, or under an embargo, it is told all the
    same.
    """
    events = read_life(settings.releases).publications()
    names = {event.release for event in events} | {current(settings) or ""}
    made = []
    for name in names:
        with contextlib.suppress(NoSuchRelease):
            made.append((str(show(settings, name)["made_at"]), name))
    return max(made)[1] if made else None


def show(settings: Settings, name: str) -> dict[str, Any]:
    """The record of a release: `release.json`.

    Raises:
        NoSuchRelease: there is none of that name.
    """
    path = settings.releases / name / RECORD
    if not NAME.fullmatch(name) or not path.exists():
        raise NoSuchRelease(f"no release {name}; `eqm releases list` shows them")
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return record


def amend(settings: Settings, name: str, told: Mapping[str, Any]) -> None:
    """Say something else in the record of a release, or something more.

    Raises:
        NoSuchRelease: there is none of that name.
    """
    record = {**show(settings, name), **told}
    path = settings.releases / name / RECORD
    aside = path.with_suffix(".new")
    text = json.dumps(record, ensure_ascii=False, indent=2, default=str)
    aside.write_text(text + "\n", encoding="utf-8")
    aside.replace(path)


def point(link: Path, target: Path) -> None:
    """Let a link in the home point to a folder below it, in one step."""
    aside = link.with_name(f"{link.name}.new")
    aside.unlink(missing_ok=True)
    aside.symlink_to(os.path.relpath(target, link.parent))
    os.replace(aside, link)  # noqa: PTH105  replaces the link itself


def prune(settings: Settings, keep: int) -> list[str]:
    """Remove all but the newest `keep` releases and those that are served; answers their names.

    Served are the one of the centre, and that which all others see during an embargo. The newest
    that was told stays, too: the next build is held against it.
    """
    told = newest_told(settings)
    public = read_life(settings.releases).public(current(settings) or "", time.time())
    left = releases(settings)[keep:]
    gone = [r.release_id for r in left if not r.current and r.release_id not in (public, told)]
    for name in gone:
        # Without its record it is no release any more, so a removal cut short is finished later.
        (settings.releases / name / RECORD).unlink()
        shutil.rmtree(settings.releases / name)
    return gone
