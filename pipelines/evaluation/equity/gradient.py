"""The social gradient: slopes of the outcome on a characteristic of students."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pipelines.evaluation.equity.cells import (
    bca_over_schools,
    check_counts,
    check_shapes,
    panel,
    ratio_of,
    with_reasons,
)
from pipelines.evaluation.resampling import FEWEST, Array, Figures, Resampling


@dataclass(frozen=True)
class Gradient:
    """Slopes of the outcome on a characteristic, (cells,)."""

    within: Figures
    """Between students of the same school: Σ Sxy / Σ Sxx over schools."""
    between: Figures
    """Between schools: student-weighted slope of school means on school means."""
    contextual: Figures
    """Between less within: what is added by the school's composition (Raudenbush & Bryk 2002)."""


def social_gradient(
    n: ArrayLike,
    mean_x: ArrayLike,
    mean_y: ArrayLike,
    cross_xx: ArrayLike,
    cross_xy: ArrayLike,
    *,
    resampling: Resampling,
) -> Gradient:
    """Slope of y on x between schools and within schools, from sufficient statistics.

    Args:
        n, mean_x, mean_y: students and means of each school, (cells, schools).
        cross_xx, cross_xy: sums of squares of x and of products of x and y, as deviations from the
            school's own means. `of_members` gives all of them where x says yes or no.
        resampling: the bootstrap over schools; intervals are BCa.

    Raises:
        ValueError: shapes that differ, counts below 0.
    """
    size, mx, my, sxx, sxy = (panel(v) for v in (n, mean_x, mean_y, cross_xx, cross_xy))
    check_shapes(size, mx, my, sxx, sxy)
    check_counts(size)
    cells = len(size)
    here = size > 0
    total = size.sum(axis=1)
    known = np.logical_and.reduce([np.isfinite(v) for v in (mx, my, sxx, sxy)])
    finite = np.asarray((known | ~here).all(axis=1))
    ok = here & finite[:, None]
    mx, my, sxx, sxy = (np.where(ok, v, 0.0) for v in (mx, my, sxx, sxy))
    x = np.where(ok, mx - ratio_of((size * mx).sum(axis=1), total)[:, None], 0.0)
    y = np.where(ok, my - ratio_of((size * my).sum(axis=1), total)[:, None], 0.0)
    block = np.concatenate([size, size * x, size * y, size * x * x, size * x * y, sxx, sxy]).T
    # Below this the school means of x, or its values within schools, differ by rounding only.
    least = 1e-12 * ((sxx + size * x * x).sum(axis=1) + 1e-300)

    def statistic(sums: Array) -> Array:
        w, wx, wy, wxx, wxy, inner, product = np.split(sums, 7, axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            across = wxx - wx * wx / w
            between = np.where(across > least, (wxy - wx * wy / w) / across, np.nan)
            within = np.where(inner > least, product / inner, np.nan)
        return np.concatenate([within, between, between - within], axis=1)

    three = bca_over_schools(block, statistic, np.tile(here, (3, 1)), np.tile(total, 3), resampling)
    spread = (size * x * x).sum(axis=1) - ratio_of((size * x).sum(axis=1) ** 2, total)
    bad = [("too_few_schools", here.sum(axis=1) < FEWEST), ("not_finite", ~finite)]
    same = ("no_variation_between", spread <= least)
    alike = ("no_variation_within", sxx.sum(axis=1) <= least)
    return Gradient(
        with_reasons(three[:cells], [*bad, alike]),
        with_reasons(three[cells : 2 * cells], [*bad, same]),
        with_reasons(three[2 * cells :], [*bad, same, alike]),
    )


def of_members(
    n_yes: ArrayLike, mean_yes: ArrayLike, n_no: ArrayLike, mean_no: ArrayLike
) -> tuple[Array, Array, Array, Array, Array]:
    """The first five arguments of `social_gradient` where x is 1 for members and 0 for others."""
    ny, my, nn, mn = (panel(v) for v in (n_yes, mean_yes, n_no, mean_no))
    check_shapes(ny, my, nn, mn)
    my, mn = np.where(ny > 0, my, 0.0), np.where(nn > 0, mn, 0.0)
    n = ny + nn
    inner = ratio_of(ny * nn, n)
    return n, ratio_of(ny, n), ratio_of(ny * my + nn * mn, n), inner, inner * (my - mn)
