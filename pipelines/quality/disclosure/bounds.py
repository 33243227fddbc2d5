"""The least and the most that each withheld number may be, by all that is published.

Bounds are over whole numbers. A linear programme gives them where its corner is whole, as it is
when the sums are those of nested groups; where it is not, an integer programme does. Blocks that
share no sum are solved together, many in one programme, each for a cell of its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse

from pipelines.quality.disclosure.system import Ints, Mask, Opened

MOST = 1_000_000
"""More than any withheld number may be: a number that nothing bounds is said to reach it."""
TOGETHER = 4_000
"""Numbers solved for in one programme: enough to share its fixed cost, few enough to be quick."""
SHAKES = 6
"""How often all open numbers of a block are moved at once before each is looked at by itself."""
NEAR = 1e-6
"""From a whole number, within which what the solver gives is that number."""

Floats = NDArray[np.float64]


class Contradiction(ValueError):
    """No numbers fit what is said to be published."""


@dataclass(frozen=True)
class Bounds:
    """Of each hidden cell, in the order of `Opened.cells`."""

    low: Ints
    """The least that it may be; or, where it was only asked if the two are apart, some number."""
    high: Ints
    """The most that it may be; `MOST` where nothing bounds it."""
    exact: Mask
    """Whether they are the bounds themselves, rather than two solutions met on the way."""

    @property
    def width(self) -> Ints:
        """How far apart they are."""
        return self.high - self.low


def bounds(
    opened: Opened,
    enough: int | Ints | None = None,
    asked: Mask | None = None,
    known: Ints | None = None,
    first: bool = False,
) -> Bounds:
    """Least and most of hidden cells, none less than 0 or above `Opened.most`.

    Args:
        opened: sums of the hidden cells.
        enough: a cell of which two solutions lie so far apart is looked at no further: its bounds
            are then those two. One number for all cells, or one a cell; None asks for the bounds
            themselves.
        asked: of which cells; the others' bounds are those of the solutions met. None asks for all.
        known: a solution, where one is known.
        first: whether a block is looked at no further once a cell's bounds are less apart.

    Raises:
        Contradiction: there is no solution.
    """
    wanted = np.ones(len(opened.cells), dtype=bool) if asked is None else asked
    low, high = np.full(len(wanted), MOST, dtype=np.int64), np.zeros(len(wanted), dtype=np.int64)
    exact = np.zeros(len(wanted), dtype=bool)
    far = None if enough is None else np.broadcast_to(enough, len(wanted))
    for columns in _batches(opened.blocks(), wanted):
        batch = _Batch(
            opened.of(columns), wanted[columns], None if known is None else known[columns]
        )
        batch.settle(None if far is None else far[columns], first)
        low[columns], high[columns], exact[columns] = batch.low, batch.high, batch.exact
    return Bounds(low, high, exact)


def because(opened: Opened, column: int) -> list[int]:
    """The sums that bound a hidden cell: those that the proofs of its least and most rest on.

    Args:
        opened: sums of the hidden cells.
        column: which cell, as a place in `opened.cells`.
    """
    blocks = opened.blocks()
    own = np.flatnonzero(blocks == blocks[column])
    part = opened.of(own)
    cost = (own == column).astype(float)
    rows: set[int] = set()
    for sign in (1.0, -1.0):
        found = _solved(part, sign * cost)
        prices = np.zeros(len(part.right))
        prices[~part.loose] = found.eqlin.marginals
        prices[part.loose] = found.ineqlin.marginals
        rows |= set(part.numbers[np.abs(prices) > NEAR].tolist())
    return sorted(rows)


def _batches(blocks: NDArray[np.intp], wanted: Mask) -> Iterator[NDArray[np.intp]]:
    """Columns of whole blocks in which something is asked, so many at a time."""
    asked = np.zeros(blocks.max(initial=-1) + 1, dtype=bool)
    asked[blocks[wanted]] = True
    columns = np.flatnonzero(asked[blocks])
    columns = columns[np.argsort(blocks[columns], kind="stable")]
    sizes = np.bincount(blocks[columns], minlength=len(asked))
    start = end = 0
    for size in sizes[sizes > 0]:
        if end > start and end + size - start > TOGETHER:
            yield columns[start:end]
            start = end
        end += int(size)
    if end > start:
        yield columns[start:end]


class _Batch:
    """Blocks solved together."""

    def __init__(self, opened: Opened, asked: Mask, known: Ints | None) -> None:
        self.opened, self.asked = opened, asked
        self.block = opened.blocks()
        self.low = np.full(len(asked), MOST, dtype=np.int64)
        self.high = np.zeros(len(asked), dtype=np.int64)
        self.exact = np.zeros(len(asked), dtype=bool)
        if known is None:
            aim = np.zeros(len(asked))
            self._take(aim, _solved(opened, aim).x)
        else:
            self._meet(known, np.ones(len(asked), dtype=bool))

    def settle(self, enough: Ints | None, first: bool) -> None:
        """Look at every asked cell, in its block's turn, until its bounds are known."""
        left = self.asked.copy()
        if enough is not None:
            for shake in range(SHAKES):
                left &= self.high - self.low < enough
                if left.any():
                    self._shake(left, enough, shake)
            left &= self.high - self.low < enough
        while left.any():
            places = np.flatnonzero(left)
            turn = places[np.unique(self.block[places], return_index=True)[1]]
            aim = np.zeros(len(left))
            for sign in (1.0, -1.0):
                aim[turn] = sign
                self._take(aim, _solved(self.opened, aim).x)
            self.exact[turn], left[turn] = True, False
            if first and enough is not None:
                tight = turn[self.high[turn] - self.low[turn] < enough[turn]]
                left &= ~np.isin(self.block, self.block[tight])
            if enough is not None:
                left &= self.high - self.low < enough

    def _shake(self, left: Mask, enough: Ints, shake: int) -> None:
        """Move as many open cells as possible at once, each so far and no further.

        Half of them up and half down, others each time; small ones up, since they can't go down.
        """
        places = np.flatnonzero(left)
        draw = np.random.default_rng(shake).random(len(places))
        far = enough[places]
        up = draw < np.where(self.high[places] < far, 0.8, 0.5)
        # At x ≥ low + enough, or x ≤ high − enough, a cell is wide enough: nearer to it is better.
        goal = np.where(up, self.low[places] + far, self.high[places] - far)
        sign = np.where(up, 1, -1)
        count, own = len(places), len(left)
        # sign x + short ≥ sign goal: what is short of the goal is to be as little as possible.
        rows = sparse.csr_array(
            (
                np.concatenate([sign, np.ones(count, dtype=np.int64)]),
                (np.tile(np.arange(count), 2), np.concatenate([places, own + np.arange(count)])),
            ),
            shape=(count, own + count),
        )
        wider = sparse.csr_array(
            (self.opened.sums.data, self.opened.sums.indices, self.opened.sums.indptr),
            shape=(self.opened.sums.shape[0], own + count),
        )
        eased = Opened(
            np.arange(own + count),
            np.arange(len(self.opened.right) + count),
            sparse.csr_array(sparse.vstack([wider, rows])),
            np.concatenate([self.opened.right, sign * goal]),
            np.concatenate([self.opened.loose, np.ones(count, dtype=bool)]),
            np.concatenate([_most(self.opened), np.full(count, MOST)]),
        )
        found = _solved(eased, np.concatenate([np.zeros(own), np.ones(count)])).x[:own]
        self._meet(np.round(found).astype(np.int64), self._whole(found))

    def _take(self, aim: Floats, found: Floats) -> None:
        """Note a solution; where it is not whole, find the best whole one for the same aim."""
        whole = self._whole(found)
        self._meet(np.round(found).astype(np.int64), whole)
        for block in np.unique(self.block[~whole]):
            own = np.flatnonzero(self.block == block)
            values = np.zeros(len(whole), dtype=np.int64)
            values[own] = _in_whole(self.opened.of(own), aim[own])
            self._meet(values, self.block == block)

    def _whole(self, found: Floats) -> Mask:
        """Of each cell whether its block's numbers are whole and fit the sums exactly."""
        values = np.round(found)
        fits = np.abs(found - values) < NEAR
        numbers = values.astype(np.int64)
        over = self.opened.sums @ numbers - self.opened.right
        wrong = np.where(self.opened.loose, over < 0, over != 0)
        bad = self.block[~fits | (numbers < 0) | (numbers > _most(self.opened))]
        broken = np.unique(self.opened.sums[wrong].indices)
        return ~np.isin(self.block, np.concatenate([bad, self.block[broken]]))

    def _meet(self, values: Ints, at: Mask) -> None:
        self.low[at] = np.minimum(self.low[at], values[at])
        self.high[at] = np.maximum(self.high[at], values[at])


def _solved(opened: Opened, aim: Floats) -> optimize.OptimizeResult:
    """A corner at which the aim is least."""
    reach = np.stack([np.zeros(len(aim)), _most(opened)], axis=1)
    found = optimize.linprog(aim, **_constraints(opened), bounds=reach, method="highs-ds")
    if found.status != 0:
        raise Contradiction(found.message)
    return found


def _most(opened: Opened) -> Ints:
    return np.full(len(opened.cells), MOST) if opened.most is None else opened.most


def _constraints(opened: Opened) -> dict[str, object]:
    tight, loose = ~opened.loose, opened.loose
    return {
        "A_eq": opened.sums[tight].astype(float) if tight.any() else None,
        "b_eq": opened.right[tight] if tight.any() else None,
        "A_ub": -opened.sums[loose].astype(float) if loose.any() else None,
        "b_ub": -opened.right[loose] if loose.any() else None,
    }


def _in_whole(opened: Opened, aim: Floats) -> Ints:
    """Whole numbers at which the aim is least."""
    upper = np.where(opened.loose, np.inf, opened.right)
    found = optimize.milp(
        aim,
        integrality=np.ones(len(aim)),
        bounds=optimize.Bounds(0, _most(opened)),
        constraints=optimize.LinearConstraint(opened.sums.astype(float), opened.right, upper),
        options={"mip_rel_gap": 0},
    )
    if found.x is None:
        raise Contradiction(found.message)
    return np.asarray(np.round(found.x), dtype=np.int64)
