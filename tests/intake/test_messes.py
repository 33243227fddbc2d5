"""What messy schools hand in lands what clean ones land, or is refused as the manifest says."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.feeds import Contract, load_contracts, rules
from pipelines.feeds.contract import ORIGIN
from pipelines.intake import freeze, ingest
from pipelines.intake.take import File, take
from pipelines.sample import MESSES, Register, apply, write_messy, write_sample
from pipelines.settings import Settings
from tests.intake.messy import differences

YEAR = "2025-2026"
ROWS = 12
HARMLESS = [name for name, mess in MESSES.items() if not mess.refused]
HARMFUL = [name for name, mess in MESSES.items() if mess.refused]


class City:
    """A clean city as landed, and the first rows of one of its files of every feed."""

    def __init__(self, folder: Path) -> None:
        raw = folder / "raw"
        write_sample(raw, students=2500, years=1, seed=3)
        self.settings = Settings.load(
            raw=raw, home=folder / "home", pseudonym_key_file=folder / "key" / "k"
        )
        assert not [p for r in ingest(self.settings) for p in r.problems if p.severity == "error"]
        view = freeze(self.settings).path
        self.registers = {f: sorted((view / f).rglob("*.parquet")) for f in load_contracts()}
        self.folder = folder / "handed"
        self.count = 0
        self.tables = {feed: dict(_tables(raw / feed)) for feed in load_contracts()}
        listed = pd.concat(self.tables["schools"].values())
        listed = listed.drop_duplicates("学校标识码").set_index("学校标识码")
        districts = next(iter(self.tables["districts"].values()))
        self.register = Register(
            dict(listed["学校名称"]),
            dict(zip(districts["区划代码"], districts["区市名称"], strict=True)),
        )

    def landed(self, contract: Contract, files: dict[str, bytes]) -> tuple[pd.DataFrame, list[str]]:
        """The rows of these files together, and the rules broken by those that are refused."""
        self.count += 1
        handed = []
        for name, data in files.items():
            path = self.folder / str(self.count) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            source = f"{contract.feed}/{YEAR}/{name}"
            handed.append(File(path, contract.feed, YEAR, source, "0" * 64))
        frames, broken = [], []
        pattern = self.settings.student_no_pattern
        for one in take(contract, handed, self.registers, b"k" * 32, pattern):
            assert all(s.rows == _told(s) for s in one.sheets if not one.rows or s.read)
            if one.rows is None:
                broken += [p.rule for p in one.problems if p.severity == "error"]
            else:
                frames.append(one.rows.columns(list(contract.landed)).to_pandas())
        return _sorted(contract, frames), broken


def _told(sheet: object) -> int:
    own = sheet.header_rows, sheet.taken, sheet.left_out  # type: ignore[attr-defined]
    return len(own[0]) + own[1] + sum(own[2].values())


def _tables(folder: Path) -> Iterator[tuple[str, pd.DataFrame]]:
    """Rows of the feed's text files, as text."""
    for path in sorted(folder.rglob("*.csv")):
        yield path.stem, pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")


def _sorted(contract: Contract, frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Rows without their origin, each once, in an order of their own."""
    names = [n for n in contract.landed if n not in ORIGIN]
    if not frames:
        return pd.DataFrame(columns=names)
    rows = pd.concat(frames)[names].astype(str).drop_duplicates()
    return rows.sort_values(names).reset_index(drop=True)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> City:
    return City(tmp_path_factory.mktemp("city"))


def fitting(city: City, names: list[str], feed: str, seed: int) -> tuple[pd.DataFrame, object]:
    """A table of the feed with these messes put in, and the table itself."""
    tables = list(city.tables[feed].items())
    stem, frame = tables[seed % len(tables)]
    frame = frame.head(ROWS)
    handed = apply(
        names, feed, frame, np.random.default_rng(seed), register=city.register, stem=stem,
        year=YEAR,
    )  # fmt: skip
    return frame, handed


def clean_rows(city: City, feed: str, frame: pd.DataFrame) -> pd.DataFrame:
    contract = load_contracts()[feed]
    rows, broken = city.landed(contract, {"clean.csv": frame.to_csv(index=False).encode()})
    assert not broken and len(rows)
    return rows


@pytest.mark.parametrize("name", HARMLESS)
def test_a_harmless_mess_lands_the_clean_rows(city: City, name: str) -> None:
    tried = 0
    for feed in sorted(MESSES[name].feeds):
        for seed in range(4):
            frame, handed = fitting(city, [name], feed, seed)
            if not handed.injected:  # type: ignore[attr-defined]
                continue
            rows, broken = city.landed(load_contracts()[feed], handed.files)  # type: ignore[attr-defined]
            assert not broken, (feed, seed)
            pd.testing.assert_frame_equal(rows, clean_rows(city, feed, frame))
            tried += 1
            break
    assert tried


@pytest.mark.parametrize("name", HARMFUL)
def test_a_harmful_mess_is_refused_for_its_reason(city: City, name: str) -> None:
    tried = 0
    for feed in sorted(MESSES[name].feeds):
        for seed in range(4):
            _, handed = fitting(city, [name], feed, seed)
            if not handed.injected:  # type: ignore[attr-defined]
                continue
            _, broken = city.landed(load_contracts()[feed], handed.files)  # type: ignore[attr-defined]
            assert MESSES[name].rule in broken, (feed, seed)
            tried += 1
            break
    assert tried


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    feed=st.sampled_from(sorted(load_contracts())),
    names=st.lists(st.sampled_from(HARMLESS), max_size=8, unique=True),
    wrong=st.none() | st.sampled_from(HARMFUL),
    seed=st.integers(0, 10**6),
)
def test_messes_together(
    city: City, feed: str, names: list[str], wrong: str | None, seed: int
) -> None:
    chosen = [n for n in [*([wrong] if wrong else []), *names] if feed in MESSES[n].feeds]
    frame, handed = fitting(city, chosen, feed, seed)
    put_in = {found.mess for found in handed.injected}  # type: ignore[attr-defined]
    rows, broken = city.landed(load_contracts()[feed], handed.files)  # type: ignore[attr-defined]
    if wrong in put_in:
        assert MESSES[str(wrong)].rule in broken, put_in
    else:
        assert not broken, put_in
        pd.testing.assert_frame_equal(rows, clean_rows(city, feed, frame))


@pytest.mark.parametrize(("seed", "share"), [(5, 0.0), (6, 0.3)])
def test_a_messy_city_lands_what_the_clean_one_lands(
    tmp_path: Path, seed: int, share: float
) -> None:
    homes = {}
    for name in ("clean", "messy"):
        raw = tmp_path / name / "raw"
        raw.parent.mkdir()
        if name == "clean":
            write_sample(raw, students=1500, years=1, seed=seed)
        else:
            write_messy(raw, students=1500, years=1, seed=seed, error_share=share)
        homes[name] = Settings.load(
            raw=raw, home=tmp_path / name / "home", pseudonym_key_file=tmp_path / "key" / "k"
        )
        ingest(homes[name])
    assert differences(homes["clean"], homes["messy"]) == []


def test_every_rule_of_cells_and_rows_is_broken_by_some_mess() -> None:
    """The catalogue knows a mess for each kind of error that a school can make in a cell."""
    known = {mess.rule for mess in MESSES.values()}
    missing = {
        name
        for name, rule in rules().items()
        if rule.severity == "error" and rule.layer in ("cell", "row") and name not in known
    }
    assert missing <= {"too_long", "bad_flag", "bad_integer", "bad_text"}, missing


def test_the_catalogue_is_read_with_duckdb_alone(city: City) -> None:
    """The registers that the messes are held against are the city's own."""
    with duckdb.connect() as con:
        paths = [str(p) for p in city.registers["schools"]]
        schools = con.execute("select count(*) from read_parquet(?)", [paths]).fetchall()[0][0]
    assert schools == len(city.register.schools)
