"""What messy schools hand in lands what clean ones land, or is refused as the manifest says."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.feeds import Contract, load_contracts, rules
from pipelines.feeds.contract import ORIGIN
from pipelines.intake import freeze, ingest
from pipelines.intake.ingest import usual
from pipelines.intake.recognise import SheetReading
from pipelines.intake.take import File, Limits, spelt_out, take
from pipelines.sample import MESSES, Handed, Register, apply, write_messy, write_sample
from pipelines.settings import Settings
from tests.intake.messy import differences

LIMITS = Limits(60, 2048)
YEAR = "2025-2026"
ROWS, TRIES = 12, 12
HARMLESS = [name for name, mess in MESSES.items() if not mess.refused]
Outcome = tuple[pd.DataFrame, list[str]]
HARMFUL = [name for name, mess in MESSES.items() if mess.refused]


class City:
    """A clean city as landed, and the first rows of one of its files of every feed."""

    def __init__(self, folder: Path) -> None:
        raw = folder / "raw"
        write_sample(raw, students=5000, years=1, seed=3)
        self.settings = Settings.load(
            raw=raw, home=folder / "home", pseudonym_key_file=folder / "key" / "k"
        )
        assert not [p for r in ingest(self.settings) for p in r.problems if p.severity == "error"]
        view = freeze(self.settings).path
        self.registers = {f: sorted((view / f).rglob("*.parquet")) for f in load_contracts()}
        self.folder = folder / "handed"
        self.count = 0
        self.known: dict[tuple[str, str], pd.DataFrame] = {}
        every = {feed: dict(_tables(raw / feed)) for feed in load_contracts()}
        self.tables = {
            feed: {stem: frame.head(ROWS) for stem, frame in own.items()}
            for feed, own in every.items()
        }
        listed = pd.concat(every["schools"].values())
        listed = listed.drop_duplicates("学校标识码").set_index("学校标识码")
        districts = next(iter(every["districts"].values()))
        self.register = Register(
            dict(listed["学校名称"]),
            dict(zip(districts["区划代码"], districts["区市名称"], strict=True)),
        )

    def landed(self, feed: str, cases: Mapping[str, Mapping[str, bytes]]) -> dict[str, Outcome]:
        """Of each case's files: their rows together, and the rules for which one was refused."""
        self.count += 1
        contract = load_contracts()[feed]
        handed, of = [], {}
        for case, files in cases.items():
            for name, data in files.items():
                path = self.folder / str(self.count) / case / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
                source = f"{feed}/{YEAR}/{case}/{name}"
                of[source] = case
                handed.append(File(path, feed, YEAR, source, "0" * 64))
        frames: dict[str, list[pd.DataFrame]] = {case: [] for case in cases}
        broken: dict[str, list[str]] = {case: [] for case in cases}
        for one in take(contract, handed, self.registers, b"k" * 32, usual(self.settings), LIMITS):
            case = of[one.file.source_file]
            assert all(s.rows == _told(s) for s in one.sheets)
            if one.rows is None:
                broken[case] += [p.rule for p in one.problems if p.severity == "error"]
            else:
                pieces = pa.concat_tables(one.rows.pieces(list(contract.landed)))
                frames[case].append(spelt_out(pieces).to_pandas())
        return {case: (_sorted(contract, frames[case]), broken[case]) for case in cases}

    def clean(self, feed: str, stem: str) -> pd.DataFrame:
        """The rows of the first lines of a table, handed in as they are."""
        if (feed, stem) not in self.known:
            data = self.tables[feed][stem].to_csv(index=False).encode()
            (outcome,) = self.landed(feed, {"clean": {f"{stem}.csv": data}}).values()
            assert not outcome[1] and len(outcome[0])
            self.known[feed, stem] = outcome[0]
        return self.known[feed, stem]

    def put(self, names: list[str], feed: str, seed: int) -> tuple[str, Handed]:
        """One of the feed's tables with messes put in, and its name."""
        stems = list(self.tables[feed])
        stem = stems[seed % len(stems)]
        handed = apply(
            names, feed, self.tables[feed][stem], np.random.default_rng(seed),
            register=self.register, stem=stem, year=YEAR,
        )  # fmt: skip
        return stem, handed


def _told(sheet: SheetReading) -> int:
    """Rows of which it is said what became of them."""
    return len(sheet.header_rows) + sheet.taken + sum(sheet.left_out.values())


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


@pytest.fixture(scope="module")
def alone(city: City) -> dict[str, list[tuple[str, str, Outcome]]]:
    """Each mess by itself in every feed that it fits: feed, table and outcome."""
    found: dict[str, list[tuple[str, str, Outcome]]] = {name: [] for name in MESSES}
    for feed in load_contracts():
        cases, tables = {}, {}
        for name, mess in MESSES.items():
            for seed in range(TRIES if feed in mess.feeds else 0):
                stem, handed = city.put([name], feed, seed)
                if handed.injected:
                    cases[name], tables[name] = handed.files, stem
                    break
        for name, outcome in city.landed(feed, cases).items():
            found[name].append((feed, tables[name], outcome))
    return found


@pytest.mark.parametrize("name", HARMLESS)
def test_a_harmless_mess_lands_the_clean_rows(
    city: City, alone: dict[str, list[tuple[str, str, Outcome]]], name: str
) -> None:
    assert alone[name]
    for feed, stem, (rows, broken) in alone[name]:
        assert not broken, feed
        pd.testing.assert_frame_equal(rows, city.clean(feed, stem))


@pytest.mark.parametrize("name", HARMFUL)
def test_a_harmful_mess_is_refused_for_its_reason(
    alone: dict[str, list[tuple[str, str, Outcome]]], name: str
) -> None:
    assert alone[name]
    for feed, _, (_, broken) in alone[name]:
        assert MESSES[name].rule in broken, feed


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
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
    stem, handed = city.put(chosen, feed, seed)
    put_in = {found.mess for found in handed.injected}
    rows, broken = city.landed(feed, {"case": handed.files})["case"]
    if wrong in put_in:
        assert MESSES[str(wrong)].rule in broken, put_in
    else:
        assert not broken, put_in
        pd.testing.assert_frame_equal(rows, city.clean(feed, stem))


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
    assert missing <= {"too_long", "bad_flag", "bad_integer", "bad_text", "mark_order"}, missing
