"""A student is forgotten, as a person at the machine does it; releases are served meanwhile."""

import csv
import json
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from pipelines import forget
from pipelines.intake import Ledger, load_key
from pipelines.intake import forgotten as known
from pipelines.settings import Settings
from tests.end_to_end.conftest import House, house_in, viewer

SITTINGS = """
    select school_year, wave_id, grade, subject, n from marts.attainment
    where level = 'city' and group_kind = 'all' and subject = 'mathematics' order by all
"""


@pytest.fixture(scope="module")
def house(village: House, tmp_path_factory: pytest.TempPathFactory) -> House:
    """A village of one's own, with its release."""
    made = house_in(tmp_path_factory.mktemp("forgotten"))
    for name in ("raw", "home", "key"):
        source = village.raw.parent / name
        shutil.copytree(source, made.raw.parent / name, symlinks=True, dirs_exist_ok=True)
    return made


def settings_of(house: House) -> Settings:
    return Settings.load(raw=house.raw, home=house.home, pseudonym_key_file=house.key)


def pupils(house: House) -> list[str]:
    """Numbers of two students of both school years who sat mathematics in each."""
    rolls: dict[str, set[str]] = {}
    for path in sorted((house.raw / "students").rglob("*.csv")):
        with path.open(encoding="utf-8-sig", newline="") as file:
            own = {row["学籍号"] for row in csv.DictReader(file)}
        rolls.setdefault(path.parent.name, set()).update(own)
    first, second = rolls.values()
    both = {known.digest_of(load_key(settings_of(house)), n): n for n in sorted(first & second)}
    sat = house.rows(
        "select student_key from restricted.fact_score where subject = 'mathematics' "
        "and score is not null group by student_key having count(distinct school_year) = 2 "
        "order by student_key"
    )["student_key"]
    return [both[key] for key in sat if key in both][:2]


def held(path: Path, words: Sequence[str]) -> set[str]:
    """Which words a file holds, as bytes or in its tables."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:  # SQLite takes its log away when the last connection closes.
        return set()
    found = {word for word in words if word.encode() in content}
    if path.suffix == ".parquet":
        with duckdb.connect() as con:
            rows = str(con.execute(f"from read_parquet('{path}')").fetchall())
        found |= {word for word in words if word in rows}
    if path.suffix == ".duckdb":
        with duckdb.connect() as con:
            con.execute(f"attach '{path}' as held (read_only)")
            tables = con.execute(
                "select schema_name, table_name, list(column_name) from duckdb_columns() "
                "where database_name = 'held' and data_type = 'VARCHAR' group by all"
            ).fetchall()
            for schema, table, columns in tables:
                texts = ", ".join(f'"{column}"' for column in columns)
                for word in set(words) - found:
                    one = f'from held.{schema}."{table}" where contains(concat({texts}), $1)'
                    if con.execute(f"select 1 {one} limit 1", [word]).fetchall():
                        found.add(word)
    return found


def places(house: House, *words: str) -> list[set[str]]:
    """Of each word the files below the home that hold it."""
    files = [p for p in house.home.rglob("*") if p.is_file() and not p.is_symlink()]
    holding = {p.relative_to(house.home).as_posix(): held(p, words) for p in files}
    return [{name for name, own in holding.items() if word in own} for word in words]


@pytest.mark.timeout(1200)
def test_a_student_goes_from_all_releases_and_comes_back_in_none(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(house)
    one, other = pupils(house)
    own, others = (known.digest_of(load_key(settings), number) for number in (one, other))
    before, counted = house.current.name, house.rows(SITTINGS)
    moment = datetime.now(UTC).isoformat()
    site = {p: p.read_bytes() for p in (house.current / "site").rglob("*") if p.is_file()}
    assert len(places(house, own)[0]) > 3

    with viewer(house.home) as client:
        page = client.get("/").data
        said = house.eqm("forget", "--student", one, "--reason", "asked for", "--yes")
        # The release that was open stays as it was shown.
        assert client.get("/").data == page
    assert one not in said and own not in said
    assert places(house, own, one) == [{"ledger/ledger.sqlite"}, set()]
    assert {p: p.read_bytes() for p in site} == site

    newest, after = house.current.name, house.rows(SITTINGS)
    assert newest != before
    assert list(after["wave_id"]) == list(counted["wave_id"])
    assert int(counted["n"].sum() - after["n"].sum()) >= 2
    left_out = house.rows("select sum(rows_forgotten) as n from ops.submission where stands")["n"]
    assert left_out[0] >= 4
    house.eqm("build")
    assert house.current.name == newest

    # A process dies once it is written down: the next build finishes, be it of the past.
    with monkeypatch.context() as patch:
        patch.setattr(forget, "finish", lambda *_: 0)
        forget.forget(settings, other, "asked for", "zhang")
    assert "landing" in {name.split("/")[0] for name in places(house, others)[0]}
    past = house.report("build", "--as-of", moment)
    assert past["released"] and not held(Path(past["warehouse"]), [own])
    assert places(house, own, others) == [{"ledger/ledger.sqlite"}] * 2
    assert len(Ledger(settings).events([known.DONE])) == 2
    removed = {
        name: len(json.loads(house.eqm("releases", "show", name)).get("removed", []))
        for name in (before, newest, past["release_id"])
    }
    assert removed == {before: 2, newest: 1, past["release_id"]: 0}

    house.eqm("releases", "rollback", before)
    kept = house.rows("select student_key from restricted.dim_student")["student_key"]
    assert len(kept) and not {own, others} & set(kept)
    house.eqm("audit", "verify")
