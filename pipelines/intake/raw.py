"""The raw folder: which files lie there, whose they are, and whether their bytes changed.

Nothing here writes. A file is hashed again only when its size, times or inode differ from what the
last scan found, or when it had been written just before that scan: within the grain of a file
system's clock two writes may leave the same time.
"""

import hashlib
import os
import re
import stat as modes
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipelines.feeds import load_contracts
from pipelines.intake.paths import Paths
from pipelines.intake.problems import Problem
from pipelines.intake.take import File
from pipelines.settings import Settings

SCHOOL_YEAR = re.compile(r"\d{4}-\d{4}")
SYSTEM_FILES = {"thumbs.db", "desktop.ini"}
"""Files that Windows leaves in folders."""
NO_FEED = ""
"""The feed, in ledger and reports, of files that lie outside every feed's folders."""
SETTLED_NS = 2_000_000_000
"""A file that was written so shortly before it was hashed may have changed since unnoticed."""

Seen = tuple[str, str]
"""What the last scan knows of a file: its stat, empty where it is not to be relied on; SHA-256."""


@dataclass(frozen=True)
class Found:
    """One entry of the raw folder."""

    file: File
    seen: Seen
    key: str
    """What its path is known by, whatever is shown of it."""
    problem: Problem | None = None
    """Why it can't be read at all; then its digest stands for what was found instead of bytes."""


def scan(settings: Settings, feed: str, before: Mapping[str, Seen], paths: Paths) -> list[Found]:
    """A feed's files in the order of their paths; for `NO_FEED`, what lies outside every feed.

    Args:
        settings: where the raw folder is.
        feed: name of a feed, or `NO_FEED`.
        before: what the last scan found, by path as it is told.
        paths: how paths within the raw folder are told.
    """
    found = []
    for path in _entries(settings, feed):
        own = path.relative_to(settings.raw).as_posix()
        name, key, parts = paths.told(own), paths.key_of(own), own.split("/")
        placed = feed != NO_FEED and len(parts) > 2 and is_year(parts[1])
        year = parts[1] if placed else ""
        if path.is_symlink() and not _leads_inside(settings.raw, path):
            if path.is_dir() and path.resolve().is_relative_to(settings.raw.resolve()):
                continue  # a folder's files are taken where they lie
            digest = hashlib.sha256(f"link\0{os.readlink(path)}".encode()).hexdigest()  # noqa: PTH115
            file = File(path, feed, year, name, digest)
            found.append(Found(file, ("", digest), key, Problem("link_outside", name)))
            continue
        try:
            stat, digest = _digest(path, before.get(name))
        except FileNotFoundError:  # taken away since the folder was listed
            continue
        except OSError as error:
            digest = hashlib.sha256(b"not readable").hexdigest()
            problem = Problem("unreadable", name, found=error.strerror or "")
            found.append(Found(File(path, feed, year, name, digest), ("", digest), key, problem))
            continue
        stray = None if placed else Problem("misplaced_file", name)
        found.append(Found(File(path, feed, year, name, digest), (stat, digest), key, stray))
    return found


def path_of(settings: Settings, source_file: str, paths: Paths) -> Path | None:
    """Where the file lies that goes by a path as it is told; none where it lies there no more."""
    own = settings.raw / source_file
    if own.is_file():
        return own
    feed = source_file.partition("/")[0]
    for path in _entries(settings, feed if feed in load_contracts() else NO_FEED):
        if paths.told(path.relative_to(settings.raw).as_posix()) == source_file:
            return path
    return None


def changed(found: Found) -> bool:
    """Whether a file is no longer the one that was scanned, so that what was read is not known."""
    try:
        return _digest(found.file.path, found.seen)[1] != found.file.sha256
    except OSError:
        return True


def handed_in(folder: Path) -> list[Path]:
    """Files and links below a folder in the order of their paths; hidden and lock files are none.

    Links to folders are answered as they are and not gone into.
    """
    if not folder.is_dir():
        return []
    return sorted(_walk(str(folder)), key=lambda path: path.parts)


def count(settings: Settings, feed: str) -> int:
    """Number of files in a feed's raw folder."""
    return len(_entries(settings, feed))


def is_year(text: str) -> bool:
    """Whether a folder's name is a school year, such as `2023-2024`."""
    return bool(SCHOOL_YEAR.fullmatch(text)) and int(text[5:]) == int(text[:4]) + 1


def digest_of(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _entries(settings: Settings, feed: str) -> list[Path]:
    raw = settings.raw
    if feed != NO_FEED:
        # A feed's folder that is itself a link is one entry among the strays.
        return [] if (raw / feed).is_symlink() else handed_in(raw / feed)
    if not raw.is_dir():
        return []
    feeds = load_contracts()
    strays: list[Path] = []
    for path in sorted(raw.iterdir()):
        if path.name in feeds and path.is_dir() and not path.is_symlink():
            continue
        if _is_handed_in(path.name):
            strays += handed_in(path) if path.is_dir() and not path.is_symlink() else [path]
    return strays


def _walk(folder: str) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if not _is_handed_in(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path)
            elif entry.is_symlink() or entry.is_file():
                yield Path(entry.path)


def _is_handed_in(name: str) -> bool:
    return not name.startswith((".", "~$")) and name.lower() not in SYSTEM_FILES


def _leads_inside(raw: Path, link: Path) -> bool:
    """Whether a link leads to a file in the raw folder."""
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError):  # dangling, or going round
        return False
    return target.is_file() and target.is_relative_to(raw.resolve())


def _digest(path: Path, before: Seen | None) -> Seen:
    """Stat and digest; the digest of before where the stat says that nothing was touched."""
    status = path.stat()
    if not modes.S_ISREG(status.st_mode):
        raise OSError(0, "no regular file")
    stat = f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"
    if before is not None and before[0] == stat:
        return before
    started = time.time_ns()
    digest = digest_of(path)
    settled = max(status.st_mtime_ns, status.st_ctime_ns) + SETTLED_NS < started
    return (stat if settled else ""), digest
