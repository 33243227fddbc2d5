"""Is this machine fit for the platform? What is missing, and how to mend it."""

import os
import shutil
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import sqlalchemy as sa
from packaging.requirements import Requirement

from dashboards import chromium
from pipelines import retention
from pipelines.intake import Ledger, NoKey, files_by_feed, former_key, the_forgotten
from pipelines.settings import PROJECT, Settings, SettingsError
from pipelines.warehouse import DBT

ROOM_GB = 2.0
"""A build of a small city needs so much free disk."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    state: Literal["ok", "hint", "missing"]
    """`hint`: works without; `missing`: a build would fail."""
    found: str
    mend: str = ""


def examine(settings: Settings) -> list[Finding]:
    """Everything that a build needs, looked at without changing anything."""
    return [
        Finding("Python", "ok", sys.version.split()[0]),
        *_packages(),
        _dbt(),
        *_folders(settings),
        _key(settings),
        *_forgotten(settings),
        *_over(settings),
        _ledger(settings),
        _chromium(),
    ]


def _packages() -> Iterator[Finding]:
    """The installed packages against the lock, where the lock is there."""
    lock = PROJECT / "requirements.lock"
    if not lock.exists():
        return
    pins = [
        Requirement(line.rstrip(" \\"))
        for line in lock.read_text().splitlines()
        if line[:1].isalnum()
    ]
    asked = [pin for pin in pins if pin.marker is None or pin.marker.evaluate()]
    off = [
        f"{pin.name} ({found}, not {pin.specifier})"
        for pin in asked
        if (found := _installed(pin.name)) is None or not pin.specifier.contains(found)
    ]
    if off:
        yield Finding("packages", "missing", ", ".join(off[:5]), "make setup")
    else:
        yield Finding("packages", "ok", f"{len(asked)} as in requirements.lock")


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _dbt() -> Finding:
    if os.access(DBT, os.X_OK):
        return Finding("dbt", "ok", version("dbt-core"))
    return Finding("dbt", "missing", f"no {DBT}", "make setup")


def _folders(settings: Settings) -> Iterator[Finding]:
    files = sum(files_by_feed(settings).values())
    if files:
        yield Finding("raw files", "ok", f"{files} in {settings.raw}")
    else:
        yield Finding(
            "raw files", "hint", f"none in {settings.raw}", f"eqm sample --out {settings.raw}"
        )
    above = _existing(settings.home)
    if os.access(above, os.W_OK | os.X_OK):
        yield Finding("home", "ok", str(settings.home))
    else:
        yield Finding("home", "missing", f"can't write in {above}", "choose another with EQM_HOME")
    free = shutil.disk_usage(above).free / 1e9
    state: Literal["ok", "missing"] = "ok" if free >= ROOM_GB else "missing"
    mend = "" if state == "ok" else f"free {ROOM_GB:.0f} GB, or choose another EQM_HOME"
    yield Finding("disk", state, f"{free:.1f} GB free", mend)


def _existing(path: Path) -> Path:
    return next(p for p in (path, *path.parents) if p.exists())


def _key(settings: Settings) -> Finding:
    path = settings.pseudonym_key_file
    if not path.exists():
        if settings.env == "production":
            return Finding("pseudonym key", "missing", f"no {path}", "restore it from its backup")
        return Finding(
            "pseudonym key", "hint", f"no {path}", "the first build makes it; back it up"
        )
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return Finding(
            "pseudonym key", "missing", f"{path} has mode {mode:04o}", f"chmod 600 {path}"
        )
    try:
        former = former_key(settings)
    except NoKey as error:
        return Finding("pseudonym key", "missing", str(error), "restore it from its backup")
    except sa.exc.SQLAlchemyError:
        former = ""  # the ledger's own line says what is wrong with it
    if former:
        return Finding(
            "pseudonym key", "hint", f"{path}; what stands was made under another ({former})",
            "the next build reads all files anew; if that is not meant, put the former key back",
        )  # fmt: skip
    return Finding("pseudonym key", "ok", str(path))


def _forgotten(settings: Settings) -> Iterator[Finding]:
    """Whether those who are forgotten would stay so."""
    if not settings.landing.is_dir():
        return
    path = settings.forgotten_key_file
    try:
        held = the_forgotten(settings, Ledger(settings))
    except NoKey as error:
        yield Finding("forgotten students", "missing", str(error), "restore it from its backup")
        return
    except sa.exc.SQLAlchemyError:
        return  # the ledger's own line says what is wrong with it
    if held.digests:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            found = f"{path} has mode {mode:04o}"
            yield Finding("forgotten students", "missing", found, f"chmod 600 {path}")
        else:
            found = f"{len(held.digests)}, known by {path}"
            yield Finding("forgotten students", "ok", found)


def _over(settings: Settings) -> Iterator[Finding]:
    """School years that are kept longer than they should be."""
    try:
        found = retention.due(settings) if settings.landing.is_dir() else []
        left = retention.left_in_raw(settings) if settings.landing.is_dir() else []
    except SettingsError as error:
        yield Finding("retention", "missing", str(error), "mend EQM_RETENTION_YEARS")
        return
    except sa.exc.SQLAlchemyError:
        return
    if found:
        listed = ", ".join(f"{one.feed} {one.school_year}" for one in found[:5])
        more = " …" if len(found) > 5 else ""
        yield Finding("retention", "hint", f"over: {listed}{more}", "eqm retention apply")
    if left:
        files = sum(one.raw for one in left)
        told = f"{files} raw files of school years that are over lie there, unread"
        yield Finding("retention", "hint", told, "eqm retention list")


def _ledger(settings: Settings) -> Finding:
    url = sa.make_url(settings.ledger)
    shown = url.render_as_string(hide_password=True)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        return Finding("ledger", "ok", f"{shown}, made by the first build")
    try:
        with sa.create_engine(url).connect():
            return Finding("ledger", "ok", shown)
    except (sa.exc.SQLAlchemyError, ImportError) as error:
        reason = str(error).splitlines()[0]
        return Finding("ledger", "missing", f"{shown}: {reason}", "check EQM_LEDGER_URL")


def _chromium() -> Finding:
    if found := chromium.path():
        return Finding("Chromium", "ok", found)
    return Finding(
        "Chromium", "hint", "none; reports of schools and tests of the pages need it",
        f"apt-get install {chromium.PACKAGES}",
    )  # fmt: skip
