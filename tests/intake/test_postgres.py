"""The ledger in Postgres: the same outcomes as in SQLite, from a server started for the test."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.intake import Ledger, freeze, ingest
from pipelines.settings import Settings
from tests.intake.conftest import Handed

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
pytestmark = pytest.mark.skipif(not BINARIES, reason="postgresql is not installed")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A fresh cluster on 127.0.0.1; as root, run by the user that Debian made for it."""
    programs = BINARIES[-1].parent
    folder = Path(tempfile.mkdtemp(prefix="eqm-postgres-"))
    prefix: list[str] = []
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
        prefix = ["runuser", "-u", "postgres", "--"]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def run(program: str, *arguments: str) -> None:
        command = [*prefix, str(programs / program), "-D", str(folder / "data"), *arguments]
        subprocess.run(command, check=True, cwd="/", capture_output=True)

    run("initdb", "-U", "eqm", "--auth=trust", "-E", "UTF8", "--no-sync")
    options = f"-h 127.0.0.1 -p {port} -k {folder} -c fsync=off"
    run("pg_ctl", "-w", "-o", options, "-l", str(folder / "log"), "start")
    yield f"postgresql+psycopg://eqm@127.0.0.1:{port}/postgres"
    run("pg_ctl", "-w", "-m", "immediate", "stop")
    shutil.rmtree(folder, ignore_errors=True)


def test_the_ledger_tells_the_same_in_postgres(handed: Handed, address: str) -> None:
    own = handed.settings
    there = Settings.load(
        raw=own.raw,
        home=own.home.with_name("other"),
        pseudonym_key_file=own.pseudonym_key_file,
        ledger_url=address,
    )
    handed.write("students/broken.csv", "学籍号,年级\nG1,5\n")
    for settings in (own, there):
        ingest(settings)
    standing = [freeze(settings) for settings in (own, there)]
    assert standing[0].digest == standing[1].digest and standing[0].rows == standing[1].rows
    told = [
        [{k: v for k, v in s.items() if k != "received_at"} for s in Ledger(x).submissions()]
        for x in (own, there)
    ]
    assert told[0] == told[1] and {s["state"] for s in told[0]} == {"landed", "returned"}
    (own.raw / "students/2023-2024/broken.csv").unlink()
    ingest(there)
    states = {s["source_file"]: s["state"] for s in Ledger(there).submissions("students")}
    assert states["students/2023-2024/broken.csv"] == "withdrawn"
    assert not (there.home / "ledger").exists()
