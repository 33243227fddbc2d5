"""Who keeps a release, and holds the next one against it, learns no more than either tells."""

import sys
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipelines.quality.disclosure import (
    SERVED,
    audit,
    fates,
    figures_served,
    load_rules,
    rows_served,
    tables,
)
from pipelines.quality.disclosure.earlier import KEY
from tests.quality.made_up_cells import CITY, Persons, listed, numbers, tell_persons, warehouse

RULES = load_rules()
audit_of = sys.modules[audit.__module__]
SCHOOLS = 5
Grid = list[list[int]]
cells = st.integers(0, 14) | st.integers(10, 60)
grids = st.lists(st.lists(cells, min_size=2, max_size=2), min_size=2, max_size=SCHOOLS)
corrections = st.lists(
    st.tuples(
        st.integers(0, SCHOOLS - 1), st.integers(0, 1), st.integers(-4, 4) | st.integers(-30, 30),
        st.integers(-3, 3),
    ),
    max_size=4,
)  # fmt: skip
"""School, gender, students more, and more of them who passed."""
KEYS = ", ".join(KEY)


def corrected(students: Grid, passed: Grid, changes: list[tuple[int, int, int, int]]) -> None:
    """Change both as corrected files would."""
    for school, gender, more, better in changes:
        row = school % len(students)
        n = max(0, students[row][gender] + more)
        students[row][gender] = n
        passed[row][gender] = min(n, max(0, passed[row][gender] + better))


@given(grid=grids, share=st.lists(st.floats(0, 1), min_size=10, max_size=10), changes=corrections)
@example(grid=[[1, 1], [3, 10]], share=[0.0] * 10, changes=[(0, 1, -1, 0)])  # a part is gone
@example(
    grid=[[17, 7], [8, 26], [4, 3], [1, 0]], share=[0.5] * 10, changes=[(3, 0, -1, 0), (2, 0, 1, 0)]
)  # two schools have become one
@settings(max_examples=12)
def test_two_releases_tell_no_more_than_each(
    grid: Grid, share: list[float], changes: list[tuple[int, int, int, int]]
) -> None:
    students = [list(row) for row in grid]
    passed = [
        [round(n * share[2 * i + j]) for j, n in enumerate(row)] for i, row in enumerate(students)
    ]
    first = warehouse(numbers(np.array(students)), RULES, numbers(np.array(passed)))
    corrected(students, passed, changes)
    second = warehouse(numbers(np.array(students)), RULES, numbers(np.array(passed)), served=first)
    assert audit(second, RULES, first).leaks == []
    then, now = (con.sql("from marts.disclosure_cell").df() for con in (first, second))
    both = now.merge(then, on=[*KEY, "n"], suffixes=("", "_then"))
    both = both[both.n > 0]
    withheld = both.fate_then.isin(["few", "partner"])
    assert both.fate[withheld].isin(["few", "partner"]).all()
    assert (both.fate[~withheld] == "shown").all()


counts = st.integers(0, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))


def staff(districts: list[tuple[int, int]]) -> Persons:
    """A city and its districts: how many there are, and how many do what is asked."""
    rows: Persons = [("district", f"D{i}", CITY, *one) for i, one in enumerate(districts)]
    n, met = (sum(column) for column in zip(*districts, strict=True))
    return [("city", CITY, None, n, met), *rows]


@given(districts=st.lists(counts, min_size=2, max_size=6), changed=st.integers(0, 5), other=counts)
@example(  # what is left of the city has a band of its own, beside none that can be withheld
    districts=[(14, 14), (13, 1), (19, 0)], changed=0, other=(0, 0)
)
@settings(max_examples=15)
def test_two_releases_tell_no_more_of_persons(
    districts: list[tuple[int, int]], changed: int, other: tuple[int, int]
) -> None:
    few = np.array([[20, 20], [20, 20]])
    releases = [warehouse(numbers(few), RULES) for _ in range(2)]
    tell_persons(releases[0], staff(districts), RULES)
    districts[changed % len(districts)] = other
    tell_persons(releases[1], staff(districts), RULES, served=releases[0])
    assert audit(releases[1], RULES, releases[0]).leaks == []


def test_what_another_version_made_is_no_release_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SERVED, raising=False)
    assert rows_served("disclosure_cell") is None
    monkeypatch.setenv(SERVED, str(tmp_path / "warehouse.duckdb"))
    for made, rows in (
        ("create schema marts", None),
        ("create table marts.disclosure_cell as select 5 as n, 'few' as decided", None),
        ("create or replace table marts.disclosure_cell as"
         " select 5 as n, 'few' as fate, null as passed_told", 1),
    ):  # fmt: skip
        with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as con:
            con.execute(made)
        found = rows_served("disclosure_cell")
        assert (None if found is None else found.num_rows) == rows
        served = duckdb.connect()
        served.execute("create schema marts")
        now = warehouse(numbers(np.array([[4, 30], [25, 28]])), RULES)
        assert audit(now, RULES, served).leaks == audit(now, RULES).leaks == []


def test_a_partner_stays_one_where_another_has_become_cheaper() -> None:
    grid = np.array([[4, 30], [25, 28], [40, 44], [50, 51]])
    first = warehouse(numbers(grid), RULES)
    grid[2] = [12, 11]
    alone = warehouse(numbers(grid), RULES)
    after = warehouse(numbers(grid), RULES, served=first)
    told = "select unit_code, group_value, fate from marts.disclosure_cell order by all"
    assert alone.sql(told).fetchall() != after.sql(told).fetchall()
    assert audit(alone, RULES).leaks == []
    assert audit(alone, RULES, first).leaks
    assert audit(after, RULES, first).leaks == []


def test_what_the_release_before_tells_by_itself_is_not_held_against_the_next() -> None:
    """How many two schools of a district are together it told; one of them is gone."""
    grid = np.array([[17, 17], [7, 0], [1, 0]])
    first = warehouse(numbers(grid), RULES)
    grid[1:] = [[8, 0], [0, 0]]
    after = warehouse(numbers(grid), RULES, served=first)
    found = audit(after, RULES, first)
    assert found.leaks == []
    assert {(one.cell["unit_code"], one.low, one.high) for one in found.told_before} == {
        ("S1", 8, 8)
    }
    assert audit(after, RULES).told_before == []
    of_school = "select fate from marts.disclosure_cell where unit_code = 'S1' and n = 8"
    assert set(after.sql(of_school).fetchall()) == {("few",)}


def test_of_what_a_correction_changed_nothing_is_taken_from_before() -> None:
    """Small groups that have grown are told, with all that hid them and has changed, too."""
    grid = np.array([[4, 30], [5, 28], [40, 44], [50, 51]])
    first = warehouse(numbers(grid), RULES)
    grid[:2] = [[40, 41], [42, 43]]
    after = warehouse(numbers(grid), RULES, served=first)
    told = "select distinct fate from marts.disclosure_cell"
    assert len(first.sql(told).fetchall()) > 1
    assert after.sql(told).fetchall() == [("shown",)]


def test_a_year_that_is_as_it_was_is_not_decided_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """The release before says of it what the last build said; unless that is another."""
    grid = np.array([[4, 30], [25, 28], [40, 44]])
    cells, sums = listed(numbers(grid))
    asked: list[int] = []
    whole = tables._fates
    monkeypatch.setattr(tables, "_fates", lambda *a: asked.append(1) or whole(*a))  # type: ignore
    last = fates(cells, sums, RULES)
    decided = last.drop_columns(["school_year", "made_from"])
    served = cells.join(decided, "cell_no").sort_by("cell_no")
    assert fates(cells, sums, RULES, served, before=last).equals(last) and len(asked) == 1
    assert fates(cells, sums, RULES, before=last).equals(last) and len(asked) == 1
    fate = served["fate"].to_pylist()
    other = pa.array(["partner" if one == "shown" else one for one in fate])
    before = served.set_column(served.column_names.index("fate"), "fate", other)
    anew = fates(cells, sums, RULES, before, before=last)
    assert len(asked) == 2 and "shown" not in anew["fate"].to_pylist()
    cells, sums = listed(numbers(grid + 1))
    fates(cells, sums, RULES, served, before=last)
    assert len(asked) == 3


def test_a_year_of_which_both_say_the_same_is_not_looked_at_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the release before has passed; what is told otherwise is looked at."""
    grid = np.array([[4, 30], [25, 28], [40, 44]])
    first = warehouse(numbers(grid), RULES)
    same = warehouse(numbers(grid), RULES, served=first)
    whole = audit(same, RULES, first)
    asked: list[int] = []
    look = audit_of._of_release
    monkeypatch.setattr(audit_of, "_of_release", lambda *a: asked.append(1) or look(*a))  # type: ignore
    again = audit(same, RULES, first, passed=True)
    assert (again.cells, again.withheld) == (whole.cells, whole.withheld) and again.leaks == []
    # Of persons there are none.
    assert len(asked) == 1
    leaking = warehouse(numbers(grid), RULES, tell="partner", served=first)
    assert audit(leaking, RULES, first, passed=True).leaks


def test_what_was_told_is_withheld_by_a_stricter_rule_and_hides_behind_nobody() -> None:
    """Seven were told where five were few; beside them nothing needs be withheld now."""
    grid = np.array([[7, 30], [25, 28], [40, 44]])
    first = warehouse(numbers(grid), replace(RULES, few=5))
    after = warehouse(numbers(grid), RULES, served=first)
    fates_now = after.sql(
        "select unit_code, group_value, fate from marts.disclosure_cell where fate <> 'shown'"
    ).fetchall()
    assert fates_now == [("S0", "female", "few")]
    assert audit(after, RULES, first).leaks == [] and audit(after, RULES).leaks


def test_rows_of_moved_papers_are_read_as_they_were_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Figures as texts that give back the same number; what an older version lacks is left out."""
    tables = {
        "attainment": {"key": ["wave_id", "grade", "unit_code"], "figures": ["mean_z", "word"]},
        "community_gap": {"key": ["stage", "school_year"], "figures": ["value"]},
        "equity": {"key": ["wave_id"], "figures": ["value"]},
    }
    moved = pa.table({
        "wave_id": ["W", "W"], "grade": pa.array([7, 8], pa.int32()), "stage": ["junior", "junior"],
    })  # fmt: skip
    monkeypatch.delenv(SERVED, raising=False)
    assert figures_served(tables, moved).num_rows == 0
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as con:
        con.execute("create schema published")
        con.execute(
            "create table published.attainment as select * from (values"
            " ('W', 7, 'A', 0.1e0 + 0.2e0, 'x'), ('W', 7, 'B', null, null),"
            " ('V', 7, 'A', 1.0, 'y'), ('W', 9, 'A', 1.0, 'y'))"
            " as t(wave_id, grade, unit_code, mean_z, word)"
        )
        con.execute(
            "create table published.community_gap as select * from (values ('junior', null, 0.25),"
            " ('primary', '2025', 0.5)) as t(stage, school_year, value)"
        )
        con.execute("create table published.equity as select 'W' as wave_id")
    monkeypatch.setenv(SERVED, str(tmp_path / "warehouse.duckdb"))
    rows = figures_served(tables, moved).to_pylist()
    assert [(row["table_name"], row["row_key"]) for row in rows] == [
        ("attainment", "W|7|A"), ("attainment", "W|7|B"), ("community_gap", "junior|")
    ]  # fmt: skip
    figures = [dict(row["figures"]) for row in rows]
    assert float(figures[0]["mean_z"]) == 0.1 + 0.2 and figures[0]["word"] == "x"
    assert figures[1] == {"mean_z": None, "word": None} and figures[2] == {"value": "0.25"}
    assert figures_served(tables, moved.slice(0, 0)).num_rows == 0
