"""Intervals of rates."""

import numpy as np
from numpy.typing import ArrayLike

from pipelines.evaluation.resampling import Array, Z


def wilson(passed: ArrayLike, n: ArrayLike) -> tuple[Array, Array]:
    """The 95 % limits of a rate (Wilson 1927); NaN where n is 0."""
    k, m = np.asarray(passed, dtype=float), np.asarray(n, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = k / m
        centre = (rate + Z * Z / (2 * m)) / (1 + Z * Z / m)
        half = Z * np.sqrt(rate * (1 - rate) / m + Z * Z / (4 * m * m)) / (1 + Z * Z / m)
    return np.maximum(centre - half, 0), np.minimum(centre + half, 1)
