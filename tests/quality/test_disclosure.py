"""Disclosure control against counting every table, and against the cheapest way of withholding."""

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import optimize

from pipelines.quality.disclosure import (
    MOST,
    Bounds,
    Contradiction,
    Opened,
    System,
    because,
    bounds,
    load_rules,
    system,
    withheld,
)

RULES = load_rules()
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass
class Table:
    """Cells with their values, and the sums among them, as rows (sum, total, part)."""

    values: list[int]
    rows: list[tuple[int, int, int]]
    loose: tuple[int, ...] = ()

    def system(self) -> System:
        sum_no, total, part = np.array(self.rows).reshape(-1, 3).T
        beyond = np.zeros(len(sum_no), dtype=np.int64)
        values = np.array(self.values)
        for number in set(sum_no.tolist()) - set(self.loose):
            own = sum_no == number
            beyond[own] = values[total[own][0]] - values[part[own]].sum()
        return system(len(values), sum_no, total, part, beyond=beyond, loose=self.loose)


def nested(inner: NDArray[np.int64], districts: list[list[int]], locale: list[int]) -> Table:
    """Schools × genders in a city: rows of `inner` are schools.

    Published are schools, districts and the city, each whole and by gender, and districts and the
    city by the schools' locale.
    """
    table = Table([], [])
    sums = itertools.count()

    def cell(value: int) -> int:
        table.values.append(int(value))
        return len(table.values) - 1

    def sum_of(parts: list[int]) -> int:
        total, number = cell(sum(table.values[p] for p in parts)), next(sums)
        table.rows.extend((number, total, part) for part in parts)
        return total

    def also(total: int, parts: list[int]) -> None:
        number = next(sums)
        table.rows.extend((number, total, part) for part in parts)

    of_gender = [[cell(value) for value in school] for school in inner]
    whole = [sum_of(parts) for parts in of_gender]
    city_parts: list[list[int]] = [[] for _ in range(inner.shape[1])]
    kinds: dict[int, list[int]] = {}
    units = []
    for schools in districts:
        district = sum_of([whole[s] for s in schools])
        units.append(district)
        for g in range(inner.shape[1]):
            city_parts[g].append(sum_of([of_gender[s][g] for s in schools]))
        also(district, [parts[-1] for parts in city_parts])
        own = []
        for kind in sorted({locale[s] for s in schools}):
            own.append(sum_of([whole[s] for s in schools if locale[s] == kind]))
            kinds.setdefault(kind, []).append(own[-1])
        also(district, own)
    city = sum_of(units)
    also(city, [sum_of(parts) for parts in city_parts])
    also(city, [sum_of(parts) for parts in kinds.values()])
    return table


def every_solution(opened: Opened, most: int) -> Ints:
    """All whole numbers from 0 to most that fit, by counting; a row each."""
    numbers = np.indices((most + 1,) * len(opened.cells)).reshape(len(opened.cells), -1)
    over = opened.sums.toarray() @ numbers - opened.right[:, None]
    loose = opened.loose[:, None]
    return numbers[:, np.where(loose, over >= 0, over == 0).all(axis=0)].T


def small(values: list[int]) -> Mask:
    numbers = np.array(values)
    return (numbers > 0) & (numbers < RULES.few)


@st.composite
def grids(draw: st.DrawFn, most: int = 40) -> Table:
    """Small cities: one to three districts of schools with boys and girls."""
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    schools = sum(shape)
    inner = draw(st.lists(st.lists(st.integers(0, most), min_size=2, max_size=2),
                          min_size=schools, max_size=schools))  # fmt: skip
    locale = draw(st.lists(st.integers(0, 1), min_size=schools, max_size=schools))
    edges = np.cumsum([0, *shape]).tolist()
    districts = [list(range(a, b)) for a, b in itertools.pairwise(edges)]
    return nested(np.array(inner), districts, locale)


@given(data=st.data())
@settings(max_examples=100)
def test_bounds_are_those_of_all_tables_that_fit(data: st.DataObject) -> None:
    """Also where sums are no nest of groups, so that a corner need not be whole."""
    count = data.draw(st.integers(1, 4))
    parts = data.draw(
        st.lists(st.lists(st.integers(0, count - 1), min_size=1, unique=True), min_size=1,
                 max_size=4)
    )  # fmt: skip
    values = data.draw(st.lists(st.integers(0, 5), min_size=count, max_size=count))
    loose = data.draw(st.sets(st.integers(1, 4)))
    # The first sum, of all cells, bounds every one of them.
    rows = [(0, count, part) for part in range(count)]
    totals = [sum(values)]
    for number, own in enumerate(parts, start=1):
        rows += [(number, count + number, part) for part in own]
        totals.append(sum(values[part] for part in own) + (number in loose))
    table = Table([*values, *totals], rows, tuple(loose))
    hidden = np.arange(len(table.values)) < count
    opened = table.system().opened(table.values, hidden)
    found = bounds(opened)
    fits = every_solution(opened, sum(values))
    np.testing.assert_array_equal(found.low, fits.min(axis=0))
    np.testing.assert_array_equal(found.high, fits.max(axis=0))
    enough = bounds(opened, 3, known=np.array(values))
    np.testing.assert_array_equal(enough.width >= 3, found.width >= 3)
    np.testing.assert_array_equal(enough.width[found.width < 3], found.width[found.width < 3])


def test_a_corner_that_is_not_whole_is_not_taken_for_a_number() -> None:
    """a+b = b+c = c+a = 3 has the one solution 1½ each: no whole one; with 4, 3, 3 there is one."""
    rows = [(0, 3, 0), (0, 3, 1), (1, 4, 1), (1, 4, 2), (2, 5, 2), (2, 5, 0)]
    odd = Table([2, 1, 1, 3, 3, 3], rows).system()
    hidden = np.arange(6) < 3
    halves = Opened(*_of(odd.opened([2, 1, 1, 3, 3, 3], hidden), np.array([-3, -3, -3])))
    with pytest.raises(Contradiction):
        bounds(halves)
    whole = Opened(*_of(halves, np.array([-3, -2, -3])))
    assert bounds(whole).low.tolist() == bounds(whole).high.tolist() == [2, 1, 1]


def _of(
    opened: Opened, right: Ints
) -> tuple[NDArray[np.intp], NDArray[np.intp], object, Ints, Mask]:
    return opened.cells, opened.numbers, opened.sums, right, opened.loose


def test_what_nothing_bounds_is_open() -> None:
    table = Table([7, 4, 3], [(0, 0, 1), (0, 0, 2)]).system()
    found = bounds(table.opened([7, 4, 3], np.array([True, True, True])))
    assert found.low.tolist() == [0, 0, 0]
    assert found.high.tolist() == [MOST] * 3


def test_the_sums_that_give_a_cell_away_are_named() -> None:
    """12 girls and 3 boys in one class, 11 and 14 in the other: each margin holds, both do not."""
    table = nested(np.array([[12, 3], [11, 14]]), [[0, 1]], [0, 1])
    hidden = np.zeros(len(table.values), dtype=bool)
    hidden[[1, 3]] = True  # the boys of both schools, whose schools tell all and girls
    opened = table.system().opened(table.values, hidden)
    found = bounds(opened)
    assert found.low.tolist() == found.high.tolist() == [3, 14]
    named = because(opened, 0)
    told = {row[0] for row in table.rows if row[2] == 1 or row[1] == 1}
    assert named and set(named) <= told


def fits_the_rules(table: Table, hidden: Mask) -> None:
    assert hidden[small(table.values)].all(), "a small cell is shown"
    opened = table.system().opened(table.values, hidden)
    found: Bounds = bounds(opened)
    assert (found.width >= RULES.narrow).all()


@given(table=grids())
@settings(max_examples=120)
def test_nothing_withheld_can_be_worked_out(table: Table) -> None:
    fits_the_rules(table, withheld(table.system(), table.values, small(table.values), RULES.narrow))


@given(table=grids(most=400))
@settings(max_examples=60)
def test_nothing_is_withheld_without_need(table: Table) -> None:
    if not small(table.values).any():
        hidden = withheld(table.system(), table.values, small(table.values), RULES.narrow)
        assert not hidden.any()


def test_margins_alone_would_leak() -> None:
    """Tables of which every sum holds and whose bounds do not: partners of sums are not enough."""
    draw = np.random.default_rng(7)
    leaking = 0
    for _ in range(40):
        inner = draw.integers(0, 22, (5, 3))
        table = nested(inner, [[0, 1, 2], [3, 4]], draw.integers(0, 2, 5).tolist())
        own, small_ones = table.system(), small(table.values)
        hidden = withheld(own, table.values, small_ones, RULES.narrow)
        fits_the_rules(table, hidden)
        # What margins alone would have withheld: no bound is narrower than 0.
        margins = withheld(own, table.values, small_ones, 0)
        found = bounds(own.opened(table.values, margins))
        leaking += bool((found.width < RULES.narrow).any())
    assert leaking > 3


def test_cells_of_one_fate_are_withheld_together() -> None:
    """One number told twice: a sum of one part, and a fate that was given."""
    rows = [(0, 0, 1), (1, 2, 0), (1, 2, 3), (1, 2, 4)]
    own = system(6, *np.array(rows).T, fate=[0, 1, 2, 3, 4, 3])
    # The cheapest partner by itself, and with what has its fate.
    hidden = withheld(own, [5, 5, 80, 20, 55, 20], np.arange(6) == 1, RULES.narrow)
    assert hidden.tolist() == [True, True, False, True, False, True]


def test_what_is_not_told_anyhow_is_a_partner_for_nothing() -> None:
    own = Table([30, 4, 12, 14], [(0, 0, 1), (0, 0, 2), (0, 0, 3)]).system()
    hidden = withheld(
        own, [30, 4, 12, 14], [False, True, False, False], RULES.narrow,
        hidden=[False, False, False, True],
    )  # fmt: skip
    assert hidden.tolist() == [False, True, False, True]


def test_a_total_is_withheld_with_any_part_where_its_parts_are_nearly_known() -> None:
    """Two withheld parts do not shelter one another there; the third is told."""
    rows = np.array([(0, 3, 0), (0, 3, 1), (0, 3, 2)])
    values, must = [31, 28, 40, 99], [True, True, False, False]
    hidden = withheld(system(4, *rows.T, by_total=[0]), values, must, RULES.narrow)
    assert hidden.tolist() == [True, True, False, True]
    assert withheld(system(4, *rows.T), values, must, RULES.narrow).tolist() == must


def test_a_bound_that_is_no_sum_hides_its_total_too() -> None:
    """4 of at most 4: a cell whose most is too little needs the number that bounds it withheld."""
    own = Table([4, 4], [(0, 0, 1)], loose=(0,)).system()
    assert withheld(own, [4, 4], [False, True], RULES.narrow).all()


def cheapest(table: Table, own: System, must: Mask) -> float:
    """Least cost of withholding, by the integer programme of Fischetti & Salazar (2001).

    For each withheld cell there are two tables that fit what is shown and differ in it by at least
    `narrow`: the published one, moved twice, where only withheld cells move.
    """
    values = np.array(table.values)
    cells, sums = len(values), own.sums.toarray()
    per = 2 * cells
    size = cells + cells * per
    room = values.sum() + 10 * RULES.narrow
    rows, low, high = [], [], []

    def say(row: NDArray[np.float64], least: float, most: float) -> None:
        rows.append(row)
        low.append(least)
        high.append(most)

    for p in range(cells):
        for side in range(2):
            at = cells + p * per + side * cells
            for relation in sums:
                row = np.zeros(size)
                row[at : at + cells] = relation
                say(row, 0, 0)
            for i in range(cells):
                # −value·withheld ≤ move ≤ room·withheld
                row = np.zeros(size)
                row[at + i], row[i] = 1, values[i]
                say(row, 0, np.inf)
                row = np.zeros(size)
                row[at + i], row[i] = 1, -room
                say(row, -np.inf, 0)
        row = np.zeros(size)
        row[cells + p * per + p], row[cells + p * per + cells + p] = -1, 1
        row[p] = -RULES.narrow
        say(row, 0, np.inf)
    aim = np.concatenate([np.where(values > 0, values, 0.5), np.zeros(size - cells)])
    free = np.full(size - cells, np.inf)
    found = optimize.milp(
        aim,
        integrality=np.ones(size),
        bounds=optimize.Bounds(
            np.concatenate([must.astype(float), -free]), np.concatenate([np.ones(cells), free])
        ),
        constraints=optimize.LinearConstraint(np.array(rows), low, high),
    )
    assert found.status == 0
    return float(found.fun)


def test_the_heuristic_is_not_far_from_the_optimum() -> None:
    """Over small tables: students withheld in all, against the least that would do."""
    draw = np.random.default_rng(3)
    spent = least = 0.0
    for _ in range(12):
        inner = draw.integers(0, 40, (3, 2))
        table = nested(inner, [[0, 1, 2]], [0, 0, 0])
        must = small(table.values)
        if not must.any():
            continue
        own = table.system()
        hidden = withheld(own, table.values, must, RULES.narrow)
        values = np.array(table.values)
        spent += float(np.where(values > 0, values, 0.5)[hidden].sum())
        least += cheapest(table, own, must)
    assert least <= spent < 1.1 * least
