"""Who keeps all releases, and adds up what they tell together, learns no more than each tells."""

import sys
from dataclasses import dataclass, field

import duckdb
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import optimize

from pipelines.quality.disclosure import audit, load_rules, system
from pipelines.quality.disclosure.system import System
from tests.quality.made_up_cells import CITY, numbers, tell_persons, warehouse

RULES = load_rules()
audit_of = sys.modules[audit.__module__]
Grid = list[list[int]]
"""Schools by gender."""
Key = tuple[str, str, str]
"""Level, unit and gender of a number."""
PAIR = [[[1, 2], [6, 8]], [[1, 0], [6, 8]]]
"""Two boys of a small school have left; all others are as they were."""
THREE = [
    [[0, 23], [2, 11], [9, 18]], [[0, 0], [0, 11], [9, 18]], [[0, 0], [0, 11], [9, 15]]
]  # fmt: skip
"""What the first tells of the third the second hides."""


@dataclass
class Kept:
    """All that releases tell, worked on by integer programmes and nothing of disclosure control.

    A number that stays the same from one release to the next is one number.
    """

    n: list[int] = field(default_factory=list)
    told: list[bool] = field(default_factory=list)
    known: list[bool] = field(default_factory=list)
    """Of each number whether a release before the last one told it."""
    sums: list[tuple[int, list[int]]] = field(default_factory=list)
    last: dict[Key, int] = field(default_factory=dict)

    def keep(self, con: duckdb.DuckDBPyConnection) -> None:
        """Keep a release."""
        self.known = list(self.told)
        rows = con.sql(
            "select level, unit_code, group_value, cells.n, told.n is not null or cells.n = 0"
            " from marts.disclosure_cell as cells"
            " join published.attainment as told using (level, unit_code, group_value)"
        ).fetchall()
        place = {}
        for *key, n, told in rows:
            own = (key[0], key[1], key[2])
            same = own in self.last and self.n[self.last[own]] == n
            place[own] = self.last[own] if same else len(self.n)
            if not same:
                for column, value in ((self.n, n), (self.told, False), (self.known, n == 0)):
                    column.append(value)  # type: ignore[attr-defined]
            self.told[place[own]] |= told
        self.last = place
        for level, unit, gender in place:
            ways = []
            if gender == "all":
                ways.append([(level, unit, one) for one in ("female", "male")])
            if level == "city":
                ways.append([key for key in place if key[0] == "school" and key[2] == gender])
            for parts in ways:
                own = [place[part] for part in parts if self.n[place[part]]]
                if own:
                    self.sums.append((place[level, unit, gender], own))

    def leaks(self) -> list[tuple[int, int, int]]:
        """Numbers that are withheld and lie too near, with between what; but for those that the
        releases before the last one give away by themselves."""
        found = []
        for number in np.flatnonzero(~np.array(self.told)).tolist():
            low, high = self._ends(number, self.told)
            assert low <= self.n[number] <= high
            if high - low < RULES.narrow:
                least, most = self._ends(number, self.known)
                if most - least >= RULES.narrow:
                    found.append((self.n[number], low, high))
        return found

    def _ends(self, number: int, told: list[bool]) -> tuple[int, int]:
        rows, right = [], []
        for total, parts in self.sums:
            row = np.zeros(len(self.n))
            np.add.at(row, [total, *parts], [1, *[-1] * len(parts)])
            rows.append(np.where(told, 0, row))
            right.append(-(row @ np.where(told, self.n, 0)))
        ends = []
        for sign in (1, -1):
            aim = np.zeros(len(self.n))
            aim[number] = sign
            # With presolve the solver of SciPy 1.17.1 now and then gives what is no solution.
            solved = optimize.milp(
                aim, integrality=np.ones(len(aim)), bounds=optimize.Bounds(0, 10_000),
                constraints=optimize.LinearConstraint(np.array(rows), right, right),
                options={"presolve": False},
            )  # fmt: skip
            ends.append(round(solved.x[number]))
        return ends[0], ends[1]


def released(grids: list[Grid], forgetful: bool = False) -> list[duckdb.DuckDBPyConnection]:
    """Releases one after the other."""
    found: list[duckdb.DuckDBPyConnection] = []
    for grid in grids:
        served = found[-1] if found else None
        found.append(warehouse(numbers(np.array(grid)), RULES, served=served, forgetful=forgetful))
    return found


small = st.integers(0, 14) | st.integers(10, 30)
steps = st.lists(
    st.lists(
        st.tuples(
            st.integers(0, 3), st.integers(0, 1), st.integers(-4, 4) | st.integers(-30, 30)
        ),
        min_size=1, max_size=3,
    ),
    min_size=1, max_size=3,
)  # fmt: skip
"""Corrections of each release after the first: school, gender, students more."""


@given(grid=st.lists(st.lists(small, min_size=2, max_size=2), min_size=2, max_size=3), steps=steps)
@example(grid=PAIR[0], steps=[[(0, 1, -2)]])
@example(grid=THREE[0], steps=[[(0, 1, -23), (1, 0, -2)], [(2, 1, -3)]])
@example(  # schools that are what they were, together, make a total that is not what it was
    grid=[[5, 3], [11, 6], [11, 11], [10, 23]], steps=[[(3, 0, -30), (0, 1, -3), (1, 1, 20)]]
)
@settings(max_examples=8, deadline=None)
def test_all_releases_together_tell_no_more_than_each(
    grid: Grid, steps: list[list[tuple[int, int, int]]]
) -> None:
    grids = [grid]
    for changes in steps:
        own = [list(row) for row in grids[-1]]
        for school, gender, more in changes:
            row = own[school % len(own)]
            row[gender] = max(0, row[gender] + more)
        grids.append(own)
    kept, before = Kept(), None
    for con in released(grids):
        kept.keep(con)
        assert kept.leaks() == []
        assert audit(con, RULES, before).leaks == []
        before = con


@pytest.mark.parametrize("grids", [PAIR, THREE])
def test_who_forgets_how_numbers_added_up_before_tells_more(grids: list[Grid]) -> None:
    """What nobody looked at leaks; the intruder and the audit both find it."""
    *before, last = released(grids, forgetful=True)
    kept = Kept()
    for con in (*before, last):
        kept.keep(con)
    assert kept.leaks()
    found = audit(last, RULES, before[-1]).leaks
    assert any("by a release before" in words for leak in found for words in leak.sums)


def test_the_release_before_alone_would_not_tell() -> None:
    """The third is held against the first, too: against the second alone there is nothing."""
    *_, second, third = released(THREE, forgetful=True)
    assert audit(third, RULES, second).leaks
    second.execute("delete from marts.disclosure_earlier")
    assert audit(third, RULES, second).leaks == []


def test_what_was_told_before_is_kept_once_and_as_long_as_it_says_something() -> None:
    first, second, same, other = released([PAIR[0], PAIR[1], PAIR[1], [[40, 41], [42, 43]]])
    asked = "from marts.disclosure_earlier order by sum_no, is_total desc, level, unit_code"
    told = second.sql(asked).fetchall()
    assert first.sql(asked).fetchall() == [] and told and same.sql(asked).fetchall() == told
    # Nothing is what it was: no more can be learnt.
    assert other.sql(asked).fetchall() == []


def test_districts_of_a_city_hide_together_with_what_was_told_of_them() -> None:
    """Observers of the third district were four before and are told now; the first two are few."""
    releases = []
    for third, fourth in ((4, 30), (30, 30), (30, 12)):
        served = releases[-1] if releases else None
        con = warehouse(numbers(np.array([[20, 20]])), RULES, served=served)
        sizes = (3, 9, third, fourth)
        rows = [("district", f"D{no}", CITY, n, n // 2) for no, n in enumerate(sizes)]
        city = ("city", CITY, None, sum(sizes), sum(sizes) // 2)
        tell_persons(con, [city, *rows], RULES, served=served)
        assert audit(con, RULES, served).leaks == []
        releases.append(con)
    told = "select distinct topic from marts.disclosure_earlier"
    assert [con.sql(told).fetchall() for con in releases] == [[], [("persons",)], [("persons",)]]


def test_a_total_follows_from_how_it_differs_from_one_that_was_told() -> None:
    """Cells 0 and 1 made 16 beside what was told; they are what they were, and so is cell 3."""
    found = system(5, [0, 0, 0, 1, 1], [2, 2, 2, 4, 4], [0, 1, 3, 0, 1])
    known = np.array([False, False, False, True, True])
    assert found.worked_out(known).tolist() == known.tolist()
    before = System(
        found.numbers, found.sums, found.beyond, found.loose, found.by_total, found.fate,
        np.array([False, True]),
    )  # fmt: skip
    assert before.worked_out(known).tolist() == [False, False, True, True, True]
