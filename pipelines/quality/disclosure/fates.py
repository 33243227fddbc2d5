"""Which cells are withheld so that those which must be can't be worked out.

Small cells are withheld by rule. A withheld cell that stands alone in a sum, or with others that
make too little together, gets a partner: of the shown parts the one that costs least, with what
would stand alone beside it; the total only where no part is left. That is not enough (sums that
each hold can give a cell away together), so the bounds of all withheld cells are then computed, and
what is still held too tightly gets a partner from the sums that hold it, until nothing is.
Withholding more never narrows a bound: what was once wide enough stays so.

This is a heuristic. On small tables it withholds about one student in a hundred more than the
optimum of the integer programme of Fischetti & Salazar (2001), against which a test holds it.
"""

import heapq
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from pipelines.quality.disclosure.bounds import MOST, because, bounds
from pipelines.quality.disclosure.system import Ints, Mask, System

SHOWN, FEW, PARTNER, TOTAL = "shown", "few", "partner", "total"
"""What becomes of a cell: told; withheld, being of few students; withheld to protect another, with
all figures of its row; or its number alone, since it is the total of another, or all but one or two
of those who sat."""
NOBODY, UNPUBLISHED = "nobody", "unpublished"
"""Of nobody nothing is told; but that it is nobody readers are taken to know, since such a unit is
missing elsewhere. What no published table has a place for is not told, either."""
PATIENCE = 16
"""After so many tries a partner more is taken at once."""


def withheld(
    system: System,
    values: ArrayLike,
    small: ArrayLike,
    narrow: int,
    *,
    cost: ArrayLike | None = None,
    hidden: ArrayLike | None = None,
    known: ArrayLike | None = None,
) -> Mask:
    """Which cells to withhold: the small ones, and what keeps them from being worked out.

    Args:
        system: the cells and their sums.
        values: the cells' true values.
        small: which cells must be withheld.
        narrow: how far apart the least and the most of a withheld cell must lie.
        cost: of withholding a cell; none where it is its value.
        hidden: cells that are not told anyhow, and need no protection unless they are small.
        known: cells that readers know: none is a partner, and small ones need no protection. There
            is always another partner: where a part is no longer what it was, something else of its
            sum isn't, either.
    """
    numbers = np.asarray(values, dtype=np.int64)
    public = np.zeros(len(numbers), dtype=bool)
    if known is not None:
        public = system.worked_out(np.asarray(known, dtype=bool))
    dear = np.where(public, MOST, numbers if cost is None else np.asarray(cost))
    work = _Withholding(system, numbers, dear, public, narrow)
    if hidden is not None:
        for cell in np.flatnonzero(np.asarray(hidden, dtype=bool)).tolist():
            work.leave_out(cell)
    must = np.asarray(small, dtype=bool)
    for cell in np.flatnonzero(must & ~public).tolist():
        work.withhold(cell)
    wide = np.zeros(len(numbers), dtype=bool)
    tries = 0
    while True:
        tries += 1
        work.give_partners()
        opened = system.opened(numbers, np.array(work.hidden, dtype=bool))
        asked = np.array(work.protected, dtype=bool)[opened.cells] & ~wide[opened.cells]
        found = bounds(opened, narrow, asked, numbers[opened.cells], first=True)
        wide[opened.cells[asked & (found.width >= narrow)]] = True
        tight = np.flatnonzero(asked & found.exact & (found.width < narrow))
        if not len(tight):
            return np.array(work.hidden, dtype=bool) | must
        # One of each block: a new partner may free others of it.
        for column in tight.tolist():
            rows = np.searchsorted(system.numbers, because(opened, column)).tolist()
            if not work.widen(rows):
                # Nothing can be done; the audit says so.
                wide[opened.cells[column]] = True
            for _ in range(tries // PATIENCE):
                work.widen(rows)


class _Withholding:
    """What is withheld so far; plain lists, since cells are taken one by one."""

    def __init__(
        self, system: System, values: Ints, cost: ArrayLike, known: Mask, narrow: int
    ) -> None:
        cells = len(values)
        self.public = known.tolist()
        self.values, self.cost, self.narrow = values.tolist(), np.asarray(cost).tolist(), narrow
        self.hidden, self.protected = [False] * cells, [False] * cells
        self.loose, self.by_total = system.loose.tolist(), system.by_total.tolist()
        by_sum, by_cell = system.sums, system.sums.tocsc()
        self.total = [-1] * by_sum.shape[0]
        self.parts: list[list[int]] = []
        for row in range(by_sum.shape[0]):
            span = slice(by_sum.indptr[row], by_sum.indptr[row + 1])
            members, signs = by_sum.indices[span], by_sum.data[span]
            self.total[row] = int(members[signs > 0][0])
            self.parts.append(members[signs < 0].tolist())
        split = by_cell.indptr.tolist()
        rows = by_cell.indices.tolist()
        self.sums_of = [rows[a:b] for a, b in pairwise(split)]
        order = np.argsort(system.fate, kind="stable")
        starts = np.flatnonzero(np.diff(system.fate[order], prepend=-1))
        self.fate = system.fate.tolist()
        self.of_fate = [own.tolist() for own in np.split(order, starts[1:])]
        self.due: list[tuple[bool, int, int]] = []
        # Of each sum: how many of its members are withheld, and what its two cheapest cost.
        self.known = [0] * len(self.parts)
        self.cheap: list[list[float]] = []
        for row in range(len(self.parts)):
            self.cheap.append(sorted(self.cost[member] for member in self._members(row))[:2])

    def leave_out(self, cell: int) -> None:
        """The cell is not told, and need not be protected."""
        self.hidden[cell] = True
        for row in self.sums_of[cell]:
            self.known[row] += 1

    def withhold(self, cell: int) -> None:
        """Withhold a cell, and all cells of its fate that nobody knows, and have them protected."""
        for own in self.of_fate[self.fate[cell]]:
            if not self.protected[own] and not self.public[own]:
                fresh = not self.hidden[own]
                self.hidden[own] = self.protected[own] = True
                for row in self.sums_of[own]:
                    self.known[row] += fresh
                    self._look_at(row, own)

    def _look_at(self, row: int, cell: int) -> None:
        if self.loose[row]:
            # A number that is at least another, and often hardly more, is told by that other.
            if cell == self.total[row]:
                for part in self.parts[row]:
                    self.withhold(part)
        else:
            # Sums that leave no choice come first, then large ones: smaller ones, which lie in
            # them, may then have what they need.
            choice = sum(not self.hidden[part] for part in self.parts[row]) > 1
            heapq.heappush(self.due, (choice, -self.values[self.total[row]], row))

    def give_partners(self) -> None:
        """Partners for all that stand alone in a sum, or with too little, or where a total must be
        one.
        """
        while self.due:
            *_, row = heapq.heappop(self.due)
            while self._lacks(row):
                if not self._add(row):
                    break

    def _lacks(self, row: int) -> bool:
        own = [part for part in self.parts[row] if self.hidden[part]]
        total = self.total[row]
        if self.hidden[total]:
            # What the parts make is unknown, unless there is nothing to it that is.
            return not own and self.protected[total]
        if not any(self.protected[part] for part in own):
            return False
        few = len(own) == 1 or sum(self.values[part] for part in own) < self.narrow
        return few or self.by_total[row]

    def _add(self, row: int) -> bool:
        """Withhold the cheapest part that is shown, else the total; whether there was one."""
        free = [part for part in self.parts[row] if self._is_free(part)]
        if free and (self.hidden[self.total[row]] or not self.by_total[row]):
            self.withhold(min(free, key=lambda part: (self._spent(part), part)))
        elif self._is_free(self.total[row]):
            self.withhold(self.total[row])
        else:
            return False
        return True

    def widen(self, rows: list[int]) -> bool:
        """Another partner out of these sums, which together hold a cell too tightly; whether there
        was one.

        It is the one with which the fewest students are likely to be withheld: itself, and what
        then stands alone.
        """
        free = {member for row in rows for member in self._members(row) if self._is_free(member)}
        if free:
            self.withhold(min(free, key=lambda member: (self._spent(member), member)))
        return bool(free)

    def _is_free(self, cell: int) -> bool:
        return not self.hidden[cell] and not self.public[cell]

    def _spent(self, cell: int) -> float:
        """What it costs to withhold a cell with its fate, and what would then stand alone."""
        spent = 0.0
        for own in self.of_fate[self.fate[cell]]:
            spent += self.cost[own]
            for row in self.sums_of[own]:
                if not self.loose[row] and not self.known[row]:
                    least, *more = self.cheap[row]
                    spent += more[0] if self.cost[own] == least else least
        return spent

    def _members(self, row: int) -> list[int]:
        return [self.total[row], *self.parts[row]]
