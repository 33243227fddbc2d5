"""A new pseudonym key: everything is landed anew under it, and students are known as before."""

import secrets

import duckdb
import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.feeds import load_contracts
from pipelines.intake import Ledger, freeze, key_changed
from pipelines.intake.ingest import landed_files
from pipelines.intake.pseudonym import key_id, load_key
from pipelines.intake.standing import Standing
from tests.intake.conftest import FILES, NUMBERS, Handed

NUMBERED = [
    f for f, c in load_contracts().items() if any(x.type == "student_no" for x in c.columns)
]


def standing(view: Standing, feed: str, query: str) -> list[tuple[object, ...]]:
    with duckdb.connect() as con:
        for each in ("students", "monitoring_results"):
            files = f"{view.path}/{each}/*/*.parquet"
            con.execute(f"create view {each} as from read_parquet('{files}', union_by_name = true)")
        con.execute(f"create view own as from {feed}")
        return con.execute(query).fetchall()


def keys(view: Standing) -> set[object]:
    return {
        key for feed in ("students", "monitoring_results")
        for (key,) in standing(view, feed, "select distinct key_id from own")
    }  # fmt: skip


JOINED = """
    select count(*), count(distinct s.student_key), count(s.student_key), sum(r.score)::varchar
    from monitoring_results as r
    left join students as s on r.student_key = s.student_key and r.school_year = s.school_year
"""


@pytest.fixture
def rotated(handed: Handed) -> tuple[Handed, Standing, bytes]:
    """The city under a new key, its standing rows under the old one, and the old key's file."""
    handed.ingest()
    before = freeze(handed.settings)
    path = handed.settings.pseudonym_key_file
    old = path.read_bytes()
    path.write_text(secrets.token_hex(32))
    return handed, before, old


def test_everything_is_landed_anew_and_joins_as_before(
    rotated: tuple[Handed, Standing, bytes],
) -> None:
    handed, before, _ = rotated
    (old,) = keys(before)
    reports = handed.ingest()
    new = key_id(load_key(handed.settings))
    assert new != old
    assert {r.feed for r in reports.values() if r.files and (r.new != r.files or r.reused)} == set()
    after = freeze(handed.settings)
    assert keys(after) == {new} and after.rows == before.rows and after.digest != before.digest
    for query in (JOINED, "select count(*) from own where student_key is null"):
        found = [standing(view, "monitoring_results", query) for view in (before, after)]
        assert found[0] == found[1]
    both = [
        {k for (k,) in standing(view, "students", "select student_key from own")}
        for view in (before, after)
    ]
    assert len(both[1]) == len(NUMBERS) and not both[0] & both[1]
    # Nothing is made twice, nor said twice.
    assert not [r for r in handed.ingest().values() if r.new]


def test_rows_that_cannot_be_read_again_stand_no_longer(handed: Handed) -> None:
    """A refused file leaves its earlier rows standing, but not under another key."""
    handed.ingest()
    broken = FILES["students/b.csv"].replace("五年级", "学前")
    handed.write("students/b.csv", broken)
    handed.ingest()
    view = freeze(handed.settings)
    assert standing(view, "students", "select count(*) from own") == [(4,)]
    handed.settings.pseudonym_key_file.write_text(secrets.token_hex(32))
    handed.ingest()
    view = freeze(handed.settings)
    assert standing(view, "students", "select count(*) from own") == [(2,)]
    assert keys(view) == {key_id(load_key(handed.settings))}
    handed.write("students/b.csv", FILES["students/b.csv"])
    handed.ingest()
    view = freeze(handed.settings)
    assert standing(view, "students", "select count(*) from own") == [(4,)]
    assert len(keys(view)) == 1


def test_with_the_old_key_back_the_old_rows_stand_again(
    rotated: tuple[Handed, Standing, bytes],
) -> None:
    handed, before, old = rotated
    handed.ingest()
    handed.settings.pseudonym_key_file.write_bytes(old)
    handed.ingest()
    assert freeze(handed.settings).digest == before.digest


def test_whoever_runs_it_is_told_once(
    rotated: tuple[Handed, Standing, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    handed, before, _ = rotated
    settings = handed.settings
    monkeypatch.setenv("EQM_PSEUDONYM_KEY_FILE", str(settings.pseudonym_key_file))
    places = ["--raw", str(settings.raw), "--home", str(settings.home)]
    (old,) = keys(before)
    told = key_changed(settings, str(old)).split()

    def said(command: str) -> str:
        return " ".join(CliRunner().invoke(app, [command, *places]).output.split())

    assert f"made under another ({old})" in said("doctor")
    first = said("ingest")
    assert [word for word in told if word not in first] == []
    assert str(old) in first and "去标识化密钥已更换" in first
    assert str(old) not in said("ingest") and str(old) not in said("doctor")


def test_the_key_in_the_rows_is_that_of_each_feed_with_students(handed: Handed) -> None:
    handed.ingest()
    ledger = Ledger(handed.settings)
    for feed in load_contracts():
        if landed_files(handed.settings, ledger, feed):
            query = "select distinct key_id from landed"
            present = key_id(load_key(handed.settings)) if feed in NUMBERED else None
            assert handed.landed(query, feed) == [(present,)], feed
