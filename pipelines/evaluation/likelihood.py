"""The likelihood of a linear model with independent variance components, and its maximum.

y = X b + Z_1 u_1 + … + Z_L u_L + e with Var(u_l) = ratio_l s² and Var(e) = s². Given the L ratios,
the coefficients and s² have closed forms, so only the ratios are searched ("profiled" likelihood:
Bates, Mächler, Bolker & Walker 2015; restricted likelihood: Patterson & Thompson 1971). What a
design has to give is a small matrix: the cross products of the columns (1, x…, y) weighted by the
inverse of their covariance, its log-determinant, and the slopes of both.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf, dtrtri
from scipy.optimize import brentq, minimize, root
from scipy.stats import chi2

FloatArray = NDArray[np.float64]
Components = tuple[int, ...]
"""Some of the variance components, by position."""

CONFIDENCE = 0.95
QUANTILE = float(chi2.ppf(CONFIDENCE, 1))
SINGULAR = 1e-10
"""A column whose variance given the ones before it is below this share of its own is dropped."""
CONSTANT = 1e-11
"""A standard deviation below this share of the column's magnitude is rounding, not variation."""
PERFECT = 1e-12
"""A residual sum of squares below this share of the outcome's own is none."""
WALL = 1e300
"""The deviance of ratios at which it cannot be computed."""
_TOP = 1e8
"""A ratio this many times the typical one (1 / weight of a group) has no end."""


class Evaluation(NamedTuple):
    """A design at given ratios, in units of the residual variance."""

    log_determinant: float
    """log |V| without the constant of the weights."""
    gram: FloatArray
    """(q, q): A' V⁻¹ A, where A holds the constant, the covariates and the outcome."""
    log_determinant_slope: FloatArray
    """(L,): its derivative in each ratio."""
    gram_slope: FloatArray
    """(L, q, q)."""


class Design(Protocol):
    """What groups whom; gives its likelihood's parts at any ratios of variances."""

    @property
    def many(self) -> bool:
        """Whether there are so many groups that it is looked at as seldom as can be."""

    @property
    def scale(self) -> FloatArray:
        """(L,): a ratio of each component at which it is neither negligible nor all."""

    def evaluate(self, ratios: FloatArray, slopes: Components | None = None) -> Evaluation:
        """The parts at ratios that are finite and not negative.

        Slopes in other ratios than those of `slopes` (None: in all) may be anything.
        """


@dataclass(frozen=True, eq=False)
class Columns:
    """The columns that can be fitted, centred and scaled, and the way back to their own units."""

    kept: tuple[int, ...]
    """Covariates, by position."""
    dropped: tuple[int, ...]
    """Covariates that are constant, or a combination of the constant and those before them."""
    centre: FloatArray
    """(kept + 1,): means of the kept covariates and of the outcome."""
    scale: FloatArray
    """(kept + 1,): standard deviations."""
    variance: FloatArray
    """(kept + 1, kept + 1): correlations of the kept covariates and the outcome."""

    @classmethod
    def of(cls, mean: FloatArray, scatter: FloatArray, weight: float) -> "Columns":
        """From the columns' means, sums of products about them, and sum of weights.

        Last stands the outcome, which is kept whatever it is; its scale is 0 if it is constant.
        """
        spread = np.sqrt(np.maximum(np.diag(scatter), 0) / weight)
        varies = spread > CONSTANT * np.abs(mean)
        scale = np.where(varies, spread, 1.0)
        rest = scatter / weight / np.outer(scale, scale)
        kept: list[int] = []
        for column in range(len(mean) - 1):
            pivot = rest[column, column]
            if not varies[column] or pivot < SINGULAR:
                continue
            kept.append(column)
            rest = rest - np.outer(rest[:, column], rest[column]) / pivot
        dropped = sorted(set(range(len(mean) - 1)) - set(kept))
        used = [*kept, len(mean) - 1]
        correlation = scatter / weight / np.outer(scale, scale)
        outcome_scale = spread[-1] if varies[-1] else 0.0
        return cls(
            tuple(kept),
            tuple(dropped),
            mean[used],
            np.append(scale[kept], outcome_scale),
            correlation[np.ix_(used, used)],
        )

    def standardise(self, values: FloatArray) -> FloatArray:
        """The constant and the kept columns of (…, p + 1) values, centred and scaled."""
        used = [*self.kept, values.shape[1] - 1]
        inside = (values[:, used] - self.centre) / self.scale
        return np.column_stack([np.ones(len(values)), inside])

    def standardise_products(self, products: FloatArray) -> FloatArray:
        """Sums of products of deviations (p + 1, p + 1), of the same columns, the constant's 0."""
        used = [*self.kept, len(products) - 1]
        out = np.zeros((len(used) + 1, len(used) + 1))
        out[1:, 1:] = products[np.ix_(used, used)] / np.outer(self.scale, self.scale)
        return out

    def restore(self, coefficients: FloatArray, covariance: FloatArray) -> tuple[FloatArray, ...]:
        """Coefficients and their covariance in the columns' own units, the constant first."""
        back = np.diag(np.append(1.0, 1 / self.scale[:-1])) * self.scale[-1]
        back[0, 1:] = -self.centre[:-1] / self.scale[:-1] * self.scale[-1]
        own = back @ coefficients
        own[0] += self.centre[-1]
        return own, back @ covariance @ back.T


class Point(NamedTuple):
    """The likelihood at given ratios."""

    deviance: float
    """-2 log-likelihood, coefficients and residual variance at their best."""
    slope: FloatArray
    """(L,): its derivative in each ratio."""
    residual_variance: float
    coefficients: FloatArray
    inverse: FloatArray
    """(X' V⁻¹ X)⁻¹; times the residual variance, the covariance of the coefficients."""
    fixed: float
    """The part of the deviance that the residual variance leaves alone."""
    fixed_slope: FloatArray
    sum_of_squares: float
    sum_of_squares_slope: FloatArray

    def at_variance(self, variance: float, df: float) -> tuple[float, FloatArray]:
        """Deviance at a given residual variance, and its derivative in each ratio."""
        deviance = (
            self.fixed + df * math.log(2 * math.pi * variance) + self.sum_of_squares / variance
        )
        return deviance, self.fixed_slope + self.sum_of_squares_slope / variance


@dataclass(frozen=True)
class Convergence:
    """How the search for the ratios ended."""

    converged: bool
    """The slope is nought (or points outwards where a variance is 0) and the bend is upwards."""
    evaluations: int
    """Evaluations of the likelihood, those for tests and intervals included."""
    gradient: float
    """Largest absolute derivative of the deviance in the logarithm of a ratio that is not 0."""
    curvature: float
    """Smallest eigenvalue of its second derivatives there; infinite if all ratios are 0."""
    at_zero: tuple[int, ...]
    """Components whose variance is 0, by position."""


class NoMaximum(ArithmeticError):
    """The likelihood grows without end: no residual variance is left."""


class Criterion:
    """The deviance of a design as a function of the ratios, its minimum and its profiles."""

    def __init__(self, design: Design, rows: float, reml: bool, constant: float) -> None:
        """Args as named; the design's outcome has unit variance.

        `constant` is added to the deviance: what the weights and the columns' scales give.
        """
        self._design = design
        self._reml = reml
        self._constant = constant
        self._rows = rows
        self._seen: dict[tuple[bytes, Components | None], Point] = {}
        self.evaluations = 0

    @property
    def count(self) -> int:
        """Number of components beside the residual."""
        return len(self._design.scale)

    def df(self, point: Point) -> float:
        """Rows, less the coefficients if the likelihood is the restricted one."""
        return self._rows - (len(point.coefficients) if self._reml else 0)

    def at(self, ratios: FloatArray, slopes: Components | None = None) -> Point:
        """The likelihood at these ratios, with its slopes in some of them (None: in all)."""
        key = ratios.tobytes(), slopes
        if key not in self._seen:
            self._seen[key] = self._at(ratios, slopes)
        return self._seen[key]

    def _at(self, ratios: FloatArray, slopes: Components | None) -> Point:
        self.evaluations += 1
        parts = self._design.evaluate(ratios, slopes)
        q = len(parts.gram)
        p = q - 1
        # LAPACK itself: matrices are so small that what NumPy does around it takes longer.
        factor, failed = dpotrf(parts.gram, lower=1)
        if failed:
            raise np.linalg.LinAlgError("the cross products are not positive definite")
        lower = dtrtri(factor[:p, :p], lower=1)[0]
        inverse = np.zeros((q, q))
        inverse[:p, :p] = lower.T @ lower
        contrast = np.ones(q)
        coefficients = lower.T @ factor[p, :p]
        contrast[:p] = -coefficients
        squares = float(factor[p, p]) ** 2
        gram_slope = parts.gram_slope.reshape(-1, q * q)
        squares_slope = gram_slope @ np.outer(contrast, contrast).ravel()
        fixed, fixed_slope = parts.log_determinant + self._constant, parts.log_determinant_slope
        df = self._rows
        if self._reml:
            df -= p
            fixed += 2 * sum(map(math.log, factor.diagonal()[:p].tolist()))
            fixed_slope = fixed_slope + gram_slope @ inverse.ravel()
        variance = squares / df
        return Point(
            fixed + df * (1 + math.log(2 * math.pi * variance)),
            fixed_slope + squares_slope / variance,
            variance,
            coefficients,
            inverse[:p, :p],
            fixed,
            fixed_slope,
            squares,
            squares_slope,
        )

    def minimise(self) -> "Optimum":
        """The smallest deviance over all ratios ≥ 0.

        Every face of the region (some components 0) is searched in its own right, along its line
        at all roots of the slope, so that a minimum at 0 is found as such.

        Raises:
            NoMaximum: the deviance falls without end.
        """
        none = np.zeros(self.count)
        lines = [self._along(component) for component in range(self.count)]
        faces = [none, *lines]
        best = min(faces, key=lambda r: self.at(r).deviance)
        if self.count > 1:
            inside = self._inside(lines)
            gain = self.at(best).deviance - self.at(inside).deviance
            if gain > (1e-8 if self._is_minimum(best) else 0):
                best = inside
        if self.count == 1:
            without: tuple[float, ...] = (self.at(none).deviance,)
        else:
            without = tuple(self.at(line).deviance for line in reversed(lines))
        if self.at(best).residual_variance < PERFECT:
            raise NoMaximum
        # The fit of all components is at least as good as any that lacks one.
        least = self.at(best).deviance
        return Optimum(self, best, tuple(max(value, least) for value in without))

    def _is_minimum(self, ratios: FloatArray) -> bool:
        return bool(np.all(self.at(ratios).slope[ratios == 0] >= 0))

    def _along(self, component: int) -> FloatArray:
        """The best ratios when all components but one are 0."""
        ratios = np.zeros(self.count)

        def place(logarithm: float) -> FloatArray:
            out = ratios.copy()
            out[component] = math.exp(logarithm)
            return out

        def slope(logarithm: float) -> float:
            at = place(logarithm)
            try:
                return float(at[component] * self.at(at, (component,)).slope[component])
            except np.linalg.LinAlgError:
                # So near to no residual that the cross products are all rounding: too far out.
                return math.inf

        middle = math.log(self._design.scale[component])
        steps = [middle + step for step in np.linspace(-12, 12, 17)]
        steps = [middle - 40, *steps, middle + math.log(_TOP)]
        slopes = [slope(step) for step in steps]
        found = [ratios] if self.at(ratios).slope[component] >= 0 else []
        for left, right, a, b in zip(steps, steps[1:], slopes, slopes[1:], strict=False):
            if a < 0 <= b:
                found.append(place(brentq(slope, left, right, xtol=1e-14, rtol=1e-15)))
        if not found:
            if slopes[0] >= 0:
                return ratios
            raise NoMaximum
        return min(found, key=lambda r: self.at(r).deviance)

    def _inside(self, lines: list[FloatArray]) -> FloatArray:
        """A minimum where no component is 0, as far as there is one."""
        scale = self._design.scale
        # Of very many groups the deviance is smooth, and a look at it takes long.
        step = 2 if self._design.many else 1
        grid = np.array(list(product(10.0 ** np.arange(-2, 3, step), repeat=self.count)))
        starts = list(grid * scale)
        # Where one component is large, another matters only if it is of that one's size.
        parts = np.array(list(product((1.0, 0.3, 0.1, 0.01)[::step], repeat=self.count)))
        for line in lines:
            starts += list(parts * max(line.max(), 1e-3 * scale.min()))

        def height(logarithms: FloatArray) -> float:
            try:
                return self._at(np.exp(logarithms), slopes=()).deviance
            except np.linalg.LinAlgError:
                return WALL

        def deviance(logarithms: FloatArray) -> tuple[float, FloatArray]:
            at = np.exp(logarithms)
            try:
                point = self.at(at)
            except np.linalg.LinAlgError:
                return WALL, np.ones(self.count)
            return point.deviance, at * point.slope

        start = min(np.log(starts), key=height)
        low, high = np.log(scale) - 25, np.log(scale * _TOP)
        bounds = list(zip(low, high, strict=True))
        options = {"ftol": 1e-15, "gtol": 1e-7}
        rough = minimize(
            deviance, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options
        )
        return np.exp(np.clip(_newton(deviance, rough.x), low, high))


def _newton(
    deviance: Callable[[FloatArray], tuple[float, FloatArray]], x: FloatArray
) -> FloatArray:
    """A minimum nearby, by slopes alone: values say less than half as many digits of the place."""
    slope = deviance(x)[1]
    for _ in range(20):
        step = 1e-4 * np.eye(len(x))
        bend = np.array([deviance(x + h)[1] - deviance(x - h)[1] for h in step]) / 2e-4
        bend = (bend + bend.T) / 2
        if np.linalg.eigvalsh(bend)[0] <= 0:
            break
        move = -np.linalg.solve(bend, slope)
        after = deviance(x + move)[1] if np.abs(move).max() < 1 else np.full(len(x), math.inf)
        if not np.abs(after).max() < np.abs(slope).max():
            break
        x, slope = x + move, after
    return x


class Optimum:
    """The fitted ratios, and what the shape of the deviance around them says."""

    def __init__(
        self, criterion: Criterion, ratios: FloatArray, without: tuple[float, ...]
    ) -> None:
        self.ratios = ratios
        self.point = criterion.at(ratios)
        self.without = without
        """Smallest deviance with each component left out."""
        self._criterion = criterion
        self._df = criterion.df(self.point)
        self._free = np.flatnonzero(ratios)

    @property
    def variances(self) -> FloatArray:
        """(1 + L,): of the residual and of each component."""
        return self.point.residual_variance * np.append(1.0, self.ratios)

    def test(self, component: int) -> tuple[float, float]:
        """Likelihood-ratio test against a component's absence: the statistic and its p.

        Under the null the variance lies on the boundary, so the statistic is half the time 0 and
        half the time chi-squared with one degree of freedom (Self & Liang 1987).
        """
        statistic = self.without[component] - self.point.deviance
        return statistic, float(0.5 * chi2.sf(statistic, 1)) if statistic > 0 else 1.0

    def convergence(self) -> Convergence:
        """How the search ended."""
        free, slope = self._free, self.point.slope
        gradient = float(np.max(np.abs(self.ratios * slope)[free], initial=0))
        outward = slope[self.ratios == 0]
        bend = self._bend()[1:, 1:]
        curvature = float(np.linalg.eigvalsh(bend)[0]) if len(free) else math.inf
        converged = gradient < 1e-5 and bool(np.all(outward >= 0)) and curvature > 0
        return Convergence(
            converged,
            self._criterion.evaluations,
            gradient,
            curvature,
            tuple(int(i) for i in np.flatnonzero(self.ratios == 0)),
        )

    def _given(
        self, which: int, x: FloatArray, free: NDArray[np.intp]
    ) -> tuple[float, FloatArray, FloatArray]:
        """Deviance at a variance of one component and at the ratios that are not 0.

        `x` holds the logarithm of that variance and those of the `free` ratios; `which` is 0 for
        the residual. Where the variance is that of a component, its ratio fixes the residual's.
        Answers the derivatives in `x` too, and those in all ratios.
        """
        ratios = np.zeros(len(self.ratios))
        ratios[free] = np.exp(x[1:])
        variance = math.exp(x[0])
        if which:
            variance /= ratios[which - 1]
        point = self._criterion.at(ratios)
        deviance, slope = point.at_variance(variance, self._df)
        own = self._df - point.sum_of_squares / variance
        slopes = np.empty(len(x))
        slopes[0], slopes[1:] = own, (ratios * slope)[free]
        if which:
            slopes[1 + free.tolist().index(which - 1)] -= own
        return deviance, slopes, slope

    def _bend(self, which: int = 0) -> FloatArray:
        """Second derivatives of `_given` at the optimum, by central differences of its slopes."""
        at = np.append(math.log(self.variances[which]), np.log(self.ratios[self._free]))
        step = 1e-4
        rows = []
        for move in step * np.eye(len(at)):
            above = self._given(which, at + move, self._free)[1]
            below = self._given(which, at - move, self._free)[1]
            rows.append((above - below) / (2 * step))
        bend = np.array(rows)
        return (bend + bend.T) / 2

    def interval(self, which: int) -> tuple[float, float]:
        """95 % profile-likelihood interval of a variance; `which` is 0 for the residual.

        An end that is not found is NaN.
        """
        return self._end(which, -1), self._end(which, 1)

    def _end(self, which: int, side: int) -> float:
        if side < 0 and which and self.without[which - 1] - self.point.deviance <= QUANTILE:
            return 0.0
        if not which or self.ratios[which - 1] > 0:
            found = self._by_root(which, side)
            if found is not None:
                return found
        return _Nested(self._criterion, self, which).end(side)

    def _by_root(self, which: int, side: int) -> float | None:
        """The end from where the bend at the optimum puts it; None if it is not found so."""
        at = np.append(math.log(self.variances[which]), np.log(self.ratios[self._free]))
        bend = self._bend(which)
        move = np.ones(len(at))
        with np.errstate(all="ignore"):
            if len(at) > 1:
                move[1:] = -np.linalg.solve(bend[1:, 1:], bend[1:, 0])
            length = math.sqrt(QUANTILE / abs(bend[0] @ move))
        if not length < 3:
            return None
        x = self.limit(which, at + side * length * move, self._free, bend)
        if x is None or np.abs(x - at).max() > 12 or side * (x[0] - at[0]) <= 0:
            return None
        return math.exp(x[0])

    def limit(
        self, which: int, start: FloatArray, free: NDArray[np.intp], bend: FloatArray | None = None
    ) -> FloatArray | None:
        """Where the profile is at its limit, as the root of a small system near `start`.

        The deviance is that of the limit, its slope in all other parameters is nought (Venzon &
        Moolgavkar 1988), and no ratio that is not `free` wants to leave 0. Arguments and answer as
        of `_given`; None if there is no such root nearby.

        Args:
            bend: second derivatives to begin with, if there are any.
        """
        target = self.point.deviance + QUANTILE
        low, high = start - 30, start + 18

        def system(x: FloatArray) -> Any:
            deviance, slopes, _ = self._given(which, np.minimum(np.maximum(x, low), high), free)
            values = slopes.copy()
            values[0] = deviance - target
            if bend is None:
                return values
            # The search mends what is not as at the optimum on its way.
            derivatives = bend.copy()
            derivatives[0] = slopes
            return values, derivatives

        with np.errstate(all="ignore"):
            try:
                end = root(system, start, jac=bend is not None, options={"xtol": 1e-10})
                # A search that went far away says nothing of what is nearby.
                near = np.all((low <= end.x) & (end.x <= high))
                if not near or not np.abs(end.fun).max() <= 1e-6:
                    return None
                outward = self._given(which, end.x, free)[2]
            except np.linalg.LinAlgError:
                return None
        held = np.delete(outward, free)
        x: FloatArray = end.x
        return x if np.all(held >= 0) else None


class _Nested:
    """A profile's ends by a search within a search: slower, and needs no good start."""

    def __init__(self, criterion: Criterion, optimum: Optimum, which: int) -> None:
        self._criterion, self._optimum, self._which = criterion, optimum, which
        scale = criterion._design.scale
        self._low, self._high = np.log(scale) - 20, np.log(scale * _TOP)
        self._nothing = np.log(scale) - 15
        fitted = np.maximum(optimum.ratios, 1e-4 * scale)
        self._fitted = self._warm = np.log(fitted)
        # Of the same variance the same answer, whatever the search has seen in between.
        self._known: dict[float, float] = {}

    def _excess(self, logarithm: float) -> float:
        """The least deviance at a variance of the component, above the limit."""
        if logarithm not in self._known:
            self._known[logarithm] = self._least(logarithm) - QUANTILE
        return self._known[logarithm]

    def _least(self, logarithm: float) -> float:
        optimum = self._optimum

        def deviance(logarithms: FloatArray) -> tuple[float, FloatArray]:
            ratios = np.exp(logarithms)
            variance = math.exp(logarithm) / (ratios[self._which - 1] if self._which else 1)
            try:
                point = self._criterion.at(ratios)
            except np.linalg.LinAlgError:
                return WALL, np.ones(len(ratios))
            value, slope = point.at_variance(variance, optimum._df)
            slopes = ratios * slope
            if self._which:
                slopes[self._which - 1] -= optimum._df - point.sum_of_squares / variance
            return value - optimum.point.deviance, slopes

        bounds = list(zip(self._low, self._high, strict=True))
        options = {"ftol": 1e-14, "gtol": 1e-7}
        starts = [self._warm, self._fitted.copy()]
        if self._which:
            # The component's variance given, a good ratio is that of the fitted residual.
            starts[1][self._which - 1] = logarithm - math.log(optimum.variances[0])
        starts = [np.clip(start, self._low, self._high) for start in starts]
        ends = [
            minimize(deviance, x, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
            for x in starts
        ]
        best = min(ends, key=lambda end: float(end.fun))
        self._warm = best.x
        return float(best.fun)

    def end(self, side: int) -> float:
        fitted = self._optimum.variances
        scale = self._criterion._design.scale
        floor = 1e-4 * scale[self._which - 1] * fitted[0] if self._which else 0.0
        inner = math.log(max(float(fitted[self._which]), floor))
        for _ in range(40):
            if self._excess(inner) < 0:
                break
            inner -= side
        else:
            return math.nan
        # Where the estimate is 0 its end is far from the start.
        step, outer = 0.1 if fitted[self._which] > floor else 1.6, inner
        while self._excess(outer) < 0:
            inner, outer = outer, outer + side * step
            step *= 2
            if step > 100:
                return math.inf if side > 0 else 0.0
        ends = sorted((inner, outer))
        free = np.flatnonzero(self._warm > self._nothing)
        if not self._which or self._which - 1 in free:
            x = self._optimum.limit(self._which, np.append(outer, self._warm[free]), free)
            # There may be lower places at that variance: a search must not find one.
            if x is not None and ends[0] <= x[0] <= ends[1] and abs(self._excess(x[0])) < 1e-6:
                return math.exp(x[0])
        return math.exp(brentq(self._excess, *ends, xtol=1e-9, rtol=1e-12))
