"""Which shares are withheld beside those that must be: the cheapest that keep them untold."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from pipelines.quality.disclosure.fates import PATIENCE
from pipelines.quality.disclosure.rules import Rules
from pipelines.quality.disclosure.shares.numerator import BAND, EXACT, WITHHELD, Numerators, States
from pipelines.quality.disclosure.shares.reach import Reach, near_together, reached
from pipelines.quality.disclosure.system import Ints, Mask

BAND_COST = 4
"""How many times as dear as its band a share is: a band tells little."""
AHEAD = 3
"""How dear is what would stand alone beside a withheld share: it has a cost beside it, too."""
AROUND, AROUND_EACH = 1000, 50
"""How many numerators are looked at around those that are told too nearly: in all, and of each."""
Costs = NDArray[np.float64]


def protect(given: Numerators, state: States, rules: Rules) -> None:
    """Withhold what is told too much, until none can be told too nearly."""
    choice = _Choice(given, state, rules)
    chosen = np.flatnonzero(state != EXACT)
    while len(chosen):
        choice.by_subtraction(chosen)
        chosen = choice.by_all_sums()


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
        """Room for `_once`, made once."""
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
        for near in near_together(self.given, self.state, self.rules, self.wide):
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
    ) -> tuple[Reach, Mask]:
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

    def _chosen(self, cells: NDArray[np.intp], reach: Reach, near: Mask) -> NDArray[np.intp]:
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
        self, cells: NDArray[np.intp], reach: Reach, near: Mask, entries: Mask
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
