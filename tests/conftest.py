"""What tests of every room share: Debian's Chromium, and what is made once for all processes."""

import itertools
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import settings as hypothesis

from dashboards import chromium

# A machine that is busy is no failure.
hypothesis.register_profile("eqm", deadline=None)
hypothesis.load_profile("eqm")


def pytest_addoption(parser: pytest.Parser) -> None:
    """What a person may ask of a run."""
    parser.addoption(
        "--keep-pictures", action="store_true", help="Keep the pictures of pages as they are now."
    )


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, opened once; its tests are skipped where it is not installed."""
    if chromium.path() is None:
        pytest.skip("chromium is not installed")
    with chromium.opened() as opened:
        yield opened


Once = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Gives the folder of a name, filled by the first test process that asks for it.

    The others wait for that one, and find what it made.
    """
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent

    def give(name: str, fill: Callable[[Path], object]) -> Path:
        folder, filled = root / "once" / name, root / "once" / f"{name}.filled"
        folder.parent.mkdir(exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not filled.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                fill(folder)
                filled.touch()
        return folder

    return give


POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


class Postgres:
    """A fresh cluster on 127.0.0.1; as root, run by the user that Debian made for it."""

    def __init__(self) -> None:
        self._programs = POSTGRES[-1].parent
        self._folder = Path(tempfile.mkdtemp(prefix="eqm-postgres-"))
        self._prefix: list[str] = []
        if os.geteuid() == 0:
            shutil.chown(self._folder, "postgres")
            self._prefix = ["runuser", "-u", "postgres", "--"]
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self._names = itertools.count()
        self.server = f"postgresql+psycopg://eqm@127.0.0.1:{port}"
        self._run("initdb", "-U", "eqm", "--auth=trust", "-E", "UTF8", "--no-sync")
        options = f"-h 127.0.0.1 -p {port} -k {self._folder} -c fsync=off"
        self._run("pg_ctl", "-w", "-o", options, "-l", str(self._folder / "log"), "start")

    def database(self) -> str:
        """The SQLAlchemy address of a new, empty database."""
        import sqlalchemy as sa

        name = f"eqm{next(self._names)}"
        engine = sa.create_engine(f"{self.server}/postgres", isolation_level="AUTOCOMMIT")
        with engine.connect() as con:
            con.execute(sa.text(f"create database {name}"))
        engine.dispose()
        return f"{self.server}/{name}"

    def stop(self) -> None:
        """Stop it, and leave nothing behind."""
        self._run("pg_ctl", "-w", "-m", "immediate", "stop")
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        data = str(self._folder / "data")
        command = [*self._prefix, str(self._programs / program), "-D", data, *arguments]
        subprocess.run(command, check=True, cwd="/", capture_output=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Postgres; its tests are skipped where it is not installed."""
    if not POSTGRES:
        pytest.skip("postgresql is not installed")
    server = Postgres()
    yield server
    server.stop()
