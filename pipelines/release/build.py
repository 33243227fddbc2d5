"""A release in the making: `releases/<id>-<run>.building`, renamed when it is whole.

Nothing but the rename makes a release: a process that dies before it leaves a folder that the next
build sweeps away, and the release that is served stays as it was.
"""

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pipelines.release.errors import Busy, ReleaseError
from pipelines.release.serve import prepare, switch
from pipelines.release.store import RECORD, point
from pipelines.settings import PROJECT, WORK, Settings
from pipelines.wording import bilingual

CODE = ("pipelines", "dashboards", "dbt_project")
"""Folders whose files decide what a release holds."""
CODE_SUFFIXES = {
    ".py", ".sql", ".yml", ".md", ".po", ".csv", ".html", ".css", ".js", ".svg",
}  # fmt: skip
OUTPUTS = ("target", "logs")
"""Folders that dbt writes where it is run by hand."""
LIBRARIES = (
    "babel", "brotli", "dbt-core", "dbt-duckdb", "duckdb", "great-expectations", "jinja2", "numpy",
    "pandas", "plotly", "pyarrow", "scipy", "xlsxwriter",
)  # fmt: skip
"""Libraries whose version may change a page or a figure, be it an estimate's last digit."""
IN_THE_MAKING, DEAD = ".building", ".dead"


@dataclass(frozen=True)
class Building:
    """A release that is being made, or one that is complete already and is used again."""

    release_id: str
    path: Path
    complete: bool

    @property
    def work(self) -> Path:
        """The database that dbt builds in; it does not stay in the release."""
        return self.path / WORK

    @property
    def warehouse(self) -> Path:
        """The sealed warehouse."""
        return self.path / "warehouse.duckdb"

    @property
    def site(self) -> Path:
        """The pages."""
        return self.path / "site"

    @property
    def downloads(self) -> Path:
        """The tables to take away."""
        return self.path / "downloads"

    @property
    def docs(self) -> Path:
        """The documentation of the warehouse, for analysts."""
        return self.path / "docs"

    @property
    def data_docs(self) -> Path:
        """The rules of every feed and how they were kept, as pages for analysts."""
        return self.path / "data_docs"

    @property
    def analysis(self) -> Path:
        """Figures and notes on value added, as pages for analysts; the gate serves none of it."""
        return self.path / "analysis"

    @property
    def quality(self) -> Path:
        """The outcome of the checks of the standing rows."""
        return self.path / "quality.json"

    @property
    def made(self) -> Path:
        """What the tables in `work` were made from; it does not stay in the release."""
        return self.path / "made.json"

    @property
    def questions(self) -> Path:
        """What is asked between files and over time, so that it can be asked again."""
        return self.path / "questions.json"

    @property
    def dbt(self) -> Path:
        """What dbt writes beside the database; it does not stay in the release."""
        return self.path / "dbt"

    @property
    def spark(self) -> Path:
        """The tables that Spark made; they do not stay in the release."""
        return self.path / "spark"


@cache
def software() -> dict[str, str]:
    """The versions of the platform and of the libraries that decide figures and pages."""
    return {name: version(name) for name in ("education-quality-monitor", *LIBRARIES)}


@cache
def code_digest(folders: tuple[str, ...] = CODE) -> str:
    """SHA-256 over the platform's files and the versions of the libraries that decide figures."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted((PROJECT / folder).rglob("*")):
            parts = path.relative_to(PROJECT).parts
            if path.suffix in CODE_SUFFIXES and path.is_file() and parts[1] not in OUTPUTS:
                digest.update("/".join(parts).encode() + b"\0" + path.read_bytes())
    for library in LIBRARIES:
        digest.update(f"{library}=={version(library)}".encode())
    return digest.hexdigest()


def release_id(inputs: str, figures: dict[str, Any]) -> str:
    """Name of the release of these inputs (a digest) and settings under this code.

    Equal inputs, settings and code have equal names, wherever and whenever they are built. In one
    thing they may differ: what is withheld beside small numbers follows the release that was served
    then. Of the settings themselves the order is nothing; within one it may be: the first model is
    published.
    """
    given = json.dumps(dict(sorted(figures.items())), ensure_ascii=False)
    parts = [inputs, given, code_digest()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


@contextmanager
def hold(settings: Settings) -> Iterator[None]:
    """Keep every other build away from this home; the operating system lets go of a dead one's.

    Raises:
        Busy: another process builds there.
    """
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = FileLock(settings.home / "build.lock", timeout=0, is_singleton=True)
    try:
        lock.acquire()
    except Timeout:
        raise Busy(
            bilingual("Another build is using {home}. Wait until it ends.", home=settings.home)
        ) from None
    try:
        yield
    finally:
        lock.release()


def begin(settings: Settings, name: str) -> Building:
    """An empty folder for the release of that name, or the complete release if it exists.

    What earlier builds left unfinished is removed. To be called while the home is held.
    """
    finished = settings.releases / name
    settings.releases.mkdir(parents=True, exist_ok=True, mode=0o700)
    for left in settings.releases.glob(f"*{IN_THE_MAKING}"):
        # Renamed first: a dbt that outlived its build may still be writing there.
        left.rename(left.with_suffix(DEAD))
    for dead in settings.releases.glob(f"*{DEAD}"):
        shutil.rmtree(dead, ignore_errors=True)
    if (finished / RECORD).exists():
        return Building(name, finished, complete=True)
    # A name of this run's own, so that such a dbt can't open the new database either.
    aside = settings.releases / f"{name}-{secrets.token_hex(4)}{IN_THE_MAKING}"
    aside.mkdir()
    point(settings.building, aside)
    return Building(name, aside, complete=False)


def open_building(settings: Settings, name: str) -> Building:
    """The release of that name as `begin` left it.

    Raises:
        ReleaseError: `begin` was not called for these inputs.
    """
    finished = settings.releases / name
    if (finished / RECORD).exists():
        return Building(name, finished, complete=True)
    begun = settings.building
    if not begun.is_dir() or not begun.readlink().name.startswith(f"{name}-"):
        raise ReleaseError(f"no build of {name} has begun; run the whole job")
    return Building(name, settings.releases / begun.readlink().name, complete=False)


def publish(
    settings: Settings, building: Building, record: dict[str, Any], serve: bool = True
) -> None:
    """Write `release.json`, give the folder its final name, and switch `current` to it.

    Without `serve` the release is complete, the centre's alone, and `current` stays where it is.
    """
    if not building.complete:
        for folder in (building.dbt, building.spark):
            shutil.rmtree(folder, ignore_errors=True)
        for left in (building.work, building.quality, building.made):
            left.unlink(missing_ok=True)
        text = json.dumps(record, ensure_ascii=False, indent=2, default=str)
        (building.path / RECORD).write_text(text + "\n", encoding="utf-8")
        _to_disk(building.path)
        finished = settings.releases / building.release_id
        # A folder of that name without a record is no release.
        shutil.rmtree(finished, ignore_errors=True)
        building.path.rename(finished)
        settings.building.unlink(missing_ok=True)
        _to_disk_one(settings.releases)
    if serve:
        switch(settings, building.release_id, settings.embargo_until_utc)
    else:
        prepare(settings, building.release_id)


def _to_disk(folder: Path) -> None:
    """Make sure that every file is on the disk before anything points to it."""
    # All at once first: to wait for tens of thousands of files one by one takes twice as long.
    os.sync()
    for path in [*folder.rglob("*"), folder]:
        _to_disk_one(path)


def _to_disk_one(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
