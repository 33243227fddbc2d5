"""Figures with intervals, and the bootstrap over whole schools that gives them.

The bootstrap draws schools, not students: students of a school are alike, so that an interval which
took them as independent would be too narrow (Davison & Hinkley 1997, section 3.8). A draw is a
vector of how often each school was taken; all draws stand in one matrix, and a figure of all draws
is a few matrix products. Intervals are BCa (bias-corrected and accelerated; Efron 1987).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

Array = NDArray[np.float64]
Z = float(ndtri(0.975))
"""Standard normal quantile of a two-sided 95 % interval."""
FEWEST = 5
"""Schools (or communities) below which nothing is said about how they differ."""
LEFT_OUT = 200
"""Schools beyond which the jackknife of the acceleration leaves out several at a time: a constant
of some hundredths is then known to a few thousandths."""
USABLE = 0.9
"""Share of the draws in which a figure must exist."""


@dataclass(frozen=True)
class Figures:
    """One figure of many cells, each with its 95 % interval; all arrays have one shape."""

    value: Array
    low: Array
    high: Array
    n: Array
    """Students (or what the function counts) that the figure rests on."""
    reason: NDArray[np.str_]
    """Why there is none: an English snake_case word; empty where it was estimated."""

    @property
    def state(self) -> NDArray[np.str_]:
        """`estimated` or `not_estimated`, cell by cell."""
        return np.where(self.reason == "", "estimated", "not_estimated")

    def __getitem__(self, key: Any) -> "Figures":
        """The figures of some of the cells, chosen as of an array."""
        parts = (self.value, self.low, self.high, self.n, self.reason)
        return Figures(*(np.asarray(part[key]) for part in parts))


def figures(
    value: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    n: ArrayLike,
    reasons: Sequence[tuple[str, ArrayLike]] = (),
) -> Figures:
    """Figures without those that mean nothing.

    `reasons` are pairs of a word and of where it holds, the first that holds being told. A value or
    limit that is not finite is left out as `not_finite` where no reason was given.
    """
    arrays = np.broadcast_arrays(*(np.asarray(x, dtype=float) for x in (value, low, high, n)))
    found = np.full(arrays[0].shape, "", dtype="U32")
    finite = np.logical_and.reduce([np.isfinite(x) for x in arrays[:3]])
    for word, holds in [*reasons, ("not_finite", ~finite)]:
        found = np.where((found == "") & np.asarray(holds), word, found)
    shown = [np.where(found == "", x, np.nan) for x in arrays[:3]]
    return Figures(shown[0], shown[1], shown[2], arrays[3].copy(), found)


def stack(parts: Sequence[Figures], axis: int = 0) -> Figures:
    """Figures of one shape side by side along a new axis."""
    return Figures(
        *(
            np.stack([getattr(part, name) for part in parts], axis=axis)
            for name in ("value", "low", "high", "n", "reason")
        )
    )


@dataclass(frozen=True)
class Resampling:
    """A seeded bootstrap: the same number of schools always gets the same draws.

    A figure therefore does not depend on which others are computed beside it.
    """

    draws: int = 999
    seed: int = 0

    def __post_init__(self) -> None:
        if self.draws < 99:
            raise ValueError(f"{self.draws} draws are too few for a 95 % interval: at least 99")

    def weights(self, schools: int) -> Array:
        """How often each school is taken in each draw, (draws, schools): each row sums to J."""
        drawn = np.random.default_rng([self.seed, schools]).integers(
            max(schools, 1), size=(self.draws, schools)
        )
        drawn += np.arange(self.draws)[:, None] * schools
        counts = np.bincount(drawn.ravel(), minlength=self.draws * schools)
        return counts.reshape(self.draws, schools).astype(float)

    def rows(self, schools: int) -> Array:
        """All weights that an interval needs, (1 + draws + G, J).

        The first row takes each school once; the last G leave one out each, or, of many schools,
        every G-th.
        """
        groups = min(schools, LEFT_OUT)
        kept = np.arange(schools) % max(groups, 1) != np.arange(groups)[:, None]
        return np.vstack([np.ones((1, schools)), self.weights(schools), kept])

    def interval(self, computed: Array) -> tuple[Array, Array, Array, NDArray[np.bool_]]:
        """Value, low, high and whether enough draws gave a figure, of one column a cell.

        `computed` (1 + draws + G, cells) is the figure for each row of `rows`.
        """
        point, drawn, left_out = np.split(computed, [1, 1 + self.draws])
        low, high, usable = bca(point[0], drawn, left_out)
        return point[0], low, high, usable


def bca(point: Array, drawn: Array, left_out: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
    """The BCa interval (Efron 1987) of many figures: low, high, and whether enough draws gave one.

    `point` (C,) are the figures, `drawn` (B, C) those of the draws, `left_out` (G, C) those without
    each school or group of schools. A draw without a figure is left out.
    """
    drawn = np.where(np.isfinite(drawn), drawn, np.nan)
    # Draws that equal the figure up to rounding count half, so that a constant stays unbiased.
    point = np.where(np.isfinite(point), point, 0.0)
    near = 1e-12 * np.maximum(np.abs(point), 1e-300)
    count = np.isfinite(drawn).sum(axis=0)
    usable = count >= USABLE * len(drawn)
    some = np.maximum(count, 1)
    below = (drawn < point - near).sum(axis=0) + 0.5 * (np.abs(drawn - point) <= near).sum(axis=0)
    shift = ndtri(np.clip(below / some, 0.5 / some, 1 - 0.5 / some))
    known = np.isfinite(left_out)
    values = np.where(known, left_out, 0.0)
    pull = np.where(known, values.sum(axis=0) / np.maximum(known.sum(axis=0), 1) - values, 0.0)
    spread = (pull**2).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        acceleration = (pull**3).sum(axis=0) / (6 * spread**1.5)
    acceleration = np.where(np.isfinite(acceleration), acceleration, 0.0)
    ordered = np.sort(drawn, axis=0)
    limits = []
    for z in (-Z, Z):
        reach = shift + z
        divisor = 1 - acceleration * reach
        with np.errstate(divide="ignore", invalid="ignore"):
            moved = np.where(divisor > 0, shift + reach / divisor, np.inf * np.sign(reach))
        at = np.clip(ndtr(moved) * (some + 1) - 1, 0, some - 1)
        lower = np.floor(at).astype(int)
        upper = np.minimum(lower + 1, some - 1)
        first = np.take_along_axis(ordered, lower[None], axis=0)[0]
        second = np.take_along_axis(ordered, upper[None], axis=0)[0]
        limits.append(first + (at - lower) * (second - first))
    return limits[0], limits[1], usable
