"""Which shares of a shown number are told as they are, which as a band, and which not at all.

A share whose numerator, or what is lacking to its denominator, is below `rare` is told as a band:
which of the few numbers it is, is not told. Nor may it be worked out: where numerators add up, a
band or a share beside it is withheld, until every such numerator may still be any of at least three
numbers (or of those that so few students leave).

Readers are taken to know more than they are told: every number of students, also withheld ones; the
numerator of each share that is told, be it rounded; by the rule, that a band stands for fewer than
three; and what a total has beyond its parts.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from pipelines.quality.disclosure.bounds import because, bounds
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
PATIENCE = 16
"""After so many tries a partner more is taken at once."""
JOINT = 100
"""Sums are solved together where so many untold shares or fewer hang together; where more do, as
the pooled years of all schools of a city do, one sum after another tells how near each can be told.
"""

States = NDArray[np.int8]


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
    low: Ints
    """The least that a numerator may be where its share is withheld."""
    high: Ints
    """The most that it may be there."""
    place: NDArray[np.intp]
    """Of each cell: which numerator is its own; −1 where it has none."""
    silent: Mask
    """Whether the share is withheld because it was in the release before."""

    def few(self, rules: Rules) -> Mask:
        """Numerators that a share would tell too exactly of, or of a few students anyhow."""
        return _is_rare(self.met, self.persons, rules) | (self.persons < rules.few)

    def need(self, rules: Rules) -> Ints:
        """How far apart the least and the most of a numerator must be able to lie."""
        return np.minimum(rules.rare - 1, self.persons)

    def room(self, state: States, rules: Rules) -> tuple[Ints, Ints]:
        """How far each may be below and above what it is, by what is said of it alone."""
        low, high = _band(self.met, self.persons, rules)
        down = np.choose(state, [0 * self.met, self.met - low, self.met - self.low])
        up = np.choose(state, [0 * self.met, high - self.met, self.high - self.met])
        return down, up


def numerators(
    found: System,
    own: pa.Table,
    outcome: str,
    hidden: Mask,
    rules: Rules,
    silent: Mask | None = None,
) -> Numerators:
    """The numerators of an outcome.

    Args:
        found: the cells' sums.
        own: rows of `int_disclosure_cell`, in the order of the system's cells.
        outcome: one of `OUTCOMES`.
        hidden: cells whose number of students is withheld.
        rules: the thresholds.
        silent: cells whose share was withheld in the release before, and is as it was.
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
    low, high = _between(own, outcome, rules)
    # A cell that is told by any of its names is told.
    secret, kept = np.ones((2, len(first)), dtype=bool)
    np.logical_and.at(secret, place, hidden[cells])
    np.logical_and.at(kept, place, False if silent is None else silent[cells])
    first = cells[first]
    return Numerators(
        found.numbers[rows[rest]], joined, met[first], persons[first], secret,
        np.where(secret, 0, low[first]), np.where(secret, persons[first], high[first]), of_cell,
        kept,
    )  # fmt: skip


def states(given: Numerators, rules: Rules) -> States:
    """What becomes of each numerator's share, so that none can be told too nearly."""
    # A band says that a numerator is rare; what a few students did may not be.
    withheld = given.hidden | (given.persons < rules.few) | given.silent
    rare = _is_rare(given.met, given.persons, rules)
    state = np.select([withheld, rare], [WITHHELD, BAND], EXACT).astype(np.int8)
    choice = _Choice(given, given.few(rules), rules)
    choice.by_subtraction(state)
    while choice.by_all_sums(state):
        choice.by_subtraction(state)
    return state


@dataclass(frozen=True)
class Near:
    """A numerator that can be told too nearly."""

    numerator: int
    low: int
    high: int
    sums: tuple[int, ...]
    """Numbers of the sums that give it away."""


def too_near(given: Numerators, state: States, rules: Rules) -> list[Near]:
    """Numerators that can be told too nearly: by one sum after another, or by sums together.

    Of those that only sums together tell there may be more than are answered.
    """
    cells = np.flatnonzero(state != EXACT)
    reach = _reached(given, state, cells, rules)
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
    down, up = (room[cells] for room in given.room(state, rules))
    own = given.sums.tocsc()[:, cells].tocsr()
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


def _between(own: pa.Table, outcome: str, rules: Rules) -> tuple[Ints, Ints]:
    """Between what numerators a withheld one lies by the others of its cell, were they told."""
    persons = ints(own, "n")
    told = {}
    for name in OUTCOMES:
        met = ints(own, name)
        low, high = _band(met, persons, rules)
        rare, has = _is_rare(met, persons, rules), own[name].is_valid().to_numpy()
        told[name] = (
            np.where(has, np.where(rare, low, met), 0),
            np.where(has, np.where(rare, high, met), persons),
        )
    least = {"passed": told["good"][0], "good": told["excellent"][0]}
    most = {
        "passed": persons - told["low"][0],
        "good": told["passed"][1],
        "excellent": told["good"][1],
        "low": persons - told["passed"][0],
    }
    return least.get(outcome, 0 * persons), most[outcome]


@dataclass(frozen=True)
class _Reach:
    """How far numerators that are not told can be moved, by one sum after another."""

    down: Ints
    up: Ints
    row: Ints
    """Of each entry (a numerator in a sum): the sum."""
    cell: Ints
    """Of each entry: the numerator, as a place among those asked."""
    slack: Ints
    """Of each entry: how far the numerator can be moved as if there were that sum alone."""


def _reached(given: Numerators, state: States, cells: NDArray[np.intp], rules: Rules) -> _Reach:
    """How far numerators can be moved; whole blocks must be asked."""
    down, up = (room[cells] for room in given.room(state, rules))
    own = given.sums.tocsc()[:, cells].tocsr()
    entries = own.tocoo()
    order = np.argsort(entries.coords[1], kind="stable")
    row, cell = entries.coords[0][order], entries.coords[1][order]
    is_total = entries.data[order] > 0
    held, first = np.unique(cell, return_index=True)
    slack: Ints | None = None
    while True:
        d, u = down[cell], up[cell]
        plus, minus = np.where(is_total, u, d), np.where(is_total, d, u)
        # What the others of the sum can take up.
        most = np.bincount(row, plus, own.shape[0])[row] - plus
        least = np.bincount(row, minus, own.shape[0])[row] - minus
        cap_up = np.minimum(u, np.where(is_total, least, most)).astype(np.int64)
        cap_down = np.minimum(d, np.where(is_total, most, least)).astype(np.int64)
        if slack is None:
            slack = cap_up + cap_down
        if len(row):
            nearer = [np.minimum.reduceat(cap, first) for cap in (cap_down, cap_up)]
            if (nearer[0] < down[held]).any() or (nearer[1] < up[held]).any():
                down[held], up[held] = nearer
                continue
        return _Reach(down, up, row, cell, slack)


class _Choice:
    """Shares withheld beside bands, the cheapest first."""

    def __init__(self, given: Numerators, few: Mask, rules: Rules) -> None:
        self.given, self.few, self.rules = given, few, rules
        self.need = given.need(rules)
        self.wide = np.zeros(len(few), dtype=bool)
        self.tries = 0
        entries = given.sums.tocoo()
        self.row, self.cell = entries.coords
        # Of each sum its cheapest member, what it costs, and what the next one does.
        cost = given.persons[self.cell]
        order = np.lexsort((cost, self.row))
        first = np.unique(self.row[order], return_index=True)[1]
        self.cheapest = self.cell[order][first]
        self.least, self.next = cost[order][first], cost[order][first + 1] if len(first) else first

    def by_subtraction(self, state: States) -> None:
        """Withhold until nothing is told too nearly by one sum after another."""
        live = state != EXACT
        while True:
            cells = np.flatnonzero(live)
            reach = _reached(self.given, state, cells, self.rules)
            near = self.few[cells] & (reach.down + reach.up < self.need[cells])
            if not near.any():
                return
            chosen = self._chosen(state, cells, reach, near)
            if not len(chosen):
                return
            state[chosen] = WITHHELD
            live = self._touched(state, np.concatenate([chosen, cells[near]]))

    def by_all_sums(self, state: States) -> bool:
        """Withhold beside what sums together tell too nearly; whether there was anything."""
        found, cost = False, self._cost(state)
        for near in _together(self.given, state, self.rules, self.wide):
            rows = np.searchsorted(self.given.numbers, near.sums)
            members = np.unique(self.given.sums[rows].indices)
            members = members[(state[members] != WITHHELD) & (members != near.numerator)]
            if len(members):
                state[members[np.argmin(cost[members])]] = WITHHELD
                found = True
        return found

    def _cost(self, state: States) -> NDArray[np.float64]:
        """What it costs to withhold each: its students, and what would then stand alone."""
        persons = self.given.persons
        whole = np.bincount(self.row, state[self.cell] != EXACT, len(self.cheapest)) == 0
        other = np.where(self.cheapest[self.row] == self.cell, self.next[self.row],
                         self.least[self.row])  # fmt: skip
        alone = np.bincount(self.cell, np.where(whole[self.row], other, 0), len(persons))
        return np.where(state == BAND, persons / BAND_COST, persons + AHEAD * alone)

    def _touched(self, state: States, chosen: Ints) -> Mask:
        """Those whose bounds may have changed with what was chosen: all in their blocks."""
        kept = state[self.cell] != EXACT
        count = len(state)
        size = count + len(self.cheapest)
        graph = sparse.coo_array(
            (np.ones(int(kept.sum()), dtype=np.int8), (self.cell[kept], count + self.row[kept])),
            shape=(size, size),
        )
        _, label = sparse.csgraph.connected_components(graph, directed=False)
        again = np.zeros(len(label), dtype=bool)
        again[label[chosen]] = True
        return (state != EXACT) & again[label[:count]]

    def _chosen(
        self, state: States, cells: NDArray[np.intp], reach: _Reach, near: Mask
    ) -> NDArray[np.intp]:
        """A partner for each cell that can be told too nearly.

        It comes from a sum that leaves the cell too little room; where none does, from one that
        holds what is withheld beside the cell, and so on. The longer it takes, the more partners.
        """
        least = np.minimum(self.need[cells], self.rules.rare - 1)
        by_itself = reach.slack < least[reach.cell]
        # Where no sum by itself is what holds a cell, any will do that can give a partner.
        for entries in (by_itself, np.ones(len(by_itself), dtype=bool)):
            found = self._nearest(state, cells, reach, near, entries)
            if len(found):
                self.tries += 1
                return found
        return np.zeros(0, dtype=np.intp)

    def _nearest(
        self, state: States, cells: NDArray[np.intp], reach: _Reach, near: Mask, entries: Mask
    ) -> NDArray[np.intp]:
        """The cheapest partners for each cell, from the nearest of these entries that have any."""
        cost, none = self._cost(state), len(cells)
        locked = np.minimum(reach.down, reach.up) < self.rules.rare - 1
        origin = np.where(near, np.arange(none), none)
        edge, chosen = near, []
        served = np.zeros(none + 1, dtype=bool)
        served[none] = True
        while edge.any():
            held = entries & edge[reach.cell]
            cell, best = self._partners(
                state, reach.row[held], cells[reach.cell[held]], reach.slack[held]
            )
            whose = origin[np.searchsorted(cells, cell)]
            order = np.lexsort((cost[best], whose))
            _, first, of = np.unique(whose[order], return_index=True, return_inverse=True)
            some = np.arange(len(order)) - first[of] <= self.tries // PATIENCE
            chosen.append(best[order][some])
            served[whose] = True
            # Those without a partner go on to what is withheld beside them.
            edge &= ~served[origin]
            of_row = np.full(len(self.cheapest), none)
            at = edge[reach.cell]
            np.minimum.at(of_row, reach.row[at], origin[reach.cell[at]])
            further = np.full(none, none)
            np.minimum.at(further, reach.cell, of_row[reach.row])
            further[origin < none] = none
            # By what is locked itself, as long as anything is.
            if (further[locked] < none).any():
                further[~locked] = none
            origin = np.minimum(origin, further)
            edge = further < none
        return np.unique(np.concatenate([*chosen, np.zeros(0, dtype=np.intp)]))

    def _partners(self, state: States, row: Ints, cell: Ints, slack: Ints) -> tuple[Ints, Ints]:
        """Cells that are held too near, and their partners, each from the sum that holds it most.

        Args:
            state: of all.
            row: of each entry of such a cell: the sum.
            cell: the cell.
            slack: how far it can be moved within the sum.
        """
        if not len(row):
            return row, row
        cost = self._cost(state)
        asked, at_asked = np.unique(row, return_inverse=True)
        members = self.given.sums[asked].tocoo()
        at, one = members.coords
        # Whoever is alone in a sum is no partner of itself.
        alone = np.bincount(at_asked, minlength=len(asked)) == 1
        itself = np.full(len(asked), -1, dtype=np.int64)
        itself[at_asked] = cell
        free = (state[one] != WITHHELD) & ~(alone[at] & (itself[at] == one))
        at, one = at[free], one[free]
        order = np.lexsort((one, cost[one], at))
        rows, first = np.unique(at[order], return_index=True)
        best = np.full(len(asked), -1, dtype=np.int64)
        best[rows] = one[order][first]
        # Of each cell the sum that holds it most, of those that have a partner to give.
        able = best[at_asked] >= 0
        at_asked, cell, slack = at_asked[able], cell[able], slack[able]
        order = np.lexsort((cost[best[at_asked]], slack, cell))
        _, first = np.unique(cell[order], return_index=True)
        return cell[order][first], best[at_asked[order][first]]
