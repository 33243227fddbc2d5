"""Shares of which a band must not be narrowed, against the bounds of all sums together."""

import numpy as np
import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from pipelines.quality.disclosure import load_rules, system_of
from pipelines.quality.disclosure.bounds import bounds
from pipelines.quality.disclosure.shares import (
    BAND,
    EXACT,
    WITHHELD,
    Numerators,
    States,
    by_rule,
    numerators,
    opened_shares,
    reached,
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
    state = states({"passed": one}, RULES)["passed"]
    assert (state[one.few(RULES)] != EXACT).all() and (state[one.hidden] == WITHHELD).all()
    assert narrowest(one, state) <= 0 and not too_near({"passed": one}, {"passed": state}, RULES)


@given(city=schools())
@settings(max_examples=60)
def test_nothing_is_withheld_without_need(city: tuple[list[list[int]], list[list[int]]]) -> None:
    one = of(*city)
    if not one.few(RULES).any():
        assert (states({"passed": one}, RULES)["passed"] == EXACT).all()


def test_bands_alone_would_leak() -> None:
    """Bands that nothing stands beside: what the sums then tell is found, and is too near."""
    draw = np.random.default_rng(11)
    leaking = 0
    for _ in range(40):
        students = draw.integers(12, 40, (4, 2))
        one = of(students.tolist(), (students - draw.integers(0, 5, (4, 2))).tolist())
        bare = np.where(one.few(RULES), BAND, EXACT).astype(np.int8)
        near = [one for _, one in too_near({"passed": one}, {"passed": bare}, RULES)]
        assert bool(near) == (narrowest(one, bare) > 0)
        assert all(n.low <= one.met[n.numerator] <= n.high and n.sums for n in near)
        leaking += bool(near)
    assert leaking > 20


@given(city=schools(), hidden=st.sampled_from([0, 10]), protected=st.booleans(), draw=st.data())
@settings(max_examples=100)
def test_how_far_each_can_be_moved_is_found_by_looking_at_every_sum_each_time(
    city: tuple[list[list[int]], list[list[int]]], hidden: int, protected: bool, draw: st.DataObject
) -> None:
    """Sums are looked at again only where somebody moved; here all are, one cell after another."""
    one = of(*city, hidden)
    state = states({"passed": one}, RULES)["passed"] if protected else by_rule(one, RULES)
    cells = np.flatnonzero(state != EXACT)
    every = np.arange(one.sums.shape[0])
    asked = np.array([row for row in every if draw.draw(st.integers(0, 4))], dtype=np.intp)
    for rows, given_rows in ((every, None), (asked, asked)):
        down, up = (room.tolist() for room in one.room(cells, state, RULES))
        signs = one.sums.toarray()[rows][:, cells]
        moved = True
        while moved:
            before = [*down, *up]
            for sign in signs:
                own = np.flatnonzero(sign).tolist()
                for i in own:
                    others = [j for j in own if j != i]
                    against = {j: sign[i] != sign[j] for j in others}
                    up[i] = min(up[i], sum(up[j] if against[j] else down[j] for j in others))
                    down[i] = min(down[i], sum(down[j] if against[j] else up[j] for j in others))
            moved = before != [*down, *up]
        found = reached(one, cells, one.room(cells, state, RULES), given_rows)
        assert (found.down.tolist(), found.up.tolist()) == (down, up)


def test_a_sibling_with_a_band_gives_up_less_than_a_total() -> None:
    """One and two did not pass, of the school 3: a band goes, the school's share stays."""
    one = of([[23, 22], [30, 30], [30, 30]], [[22, 20], [15, 15], [14, 16]])
    state = states({"passed": one}, RULES)["passed"]
    school = int(np.flatnonzero(one.persons == 45)[0])
    assert state[school] == EXACT


def test_one_number_by_two_names_is_one_numerator() -> None:
    """A city of one school is that school."""
    one = of([[20, 25]], [[10, 24]])
    assert len(one.met) == 3 and isinstance(listed(numbers(np.array([[1, 2]])))[0], pa.Table)


Graded = dict[str, list[list[int]]]


@st.composite
def graded(draw: st.DrawFn) -> tuple[list[list[int]], Graded]:
    """Schools by gender, and those who passed, are good, are excellent, are low: often a few."""

    def some(of: list[list[int]]) -> list[list[int]]:
        few = st.one_of(st.integers(0, 3), st.integers(0, 60))
        return [[min(draw(few), n) for n in row] for row in of]

    def others(of: list[list[int]], less: list[list[int]]) -> list[list[int]]:
        return (np.array(of) - np.array(less)).tolist()

    students, missing = draw(schools())
    passed = others(students, others(students, missing))
    good = others(passed, some(passed)) if draw(st.booleans()) else some(passed)
    low = some(others(students, passed))
    return students, {"passed": passed, "good": good, "excellent": some(good), "low": low}


def of_all(students: list[list[int]], did: Graded, hidden: int) -> dict[str, Numerators]:
    """Numerators of every outcome."""
    cells, sums = listed(numbers(np.array(students)))
    for outcome, inner in did.items():
        column = pa.array(list(numbers(np.array(inner)).values()), pa.int64())
        cells = cells.set_column(cells.column_names.index(outcome), outcome, column)
    n = cells["n"].to_numpy()
    found = system_of(cells, sums)
    few = (n > 0) & (n < hidden)
    return {outcome: numerators(found, cells, outcome, few, RULES) for outcome in did}


def least_of(aim: np.ndarray, between: Bounds, constraints: list[LinearConstraint]) -> float:
    """The least that whole numbers can make of it. There are such: the true ones.

    HiGHS, as SciPy 1.17 has it, at times simplifies such programmes to others, of which it says
    that none fit, or that fewer do than the true ones.
    """
    found = milp(
        aim, integrality=np.ones_like(aim), bounds=between, constraints=constraints,
        options={"presolve": False},
    )  # fmt: skip
    assert found.success, found.message
    return float(found.fun)


def told_nearest(given: dict[str, Numerators], told: dict[str, States]) -> int:
    """As `narrowest`, by integer programmes over all outcomes, cell by cell."""
    cells = len(given["passed"].place)
    at = {name: np.arange(cells) + no * cells for no, name in enumerate(given)}
    low, high = np.zeros(4 * cells), np.zeros(4 * cells)
    rows: list[np.ndarray] = []
    for name, one in given.items():
        down, up = one.room(np.arange(len(one.met)), told[name], RULES)
        open_ = (told[name] == WITHHELD) | one.hidden
        least = np.where(open_, 0, one.met - down)
        most = np.where(open_, one.persons, one.met + up)
        there = one.place >= 0
        low[at[name][there]] = least[one.place[there]]
        high[at[name][there]] = most[one.place[there]]
        representative = np.array(
            [np.flatnonzero(one.place == i)[0] for i in range(len(one.met))], dtype=np.intp
        )
        same = np.zeros((cells, 4 * cells))
        for cell in np.flatnonzero(there):
            same[cell, at[name][cell]] += 1
            same[cell, at[name][representative[one.place[cell]]]] -= 1
        sums = np.zeros((one.sums.shape[0], 4 * cells))
        sums[:, at[name][representative]] = one.sums.toarray()
        rows += [same, sums]
    equal = np.vstack(rows)
    within = np.zeros((3 * cells, 4 * cells))
    persons = np.zeros(cells)
    persons[given["passed"].place >= 0] = given["passed"].persons[
        given["passed"].place[given["passed"].place >= 0]
    ]
    for no, (more, less, sign) in enumerate(
        [("passed", "good", 1), ("good", "excellent", 1), ("passed", "low", -1)]
    ):
        for cell in range(cells):
            within[no * cells + cell, [at[more][cell], at[less][cell]]] = [sign, -1]
    least = np.concatenate([np.zeros(2 * cells), -persons])
    constraints = [LinearConstraint(equal, 0, 0), LinearConstraint(within, least, np.inf)]
    worst = 0
    for name, one in given.items():
        for place in np.flatnonzero(one.few(RULES)).tolist():
            aim = np.zeros(4 * cells)
            aim[at[name][np.flatnonzero(one.place == place)[0]]] = 1
            ends = [least_of(sign * aim, Bounds(low, high), constraints) * sign for sign in (1, -1)]
            assert round(ends[0]) <= one.met[place] <= round(ends[1])
            worst = max(worst, int(one.need(RULES)[place]) - round(ends[1] - ends[0]))
    return worst


@given(city=graded(), hidden=st.sampled_from([0, 10]))
@example(
    city=([[29, 21], [39, 23]], {
        "passed": [[27, 15], [38, 12]], "good": [[2, 0], [38, 12]],
        "excellent": [[0, 0], [1, 9]], "low": [[2, 1], [1, 11]],
    }),
    hidden=10,
)  # fmt: skip
@example(
    city=([[7, 1], [5, 9]], {
        "passed": [[0, 0], [5, 8]], "good": [[0, 0], [0, 0]],
        "excellent": [[0, 0], [0, 0]], "low": [[0, 0], [0, 0]],
    }),
    hidden=0,
)  # fmt: skip
@example(  # more than a hundred shares that are not told hang together
    city=([[0, 38], [8, 41], [12, 24], [8, 20], [42, 44]], {
        "passed": [[0, 0], [0, 0], [0, 24], [0, 20], [0, 44]],
        "good": [[0, 0], [0, 0], [0, 0], [0, 3], [0, 2]],
        "excellent": [[0, 0], [0, 0], [0, 0], [0, 1], [0, 2]],
        "low": [[0, 0], [0, 0], [0, 0], [0, 0], [0, 0]],
    }),
    hidden=0,
)  # fmt: skip
@settings(max_examples=8)
def test_outcomes_together_tell_no_more_than_each(
    city: tuple[list[list[int]], Graded], hidden: int
) -> None:
    given = of_all(*city, hidden)
    told = states(given, RULES)
    assert told_nearest(given, told) <= 0
    assert too_near(given, told, RULES) == []


def test_outcomes_protected_by_themselves_would_leak() -> None:
    """Who is excellent is good: sums of the one bound those of the other, and that is found."""
    draw = np.random.default_rng(3)
    leaking = 0
    for _ in range(20):
        students = draw.integers(10, 40, (3, 2))
        passed = students - draw.integers(0, 4, (3, 2))
        good = passed - draw.integers(0, 3, (3, 2))
        did = {
            "passed": passed, "good": good, "excellent": np.minimum(good, draw.integers(0, 4)),
            "low": np.minimum(students - passed, draw.integers(0, 3, (3, 2))),
        }  # fmt: skip
        given = of_all(students.tolist(), {name: n.tolist() for name, n in did.items()}, 0)
        told = {name: states({name: one}, RULES)[name] for name, one in given.items()}
        near = too_near(given, told, RULES)
        assert bool(near) == (told_nearest(given, told) > 0)
        assert all(one.low <= given[name].met[one.numerator] <= one.high for name, one in near)
        leaking += bool(near)
    assert leaking > 2
