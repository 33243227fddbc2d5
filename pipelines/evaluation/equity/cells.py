"""What is known of students by cell and school, and figures of sums over schools."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipelines.evaluation.resampling import FEWEST, Array, Figures, Resampling, figures


@dataclass(frozen=True)
class Cells:
    """Students, or those of one group, by cell and school: all (cells, schools)."""

    n: Array
    mean: Array
    squares: Array
    """Sum of squared deviations from the school's own mean in the cell."""

    def __post_init__(self) -> None:
        for name in ("n", "mean", "squares"):
            object.__setattr__(self, name, panel(getattr(self, name)))
        check_shapes(self.n, self.mean, self.squares)
        check_counts(self.n)

    @classmethod
    def from_sums(cls, n: ArrayLike, total: ArrayLike, squares: ArrayLike) -> "Cells":
        """From sums of scores and of their squares; z or scores near 0, else digits are lost."""
        size, added, raw = panel(n), panel(total), panel(squares)
        check_shapes(size, added, raw)
        mean = np.divide(added, size, out=np.zeros_like(added), where=size > 0)
        return cls(size, mean, np.maximum(raw - added * mean, 0))


def bca_over_schools(
    block: Array,
    statistic: Callable[[Array], Array],
    present: NDArray[np.bool_],
    n: Array,
    resampling: Resampling,
) -> Figures:
    """BCa over schools of all figures that a statistic makes of sums over schools.

    `block` (schools, sums) is what is added up, `statistic` takes (rows, sums) to (rows, figures),
    `present` (figures, schools) says whose figure it is. A school that is in none is not drawn.
    """
    somewhere = present.any(axis=0)
    rows = resampling.rows(int(somewhere.sum()))
    value, low, high, usable = resampling.interval(statistic(rows @ block[somewhere]))
    few = present.sum(axis=1) < FEWEST
    return figures(value, low, high, n, [("too_few_schools", few), ("unstable", ~usable)])


def with_reasons(found: Figures, reasons: list[tuple[str, NDArray[np.bool_]]]) -> Figures:
    """The same figures, with reasons that go before their own."""
    own = [(word, found.reason == word) for word in np.unique(found.reason) if word]
    return figures(found.value, found.low, found.high, found.n, [*reasons, *own])


def panel(x: ArrayLike) -> Array:
    """As (cells, schools); one cell may come without its axis.

    Raises:
        ValueError: more than two dimensions.
    """
    array = np.asarray(x, dtype=float)
    if array.ndim == 1:
        array = array[None]
    if array.ndim != 2:
        raise ValueError(f"(cells, schools) expected, not an array of {array.ndim} dimensions")
    return array


def check_shapes(*arrays: NDArray[Any]) -> None:
    """Raises:
    ValueError: the arrays' shapes differ.
    """
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        raise ValueError(f"shapes differ: {sorted(shapes)}")


def check_counts(n: Array) -> None:
    """Raises:
    ValueError: a count is below 0 or not finite.
    """
    if not np.isfinite(n).all() or (n < 0).any():
        raise ValueError("counts are finite and at least 0")


def ratio_of(top: Array, bottom: Array) -> Array:
    """top / bottom, 0 where there is nothing below."""
    return np.divide(top, bottom, out=np.zeros(np.shape(top)), where=bottom != 0)
