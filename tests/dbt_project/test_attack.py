"""An intruder with all that a city publishes finds nothing; with a rule switched off, he does.

The proof by something independent: nothing under `tests/attack` shares code with disclosure
control.
"""

import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from numpy.typing import ArrayLike

from dashboards.site.layer import CSV, write_layer
from pipelines.again import MADE_FROM
from pipelines.quality import disclosure
from pipelines.quality.disclosure import tables
from tests.attack.intruder import (
    OF_ALL,
    Intruder,
    Loot,
    Tables,
    Told,
    Town,
    tables_of,
    told_otherwise,
)
from tests.attack.town import town_of
from tests.conftest import Once

from .conftest import City, run_dbt

RULES = disclosure.load_rules()
OUTCOMES = ("passed", "good", "excellent", "low")
DECIDED = tuple(
    name for name in tables.FATES.names if name not in ("school_year", "cell_no", MADE_FROM)
)
"""Columns of `marts.disclosure_cell` that say what becomes of a cell."""
TABLES = ("attainment", "pass_rate_trend", "plan_target", "value_added")
"""Published tables that tell numbers of students by what becomes of cells."""


@dataclass(frozen=True)
class Off:
    """A rule that is switched off."""

    rules: dict[str, int] | None = None
    """Thresholds that are others."""
    unknown: tuple[str, ...] = ()
    """Kinds of sums that nobody is taken to know."""
    decided: str = ""
    """What then becomes of cells: the rest of an update."""
    published: str = ""
    """What else is told: a statement on the published tables."""


def told_by(con: duckdb.DuckDBPyConnection, folder: Path, names: Sequence[str] = TABLES) -> Told:
    """What is told by the tables that tell numbers of students, as they are downloaded."""
    return Told(downloaded(con, folder, names))


def downloaded(con: duckdb.DuckDBPyConnection, folder: Path, names: Sequence[str]) -> Tables:
    """The published tables of these names, as they are downloaded."""
    with zipfile.ZipFile(folder / "tables.zip", "w") as archive:
        for table in names:
            con.execute(f"copy published.{table} to '{folder / table}.csv' (header)")
            archive.write(folder / f"{table}.csv", f"{table}.csv")
    return tables_of(folder / "tables.zip")


@pytest.fixture(scope="module")
def town(city: City) -> Town:
    return town_of(city.warehouse)


@pytest.fixture(scope="module")
def intruder(city: City, town: Town, tmp_path_factory: pytest.TempPathFactory) -> Intruder:
    folder = tmp_path_factory.mktemp("download")
    with duckdb.connect(str(city.warehouse), read_only=True) as con:
        write_layer(con, folder, "release")
    return Intruder([(Told(tables_of(folder / CSV)), town)])


def loot_of(intruder: Intruder) -> list[Loot]:
    return [*intruder.numbers(), *intruder.sitting(), *intruder.deeds()]


def test_the_city_has_what_is_hard_to_hide(intruder: Intruder, town: Town) -> None:
    """Two of a gender, a small school, a lone class, a cell of nobody; and much that is told."""
    results = {cell: n for cell, n in town.numbers.items() if cell.topic == "results"}
    schools = {cell: n for cell, n in results.items() if cell.level == "school"}
    assert any(n == 2 and cell.kind == "gender" for cell, n in schools.items())
    assert any(0 < n < RULES.few and cell.kind == "all" for cell, n in schools.items())
    assert any(n == 0 for n in schools.values())
    assert any(
        n == schools[cell._replace(level="school", unit=cell.unit.split("-")[0])]
        for cell, n in results.items()
        if cell.level == "class" and cell.kind == "all"
    )
    ((told, _),) = intruder.releases
    assert len(told.n) > 200 and len(told.bands) > 50


def test_nothing_is_recovered(intruder: Intruder) -> None:
    assert loot_of(intruder) == []


def test_a_mark_tells_nothing_of_a_number_that_alone_is_not_told(intruder: Intruder) -> None:
    ((told, _),) = intruder.releases
    alone = [
        cell
        for cell, row in told.matched.items()
        if row["match_band"] and cell.level == "school" and not row["n"]
    ]
    assert alone
    for cell in alone:
        sat = told.n[cell._replace(topic="results")]
        assert told.marks[cell] == ("u" if sat - RULES.rare + 1 < RULES.small else "")


@pytest.mark.xfail(
    strict=True,
    reason="no rule hides a class from who knows every score of the other one of its school",
)
def test_nothing_is_recovered_from_ones_own_class(intruder: Intruder) -> None:
    assert intruder.from_a_class() == []


def each(update: str) -> str:
    """The same of every outcome, its name in place of `it`."""
    return ", ".join(update.replace("it", name) for name in OUTCOMES)


OFF = {
    "few": Off(decided="set fate = 'shown' where fate = 'few' and topic = 'results'"),
    "partners": Off(decided="set fate = 'shown' where fate = 'partner'"),
    "bounds": Off(rules={"narrow": 0}),
    "units": Off(unknown=("units",)),
    "gender": Off(unknown=("gender",)),
    "locale": Off(unknown=("locale",)),
    "papers": Off(unknown=("papers",)),
    "stages": Off(unknown=("stages",)),
    "subjects": Off(unknown=("subjects",)),
    "bands": Off(decided="set " + each("it_told = if(it_told = 'band', 'exact', it_told)")),
    "shares beside bands": Off(
        decided="set " + each("it_told = if(least(it, n - it) < 3, it_told, 'exact')")
        + " where fate = 'shown'"
    ),
    "nearly all": Off(decided="set fate = 'shown' where fate = 'total' and level = 'school'"),
    "whole of nearly all": Off(
        decided="set fate = 'shown' where fate = 'total' and level = 'district'"
    ),
    "who did not sit": Off(decided="set is_sitting_told = true where fate = 'shown'"),
    "a rise": Off(
        decided="set fate = 'partner' where topic = 'trend' and level = 'district'",
        published="update published.plan_target as told set denominator = own.denominator"
        " from marts.plan_target as own where told.target_id = own.target_id"
        " and told.reading = own.reading and told.level = own.level"
        " and told.unit_code = own.unit_code and told.as_of = own.as_of"
    ),
    "rates without numbers": Off(
        published="update published.attainment as told set pass_rate = round(own.pass_rate, 3),"
        " good_rate = round(own.good_rate, 3), low_rate = round(own.low_rate, 3)"
        " from marts.attainment as own where told.mark = 'c' and "
        + " and ".join(f"told.{name} = own.{name}" for name in (
            "wave_id", "grade", "subject", "level", "unit_code", "group_kind", "group_value"
        ))
    ),
}  # fmt: skip
"""What is not kept → the city published without it."""


def told_without(off: Off, city: City, folder: Path, served: pa.Table | None = None) -> Told:
    """What the city tells where a rule is switched off.

    Args:
        served: cells of the release before, against which it is held.
    """
    aside = Path(shutil.copy(city.warehouse, folder))
    with duckdb.connect(str(aside)) as con:
        cells = con.sql(f"select * exclude ({', '.join(DECIDED)}) from marts.disclosure_cell")
        sums = con.sql("from intermediate.int_disclosure_sum").to_arrow_table()
        known = sums.filter(pc.invert(pc.is_in(sums["kind"], pa.array(off.unknown, pa.string()))))
        con.register("decided", disclosure.fates(
            cells.to_arrow_table(), known, replace(RULES, **off.rules or {}), served
        ))  # fmt: skip
        con.execute(
            "create or replace table marts.disclosure_cell as select cells.*"
            f" exclude ({', '.join(DECIDED)}), decided.* exclude (cell_no, school_year, made_from)"
            " from marts.disclosure_cell as cells join decided using (cell_no)"
        )
        if off.decided:
            con.execute(f"update marts.disclosure_cell {off.decided}")
        for table in TABLES:
            (made,) = city.warehouse.parent.glob(f"target/compiled/*/**/published_{table}.sql")
            con.execute(f"create or replace table published.{table} as {made.read_text()}")
        if off.published:
            con.execute(off.published)
        return told_by(con, folder)


@pytest.mark.parametrize("rule", OFF)
def test_without_a_rule_something_is(rule: str, city: City, town: Town, tmp_path: Path) -> None:
    assert loot_of(Intruder([(told_without(OFF[rule], city, tmp_path), town)]))


@pytest.fixture
def dearest(monkeypatch: pytest.MonkeyPatch) -> None:
    """The dearest partners are chosen instead of the cheapest."""

    def chosen(system: disclosure.System, values: ArrayLike, *rest: Any, **more: Any) -> Any:
        return disclosure.withheld(system, values, *rest, cost=-np.asarray(values), **more)

    monkeypatch.setattr(tables, "withheld", chosen)


@pytest.mark.usefixtures("dearest")
def test_two_releases_with_other_partners_tell_no_more(
    intruder: Intruder, city: City, town: Town, tmp_path: Path
) -> None:
    """Unless the second is not held against the first, though either by itself tells nothing."""
    with duckdb.connect(str(city.warehouse), read_only=True) as con:
        first = con.sql("from marts.disclosure_cell").to_arrow_table()
    for served in (None, first):
        (tmp_path / str(served is None)).mkdir()
        second = told_without(Off(), city, tmp_path / str(served is None), served), town
        assert loot_of(Intruder([second])) == []
        assert bool(loot_of(Intruder([*intruder.releases, second]))) == (served is None)


CORRECTED = ("3137000001", "3137000003", "3137000005")
"""Schools whose files are corrected: of one student of the first there is a result less, of twelve
of the second; one of the third has passed after all."""


def corrected(results: pd.DataFrame) -> pd.DataFrame:
    """The results after the corrections."""

    def of(school: str, subject: str) -> pd.DataFrame:
        return results.query(
            "wave_id == 'A25' and subject == @subject and school_code == @school"
            " and status == 'present'"
        )

    one, twelve, third = CORRECTED
    fewer = [*of(one, "mathematics").index[:1], *of(twelve, "mathematics").index[:12]]
    assert len(fewer) == 13
    scores = of(third, "physics")["score"]
    better = results.copy()
    better.loc[scores.idxmin(), "score"] = scores.max()
    return better.drop(index=fewer)


@pytest.fixture(scope="module")
def after(city: City, once: Once) -> City:
    """The city after the corrections, held against what it told before."""
    feeds = city.feeds | {"monitoring_results": corrected(city.feeds["monitoring_results"])}
    tables = (f"published_{table}" for table in {*TABLES, *OF_ALL})
    models = (*tables, "unit", "dim_school", "dim_wave")
    home = once(
        "corrected_city",
        lambda home: run_dbt(
            home, feeds, " ".join(f"+{model}" for model in models), tests=False,
            served=city.warehouse,
        ),
    )  # fmt: skip
    return City(feeds, home / "work.duckdb")


@pytest.fixture(scope="module")
def keeper(city: City, after: City, tmp_path_factory: pytest.TempPathFactory) -> Intruder:
    """Who kept the city's release and that after the corrections."""
    kept = []
    for warehouse in (city.warehouse, after.warehouse):
        with duckdb.connect(str(warehouse), read_only=True) as con:
            told = told_by(con, tmp_path_factory.mktemp("kept"))
        kept.append((told, town_of(warehouse)))
    return Intruder(kept, frozenset(CORRECTED))


def test_two_releases_tell_no_more_of_what_either_withholds(keeper: Intruder) -> None:
    assert [*keeper.numbers(), *keeper.deeds()] == []


def test_what_the_first_told_of_units_that_were_corrected_is_kept(after: City) -> None:
    """Each sum has a number that is withheld, and none is another now of a unit left alone."""
    with duckdb.connect(str(after.warehouse), read_only=True) as con:
        sums = con.sql(
            "select bool_or(not is_told) from intermediate.int_disclosure_earlier group by sum_no"
        ).fetchall()
        schools = con.sql(
            "select distinct split_part(unit_code, '-', 1)"
            " from intermediate.int_disclosure_earlier"
            " where until is not null and level in ('class', 'school')"
        ).fetchall()
    assert sums and all(withheld for (withheld,) in sums)
    found = {school for (school,) in schools}
    assert found and found <= set(CORRECTED)


def test_two_releases_do_not_tell_of_whom_corrections_move(keeper: Intruder) -> None:
    assert keeper.differences() == []


def test_without_the_rule_of_corrections_they_do(
    keeper: Intruder, city: City, after: City, tmp_path: Path
) -> None:
    with duckdb.connect(str(city.warehouse), read_only=True) as con:
        first = con.sql("from marts.disclosure_cell").to_arrow_table()
    told = told_without(Off(rules={"revised": 0}), after, tmp_path, first)
    (before, (_, town)) = keeper.releases
    careless = Intruder([before, (told, town)], keeper.corrected)
    found = {(loot.what, loot.cell.unit, loot.cell.subject) for loot in careless.differences()}
    one, _, third = CORRECTED
    assert {("passed", one, "mathematics"), ("passed", third, "physics")} <= found


def papers_of_few(city: City, after: City) -> set[tuple[str, int, str]]:
    """Wave, grade and subject of papers of which fewer than ten in all the city were corrected."""
    then, now = (one.feeds["monitoring_results"] for one in (city, after))
    there = then.index.intersection(now.index)
    other = then["score"][there] != now["score"][there]
    moved = [*then.index.difference(now.index), *there[other & then["score"][there].notna()]]
    sizes = then.loc[moved].groupby(["wave_id", "grade", "subject"]).size()
    return {paper for paper, n in sizes.items() if n < RULES.revised}


@pytest.mark.parametrize("heeded", [True, False], ids=["held", "moving"])
def test_units_left_alone_do_not_tell_of_a_few_corrected_elsewhere(
    heeded: bool, city: City, after: City, tmp_path: Path
) -> None:
    """By how far thousands of them lie from the mean of all, before and after."""
    told = []
    for one in (city, after):
        aside = Path(shutil.copy(one.warehouse, tmp_path))
        with duckdb.connect(str(aside)) as con:
            if not heeded:
                con.execute("delete from marts.disclosure_moved")
                for table in OF_ALL:
                    (made,) = one.warehouse.parent.glob(
                        f"target/compiled/*/**/published_{table}.sql"
                    )
                    con.execute(f"create or replace table published.{table} as {made.read_text()}")
            told.append(downloaded(con, tmp_path, tuple(OF_ALL)))
    moved = told_otherwise(*told)
    few = papers_of_few(city, after)
    assert few
    assert any(tuple(paper) in few for _, *paper in moved) != heeded


def test_a_correction_costs_the_figures_of_small_units_alone(keeper: Intruder) -> None:
    (old, _), (new, _) = keeper.releases
    gone = {
        cell.unit.split("-")[0]
        for what, cell in old.rates.keys() - new.rates.keys()
        if what == "passed" and cell.topic == "results"
    }
    assert {CORRECTED[0], CORRECTED[2]} <= gone
    others = {cell.unit for cell in new.n if cell.level == "school"} - set(CORRECTED)
    assert others - gone
    # Of the school that many left what they left is told.
    assert any(
        cell.unit == CORRECTED[1] and cell.subject == "mathematics"
        for what, cell in new.rates
        if what == "passed"
    )
