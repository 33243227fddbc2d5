"""Who keeps all releases, and adds up what they tell together, learns no more than each tells."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import duckdb
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike
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


def least_and_most(
    number: int, low: ArrayLike, high: ArrayLike, rows: list[np.ndarray], right: ArrayLike
) -> tuple[int, int]:
    """Between what whole numbers one lies."""
    ends = []
    for sign in (1, -1):
        aim = np.zeros(len(rows[0]))
        aim[number] = sign
        # With presolve the solver of SciPy 1.17.1 now and then gives what is no solution.
        solved = optimize.milp(
            aim, integrality=np.ones(len(aim)), bounds=optimize.Bounds(low, high),
            constraints=optimize.LinearConstraint(np.array(rows), right, right),
            options={"presolve": False},
        )  # fmt: skip
        ends.append(round(solved.x[number]))
    return ends[0], ends[1]


def parts_of(place: Iterable[Key]) -> Iterator[tuple[Key, list[Key]]]:
    """What each total of a release is made of: genders, and schools."""
    for level, unit, gender in place:
        if gender == "all":
            yield (level, unit, gender), [(level, unit, one) for one in ("female", "male")]
        if level == "city":
            own = [key for key in place if key[0] == "school" and key[2] == gender]
            yield (level, unit, gender), own


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
        for total, parts in parts_of(place):
            own = [place[part] for part in parts if self.n[place[part]]]
            if own:
                self.sums.append((place[total], own))

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
        return least_and_most(number, 0, 10_000, rows, right)


@dataclass
class KeptShares:
    """The same of those who passed: all numbers of students are known, and of whom a share is told
    how many did; a band stands for fewer than three who did, or did not."""

    n: list[int] = field(default_factory=list)
    passed: list[int] = field(default_factory=list)
    low: list[int] = field(default_factory=list)
    high: list[int] = field(default_factory=list)
    known: tuple[list[int], list[int]] = ([], [])
    """The least and the most of each by what was told before the last release."""
    sums: list[tuple[int, list[int]]] = field(default_factory=list)
    last: dict[Key, int] = field(default_factory=dict)

    def keep(self, con: duckdb.DuckDBPyConnection) -> None:
        """Keep a release."""
        self.known = list(self.low), list(self.high)
        rows = con.sql(
            "select level, unit_code, group_value, cells.n, passed,"
            " pass_rate is not null, pass_band is not null"
            " from marts.disclosure_cell as cells"
            " join published.attainment as told using (level, unit_code, group_value)"
        ).fetchall()
        place = {}
        for level, unit, gender, n, passed, is_exact, is_band in rows:
            key = (level, unit, gender)
            at = self.last.get(key, -1)
            if at < 0 or (self.n[at], self.passed[at]) != (n, passed):
                at = len(self.n)
                self.n.append(n)
                self.passed.append(passed)
                for bounds in ((self.low, self.high), self.known):
                    bounds[0].append(0)
                    bounds[1].append(n)
            place[key] = at
            if is_exact:
                self.low[at] = self.high[at] = passed
            elif is_band and 2 * passed > n:
                self.low[at] = max(self.low[at], n - RULES.rare + 1)
            elif is_band:
                self.high[at] = min(self.high[at], RULES.rare - 1)
        self.last = place
        self.sums += [
            (place[total], [place[part] for part in parts]) for total, parts in parts_of(place)
        ]

    def leaks(self) -> list[tuple[int, int, int, int]]:
        """Rare numbers who passed, and those of few students, that lie too near; but for those that
        the releases before the last one give away by themselves."""
        rows = []
        for total, parts in self.sums:
            row = np.zeros(len(self.n))
            np.add.at(row, [total, *parts], [1, *[-1] * len(parts)])
            rows.append(row)
        found = []
        for at, (n, passed) in enumerate(zip(self.n, self.passed, strict=True)):
            need = min(RULES.rare - 1, n)
            if not n or (min(passed, n - passed) >= RULES.rare and n >= RULES.few):
                continue
            low, high = least_and_most(at, self.low, self.high, rows, 0)
            assert low <= passed <= high
            if high - low < need:
                least, most = least_and_most(at, *self.known, rows, 0)
                if most - least >= need:
                    found.append((n, passed, low, high))
        return found


def released(
    grids: list[Grid], passed: list[Grid] | None = None, forgetful: bool = False
) -> list[duckdb.DuckDBPyConnection]:
    """Releases one after the other."""
    found: list[duckdb.DuckDBPyConnection] = []
    for no, grid in enumerate(grids):
        given = [numbers(np.array(one)) for one in (grid, *(passed or [])[no : no + 1])]
        served = found[-1] if found else None
        found.append(warehouse(given[0], RULES, *given[1:], served=served, forgetful=forgetful))
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


BANDS = [
    ([[[9, 53], [39, 25], [77, 6]], [[9, 53], [59, 25], [77, 6]]],
     [[[0, 2], [2, 1], [3, 0]], [[0, 2], [0, 1], [3, 0]]]),
    ([[[9, 43], [2, 52], [75, 83]], [[9, 43], [2, 82], [97, 83]]],
     [[[0, 2], [0, 2], [3, 3]], [[0, 2], [0, 1], [6, 3]]]),
]  # fmt: skip
"""Students and those who passed, before and after corrections of whole classes: what a band stands
for either release would hide, and both tell."""
rare = st.sampled_from([0.0, 0.04, 0.96, 1.0])


@given(
    grid=st.lists(
        st.lists(st.integers(0, 14) | st.integers(10, 90), min_size=2, max_size=2),
        min_size=2, max_size=3,
    ),
    share=st.lists(rare, min_size=6, max_size=6),
    steps=st.lists(
        st.lists(
            st.tuples(
                st.integers(0, 2), st.integers(0, 1), st.just(0) | st.integers(-30, 30),
                st.integers(-3, 3),
            ),
            min_size=1, max_size=3,
        ),
        min_size=1, max_size=2,
    ),
)  # fmt: skip
@settings(max_examples=6, deadline=None)
def test_all_releases_together_tell_no_more_of_who_passed(
    grid: Grid, share: list[float], steps: list[list[tuple[int, int, int, int]]]
) -> None:
    grids = [grid]
    passed = [[[round(n * share[2 * i + j]) for j, n in enumerate(r)] for i, r in enumerate(grid)]]
    for changes in steps:
        own, met = ([list(row) for row in one[-1]] for one in (grids, passed))
        for school, gender, more, better in changes:
            row = school % len(own)
            n = own[row][gender] = max(0, own[row][gender] + more)
            met[row][gender] = min(n, max(0, met[row][gender] + better))
        grids.append(own)
        passed.append(met)
    kept, before = KeptShares(), None
    for con in released(grids, passed):
        kept.keep(con)
        assert kept.leaks() == []
        assert audit(con, RULES, before).leaks == []
        before = con


def test_what_was_told_once_and_not_since_is_not_forgotten() -> None:
    """The city's boys who passed are told by the third, and not by the fourth, which has the same;
    by the fifth eleven are gone, of whom the first four say that nearly all passed."""
    grids = [
        [[14, 50], [16, 11], [84, 71], [49, 9], [43, 3]],
        [[14, 25], [16, 11], [84, 71], [58, 9], [43, 3]],
        [[14, 36], [16, 11], [84, 71], [58, 9], [43, 3]],
        [[14, 36], [0, 11], [62, 71], [58, 9], [43, 3]],
        [[14, 36], [0, 0], [54, 71], [58, 9], [43, 3]],
    ]
    passed = [
        [[14, 2], [16, 11], [0, 71], [0, 9], [2, 0]],
        *([[14, 0], [girls, 11], [0, 71], [0, 9], [2, 0]] for girls in (16, 16, 0)),
        [[14, 0], [0, 0], [0, 71], [0, 9], [3, 0]],
    ]
    kept, releases = KeptShares(), released(grids, passed)
    boys = "level = 'city' and group_value = 'male'"
    told = [
        con.sql(f"select passed_told, passed_was_told from marts.disclosure_cell where {boys}")
        for con in releases
    ]
    assert told[2].fetchall() == [("exact", None)] and told[3].fetchall() == [(None, "exact")]
    for no, con in enumerate(releases):
        kept.keep(con)
        assert kept.leaks() == []
        assert audit(con, RULES, releases[no - 1] if no else None).leaks == []


@pytest.mark.parametrize(("grids", "passed"), BANDS)
def test_who_forgets_what_shares_added_up_to_before_tells_more(
    grids: list[Grid], passed: list[Grid]
) -> None:
    for forgetful in (True, False):
        first, second = released(grids, passed, forgetful)
        kept = KeptShares()
        for con in (first, second):
            kept.keep(con)
        leaks = audit(second, RULES, first).leaks
        assert bool(kept.leaks()) == bool(leaks) == forgetful
        told = [words for leak in leaks for words in leak.sums]
        assert any("what releases before told" in words for words in told) == forgetful
