"""Shares of which a band must not be narrowed, against the bounds of all sums together."""

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.quality.disclosure import load_rules, system_of
from pipelines.quality.disclosure.bounds import bounds
from pipelines.quality.disclosure.shares import (
    BAND,
    EXACT,
    WITHHELD,
    Numerators,
    States,
    numerators,
    opened_shares,
    states,
    too_near,
)
from tests.quality.made_up_cells import listed, numbers

RULES = load_rules()


def of(students: list[list[int]], passed: list[list[int]], hidden: int = 0) -> Numerators:
    """Numerators of schools by gender, of cells with fewer than so many the number is withheld."""
    cells, sums = listed(numbers(np.array(students)), numbers(np.array(passed)))
    n = cells["n"].to_numpy()
    return numerators(system_of(cells, sums), cells, "passed", (n > 0) & (n < hidden), RULES)


@st.composite
def schools(draw: st.DrawFn) -> tuple[list[list[int]], list[list[int]]]:
    """Schools by gender, and those who passed: often all, or nobody, or nearly so."""
    students, passed = [], []
    for _ in range(draw(st.integers(1, 5))):
        row = draw(st.lists(st.integers(0, 45), min_size=2, max_size=2))
        short = [
            draw(st.one_of(st.integers(0, min(3, n)), st.integers(0, n), st.just(n))) for n in row
        ]
        students.append(row)
        passed.append([n - one for n, one in zip(row, short, strict=True)])
    return students, passed


def narrowest(given: Numerators, state: States) -> int:
    """By how much the bounds of what must be protected are narrower than they may be, at most."""
    opened, _ = opened_shares(given, state, RULES)
    few = given.few(RULES)[opened.cells]
    found = bounds(opened)
    return int((given.need(RULES)[opened.cells] - found.width)[few].max(initial=0))


@given(city=schools(), hidden=st.sampled_from([0, 10]))
@settings(max_examples=150)
def test_no_band_can_be_narrowed(
    city: tuple[list[list[int]], list[list[int]]], hidden: int
) -> None:
    one = of(*city, hidden)
    state = states(one, RULES)
    assert (state[one.few(RULES)] != EXACT).all() and (state[one.hidden] == WITHHELD).all()
    assert narrowest(one, state) <= 0 and not too_near(one, state, RULES)


@given(city=schools())
@settings(max_examples=60)
def test_nothing_is_withheld_without_need(city: tuple[list[list[int]], list[list[int]]]) -> None:
    one = of(*city)
    if not one.few(RULES).any():
        assert (states(one, RULES) == EXACT).all()


def test_bands_alone_would_leak() -> None:
    """Bands that nothing stands beside: what the sums then tell is found, and is too near."""
    draw = np.random.default_rng(11)
    leaking = 0
    for _ in range(40):
        students = draw.integers(12, 40, (4, 2))
        one = of(students.tolist(), (students - draw.integers(0, 5, (4, 2))).tolist())
        bare = np.where(one.few(RULES), BAND, EXACT).astype(np.int8)
        near = too_near(one, bare, RULES)
        assert bool(near) == (narrowest(one, bare) > 0)
        assert all(n.low <= one.met[n.numerator] <= n.high and n.sums for n in near)
        leaking += bool(near)
    assert leaking > 20


def test_a_sibling_with_a_band_gives_up_less_than_a_total() -> None:
    """One and two did not pass, of the school 3: a band goes, the school's share stays."""
    one = of([[23, 22], [30, 30], [30, 30]], [[22, 20], [15, 15], [14, 16]])
    state = states(one, RULES)
    school = int(np.flatnonzero(one.persons == 45)[0])
    assert state[school] == EXACT


def test_one_number_by_two_names_is_one_numerator() -> None:
    """A city of one school is that school."""
    one = of([[20, 25]], [[10, 24]])
    assert len(one.met) == 3 and isinstance(listed(numbers(np.array([[1, 2]])))[0], pa.Table)
