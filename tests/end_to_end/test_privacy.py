"""After a build of a messy city, no pupil's number and nobody's name stands where it must not."""

import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from pipelines.feeds.contract import quoted
from pipelines.intake import Ledger, load_key
from pipelines.intake.paths import Paths
from pipelines.intake.raw import path_of
from pipelines.intake.reader import Unreadable, read_sheets
from pipelines.sample import write_messy, write_sample
from pipelines.settings import Settings
from tests.end_to_end.conftest import House, NewHouse

NUMBER = re.compile(r"[GJLgjl][\s]?37\d[\d\s]{9,16}[0-9Xx]")
"""A pupil's number of the invented city, in one piece."""
NAME = re.compile("虚(?:[生师][0-9]+|[\u4e00-\u9fff]{1,2})")
"""What an invented name looks like."""
CODED = ("utf-8", "utf-16-le", "gb18030")


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory, new_house: NewHouse) -> House:
    house = new_house(tmp_path_factory.mktemp("privacy"))
    write_messy(house.raw, students=900, years=1, seed=8, error_share=0.4)
    clean = house.raw.with_name("clean")
    write_sample(clean, students=900, years=1, seed=8)
    # A pupil is handed in alone, in a file of that name and number, as another one than before.
    roll = next((clean / "students").rglob("*.csv"))
    header, line, *_ = roll.read_text(encoding="utf-8-sig").splitlines()
    other = line.replace("女", "男") if "女" in line else line.replace("男", "女")
    own = house.raw / roll.relative_to(clean)
    pupil = f"{NAME.search(line)[0]}{NUMBER.search(line)[0]}"  # type: ignore[index]
    own.with_name(f"{pupil}.csv").write_text(f"{header}\n{other}\n", encoding="utf-8")
    house.eqm("build", code=1)
    return house


def texts(path: Path) -> Iterator[str]:
    """Everything that can be read in a file, whatever packs it."""
    if path.suffix == ".parquet":
        with duckdb.connect() as con:
            yield str(con.execute(f"from read_parquet({quoted(str(path))})").fetchall())
    elif path.suffix == ".duckdb":
        with duckdb.connect(str(path), read_only=True) as con:
            for schema, table in con.execute(
                "select schema_name, table_name from duckdb_tables()"
            ).fetchall():
                yield str(con.execute(f'from "{schema}"."{table}"').fetchall())
    elif path.suffix == ".xlsx":
        yield sheets_of(path)
    else:
        data = path.read_bytes()
        for encoding in CODED:
            yield data.decode(encoding, "ignore")


def sheets_of(path: Path) -> str:
    return str([sheet.cells.to_pylist() for sheet in read_sheets(path)])


def test_no_number_and_no_name_outside_the_restricted_area(city: House) -> None:
    """Landing, standing, releases, ledger, Dagster's storage, logs."""
    restricted = ("quarantine", "feedback")
    names = {
        name
        for feed in ("students", "staff")
        for path in (city.raw.with_name("clean") / feed).rglob("*.csv")
        for name in NAME.findall(path.read_text(encoding="utf-8-sig"))
    }
    assert len(names) > 900
    scanned = 0
    for path in sorted(city.home.rglob("*")):
        inside = path.relative_to(city.home).parts[0]
        if not path.is_file() or path.is_symlink() or inside in restricted:
            continue
        scanned += 1
        for text in texts(path):
            found = NUMBER.search(text)
            assert found is None, (path, text[max(0, found.start() - 80) : found.end() + 20])
            told = names.intersection(NAME.findall(text))
            assert not told, (path, told)
    assert scanned > 50
    (told,) = city.rows("select source_file from ops.submission where source_file like '%□□…%~%'")[
        "source_file"
    ]
    assert city.rows(f"from ops.problem where '{told}' in (file, expected)")["rule"].any()
    # The search finds what it looks for.
    raw = "".join(t for p in (city.raw / "students").rglob("*.csv") for t in texts(p))
    assert NUMBER.search(raw) and names.intersection(NAME.findall(raw))


def test_a_return_workbook_holds_its_own_file_alone(city: House) -> None:
    settings = Settings.load(raw=city.raw, home=city.home, pseudonym_key_file=city.key)
    files = {s["submission_id"]: s["source_file"] for s in Ledger(settings).submissions()}
    paths = Paths(load_key(settings), Ledger(settings).named())
    checked = 0
    for path in (city.home / "feedback").rglob("*.xlsx"):
        source = path_of(settings, files[path.name.split(".")[-2]], paths)
        assert source is not None
        try:
            own = sheets_of(source)
        except Unreadable:
            own = ""
        plain = re.sub(r"[\s']", "", own).upper()
        for number in NUMBER.findall(sheets_of(path)):
            assert re.sub(r"\s", "", number).upper() in plain, (path.name, source)
            checked += 1
    assert checked > 100


def test_the_restricted_area_is_for_its_owner_alone(city: House) -> None:
    for name in ("quarantine", "feedback", "landing", "standing", "ledger"):
        assert (city.home / name).stat().st_mode & 0o077 == 0, name
    assert city.key.stat().st_mode & 0o777 == 0o600


def test_every_refused_or_doubtful_file_has_its_workbook(city: House) -> None:
    settings = Settings.load(raw=city.raw, home=city.home, pseudonym_key_file=city.key)
    returned = {p.name.split(".")[-2] for p in (city.home / "feedback").rglob("*.xlsx")}
    states = Ledger(settings).submissions(state="returned")
    assert states and {s["submission_id"] for s in states} <= returned
