"""Numbers of students that add up: what publication tells of those that it withholds."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class System:
    """Cells, each a number of students, and the sums that whoever reads the publications knows.

    A sum says that its total is the sum of its parts and of a constant; a loose one that it is at
    least that. Cells that readers know to be one number, or from one of which they could work out
    the other, have one fate: a sum of one part alone makes its two cells such, too.
    """

    numbers: Ints
    """Of each sum: its number in the list that it comes from."""
    sums: sparse.csr_array
    """(sums, cells): 1 at the total, −1 at each part."""
    beyond: Ints
    """Of each sum: what its total is more than its parts. Readers are taken to know it."""
    loose: Mask
    """Of each sum: whether it says no more than that the total is at least so much."""
    by_total: Mask
    """Of each sum: whether its total is withheld wherever a part is, rather than another part."""
    fate: NDArray[np.intp]
    """Of each cell: number of its fate."""
    before: Mask | None = None
    """Of each sum: whether a release before told it; None where none did."""

    def opened(self, values: ArrayLike, hidden: Mask) -> "Opened":
        """What is left when the shown cells are put in: the sums of the hidden ones.

        Args:
            values: of the cells; those of hidden ones are not looked at.
            hidden: which cells are withheld.
        """
        cells = np.flatnonzero(hidden)
        shown = np.where(hidden, 0, np.asarray(values, dtype=np.int64))
        right = self.beyond - self.sums @ shown
        open_sums = self.sums.tocsc()[:, cells].tocsr()
        told = np.flatnonzero(np.diff(open_sums.indptr))
        return Opened(cells, self.numbers[told], open_sums[told], right[told], self.loose[told])

    def worked_out(self, known: Mask) -> Mask:
        """Cells that are known, and what follows from them: the one that is left of a sum, or of
        how it differs from one that was told before.
        """
        found = known
        while True:
            sums = sparse.csr_array(self.sums[~self.loose][:, ~found])
            more = _left(sums)
            if self.before is not None and not more.any():
                sums_before = sums[self.before[~self.loose]]
                one, other = (abs(sums_before) @ abs(sums).T).nonzero()
                for sign in (1, -1):
                    more |= _left(sums[other] - sign * sums_before[one])
            if not more.any():
                return found
            found = found.copy()
            found[~found] = more


def _left(sums: sparse.csr_array) -> Mask:
    """Members that are alone in one of the sums."""
    sums = sparse.csr_array(sums)
    sums.eliminate_zeros()
    found = np.zeros(sums.shape[1], dtype=bool)
    found[sums[np.diff(sums.indptr) == 1].indices] = True
    return found


@dataclass(frozen=True)
class Opened:
    """Sums over the hidden cells of a system alone: `sums @ x == right`, `>=` where loose."""

    cells: NDArray[np.intp]
    """The hidden cells, in order: what a column stands for."""
    numbers: Ints
    """The numbers of the sums with a hidden member: what a row stands for."""
    sums: sparse.csr_array
    right: Ints
    loose: Mask
    most: Ints | None = None
    """The most that each may be, by what is said of it alone; None where nothing is."""

    def of(self, columns: NDArray[np.intp]) -> "Opened":
        """The sums that these columns are in, where they share none with another column."""
        own = self.sums.tocsc()[:, columns].tocsr()
        rows = np.flatnonzero(np.diff(own.indptr))
        return Opened(
            self.cells[columns], self.numbers[rows], own[rows], self.right[rows], self.loose[rows],
            None if self.most is None else self.most[columns],
        )  # fmt: skip

    def blocks(self) -> NDArray[np.intp]:
        """Of each column the number of its block: blocks have no sum in common."""
        sums, cells = self.sums.shape
        links = self.sums.tocoo()
        graph = sparse.coo_array(
            (np.ones(links.nnz, dtype=np.int8), (links.coords[1], cells + links.coords[0])),
            shape=(cells + sums, cells + sums),
        )
        _, labels = sparse.csgraph.connected_components(graph, directed=False)
        return np.unique(labels[:cells], return_inverse=True)[1].astype(np.intp)


def system(
    cells: int,
    sum_no: ArrayLike,
    total: ArrayLike,
    part: ArrayLike,
    *,
    beyond: ArrayLike | None = None,
    loose: ArrayLike = (),
    by_total: ArrayLike = (),
    fate: ArrayLike | None = None,
) -> System:
    """The system of a list of sums, one row a part.

    Args:
        cells: how many cells there are; they are numbered from 0.
        sum_no: of each row: which sum it is of.
        total: of each row: the cell that is the sum.
        part: of each row: the cell that is a part of it.
        beyond: of each row: what its sum's total is more than the parts; none where nothing.
        loose: numbers of the sums that are no more than bounds.
        by_total: numbers of the sums whose total is withheld rather than another part.
        fate: of each cell; none where each has its own.
    """
    numbers, row = np.unique(np.asarray(sum_no, dtype=np.intp), return_inverse=True)
    totals, parts = np.asarray(total, dtype=np.intp), np.asarray(part, dtype=np.intp)
    whole = np.zeros(len(numbers), dtype=np.intp)
    whole[row] = totals
    shape = (len(numbers), cells)
    at = np.arange(len(numbers))
    entries: Any = np.concatenate([np.ones(len(numbers)), -np.ones(len(parts))]).astype(np.int64)
    matrix = sparse.csr_array(
        (entries, (np.concatenate([at, row]), np.concatenate([whole, parts]))), shape=shape
    )
    is_loose = np.isin(numbers, np.asarray(loose, dtype=np.intp))
    own = np.arange(cells) if fate is None else np.asarray(fate, dtype=np.intp)
    alone = ~is_loose & (np.diff(matrix.indptr) == 2)
    more = np.zeros(len(numbers), dtype=np.int64)
    if beyond is not None:
        more[row] = np.asarray(beyond, dtype=np.int64)
    return System(
        numbers,
        matrix,
        more,
        is_loose,
        np.isin(numbers, np.asarray(by_total, dtype=np.intp)),
        _one_fate(own, whole[alone], matrix, alone),
    )


def _one_fate(
    fate: NDArray[np.intp], whole: NDArray[np.intp], sums: sparse.csr_array, alone: Mask
) -> NDArray[np.intp]:
    """Fates, of which those are one that a sum of one part joins."""
    own = sums[alone]
    parts = own.indices[own.data < 0]
    fates, place = np.unique(fate, return_inverse=True)
    links = sparse.coo_array(
        (np.ones(len(whole), dtype=np.int8), (place[whole], place[parts])),
        shape=(len(fates), len(fates)),
    )
    _, labels = sparse.csgraph.connected_components(links, directed=False)
    return np.asarray(labels[place], dtype=np.intp)


def ints(table: pa.Table, name: str, otherwise: int = 0) -> Ints:
    """A column of whole numbers, with another number where there is none."""
    return pc.fill_null(table[name], otherwise).to_numpy().astype(np.int64)
