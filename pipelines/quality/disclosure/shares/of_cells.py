"""The numerators of the warehouse's cells, with what releases before told of them."""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from pipelines.quality.disclosure.rules import Rules
from pipelines.quality.disclosure.shares.numerator import (
    BAND,
    IN_A_CELL,
    WITHHELD,
    Numerators,
    States,
)
from pipelines.quality.disclosure.shares.reach import near_of
from pipelines.quality.disclosure.system import Mask, System, ints


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
