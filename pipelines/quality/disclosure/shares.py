"""Which shares of a shown number are told as they are, which as a band, and which not at all.

A share whose numerator, or what is lacking to its denominator, is below `rare` is told as a band:
which of the few numbers it is, is not told. Nor may it be worked out: where numerators add up, a
band or a share beside it is withheld, until every such numerator may still be any of at least three
numbers (or of those that so few students leave).

Readers are taken to know more than they are told: every number of students, also withheld ones; the
numerator of each share that is told, be it rounded; by the rule, that a band stands for fewer than
three; what a total has beyond its parts; and that who is excellent is good, that who is good has
passed, and that who is low has not. They are taken to have kept all releases, too: a share that was
told of the same students can't be undone, and what such shares added up to before bounds them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from pipelines.quality.disclosure.bounds import because, bounds
from pipelines.quality.disclosure.fates import PATIENCE
from pipelines.quality.disclosure.rules import Rules
from pipelines.quality.disclosure.system import Ints, Mask, Opened, System, ints

OUTCOMES = ("passed", "good", "excellent", "low")
"""Numerators of the shares of a number of students, as columns of `int_disclosure_cell`."""
EXACT, BAND, WITHHELD = 0, 1, 2
"""What becomes of a share: told; told as a band; not told."""
BAND_COST = 4
"""How many times as dear as its band a share is: a band tells little."""
AHEAD = 3
"""How dear is what would stand alone beside a withheld share: it has a cost beside it, too."""
AROUND, AROUND_EACH = 1000, 50
"""How many numerators are looked at around those that are told too nearly: in all, and of each."""
JOINT = 150
"""Sums are solved together where so many untold shares or fewer hang together; where more do, as
the pooled years of all schools of a city do, one sum after another tells how near each can be told.
"""

States = NDArray[np.int8]
Costs = NDArray[np.float64]


@dataclass(frozen=True)
class Numerators:
    """The numerators of one outcome, and how they add up.

    Cells that are known to be of the same students are one numerator.
    """

    numbers: Ints
    """Of each sum: its number in the list that it comes from."""
    sums: sparse.csr_array
    """(sums, numerators): 1 at the total, −1 at each part."""
    met: Ints
    """The numerators."""
    persons: Ints
    """The denominators."""
    hidden: Mask
    """Whether the number of students is withheld, and so the share."""
    most: Ints
    """The most that a numerator may be where its share is withheld."""
    place: NDArray[np.intp]
    """Of each cell: which numerator is its own; −1 where it has none."""
    silent: Mask
    """Whether the share is withheld for what the release before told."""
    settled: States
    """How a release before told the share, where all is as it was since: that can't be undone;
    `WITHHELD` where none told anything of it. Numerators that are no longer what they were stand
    behind all that have a place."""
    lost: Mask
    """Whether releases before told it too nearly by themselves, which nothing can undo."""

    @cached_property
    def by_numerator(self) -> sparse.csc_array:
        """The sums, to be looked up by numerator."""
        return self.sums.tocsc()

    def few(self, rules: Rules) -> Mask:
        """Numerators that a share would tell too exactly of, or of a few students anyhow."""
        rare = _is_rare(self.met, self.persons, rules) | (self.persons < rules.few)
        return np.asarray(rare & ~self.lost)

    def need(self, rules: Rules) -> Ints:
        """How far apart the least and the most of a numerator must be able to lie."""
        return np.minimum(rules.rare - 1, self.persons)

    def room(self, cells: NDArray[np.intp], state: States, rules: Rules) -> tuple[Ints, Ints]:
        """How far each of these may be below and above what it is, by what is said of it alone."""
        met, told = self.met[cells], state[cells]
        low, high = _band(met, self.persons[cells], rules)
        down = np.where(told == BAND, met - low, np.where(told == WITHHELD, met, 0))
        most = np.where(told == BAND, high, np.where(told == WITHHELD, self.most[cells], met))
        return down, most - met

    def may_help(self, cells: NDArray[np.intp], state: States) -> Mask:
        """Which of these can be withheld beside another."""
        return (state[cells] != WITHHELD) & (self.settled[cells] == WITHHELD)


@dataclass(frozen=True)
class Before:
    """What releases before told of the shares of one outcome."""

    settled: States
    """Of each cell, how any of them told the share, where all is as it was since; else
    `WITHHELD`."""
    sums: pa.Table
    """Rows of `SHARES`, of this outcome."""
    place: NDArray[np.intp]
    """Of each row the cell that it still is; else, counted from −1 down, which of those that are no
    more."""


def numerators(
    found: System,
    own: pa.Table,
    outcome: str,
    hidden: Mask,
    rules: Rules,
    silent: Mask | None = None,
    before: Before | None = None,
) -> Numerators:
    """The numerators of an outcome.

    Args:
        found: the cells' sums.
        own: rows of `int_disclosure_cell`, in the order of the system's cells.
        outcome: one of `OUTCOMES`.
        hidden: cells whose number of students is withheld.
        rules: the thresholds.
        silent: cells whose share is withheld for what the release before told.
        before: what releases before told; None where there is nothing.
    """
    persons = ints(own, "n")
    has = own[outcome].is_valid().to_numpy() & (persons > 0)
    met = ints(own, outcome)
    sizes = np.diff(found.sums.indptr)
    rows = np.flatnonzero(~found.loose & (abs(found.sums) @ has.astype(np.int64) == sizes))
    sums = found.sums[rows]
    # One part, and as many students: the same ones.
    alone = np.flatnonzero((np.diff(sums.indptr) == 2) & (found.beyond[rows] == 0))
    pairs, count = sums[alone].indices.reshape(-1, 2), len(met)
    same = sparse.coo_array(
        (np.ones(len(pairs), dtype=np.int8), (pairs[:, 0], pairs[:, 1])), shape=(count, count)
    )
    _, label = sparse.csgraph.connected_components(same, directed=False)
    cells = np.flatnonzero(has)
    _, first, place = np.unique(label[cells], return_index=True, return_inverse=True)
    of_cell = np.full(count, -1, dtype=np.intp)
    of_cell[cells] = place
    rest = np.setdiff1d(np.arange(len(rows)), alone)
    entries = sums[rest].tocoo()
    joined = sparse.csr_array(
        (entries.data, (entries.coords[0], of_cell[entries.coords[1]])),
        shape=(len(rest), len(first)),
    )
    # A cell that is told by any of its names is told.
    secret, kept = np.ones((2, len(first)), dtype=bool)
    np.logical_and.at(secret, place, hidden[cells])
    np.logical_and.at(kept, place, False if silent is None else silent[cells])
    settled = np.full(len(first), WITHHELD, dtype=np.int8)
    if before is not None:
        np.minimum.at(settled, place, before.settled[cells])
    first = cells[first]
    one = Numerators(
        found.numbers[rows[rest]], joined, met[first], persons[first], secret, persons[first],
        of_cell, kept, settled, np.zeros(len(first), dtype=bool),
    )  # fmt: skip
    return one if before is None else _with_past(one, before, rules)


def _with_past(given: Numerators, before: Before, rules: Rules) -> Numerators:
    """These, and behind them those that are no more, with the sums that releases before told.

    Such sums have numbers below `IN_A_CELL`.
    """
    own, rows = len(given.met), before.sums
    gone = np.unique(-1 - before.place[before.place < 0], return_index=True)[1]
    of = np.flatnonzero(before.place < 0)[gone]
    column = np.where(before.place < 0, own - 1 - before.place, 0)
    still = before.place >= 0
    column[still] = given.place[before.place[still]]
    numbers, row = np.unique(ints(rows, "sum_no"), return_inverse=True)
    size = (len(numbers), own + len(gone))
    sign = np.where(rows["is_total"].to_numpy(), 1, -1)
    past = sparse.csr_array((sign, (row, column)), shape=size)
    sums = sparse.csr_array(given.sums)
    sums.resize((sums.shape[0], size[1]))
    met, persons = (ints(rows, name)[of] for name in ("met", "n"))
    bands = np.where(rows["is_band"].to_numpy()[of], BAND, WITHHELD).astype(np.int8)
    whole = replace(
        given,
        numbers=np.append(np.arange(len(numbers)) + IN_A_CELL - len(numbers), given.numbers),
        sums=sparse.csr_array(sparse.vstack([past, sums])),
        met=np.append(given.met, met),
        persons=np.append(given.persons, persons),
        hidden=np.append(given.hidden, np.ones(len(met), dtype=bool)),
        most=np.append(given.most, persons),
        silent=np.append(given.silent, bands == WITHHELD),
        settled=np.append(given.settled, bands),
        lost=np.append(given.lost, np.zeros(len(met), dtype=bool)),
    )
    # By what was told before alone: neither this release tells that, nor can it help it.
    lost = whole.lost.copy()
    while near := near_of(replace(whole, lost=lost), whole.settled, rules):
        lost[[one.numerator for one in near]] = True
    return replace(whole, lost=lost)


def states(given: Mapping[str, Numerators], rules: Rules) -> dict[str, States]:
    """What becomes of each numerator's share, so that none can be told too nearly.

    Args:
        given: the numerators of each outcome, all of the same cells.
        rules: the thresholds.
    """
    told = {outcome: _by_itself(one, rules) for outcome, one in given.items()}
    sums = -1
    while True:
        both = nested(given, told)
        if len(both.sums) == sums:
            return told
        # What is withheld now may be bounded by what else is told of its cell: once more.
        protect(both.numerators, both.state, rules)
        sums = len(both.sums)
        told = dict(zip(given, np.split(both.state, both.starts[1:]), strict=False))


def _by_itself(given: Numerators, rules: Rules) -> States:
    """The states of one outcome, as if nothing were told of the others."""
    # What is told can't be undone.
    state = np.minimum(by_rule(given, rules), given.settled)
    protect(given, state, rules)
    return state


def by_rule(given: Numerators, rules: Rules) -> States:
    """What must become of each share, whatever others tell."""
    # A band says that a numerator is rare; what a few students did may not be.
    withheld = given.hidden | (given.persons < rules.few) | given.silent
    rare = _is_rare(given.met, given.persons, rules)
    return np.select([withheld, rare], [WITHHELD, BAND], EXACT).astype(np.int8)


def protect(given: Numerators, state: States, rules: Rules) -> None:
    """Withhold what is told too much, until none can be told too nearly."""
    choice = _Choice(given, state, rules)
    chosen = np.flatnonzero(state != EXACT)
    while len(chosen):
        choice.by_subtraction(chosen)
        chosen = choice.by_all_sums()


WITHIN = (("passed", "good", 1), ("good", "excellent", 1), ("passed", "low", -1))
"""Pairs of outcomes: 1 where the second is a part of the first, −1 where nobody is of both."""
IN_A_CELL = -1
"""In the place of a sum's number: what the outcomes of one cell tell of each other."""


@dataclass(frozen=True)
class Nested:
    """The numerators of all outcomes, with the sums by which those of a cell bound each other.

    Who passed are those who are good and some more: these stand beside them as a numerator of
    nobody, which is never told, and of which nothing is asked.
    """

    numerators: Numerators
    state: States
    starts: Ints
    """Where the numerators of each outcome start, and at last those of nobody."""
    sums: Ints
    """Of each sum: its number in the list that it comes from; `IN_A_CELL` where it is in none."""


def nested(given: Mapping[str, Numerators], told: Mapping[str, States]) -> Nested:
    """All outcomes of the same cells together, in the states that each has.

    Sums within a cell are there where not all of it is told.
    """
    every = list(given.values())
    starts = np.cumsum([0, *(len(one.met) for one in every)])
    met = np.concatenate([one.met for one in every])
    persons = np.concatenate([one.persons for one in every])
    state = np.concatenate([told[outcome] for outcome in given])
    place = np.stack([
        np.where(one.place >= 0, one.place + start, -1)
        for one, start in zip(every, starts, strict=False)
    ])  # fmt: skip
    untold = (np.append(state, EXACT)[place] != EXACT).any(axis=0)
    of = dict(zip(given, np.unique(place[:, untold], axis=1), strict=True))
    pairs, signs = [np.zeros((2, 0), dtype=np.intp)], [met[:0]]
    for one, other, kind in WITHIN:
        if one in of and other in of:
            pairs.append(np.stack([of[one], of[other]])[:, (of[one] >= 0) & (of[other] >= 0)])
            signs.append(np.full(pairs[-1].shape[1], kind))
    (first, second), sign = np.concatenate(pairs, axis=1), np.concatenate(signs)
    most = persons[first]
    rest = np.where(sign > 0, met[first], most - met[first]) - met[second]
    own = np.arange(len(rest))
    within = sparse.coo_array(
        (
            np.concatenate([sign, np.full(2 * len(own), -1)]),
            (np.tile(own, 3), np.concatenate([first, second, len(met) + own])),
        ),
        shape=(len(own), len(met) + len(own)),
    )
    between = sparse.block_diag([one.sums for one in every], format="coo")
    between.resize(between.shape[0], within.shape[1])
    sums = sparse.csr_array(sparse.vstack([between, within], format="csr"))
    none = np.zeros_like(rest)
    untold_none = np.full_like(none, WITHHELD, dtype=np.int8)
    both = Numerators(
        np.arange(sums.shape[0]),
        sums,
        np.concatenate([met, rest]),
        np.concatenate([persons, none]),
        np.concatenate([*(one.hidden for one in every), none > 0]),
        np.concatenate([persons, most]),
        starts[:0],
        np.concatenate([*(one.silent for one in every), none > 0]),
        np.concatenate([*(one.settled for one in every), np.full_like(none, WITHHELD)]).astype(
            np.int8
        ),
        np.concatenate([*(one.lost for one in every), none > 0]),
    )
    return Nested(
        both,
        np.concatenate([state, untold_none]),
        starts,
        np.concatenate([*(one.numbers for one in every), np.full_like(none, IN_A_CELL)]),
    )


@dataclass(frozen=True)
class Near:
    """A numerator that can be told too nearly."""

    numerator: int
    low: int
    high: int
    sums: tuple[int, ...]
    """Numbers of the sums that give it away, or `IN_A_CELL`."""


def too_near(
    given: Mapping[str, Numerators], told: Mapping[str, States], rules: Rules
) -> list[tuple[str, Near]]:
    """Numerators that can be told too nearly, with their outcome: by one sum after another, or by
    sums together.

    Of those that only sums together tell there may be more than are answered; and where one outcome
    is told by itself, of what several tell together nothing is.
    """
    found = [
        (outcome, near)
        for outcome, one in given.items()
        for near in near_of(one, told[outcome], rules)
    ]
    if found:
        return found
    both = nested(given, told)
    names = list(given)
    for near in near_of(both.numerators, both.state, rules):
        which = int(np.searchsorted(both.starts, near.numerator, side="right")) - 1
        place, sums = near.numerator - int(both.starts[which]), both.sums[list(near.sums)].tolist()
        found.append((names[which], replace(near, numerator=place, sums=tuple(sums))))
    return found


def near_of(given: Numerators, state: States, rules: Rules) -> list[Near]:
    """Numerators that these sums tell too nearly."""
    cells = np.flatnonzero(state != EXACT)
    reach = reached(given, cells, given.room(cells, state, rules))
    found = []
    near = given.few(rules)[cells] & (reach.down + reach.up < given.need(rules)[cells])
    for at in np.flatnonzero(near).tolist():
        cell = int(cells[at])
        low, high = given.met[cell] - reach.down[at], given.met[cell] + reach.up[at]
        own = np.flatnonzero(reach.cell == at)
        row = reach.row[own[np.argmin(reach.slack[own])]]
        found.append(Near(cell, int(low), int(high), (int(given.numbers[row]),)))
    if found:
        return found
    wide = np.zeros(len(state), dtype=bool)
    return _together(given, state, rules, wide)


def _together(given: Numerators, state: States, rules: Rules, wide: Mask) -> list[Near]:
    """Numerators that sums together tell too nearly; notes in `wide` those that none can."""
    opened, base = opened_shares(given, state, rules)
    few, need = given.few(rules)[opened.cells], given.need(rules)[opened.cells]
    blocks = opened.blocks()
    few &= ~wide[opened.cells] & (np.bincount(blocks)[blocks] <= JOINT)
    found = bounds(opened, need, few, given.met[opened.cells] - base, first=True)
    wide[opened.cells[few & (found.width >= need)]] = True
    return [
        Near(
            int(opened.cells[column]),
            int(found.low[column] + base[column]),
            int(found.high[column] + base[column]),
            tuple(because(opened, column)),
        )
        for column in np.flatnonzero(few & found.exact & (found.width < need)).tolist()
    ]


def opened_shares(given: Numerators, state: States, rules: Rules) -> tuple[Opened, Ints]:
    """The sums of those that are not told, each counted from the least that it may be."""
    cells = np.flatnonzero(state != EXACT)
    down, up = given.room(cells, state, rules)
    own = given.by_numerator[:, cells].tocsr()
    rows = np.flatnonzero(np.diff(own.indptr))
    own = own[rows]
    # Moves from what is true add up to nothing.
    opened = Opened(
        cells, given.numbers[rows], own, own @ down, np.zeros(len(rows), dtype=bool), down + up
    )
    return opened, given.met[cells] - down


def _is_rare(met: Ints, persons: Ints, rules: Rules) -> Mask:
    return np.asarray(np.minimum(met, persons - met) < rules.rare)


def _band(met: Ints, persons: Ints, rules: Rules) -> tuple[Ints, Ints]:
    """The least and the most that a rare numerator may be: below three, or as near to all."""
    is_high = 2 * met > persons
    low = np.where(is_high, persons - rules.rare + 1, 0)
    return low, np.where(is_high, persons, rules.rare - 1)


@dataclass(frozen=True)
class _Reach:
    """How far numerators that are not told can be moved, by one sum after another."""

    down: Ints
    up: Ints
    row: Ints
    """Of each entry (a numerator in a sum): the sum."""
    place: Ints
    """Of each entry: the sum, as a place among those that have any."""
    cell: Ints
    """Of each entry: the numerator, as a place among those asked."""
    slack: Ints
    """Of each entry: how far the numerator can be moved as if there were that sum alone."""


def reached(
    given: Numerators,
    cells: NDArray[np.intp],
    room: tuple[Ints, Ints],
    rows: NDArray[np.intp] | None = None,
) -> _Reach:
    """How far numerators can be moved.

    Args:
        given: all of them, and their sums.
        cells: which; all that are not told of these sums.
        room: how far each of them can be moved by what is known anyhow.
        rows: the sums asked, in order; all that these are in where None.
    """
    down, up = room
    own = given.by_numerator[:, cells]
    row, cell = own.indices, np.repeat(np.arange(len(cells)), np.diff(own.indptr))
    is_total = own.data > 0
    if rows is not None:
        known = np.zeros(own.shape[0], dtype=bool)
        known[rows] = True
        asked = known[row]
        row, cell, is_total = row[asked], cell[asked], is_total[asked]
    place, sums = _numbered_anew(row, own.shape[0])
    # Entries of the sums in which somebody can be moved less far than was thought.
    news = np.arange(len(row))
    slack: Ints | None = None
    while True:
        at, of, total = place[news], cell[news], is_total[news]
        d, u = down[of], up[of]
        plus, minus = np.where(total, u, d), np.where(total, d, u)
        # What the others of the sum can take up.
        most = np.bincount(at, plus)[at] - plus
        least = np.bincount(at, minus)[at] - minus
        cap_up = np.minimum(u, np.where(total, least, most)).astype(np.int64)
        cap_down = np.minimum(d, np.where(total, most, least)).astype(np.int64)
        if slack is None:
            slack = cap_up + cap_down
        first = np.flatnonzero(np.diff(of, prepend=-1))
        held = of[first]
        nearer = [np.minimum.reduceat(cap, first) for cap in (cap_down, cap_up)]
        less = held[(nearer[0] < down[held]) | (nearer[1] < up[held])]
        if not len(less):
            return _Reach(down, up, row, place, cell, slack)
        down[held], up[held] = nearer
        moved, stale = np.zeros(len(cells), dtype=bool), np.zeros(sums, dtype=bool)
        moved[less] = True
        stale[place[moved[cell]]] = True
        news = np.flatnonzero(stale[place])


def _numbered_anew(numbers: NDArray[np.intp], end: int) -> tuple[NDArray[np.intp], int]:
    """Numbers below `end`, those that occur counted from 0 in their order; and how many these are.

    As `np.unique` does, but without sorting.
    """
    occurs = np.zeros(end, dtype=bool)
    occurs[numbers] = True
    count = np.cumsum(occurs)
    return count[numbers] - 1, int(count[-1]) if end else 0


def _once(numbers: NDArray[np.intp], last: NDArray[np.intp]) -> NDArray[np.intp]:
    """Each of these numbers once, in no order.

    Args:
        numbers: any.
        last: room for as many numbers as there may be; what stands there is overwritten.
    """
    at = np.arange(len(numbers))
    last[numbers] = at
    return numbers[last[numbers] == at]


def _entries(sums: sparse.csr_array | sparse.csc_array, of: NDArray[np.intp]) -> NDArray[np.intp]:
    """Where the entries of these rows stand, or of these columns."""
    start = sums.indptr[of]
    size = sums.indptr[of + 1] - start
    skipped = np.repeat(start - np.cumsum(size) + size, size)
    return np.asarray(skipped + np.arange(len(skipped)), dtype=np.intp)


class _Choice:
    """Shares withheld beside bands, the cheapest first."""

    def __init__(self, given: Numerators, state: States, rules: Rules) -> None:
        self.given, self.state, self.rules = given, state, rules
        self.few, self.need = given.few(rules), given.need(rules)
        self.wide = np.zeros(len(state), dtype=bool)
        self.tries = 0
        self.last_row = np.empty(given.sums.shape[0], dtype=np.intp)
        self.last_cell = np.empty(len(state), dtype=np.intp)
        row, cell = given.sums.tocoo().coords
        # Of each sum its cheapest member, what it costs, and what the next one does.
        cost = given.persons[cell]
        order = np.lexsort((cost, row))
        first = np.unique(row[order], return_index=True)[1]
        least, more = cost[order][first], cost[order][first + 1] if len(first) else first
        self.other = np.where(cell[order][first][row] == cell, more[row], least[row])
        """Of each entry what its sum's cheapest member beside it costs."""
        self.open = np.bincount(row, state[cell] != EXACT, given.sums.shape[0]) > 0
        """Whether anything of a sum is not told."""
        self.alone = np.bincount(cell, np.where(self.open[row], 0, self.other), len(state))
        """What would stand alone beside each, were it withheld."""

    def by_subtraction(self, changed: NDArray[np.intp]) -> None:
        """Withhold until nothing is told too nearly by one sum after another.

        Args:
            changed: those that have been changed since all that is near to others was known.
        """
        while True:
            cells, _ = self._touched(changed)
            reach, near = self._near(cells)
            if not near.any():
                return
            chosen = self._around(cells[near])
            if not len(chosen):
                chosen = self._chosen(cells, reach, near)
                self._withhold(chosen)
            if not len(chosen):
                return
            changed = np.concatenate([chosen, cells[near]])

    def by_all_sums(self) -> NDArray[np.intp]:
        """Withhold beside what sums together tell too nearly; answers what."""
        found: list[np.intp] = []
        for near in _together(self.given, self.state, self.rules, self.wide):
            rows = np.searchsorted(self.given.numbers, near.sums)
            members = np.unique(self.given.sums[rows].indices)
            members = members[self.given.may_help(members, self.state)]
            # Itself only where nobody is beside it.
            others = members[members != near.numerator]
            members = others if len(others) else members
            if len(members):
                found.append(members[np.argmin(self._cost(members))])
                self._withhold(found[-1:])
        return np.array(found, dtype=np.intp)

    def _around(self, near: NDArray[np.intp]) -> NDArray[np.intp]:
        """Withhold until none of these is told too nearly by the sums around it; answers what."""
        found = [near[:0]]
        while True:
            cells, rows = self._touched(near, max(AROUND, AROUND_EACH * len(near)))
            reach, held = self._near(cells, rows)
            chosen = self._chosen(cells, reach, held) if held.any() else near[:0]
            if not len(chosen):
                return np.concatenate(found)
            self._withhold(chosen)
            found.append(chosen)
            near = np.concatenate([chosen, cells[held]])

    def _near(
        self, cells: NDArray[np.intp], rows: NDArray[np.intp] | None = None
    ) -> tuple[_Reach, Mask]:
        """How far these can be moved, and which of them are told too nearly."""
        room = self.given.room(cells, self.state, self.rules)
        reach = reached(self.given, cells, room, rows)
        return reach, self.few[cells] & (reach.down + reach.up < self.need[cells])

    def _withhold(self, chosen: ArrayLike) -> None:
        cells = np.asarray(chosen, dtype=np.intp)
        fresh = cells[self.state[cells] == EXACT]
        self.state[cells] = WITHHELD
        sums, by_numerator = self.given.sums, self.given.by_numerator
        rows = np.unique(by_numerator.indices[_entries(by_numerator, fresh)])
        rows = rows[~self.open[rows]]
        self.open[rows] = True
        entries = _entries(sums, rows)
        np.subtract.at(self.alone, sums.indices[entries], self.other[entries])

    def _cost(self, cells: NDArray[np.intp]) -> Costs:
        """What it costs to withhold each: its students, and what would then stand alone."""
        persons = self.given.persons[cells]
        whole = persons + AHEAD * self.alone[cells]
        return np.where(self.state[cells] == BAND, persons / BAND_COST, whole)

    def _touched(
        self, chosen: NDArray[np.intp], enough: int | None = None
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Those whose bounds may have changed with what was chosen, and the sums that hold them:
        all in their blocks, or about so many of the nearest.
        """
        sums, by_numerator = self.given.sums, self.given.by_numerator
        cells = np.zeros(len(self.state), dtype=bool)
        rows = np.zeros(len(self.open), dtype=bool)
        edge, count = np.unique(chosen), 0
        while len(edge):
            cells[edge] = True
            count += len(edge)
            if enough is not None and count > enough:
                break
            held = by_numerator.indices[_entries(by_numerator, edge)]
            held = _once(held[~rows[held]], self.last_row)
            rows[held] = True
            edge = sums.indices[_entries(sums, held)]
            edge = _once(edge[(self.state[edge] != EXACT) & ~cells[edge]], self.last_cell)
        return np.flatnonzero(cells & (self.state != EXACT)), np.flatnonzero(rows)

    def _chosen(self, cells: NDArray[np.intp], reach: _Reach, near: Mask) -> NDArray[np.intp]:
        """A partner for each cell that can be told too nearly.

        It comes from a sum that leaves the cell too little room; where none does, from one that
        holds what is withheld beside the cell, and so on. The longer it takes, the more partners.
        """
        least = np.minimum(self.need[cells], self.rules.rare - 1)
        by_itself = reach.slack < least[reach.cell]
        # Where no sum by itself is what holds a cell, any will do that can give a partner.
        for entries in (by_itself, np.ones(len(by_itself), dtype=bool)):
            found = self._nearest(cells, reach, near, entries)
            if len(found):
                self.tries += 1
                return found
        # Those beside them can't be withheld: they were told before. So may be what a band adds.
        own = cells[near]
        return own[self.given.may_help(own, self.state)]

    def _nearest(
        self, cells: NDArray[np.intp], reach: _Reach, near: Mask, entries: Mask
    ) -> NDArray[np.intp]:
        """The cheapest partners for each cell, from the nearest of these entries that have any."""
        none = len(cells)
        locked = np.minimum(reach.down, reach.up) < self.rules.rare - 1
        origin = np.where(near, np.arange(none), none)
        edge, chosen = near.copy(), []
        sums = int(reach.place.max(initial=-1)) + 1
        served = np.zeros(none + 1, dtype=bool)
        served[none] = True
        while edge.any():
            held = entries & edge[reach.cell]
            cell, best = self._partners(reach.row[held], cells[reach.cell[held]], reach.slack[held])
            whose = origin[np.searchsorted(cells, cell)]
            order = np.lexsort((self._cost(best), whose))
            _, first, of = np.unique(whose[order], return_index=True, return_inverse=True)
            some = np.arange(len(order)) - first[of] <= self.tries // PATIENCE
            chosen.append(best[order][some])
            served[whose] = True
            # Those without a partner go on to what is withheld beside them.
            edge &= ~served[origin]
            of_sum = np.full(sums, none)
            at = edge[reach.cell]
            np.minimum.at(of_sum, reach.place[at], origin[reach.cell[at]])
            further = np.full(none, none)
            np.minimum.at(further, reach.cell, of_sum[reach.place])
            further[origin < none] = none
            # By what is locked itself, as long as anything is.
            if (further[locked] < none).any():
                further[~locked] = none
            origin = np.minimum(origin, further)
            edge = further < none
        return np.unique(np.concatenate([*chosen, np.zeros(0, dtype=np.intp)]))

    def _partners(self, row: Ints, cell: Ints, slack: Ints) -> tuple[Ints, Ints]:
        """Cells that are held too near, and their partners, each from the sum that holds it most.

        Args:
            row: of each entry of such a cell: the sum.
            cell: the cell.
            slack: how far it can be moved within the sum.
        """
        if not len(row):
            return row, row
        asked, at_asked = np.unique(row, return_inverse=True)
        members = self.given.sums[asked].tocoo()
        at, one = members.coords
        # Whoever is alone in a sum is no partner of itself.
        alone = np.bincount(at_asked, minlength=len(asked)) == 1
        itself = np.full(len(asked), -1, dtype=np.int64)
        itself[at_asked] = cell
        free = self.given.may_help(one, self.state) & ~(alone[at] & (itself[at] == one))
        at, one = at[free], one[free]
        order = np.lexsort((one, self._cost(one), at))
        rows, first = np.unique(at[order], return_index=True)
        best = np.full(len(asked), -1, dtype=np.int64)
        best[rows] = one[order][first]
        # Of each cell the sum that holds it most, of those that have a partner to give.
        able = best[at_asked] >= 0
        at_asked, cell, slack = at_asked[able], cell[able], slack[able]
        order = np.lexsort((self._cost(best[at_asked]), slack, cell))
        _, first = np.unique(cell[order], return_index=True)
        return cell[order][first], best[at_asked[order][first]]
