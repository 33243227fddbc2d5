"""The platform as a person runs it: the command `eqm`, folders, and nothing of its inside."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from pipelines.sample import write_sample

EQM = str(Path(sys.executable).with_name("eqm"))
STUDENTS, YEARS, SEED = 2500, 4, 11


@dataclass(frozen=True)
class House:
    """A raw folder and a home, and the command over them."""

    raw: Path
    home: Path
    key: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the command; settings of the caller's own are left out."""
        own = {k: v for k, v in os.environ.items() if not k.startswith("EQM_")}
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


@pytest.fixture(scope="session")
def city(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A sample city, built once. Tests must leave it as it is."""
    folder = tmp_path_factory.mktemp("city")
    write_sample(folder / "raw", students=STUDENTS, years=YEARS, seed=SEED)
    house = House(folder / "raw", folder / "home", folder / "key" / "pseudonym.key")
    house.eqm("build")
    return house
