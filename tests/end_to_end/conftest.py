"""The platform as a person runs it: the command `eqm`, folders, and nothing of its inside."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from werkzeug.test import Client

from dashboards.gate import Scope, create_app
from pipelines.sample import write_sample
from pipelines.settings import Settings
from tests.conftest import Once

EQM = str(Path(sys.executable).with_name("eqm"))
STUDENTS, YEARS, SEED = 2500, 4, 11


@dataclass(frozen=True)
class House:
    """A raw folder and a home, and the command over them."""

    raw: Path
    home: Path
    key: Path
    plan: Path | None = None
    """The targets of a plan that is not the project's own."""

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the command; settings of the caller's own are left out."""
        own = {k: v for k, v in os.environ.items() if not k.startswith("EQM_")}
        if self.plan:
            own["EQM_PLAN_TARGETS"] = str(self.plan)
        return own | {
            "EQM_RAW": str(self.raw),
            "EQM_HOME": str(self.home),
            "EQM_PSEUDONYM_KEY_FILE": str(self.key),
        }

    def eqm(self, *arguments: str, code: int = 0) -> str:
        """What the command printed; it must have ended with that exit code."""
        done = subprocess.run(
            [EQM, *arguments], env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        return done.stdout

    def report(self, *arguments: str, code: int = 0) -> Any:
        """The command's report, from its JSON."""
        return json.loads(self.eqm(*arguments, "--json", code=code))

    @property
    def current(self) -> Path:
        return (self.home / "current").resolve()

    def record(self) -> dict[str, Any]:
        """`release.json` of the release that is served."""
        record: dict[str, Any] = json.loads((self.current / "release.json").read_text())
        return record

    def rows(self, query: str) -> pd.DataFrame:
        """Rows of a query on the served warehouse."""
        with duckdb.connect(str(self.current / "warehouse.duckdb"), read_only=True) as con:
            return con.sql(query).df()


def house_in(folder: Path) -> House:
    """A house with all that belongs to it in one folder."""
    return House(folder / "raw", folder / "home", folder / "key" / "pseudonym.key")


@contextmanager
def viewer(home: Path) -> Iterator[Client]:
    """A client of the gate over a home, of somebody of the city; the home stays as it is."""
    with tempfile.TemporaryDirectory(prefix="eqm-viewer-") as name:
        aside = Path(name) / "home"
        aside.mkdir()
        for link in ("releases", "current"):
            target = home / link
            # The gate goes by where `current` points to.
            (aside / link).symlink_to(target.readlink() if target.is_symlink() else target)
        other = aside.with_name("other")
        settings = Settings.load(home=aside, raw=other, pseudonym_key_file=aside.parent / "key")
        gate = create_app(settings)
        scope = Scope("city", settings.unit_code)
        gate.accounts.add("viewer", scope, "a test", "tests", demonstration=True)
        client = Client(gate)
        client.set_cookie(gate.cookie.name, gate.accounts.enter(gate.accounts.link("viewer"), ""))
        yield client
        gate.store.engine.dispose()


NewHouse = Callable[[Path], House]


@pytest.fixture(scope="session")
def new_house(village: House) -> NewHouse:
    """Gives a house in a folder, where dbt has been asked about its project already.

    Every build of a new home would ask it the same, for as long as a fourth of the build. Those of
    the `city` and of the `village` do.
    """

    def give(folder: Path) -> House:
        house = house_in(folder)
        kept = Path("dagster") / "dbt"
        shutil.copytree(village.home / kept, house.home / kept, symlinks=True)
        return house

    return give


@pytest.fixture(scope="session")
def city(once: Once) -> House:
    """A sample city, built once from nothing. Tests must leave it as it is."""

    def build(folder: Path) -> None:
        house = house_in(folder)
        write_sample(house.raw, students=STUDENTS, years=YEARS, seed=SEED)
        house.eqm("build")

    return house_in(once("city", build))


@pytest.fixture(scope="session")
def village(once: Once) -> House:
    """The smallest sound city with a release, to be copied: tests must leave it as it is."""

    def build(folder: Path) -> None:
        house = house_in(folder)
        write_sample(house.raw, students=200, years=2, seed=11)
        house.eqm("build")

    return house_in(once("village", build))
