"""How nearly each numerator can be told: by one sum after another, or by sums together."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.quality.disclosure.bounds import because, bounds
from pipelines.quality.disclosure.rules import Rules
from pipelines.quality.disclosure.shares.numerator import EXACT, Numerators, States
from pipelines.quality.disclosure.system import Ints, Mask, Opened

JOINT = 150
"""Sums are solved together where so many untold shares or fewer hang together; where more do, as
the pooled years of all schools of a city do, one sum after another tells how near each can be told.
"""


@dataclass(frozen=True)
class Near:
    """A numerator that can be told too nearly."""

    numerator: int
    low: int
    high: int
    sums: tuple[int, ...]
    """Numbers of the sums that give it away, or `IN_A_CELL`."""


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
    return near_together(given, state, rules, wide)


def near_together(given: Numerators, state: States, rules: Rules, wide: Mask) -> list[Near]:
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


@dataclass(frozen=True)
class Reach:
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
) -> Reach:
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
            return Reach(down, up, row, place, cell, slack)
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
