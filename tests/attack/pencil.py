"""Whole numbers that add up, narrowed until nothing moves: what subtraction alone gives away."""

from collections.abc import Hashable, Iterable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

MOST = 1e7
"""More than any number of students: that nothing is known of a number from above."""
NEAR = 1e-6
TOGETHER = 400
"""Sums over so many unknown numbers or fewer are solved for one another, too."""
ROUNDS = 500

Floats = NDArray[np.float64]


class Contradiction(ValueError):
    """No whole numbers fit what was said."""


class Pencil:
    """A sheet of unknown whole numbers, each with the least and the most that it may be."""

    def __init__(self) -> None:
        self._place: dict[Hashable, int] = {}
        self._low: list[float] = []
        self._high: list[float] = []
        self._sums: list[dict[int, float]] = []
        self._right: list[float] = []

    def between(self, name: Hashable, low: float = 0, high: float = MOST) -> None:
        """A number lies within these; what was said before stays said."""
        at = self._at(name)
        self._low[at] = max(self._low[at], np.ceil(low - NEAR))
        self._high[at] = min(self._high[at], np.floor(high + NEAR))

    def adds_up(self, total: Hashable, parts: Iterable[Hashable], beyond: float = 0) -> None:
        """A number is the sum of others and of a known rest."""
        own = {self._at(total): 1.0}
        for part in parts:
            at = self._at(part)
            own[at] = own.get(at, 0.0) - 1
        self._sums.append(own)
        self._right.append(beyond)

    def at_least(self, more: Hashable, less: Hashable) -> None:
        """A number is at least another."""
        self.adds_up(more, [less, ("rest", more, less)])

    def worked_out(self) -> Mapping[Hashable, tuple[int, int]]:
        """The least and the most of every number, by one sum after another and by their
        differences.

        Raises:
            Contradiction: no numbers fit.
        """
        low, high = np.array(self._low), np.array(self._high)
        sums = sparse.csr_array(
            (
                [sign for own in self._sums for sign in own.values()],
                [at for own in self._sums for at in own],
                np.cumsum([0, *(len(own) for own in self._sums)]),
            ),
            shape=(len(self._sums), len(low)),
        )
        right = np.array(self._right)
        low, high = _narrowed(sums, right, low, high)
        more = list(_differences(sums, right, low, high))
        if more:
            sums = sparse.csr_array(sparse.vstack([sums, *(rows for rows, _ in more)]))
            right = np.concatenate([right, *(known for _, known in more)])
            low, high = _narrowed(sums, right, low, high)
        pairs = zip(low.astype(int).tolist(), high.astype(int).tolist(), strict=True)
        return dict(zip(self._place, pairs, strict=True))

    def _at(self, name: Hashable) -> int:
        if name not in self._place:
            self._place[name] = len(self._low)
            self._low.append(0)
            self._high.append(MOST)
        return self._place[name]


def _narrowed(
    sums: sparse.csr_array, right: Floats, low: Floats, high: Floats
) -> tuple[Floats, Floats]:
    """Every number within what the others of each of its sums leave it, until nothing moves."""
    entries = sums.tocoo()
    (row, at), sign = entries.coords, entries.data
    for _ in range(ROUNDS):
        if (low > high).any():
            raise Contradiction("no numbers fit")
        ends = np.stack([sign * low[at], sign * high[at]])
        least, most = ends.min(axis=0), ends.max(axis=0)
        rest_least = np.bincount(row, least, len(right))[row] - least
        rest_most = np.bincount(row, most, len(right))[row] - most
        ends = np.stack([(right[row] - rest_least) / sign, (right[row] - rest_most) / sign])
        new_low, new_high = low.copy(), high.copy()
        np.maximum.at(new_low, at, np.ceil(ends.min(axis=0) - NEAR))
        np.minimum.at(new_high, at, np.floor(ends.max(axis=0) + NEAR))
        if (new_low == low).all() and (new_high == high).all():
            break
        low, high = new_low, new_high
    return low, high


def _differences(
    sums: sparse.csr_array, right: Floats, low: Floats, high: Floats
) -> Iterator[tuple[sparse.csr_array, Floats]]:
    """Sums of sums, from which the widest unknown numbers have been taken out, block by block."""
    unknown = np.flatnonzero(low < high)
    known = right - sums @ np.where(low < high, 0, low)
    own = sums.tocsc()[:, unknown].tocsr()
    rows, columns = own.shape
    links = own.tocoo()
    graph = sparse.coo_array(
        (np.ones(links.nnz), (links.coords[0], rows + links.coords[1])),
        shape=(rows + columns, rows + columns),
    )
    block = sparse.csgraph.connected_components(graph, directed=False)[1][:rows]
    several = np.flatnonzero(np.bincount(block)[block] > 1)
    several = several[np.argsort(block[several], kind="stable")]
    for some in np.split(several, np.flatnonzero(np.diff(block[several])) + 1):
        part = own[some]
        at = np.unique(part.indices)
        if not 1 < len(at) <= TOGETHER:
            continue
        at = at[np.argsort(-(high - low)[unknown[at]], kind="stable")]
        reduced = _reduced(np.column_stack([part.toarray()[:, at], known[some]]))
        row, column = np.nonzero(reduced[:, :-1])
        shape = (len(reduced), len(low))
        filled = sparse.csr_array((reduced[row, column], (row, unknown[at[column]])), shape=shape)
        yield filled, reduced[:, -1]


def _reduced(matrix: Floats) -> Floats:
    """The reduced row echelon form; its last column is what the rows add up to."""
    matrix = matrix.astype(float)
    row = 0
    for column in range(matrix.shape[1] - 1):
        if row == len(matrix):
            break
        best = row + int(np.argmax(np.abs(matrix[row:, column])))
        if abs(matrix[best, column]) < NEAR:
            continue
        matrix[[row, best]] = matrix[[best, row]]
        matrix[row] /= matrix[row, column]
        others = np.abs(matrix[:, column]) > NEAR
        others[row] = False
        matrix[others] -= np.outer(matrix[others, column], matrix[row])
        row += 1
    matrix[np.abs(matrix) < NEAR] = 0
    return matrix[:row]
