"""Which cells are withheld so that those which must be can't be worked out.

Small cells are withheld by rule. A withheld cell that stands alone in a sum, or with others that
make too little together, gets a partner: the cheapest of the shown parts, the total only where no
part is left. That is not enough (sums that each hold can give a cell away together), so the bounds
of all withheld cells are then computed, and what is still held too tightly gets another partner,
until nothing is. Withholding more never narrows a bound: what was once wide enough stays so.

This is a heuristic. On small tables it withholds about one student in a hundred more than the
optimum of the integer programme of Fischetti & Salazar (2001), against which a test holds it.
"""

import heapq
from collections import deque
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from pipelines.quality.disclosure.bounds import bounds
from pipelines.quality.disclosure.system import Ints, Mask, System


def withheld(
    system: System,
    values: ArrayLike,
    small: ArrayLike,
    narrow: int,
    *,
    cost: ArrayLike | None = None,
    hidden: ArrayLike | None = None,
) -> Mask:
    """Which cells to withhold: the small ones, and what keeps them from being worked out.

    Args:
        system: the cells and their sums.
        values: the cells' true values.
        small: which cells must be withheld.
        narrow: how far apart the least and the most of a withheld cell must lie.
        cost: of withholding a cell; none where it is its value.
        hidden: cells that are not told anyhow, and need no protection unless they are small.
    """
    numbers = np.asarray(values, dtype=np.int64)
    work = _Withholding(system, numbers, numbers if cost is None else np.asarray(cost), narrow)
    if hidden is not None:
        for cell in np.flatnonzero(np.asarray(hidden, dtype=bool)).tolist():
            work.leave_out(cell)
    for cell in np.flatnonzero(np.asarray(small, dtype=bool)).tolist():
        work.withhold(cell)
    wide = np.zeros(len(numbers), dtype=bool)
    while True:
        work.give_partners()
        protected = np.array(work.protected, dtype=bool)
        tight = _too_tight(system, numbers, np.array(work.hidden, dtype=bool), protected & ~wide,
                           narrow)  # fmt: skip
        wide |= protected
        wide[tight] = False
        if not len(tight):
            return np.array(work.hidden, dtype=bool)
        # One new partner may free several cells of a block: ask again before the next.
        blocks: set[int] = set()
        for cell in tight.tolist():
            if cell not in blocks:
                blocks |= work.near(cell)
                work.widen(cell)


def _too_tight(
    system: System, values: Ints, hidden: Mask, asked: Mask, narrow: int
) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """The asked cells whose bounds lie too near to each other."""
    opened = system.opened(values, hidden)
    found = bounds(opened, narrow, asked[opened.cells], values[opened.cells])
    return opened.cells[asked[opened.cells] & (found.width < narrow)]


class _Withholding:
    """What is withheld so far; plain lists, since cells are taken one by one."""

    def __init__(self, system: System, values: Ints, cost: ArrayLike, narrow: int) -> None:
        cells = len(values)
        self.values, self.cost, self.narrow = values.tolist(), np.asarray(cost).tolist(), narrow
        self.hidden, self.protected = [False] * cells, [False] * cells
        self.loose = system.loose.tolist()
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
        self.due: list[tuple[int, int]] = []

    def leave_out(self, cell: int) -> None:
        """The cell is not told, and need not be protected."""
        self.hidden[cell] = True

    def withhold(self, cell: int) -> None:
        """Withhold a cell, and all cells of its fate, and have them protected."""
        for own in self.of_fate[self.fate[cell]]:
            if not self.protected[own]:
                self.hidden[own] = self.protected[own] = True
                for row in self.sums_of[own]:
                    self._look_at(row)

    def _look_at(self, row: int) -> None:
        if not self.loose[row]:
            # Sums that leave no choice come first: the others may then have what they need.
            choice = sum(not self.hidden[part] for part in self.parts[row])
            heapq.heappush(self.due, (choice, row))

    def give_partners(self) -> None:
        """Partners for all that stand alone in a sum, or with too little."""
        while self.due:
            _, row = heapq.heappop(self.due)
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
        return len(own) == 1 or sum(self.values[part] for part in own) < self.narrow

    def _add(self, row: int) -> bool:
        """Withhold the cheapest shown part, else the total; whether there was one."""
        shown = [part for part in self.parts[row] if not self.hidden[part]]
        if shown:
            self.withhold(min(shown, key=lambda part: (self.cost[part], part)))
        elif not self.hidden[self.total[row]]:
            self.withhold(self.total[row])
        else:
            return False
        return True

    def near(self, cell: int) -> set[int]:
        """The hidden cells of the cell's block."""
        return {member for row in self._around(cell) for member in self._members(row)
                if self.hidden[member]}  # fmt: skip

    def widen(self, cell: int) -> None:
        """Another partner from the nearest sum around the cell that has one.

        Some sum has: were all around the cell withheld, nothing would bound it.
        """
        next(row for row in self._around(cell) if self._add(row))

    def _members(self, row: int) -> list[int]:
        return [self.total[row], *self.parts[row]]

    def _around(self, cell: int) -> Iterable[int]:
        """Sums of the cell, then those of the hidden cells in these, and so on."""
        seen_rows: set[int] = set()
        seen, queue = {cell}, deque([cell])
        while queue:
            for row in self.sums_of[queue.popleft()]:
                if row in seen_rows:
                    continue
                seen_rows.add(row)
                yield row
                for member in self._members(row):
                    if self.hidden[member] and member not in seen:
                        seen.add(member)
                        queue.append(member)
