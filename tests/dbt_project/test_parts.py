"""After a change only parts of the large tables are made anew: every table is as if made from none.

A city is built, its rows change, and it is built again twice: by a home that has the tables of
before, and by one that has none. What is compared is what the next build would use again, every
table of every layer, row for row.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from pipelines import kept, parts, release, warehouse
from pipelines.intake import Standing
from pipelines.settings import Settings
from tests.conftest import Once

from .conftest import OWED, PROBLEMS, SUBMISSIONS, home_in, write_standing
from .test_diagnosis import made_items

Feeds = dict[str, pd.DataFrame]
RESULTS, ITEMS = "monitoring_results", "item_results"


def make(settings: Settings, feeds: Feeds, name: str) -> dict[str, set[parts.Part]]:
    """Build the tables of these rows as a build does; which parts of which it replaced."""
    path = settings.home / "rows" / name
    write_standing(path, feeds)
    digests = {
        feed: hashlib.sha256(feeds[feed].to_csv().encode()).hexdigest() if feed in feeds else "none"
        for feed in feeds_of(settings)
    }
    view = Standing(name, path, {}, [], digests)
    with release.hold(settings):
        building = release.begin(settings, name)
    kept.lend(settings, building, view)
    for table, rows in {"made_with": [], "metric": [], "owed": OWED, "problem": PROBLEMS}.items():
        warehouse.write_ops(building.work, table, rows)
    warehouse.write_ops(building.work, "submission", SUBMISSIONS)
    manifest = warehouse.manifest(settings)
    last, now = kept.made(building), kept.state(settings, manifest, view, building)
    nodes = json.loads(manifest.read_text(encoding="utf-8"))["nodes"]
    same = {n for n, digest in now.nodes.items() if n in nodes and last.nodes.get(n) == digest}
    replaced = kept.concerned(manifest, last, now, building.work)
    build = ["build", "--exclude-resource-type", "test", "unit_test"]
    build += ["--vars", warehouse.variables(settings)]
    held = [nodes[n]["name"] for n in same if nodes[n]["resource_type"] != "test"]
    warehouse.dbt(
        [*build, *(["--exclude", " ".join(held)] if held else [])],
        building.dbt,
        warehouse.environment(settings, kept.show_standing(settings, view), building.work)
        | {warehouse.READ: str(warehouse.read_project(settings))}
        | {parts.CONCERNED: parts.told(replaced, building.work)},
    )
    without_tests = {n: digest for n, digest in now.nodes.items() if not n.startswith("test.")}
    kept.note(settings, building, kept.State(without_tests, now.rows), {})
    building.quality.write_text("[]")
    kept.keep(settings, building, view)
    return {name.split(".")[-1]: own for name, own in replaced.items()}


def feeds_of(settings: Settings) -> list[str]:
    manifest = json.loads(warehouse.manifest(settings).read_text(encoding="utf-8"))
    return [s["name"] for s in manifest["sources"].values() if s["schema"] == "standing"]


def before() -> Feeds:
    """The city with items; of the wave that it has on its list beside the others nothing yet."""
    feeds = made_items()
    waves = feeds["monitoring_waves"]
    late = waves[waves["wave_id"].eq("A25")]
    late = late.assign(wave_id="B25", wave_kind="unified_exam", held_on="2025-06-20")
    return feeds | {"monitoring_waves": pd.concat([waves, late], ignore_index=True)}


@pytest.fixture(scope="session")
def built(once: Once) -> Path:
    """A home with the tables of the city. Tests must leave it as it is."""
    return once("parts", lambda folder: make(home_in(folder), before(), "0123456789ab"))


def rows_of(frame: pd.DataFrame, **of: object) -> pd.Series:
    found = pd.Series(True, frame.index)
    for column, value in of.items():
        found &= frame[column].eq(value)
    return found


def one_file(feeds: Feeds) -> None:
    """A school hands in less of one grade, and somebody was put down in the wrong one."""
    results = feeds[RESULTS]
    own = rows_of(results, wave_id="A24", grade=8)
    feeds[RESULTS] = results.drop(results.index[own][[0, 7, 8]])
    one = results.index[rows_of(results, wave_id="D25", grade=5)][0]
    student = rows_of(results, wave_id="D25", student_key=results["student_key"][one])
    feeds[RESULTS].loc[student, "grade"] = 8


def points_on_items(feeds: Feeds) -> None:
    """Points are corrected, others withdrawn, and the map places an item elsewhere."""
    items, item_map = feeds[ITEMS].copy(), feeds["item_map"].copy()
    own = items.index[rows_of(items, wave_id="A25", subject="mathematics")]
    items.loc[own[:40], "score"] = 1.0
    feeds[ITEMS] = items.drop(own[-60:])
    place = rows_of(item_map, wave_id="A24", grade=8, item_no="1")
    assert place.any()
    item_map.loc[place, "competency"] = "应用意识"
    feeds["item_map"] = item_map


def between_waves(feeds: Feeds) -> None:
    """One school's results are withdrawn, another's had been those of another wave."""
    results = feeds[RESULTS].copy()
    school = results["school_code"]
    gone = rows_of(results, wave_id="A25") & school.eq("3137000003")
    moved = rows_of(results, wave_id="D25") & school.eq("3137000002")
    assert gone.any() and moved.any()
    results.loc[moved, "wave_id"] = "A23"
    results.loc[moved, "school_year"] = "2022-2023"
    feeds[RESULTS] = results[~gone]


def a_wave(feeds: Feeds) -> None:
    """A wave of the list is handed in, and all of another is withdrawn."""
    results = feeds[RESULTS]
    late = results[results["wave_id"].eq("A25")].assign(wave_id="B25")
    late["score"] = late["score"].floordiv(2)
    feeds[RESULTS] = pd.concat([results[~results["wave_id"].eq("A23")], late], ignore_index=True)


def the_register(feeds: Feeds) -> None:
    """A school is of the town, a student of another class and gender; and results change."""
    schools, students = feeds["schools"].copy(), feeds["students"].copy()
    schools.loc[schools["school_code"].eq("3137000001"), "locale"] = "urban"
    students.loc[students.index[5], ["gender", "class_no"]] = ["female", "7"]
    feeds["schools"], feeds["students"] = schools, students


def the_list_of_waves(feeds: Feeds) -> None:
    """A paper is passed from elsewhere, and a wave that comes first changes every number."""
    waves = feeds["monitoring_waves"].copy()
    waves.loc[rows_of(waves, wave_id="A24", grade=8, subject="chinese"), "pass_mark"] = 80.0
    first = waves[waves["wave_id"].eq("A23")].assign(wave_id="A00", held_on="2022-09-20")
    feeds["monitoring_waves"] = pd.concat([first, waves], ignore_index=True)
    one_file(feeds)


def several_files(feeds: Feeds) -> None:
    """All that files of schools bring in one night."""
    for change in (one_file, points_on_items, between_waves):
        change(feeds)


def lists(feeds: Feeds) -> None:
    """The register and the list of waves change, and results with them."""
    for change in (the_register, the_list_of_waves):
        change(feeds)


def another_order(feeds: Feeds) -> None:
    """The same rows, from other files in another order."""
    feeds[RESULTS] = feeds[RESULTS].iloc[::-1].assign(source_file="another")


G, W = "int_attainment_counts", "fact_item"
"""A table that has grades of waves as parts, and one that has waves."""
GRADES: set[parts.Part] = {("A23", 8), ("A24", 8), ("A25", 8), ("D25", 5), ("D25", 8)}
CHANGES: list[tuple[Callable[[Feeds], None], dict[str, set[parts.Part]]]] = [
    (several_files, {
        G: GRADES, W: {(wave, None) for wave in ("A23", "A24", "A25", "D25")},
        # Of a district's own wave nobody's prior score is.
        "int_prior_scores": GRADES | {(wave, None) for wave in ("A24", "A25", "B25", "D25")},
    }),
    (a_wave, {G: {("A23", 5), ("B25", 5), ("B25", 8)}}),
    (lists, {}),
    (another_order, {}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "expected"), CHANGES, ids=[change.__name__ for change, _ in CHANGES]
)
def test_all_is_as_if_made_from_nothing(
    built: Path,
    tmp_path: Path,
    change: Callable[[Feeds], None],
    expected: dict[str, set[parts.Part]],
) -> None:
    again, fresh = home_in(tmp_path / "again"), home_in(tmp_path / "fresh")
    shutil.copytree(built, tmp_path / "again", symlinks=True)
    shutil.copytree(again.dagster, fresh.dagster)
    feeds = before()
    change(feeds)
    replaced = make(again, feeds, "0123456789cd")
    make(fresh, feeds, "0123456789cd")
    assert differing(again.kept / kept.DATABASE, fresh.kept / kept.DATABASE) == []
    asked = {G, W, *expected}
    assert {name: own for name, own in replaced.items() if name in asked} == expected


def differing(one: Path, other: Path) -> list[str]:
    """The tables that differ in a row or a column, or are in one database alone."""
    with duckdb.connect() as con:
        for name, path in (("one", one), ("other", other)):
            con.execute(f"attach '{path}' as {name} (read_only)")
        columns = {
            name: dict(
                con.execute(
                    "select schema_name || '.' || table_name, list(column_name || data_type) "
                    "from duckdb_columns() join duckdb_tables() "
                    "using (database_name, schema_name, table_name) "
                    "where database_name = $1 group by all",
                    [name],
                ).fetchall()
            )
            for name in ("one", "other")
        }
        assert len(columns["one"]) > 100
        found = [t for t in columns["one"] if columns["one"][t] != columns["other"].get(t)]
        found += [t for t in columns["other"] if t not in columns["one"]]
        for table in columns["one"].keys() & columns["other"].keys():
            unlike = con.execute(
                f"select (select count(*) from (from one.{table} except all from other.{table}))"
                f" + (select count(*) from (from other.{table} except all from one.{table}))"
            ).fetchall()
            if unlike != [(0,)]:
                found.append(table)
        return sorted(found)
