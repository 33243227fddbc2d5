"""The ledger in Postgres: the same outcomes as in SQLite, from a server started for the test."""

import pytest
import sqlalchemy as sa

from pipelines.intake import (
    Ledger,
    approve,
    explain,
    freeze,
    give_back,
    ingest,
    owed,
    submissions,
    withdraw,
)
from pipelines.intake.ledger import now
from pipelines.settings import Settings
from tests.conftest import Postgres
from tests.intake.conftest import Handed


@pytest.fixture(scope="module")
def address(postgres: Postgres) -> str:
    """An empty database."""
    return postgres.database()


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
    # What people say, and the past.
    moment, then = now(), freeze(there)
    name = "students/2023-2024/b.csv"
    with sa.create_engine(address).begin() as con:
        con.execute(sa.text("alter table submission drop column sheets"))
    assert explain(there, name, "原省编号").state == "landed"
    assert [f.state for f in approve(there, [name]).approved] == ["district_approved"]
    withdraw(there, name)
    assert freeze(there).rows["students"] == 2
    past = there.model_copy(update={"as_of": f"{moment.isoformat()}+00:00"})
    assert freeze(past).digest == then.digest
    assert {f.state for f in submissions(past) if f.source_file == name} == {"awaiting_explanation"}
    assert give_back(there, name).state == "district_approved"
    assert freeze(there).digest == then.digest
    assert {o.state for o in owed(there) if o.feed == "students"} == {"landed", "district_approved"}
