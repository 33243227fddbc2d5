"""Columns and parts of Arrow tables, and numbers that are none."""

from collections.abc import Iterator, Sequence
from math import isfinite
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def ordered(table: pa.Table, *keys: str) -> pa.Table:
    """The rows in the order of these columns."""
    return table.sort_by([(key, "ascending") for key in keys])


def parts(table: pa.Table, *keys: str) -> Iterator[tuple[tuple[Any, ...], pa.Table]]:
    """The rows of each combination of these columns, of a table in their order."""
    if not table.num_rows:
        return
    changed = np.zeros(table.num_rows, dtype=bool)
    changed[0] = True
    for key in keys:
        codes = table.column(key).combine_chunks().dictionary_encode().indices.to_numpy()
        changed[1:] |= codes[1:] != codes[:-1]
    starts = np.flatnonzero(changed)
    for start, end in zip(starts, [*starts[1:], table.num_rows], strict=True):
        own = table.slice(start, end - start)
        yield tuple(own.column(key)[0].as_py() for key in keys), own


def floats(table: pa.Table, name: str) -> Floats:
    """A column as doubles; NaN for null."""
    values: Floats = table.column(name).cast(pa.float64()).to_numpy().astype(float)
    return values


def strings(table: pa.Table, name: str) -> NDArray[np.object_]:
    """A column of text; None for null."""
    return np.array(table.column(name).to_pylist(), dtype=object)


def placed(values: Sequence[Any] | NDArray[Any]) -> tuple[list[Any], NDArray[np.intp]]:
    """The different values in order, and the place of each value among them."""
    names = sorted(set(values))
    place = {name: i for i, name in enumerate(names)}
    return names, np.array([place[value] for value in values], dtype=int)


def number(value: Any) -> float | None:
    """A double, or none where there is no such number."""
    found = float(value)
    return found if isfinite(found) else None
