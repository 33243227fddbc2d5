"""Columns of Arrow tables, and numbers that are none."""

from collections.abc import Sequence
from math import isfinite
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Floats = NDArray[np.float64]


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
