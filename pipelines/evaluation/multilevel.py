"""Two- and three-level random-intercept models, exactly, from sums a group.

y = b0 + x b + v_district + u_school + e, all random parts independent and normal. The likelihood
needs of each school only its size, its column means and its sums of products about those means
(`Moments`), because the inverse of a school's covariance is known in closed form (Sherman &
Morrison 1950; one level up, the same again): with weight w and ratio a = Var(u) / Var(e), a school
adds its inner products and w / (1 + a w) times the products of its means. So a pass over the
students happens once, outside, and the search sees one small matrix for all schools of a size.
Maximum (ML) or restricted maximum likelihood (REML: Patterson & Thompson 1971); the estimates are
those of any exact program (Goldstein 2011; Bates et al. 2015), not an approximation.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipelines.evaluation.likelihood import (
    PERFECT,
    Columns,
    Components,
    Convergence,
    Criterion,
    Evaluation,
    FloatArray,
    NoMaximum,
    Optimum,
)

Method = Literal["reml", "ml"]
Interval = tuple[float, float]
NOWHERE: Interval = (math.nan, math.nan)


@dataclass(frozen=True, eq=False)
class Moments:
    """Sufficient statistics, one row a group; columns are x_1 … x_p, y.

    Raises:
        ValueError: shapes do not fit each other.
    """

    weight: FloatArray
    """(J,): number of rows, or sum of their weights; 0 where the group is empty."""
    mean: FloatArray
    """(J, p + 1): (weighted) means; of an empty group, anything finite."""
    cross: FloatArray
    """(J, p + 1, p + 1): (weighted) sums of products of deviations from the group's own means."""
    rows: FloatArray | None = None
    """(J,): number of rows where the weights are precisions (a row of weight w has residual
    variance s² / w); without it a weight is a number of rows that look alike."""
    log_weight: FloatArray | None = None
    """(J,): sum of the logarithms of the rows' weights; only the log-likelihood needs it."""

    def __post_init__(self) -> None:
        groups, columns = self.mean.shape if self.mean.ndim == 2 else (-1, -1)
        if columns < 1 or self.cross.shape != (groups, columns, columns):
            raise ValueError(f"mean {self.mean.shape} and cross {self.cross.shape} do not fit")
        for name in ("weight", "rows", "log_weight"):
            value = getattr(self, name)
            if value is not None and value.shape != (groups,):
                raise ValueError(f"{name} {value.shape} does not fit {groups} groups")


@dataclass(frozen=True, eq=False)
class Fit:
    """An estimated model; every number is NaN where `state` is not_estimated.

    Variances are in squared units of the outcome. `constant` stands first among `terms`.
    """

    state: Literal["estimated", "not_estimated"]
    reason: str | None
    """Why there is no estimate, else None: not_finite, negative_weight, one_group,
    too_few_groups, too_few_rows, outcome_constant, perfect_prediction,
    no_variation_within_groups, no_repeated_rows, one_upper_group, upper_is_group,
    no_convergence (the search ended where there is no maximum)."""
    terms: tuple[str, ...]
    dropped: tuple[str, ...]
    """Terms that are constant, or a combination of the constant and the terms before them."""
    method: Method
    n: int
    """Rows (students)."""
    groups: int
    """Groups that have rows."""
    coefficients: FloatArray
    """(k,)."""
    covariance: FloatArray
    """(k, k), given the variances."""
    standard_errors: FloatArray
    """(k,)."""
    variance_student: float
    variance_school: float
    variance_district: float
    """NaN in a two-level model."""
    interval_student: Interval
    """95 % by profile likelihood (of the method's own likelihood), as the two below; NaN where they
    were not asked for."""
    interval_school: Interval
    interval_district: Interval
    log_likelihood: float
    """Restricted if the method is: then only models with the same terms compare."""
    icc: float
    """Share of the variance not explained by the terms that lies between schools, districts'
    included: the correlation of two students of a school."""
    icc_district: float
    """Share between districts: the correlation of two students of a district's two schools."""
    r_squared_marginal: float
    """Share of the variance that the terms explain (Nakagawa & Schielzeth 2013)."""
    r_squared_conditional: float
    """Share that the terms and the random effects explain."""
    lr_statistic: float
    """Likelihood ratio against no school effects (districts' kept)."""
    lr_p: float
    """Its p by the half-and-half mixture of 0 and chi-squared(1) (Self & Liang 1987)."""
    lr_statistic_district: float
    """Likelihood ratio against no district effects."""
    lr_p_district: float
    effect: FloatArray
    """(J,): best linear unbiased prediction of u; 0 of an empty group."""
    effect_variance: FloatArray
    """(J,): posterior variance of u given the variances and coefficients."""
    effect_error_variance: FloatArray
    """(J,): mean squared error of the prediction given the variances, with the coefficients'
    uncertainty (Henderson 1975); the difference matters where groups are few."""
    reliability: FloatArray
    """(J,): 1 - effect_variance / variance_school, the squared correlation of a predicted effect
    with the true one; in a two-level model n t² / (n t² + s²)."""
    upper_effect: FloatArray
    """(K,): prediction of v; empty in a two-level model."""
    upper_effect_variance: FloatArray
    """(K,): posterior variance of v given the variances and coefficients."""
    total_effect: FloatArray
    """(J,): prediction of u + v, the school against the whole city; u in a two-level model."""
    total_effect_variance: FloatArray
    """(J,): its posterior variance given the variances and coefficients."""
    convergence: Convergence | None


def moments(
    x: ArrayLike, y: ArrayLike, group: ArrayLike, weight: ArrayLike | None = None
) -> tuple[Moments, NDArray[Any]]:
    """Sufficient statistics of rows, and the groups' labels in sorted order.

    Args:
        x: (n, p) covariates, without a constant; p may be 0.
        y: (n,) outcome.
        group: (n,) labels of any sortable kind.
        weight: (n,) precision weights ≥ 0; a row of weight 0 does not count.

    Raises:
        ValueError: lengths differ.
    """
    outcome = np.asarray(y, dtype=float)
    covariates = np.asarray(x, dtype=float)
    keys = np.asarray(group)
    if outcome.ndim != 1 or covariates.ndim != 2 or keys.ndim != 1:
        raise ValueError("x must be (n, p); y and group (n,)")
    if not len(covariates) == len(outcome) == len(keys):
        raise ValueError(f"{len(covariates)}, {len(outcome)}, {len(keys)} rows of x, y, group")
    weights = None if weight is None else np.asarray(weight, dtype=float)
    if weights is not None and weights.shape != outcome.shape:
        raise ValueError(f"weight {weights.shape} does not fit {len(outcome)} rows")

    labels, code = np.unique(keys, return_inverse=True)
    columns = np.column_stack([covariates, outcome])
    # What is not finite is found by the fit, which says so.
    with np.errstate(invalid="ignore"):
        return _moments(columns, code, len(labels), weights), labels


def _moments(
    columns: FloatArray, code: NDArray[np.intp], groups: int, weights: FloatArray | None
) -> Moments:
    def summed(values: FloatArray | None) -> FloatArray:
        return np.bincount(code, weights=values, minlength=groups).astype(float)

    size = summed(weights)
    share = np.divide(1, size, out=np.zeros(groups), where=size != 0)
    width = columns.shape[1]
    mean, cross = np.zeros((groups, width)), np.zeros((groups, width, width))
    deviations = np.empty((width, len(columns)))
    for i in range(width):
        # Twice: the second mean, of what is left of the first, takes away its rounding.
        deviation = columns[:, i] - (columns[0, i] if len(columns) else 0.0)
        first = summed(deviation if weights is None else deviation * weights) * share
        deviation -= first[code]
        second = summed(deviation if weights is None else deviation * weights) * share
        deviations[i] = deviation - second[code]
        mean[:, i] = first + second + (columns[0, i] if len(columns) else 0.0)
    for i in range(width):
        weighted = deviations[i] if weights is None else deviations[i] * weights
        for j in range(i + 1):
            cross[:, i, j] = cross[:, j, i] = summed(weighted * deviations[j])
    if weights is None:
        return Moments(size, mean, cross)
    counted = weights != 0
    # A negative weight has no logarithm: the fit finds it and says so.
    logarithms = np.log(np.where(weights > 0, weights, 1.0))
    logarithms[weights < 0] = -np.inf
    return Moments(size, mean, cross, summed(counted.astype(float)), summed(logarithms))


def from_sums(
    weight: ArrayLike, sums: ArrayLike, products: ArrayLike, centre: ArrayLike | None = None
) -> Moments:
    """Sufficient statistics from a grouped pass over columns from which `centre` was taken.

    Args:
        weight: (J,) numbers of rows.
        sums: (J, p + 1) sums of the centred columns x_1 … x_p, y.
        products: (J, (p + 1)(p + 2) / 2) sums of their products, the upper triangle by rows:
            11, 12, …, 1y, 22, …, yy.
        centre: (p + 1,) what was taken from each column; near its mean, else digits are lost.

    Raises:
        ValueError: shapes do not fit each other.
    """
    size = np.asarray(weight, dtype=float)
    total = np.asarray(sums, dtype=float)
    triangle = np.asarray(products, dtype=float)
    width = total.shape[-1]
    rows, columns = np.triu_indices(width)
    if total.shape != (len(size), width) or triangle.shape != (len(size), len(rows)):
        raise ValueError(
            f"sums {total.shape} and products {triangle.shape} do not fit {size.shape}"
        )
    share = np.divide(1, size, out=np.zeros(len(size)), where=size != 0)
    mean = total * share[:, None]
    cross = np.empty((len(size), width, width))
    cross[:, rows, columns] = triangle - total[:, rows] * mean[:, columns]
    cross[:, columns, rows] = cross[:, rows, columns]
    # Of one row nothing is left but rounding.
    cross[size <= 1] = 0.0
    return Moments(size, mean + (0.0 if centre is None else np.asarray(centre, dtype=float)), cross)


def add(a: Moments, b: Moments) -> Moments:
    """The same groups' statistics from two parts of the rows, such as two files.

    Raises:
        ValueError: groups or columns differ in number.
    """
    if a.mean.shape != b.mean.shape:
        raise ValueError(f"{a.mean.shape} and {b.mean.shape} do not fit")
    index = np.arange(len(a.weight))
    parts = [
        None if one is None or two is None else np.concatenate([one, two])
        for one, two in zip(_filled(a, b), _filled(b, a), strict=True)
    ]
    both = Moments(
        np.concatenate([a.weight, b.weight]),
        np.concatenate([a.mean, b.mean]),
        np.concatenate([a.cross, b.cross]),
        *parts,
    )
    return pool(both, np.concatenate([index, index]), len(index))


def _filled(one: Moments, other: Moments) -> tuple[Any, Any]:
    """Numbers of rows and logarithms of weights, where one of the two has them."""
    if one.rows is None and other.rows is not None:
        return one.weight, np.zeros(len(one.weight))
    return one.rows, one.log_weight


def pool(parts: Moments, index: ArrayLike, groups: int) -> Moments:
    """Statistics of groups from those of their parts (Chan, Golub & LeVeque 1983).

    Args:
        parts: statistics of classes, files, …
        index: the group of each part, from 0 to `groups` - 1.
        groups: number of groups.

    Raises:
        ValueError: an index is out of range, or there is not one a part.
    """
    code = np.asarray(index)
    if code.shape != parts.weight.shape or np.any(code < 0) or np.any(code >= groups):
        raise ValueError(
            f"index must give each of {len(parts.weight)} parts one of {groups} groups"
        )

    def summed(values: FloatArray) -> FloatArray:
        return np.bincount(code, weights=values, minlength=groups).astype(float)

    weight = summed(parts.weight)
    part = np.divide(parts.weight, weight[code], out=np.zeros(len(code)), where=weight[code] != 0)
    width = parts.mean.shape[1]
    # From the first part that counts: differences are small where the means are large.
    origin = parts.mean[np.argmax(parts.weight != 0)] if len(code) else np.zeros(width)
    away = np.where(parts.weight[:, None] != 0, parts.mean - origin, 0.0)
    mean = np.column_stack([summed(part * away[:, i]) for i in range(width)])
    deviation = away - mean[code]
    cross = np.empty((groups, width, width))
    for i in range(width):
        for j in range(i + 1):
            within = summed(parts.cross[:, i, j])
            between = summed(parts.weight * deviation[:, i] * deviation[:, j])
            cross[:, i, j] = cross[:, j, i] = within + between
    return Moments(
        weight,
        mean + origin,
        cross,
        None if parts.rows is None else summed(parts.rows),
        None if parts.log_weight is None else summed(parts.log_weight),
    )


def fit(
    moments: Moments,
    terms: Sequence[str],
    upper: ArrayLike | None = None,
    method: Method = "reml",
    intervals: bool = True,
) -> Fit:
    """Fit a random-intercept model of the last column on the others.

    Args:
        moments: statistics of the groups (schools), without a constant.
        terms: names of the p covariates; the constant is added.
        upper: (J,) index of each group's upper group (district), from 0; None for two levels.
        method: "reml" or "ml".
        intervals: whether those of the variances are wanted: they take most of the time.

    Returns:
        A fit, or one whose `state` is not_estimated with a `reason`.

    Raises:
        ValueError: shapes do not fit each other, or the method is unknown.
    """
    groups, width = moments.mean.shape
    if len(terms) != width - 1:
        raise ValueError(f"{len(terms)} terms for {width - 1} covariates")
    if method not in ("reml", "ml"):
        raise ValueError(f"method {method!r} is neither reml nor ml")
    district = None if upper is None else np.asarray(upper)
    if district is not None and (
        district.shape != (groups,)
        or not np.issubdtype(district.dtype, np.integer)
        or np.any(district < 0)
    ):
        raise ValueError(f"upper must hold {groups} indices from 0")
    problem = _Problem(moments, tuple(terms), district, method, intervals)
    try:
        return problem.solve()
    except _Refused as refused:
        return problem.refusal(str(refused))
    except NoMaximum:
        return problem.refusal("no_variation_within_groups")


class _Refused(Exception):
    """There is no estimate; the text is the reason's code."""


@dataclass(eq=False)
class _Problem:
    """One call of `fit`."""

    moments: Moments
    terms: tuple[str, ...]
    district: NDArray[np.integer[Any]] | None
    method: Method
    intervals: bool
    columns: Columns | None = None
    present: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        self.present = self.moments.weight != 0

    @property
    def districts(self) -> int:
        """Upper groups, those without rows included."""
        return (
            0 if self.district is None or not len(self.district) else int(self.district.max()) + 1
        )

    @property
    def rows(self) -> float:
        rows = self.moments.weight if self.moments.rows is None else self.moments.rows
        return float(rows[self.present].sum())

    def named(self, positions: Sequence[int]) -> tuple[str, ...]:
        return tuple(self.terms[i] for i in positions)

    def refusal(self, reason: str) -> Fit:
        terms = (
            "constant",
            *(self.terms if self.columns is None else self.named(self.columns.kept)),
        )
        dropped = () if self.columns is None else self.named(self.columns.dropped)
        rows = self.rows
        nan = math.nan

        def missing(*shape: int) -> FloatArray:
            return np.full(shape, nan)

        k, groups = len(terms), len(self.present)
        return Fit(
            state="not_estimated",
            reason=reason,
            terms=terms,
            dropped=dropped,
            method=self.method,
            n=round(rows) if math.isfinite(rows) else 0,
            groups=int(self.present.sum()),
            coefficients=missing(k),
            covariance=missing(k, k),
            standard_errors=missing(k),
            variance_student=nan,
            variance_school=nan,
            variance_district=nan,
            interval_student=NOWHERE,
            interval_school=NOWHERE,
            interval_district=NOWHERE,
            log_likelihood=nan,
            icc=nan,
            icc_district=nan,
            r_squared_marginal=nan,
            r_squared_conditional=nan,
            lr_statistic=nan,
            lr_p=nan,
            lr_statistic_district=nan,
            lr_p_district=nan,
            effect=missing(groups),
            effect_variance=missing(groups),
            effect_error_variance=missing(groups),
            reliability=missing(groups),
            upper_effect=missing(self.districts),
            upper_effect_variance=missing(self.districts),
            total_effect=missing(groups),
            total_effect_variance=missing(groups),
            convergence=None,
        )

    def solve(self) -> Fit:
        given = self.moments
        present = self.present
        no_logarithm = given.log_weight is not None and np.isneginf(given.log_weight).any()
        if np.any(given.weight < 0) or no_logarithm:
            raise _Refused("negative_weight")
        numbers = [given.weight, given.mean[present], given.cross[present]]
        numbers += [extra for extra in (given.rows, given.log_weight) if extra is not None]
        if not all(np.isfinite(part).all() for part in numbers):
            raise _Refused("not_finite")
        weight, mean = given.weight[present], given.mean[present]
        if len(weight) < 2:
            raise _Refused("one_group")

        # Twice, so that the centre's own rounding is taken away where the scores are huge.
        total = float(weight.sum())
        centre = mean[0] + weight @ (mean - mean[0]) / total
        centre = centre + weight @ (mean - centre) / total
        away = mean - centre
        inner = given.cross[present].sum(axis=0)
        scatter = inner + (away * weight[:, None]).T @ away
        self.columns = columns = Columns.of(centre, scatter, total)
        if columns.scale[-1] == 0:
            raise _Refused("outcome_constant")
        within = columns.standardise_products(inner)[1:, 1:]
        self._refuse_degenerate(columns, within, total, len(weight))

        standard = columns.standardise(mean)
        cross = columns.standardise_products(inner)
        design: _TwoLevel | _ThreeLevel
        if self.district is None:
            design = _TwoLevel(weight, standard, cross)
        else:
            design = _ThreeLevel(weight, standard, cross, self.district[present])
        df = self.rows - (len(columns.kept) + 1 if self.method == "reml" else 0)
        constant = 2 * df * math.log(columns.scale[-1])
        if self.method == "reml":
            constant += 2 * float(np.log(columns.scale[:-1]).sum())
        if given.log_weight is not None:
            constant -= float(given.log_weight[present].sum())
        criterion = Criterion(design, self.rows, self.method == "reml", constant)
        optimum = criterion.minimise()
        if not optimum.convergence().converged:
            raise _Refused("no_convergence")
        return self._result(columns, optimum, weight, standard, total)

    def _refuse_degenerate(
        self, columns: Columns, within: FloatArray, total: float, groups: int
    ) -> None:
        """Stop where the variances cannot be told apart.

        `within` holds the standardised columns' sums of products within groups.
        """
        covariates = len(columns.kept)
        if self.rows <= covariates + 1:
            raise _Refused("too_few_rows")
        overall = columns.variance
        if _residual(overall, covariates) < PERFECT:
            raise _Refused("perfect_prediction")
        own = np.diag(within)[:covariates] > 1e-12 * total
        inside = int(own.sum())
        if self.rows - groups - inside < 1:
            raise _Refused("no_repeated_rows")
        if groups - 1 - (covariates - inside) < 1:
            raise _Refused("too_few_groups")
        used = [*np.flatnonzero(own), covariates]
        if _residual(within[np.ix_(used, used)] / total, inside) < PERFECT:
            raise _Refused("no_variation_within_groups")
        if self.district is not None:
            uppers = len(np.unique(self.district[self.present]))
            if uppers < 2:
                raise _Refused("one_upper_group")
            if uppers == groups:
                raise _Refused("upper_is_group")

    def _result(
        self,
        columns: Columns,
        optimum: Optimum,
        weight: FloatArray,
        standard: FloatArray,
        total: float,
    ) -> Fit:
        point, unit = optimum.point, float(columns.scale[-1])
        variances = optimum.variances * unit**2
        own_covariance = point.inverse * point.residual_variance
        coefficients, covariance = columns.restore(point.coefficients, own_covariance)
        wanted = optimum.interval if self.intervals else lambda _: NOWHERE
        intervals = [_scaled(wanted(i), unit) for i in range(len(variances))]
        tests = [optimum.test(i) for i in range(len(optimum.ratios))]
        predicted = _predict(optimum, weight, standard, self._district_of_present())

        slopes = point.coefficients[1:]
        k = len(slopes)
        rows = self.rows
        explained = float(slopes @ columns.variance[:k, :k] @ slopes) * unit**2 * rows / (rows - 1)
        random = float(variances[1:].sum())
        everything = explained + random + float(variances[0])
        unexplained = random + float(variances[0])
        three = len(variances) == 3
        nan = math.nan

        def everywhere(values: FloatArray, elsewhere: float, power: int) -> FloatArray:
            out = np.full(len(self.present), elsewhere)
            out[self.present] = values * unit**power
            return out

        effect_variance = everywhere(predicted.variance, float(variances[1]), 2)
        upper_effect = np.zeros(self.districts)
        upper_variance = np.full(self.districts, variances[-1])
        total_effect = everywhere(predicted.total, 0.0, 1)
        total_variance = everywhere(predicted.total_variance, random, 2)
        if self.district is not None:
            upper_effect[predicted.districts] = predicted.upper * unit
            upper_variance[predicted.districts] = predicted.upper_variance * unit**2
            # An empty school is expected to be as its district.
            empty = ~self.present
            total_effect[empty] = upper_effect[self.district[empty]]
            total_variance[empty] = variances[1] + upper_variance[self.district[empty]]
        with np.errstate(invalid="ignore"):
            reliability = 1 - effect_variance / variances[1]
        if variances[1] == 0:
            reliability = np.zeros(len(self.present))
        return Fit(
            state="estimated",
            reason=None,
            terms=("constant", *self.named(columns.kept)),
            dropped=self.named(columns.dropped),
            method=self.method,
            n=round(rows),
            groups=int(self.present.sum()),
            coefficients=coefficients,
            covariance=covariance,
            standard_errors=np.sqrt(np.diag(covariance)),
            variance_student=float(variances[0]),
            variance_school=float(variances[1]),
            variance_district=float(variances[2]) if three else nan,
            interval_student=intervals[0],
            interval_school=intervals[1],
            interval_district=intervals[2] if three else NOWHERE,
            log_likelihood=-point.deviance / 2,
            icc=random / unexplained,
            icc_district=float(variances[2]) / unexplained if three else nan,
            r_squared_marginal=explained / everything,
            r_squared_conditional=(explained + random) / everything,
            lr_statistic=tests[0][0],
            lr_p=tests[0][1],
            lr_statistic_district=tests[1][0] if three else nan,
            lr_p_district=tests[1][1] if three else nan,
            effect=everywhere(predicted.effect, 0.0, 1),
            effect_variance=effect_variance,
            effect_error_variance=everywhere(predicted.error_variance, float(variances[1]), 2),
            reliability=reliability,
            upper_effect=upper_effect,
            upper_effect_variance=upper_variance,
            total_effect=total_effect,
            total_effect_variance=total_variance,
            convergence=optimum.convergence(),
        )

    def _district_of_present(self) -> NDArray[np.integer[Any]] | None:
        return None if self.district is None else self.district[self.present]


def _residual(matrix: FloatArray, covariates: int) -> float:
    """What regression on the first columns leaves of the last one's sum of squares.

    Combinations of columns are passed over.
    """
    rest = matrix.copy()
    original = np.diag(matrix).copy()
    for i in range(covariates):
        if rest[i, i] > 1e-10 * original[i]:
            rest = rest - np.outer(rest[:, i], rest[i]) / rest[i, i]
    return float(rest[-1, -1])


def _scaled(interval: Interval, unit: float) -> Interval:
    return interval[0] * unit**2, interval[1] * unit**2


class _Packed:
    """Symmetric (q, q) matrices as rows of their upper triangles."""

    def __init__(self, size: int) -> None:
        self.rows, self.columns = np.triu_indices(size)
        place = np.empty((size, size), dtype=int)
        place[self.rows, self.columns] = place[self.columns, self.rows] = np.arange(len(self.rows))
        self._place = place

    def squares(self, values: FloatArray, code: NDArray[np.intp], groups: int) -> FloatArray:
        """(groups, q (q + 1) / 2): sums of the rows' products with themselves, by code."""
        pairs = zip(self.rows, self.columns, strict=True)
        sums = [
            np.bincount(code, weights=values[:, i] * values[:, j], minlength=groups)
            for i, j in pairs
        ]
        return np.column_stack(sums)

    def full(self, packed: FloatArray) -> FloatArray:
        return packed[self._place]


class _TwoLevel:
    """Groups of students: the likelihood's parts from one small matrix a size of group."""

    def __init__(self, weight: FloatArray, mean: FloatArray, cross: FloatArray) -> None:
        self._size, code = np.unique(weight, return_inverse=True)
        self._count = np.bincount(code).astype(float)
        self._packed = _Packed(mean.shape[1])
        self._squares = self._packed.squares(mean, code, len(self._size))
        self._cross = cross
        self.scale = np.array([len(weight) / weight.sum()])
        self.many = False

    def evaluate(self, ratios: FloatArray, slopes: Components | None = None) -> Evaluation:
        grown = ratios[0] * self._size
        inverse = self._size / (1 + grown)
        return Evaluation(
            float(self._count @ np.log1p(grown)),
            self._cross + self._packed.full(inverse @ self._squares),
            np.array([self._count @ inverse]),
            -self._packed.full(inverse**2 @ self._squares)[None],
        )


class _ThreeLevel:
    """Groups within upper groups: schools of a size within a district make one cell."""

    def __init__(
        self,
        weight: FloatArray,
        mean: FloatArray,
        cross: FloatArray,
        district: NDArray[np.integer[Any]],
    ) -> None:
        self._size, size = np.unique(weight, return_inverse=True)
        self._count = np.bincount(size).astype(float)
        _, upper = np.unique(district, return_inverse=True)
        cell, code = np.unique(upper * len(self._size) + size, return_inverse=True)
        self._cell_size, self._district = cell % len(self._size), cell // len(self._size)
        self._cell_count = np.bincount(code).astype(float)
        # A row a column: what belongs to a district then stands side by side.
        self._mean = np.array([np.bincount(code, weights=column) for column in mean.T])
        self._mean /= self._cell_count
        self._mean[0] = 1.0
        self._packed = _Packed(mean.shape[1])
        self._squares = self._packed.squares(mean - self._mean.T[code], size, len(self._size))
        self._starts = np.flatnonzero(np.diff(self._district, prepend=-1))
        self._cross = cross
        weights = weight.sum()
        self.scale = np.array([len(weight) / weights, len(self._starts) / weights])
        self.many = False

    def evaluate(self, ratios: FloatArray, slopes: Components | None = None) -> Evaluation:
        school, upper = ratios
        by_size = self._size / (1 + school * self._size)
        single = by_size.take(self._cell_size)
        cell = self._cell_count * single
        total = np.add.reduceat(cell, self._starts)
        mean = np.add.reduceat(cell * self._mean, self._starts, axis=1) / total
        grown = 1 + upper * total
        inverse = total / grown
        away = self._mean - mean.take(self._district, axis=1)
        # What is left of a school's mean after its district's effect is taken out.
        left = self._mean - (upper * inverse * mean).take(self._district, axis=1)
        squared = cell * single
        slope_school = -self._packed.full(by_size**2 @ self._squares) - (left * squared) @ left.T
        slope_upper = -(mean * inverse**2) @ mean.T
        return Evaluation(
            float(self._count @ np.log1p(school * self._size) + np.log(grown).sum()),
            self._cross
            + self._packed.full(by_size @ self._squares)
            + (away * cell) @ away.T
            + (mean * inverse) @ mean.T,
            np.array(
                [
                    cell.sum() - upper * (np.add.reduceat(squared, self._starts) / grown).sum(),
                    inverse.sum(),
                ]
            ),
            np.array([slope_school, slope_upper]),
        )


@dataclass(frozen=True, eq=False)
class _Prediction:
    """Random effects of the groups with rows, in standardised units."""

    effect: FloatArray
    variance: FloatArray
    error_variance: FloatArray
    total: FloatArray
    total_variance: FloatArray
    districts: NDArray[np.integer[Any]]
    upper: FloatArray
    upper_variance: FloatArray


def _predict(
    optimum: Optimum,
    weight: FloatArray,
    mean: FloatArray,
    district: NDArray[np.integer[Any]] | None,
) -> _Prediction:
    point, ratio = optimum.point, optimum.ratios[0]
    residual = point.residual_variance
    inverse = weight / (1 + ratio * weight)
    outcome = mean[:, -1] - mean[:, :-1] @ point.coefficients
    if district is None:
        districts = np.zeros(0, dtype=int)
        upper = upper_variance = np.zeros(0)
        around, around_variance = np.zeros(len(weight)), np.zeros(len(weight))
        left = mean[:, :-1]
    else:
        districts, code = np.unique(district, return_inverse=True)
        total = np.bincount(code, weights=inverse)
        share = optimum.ratios[1] / (1 + optimum.ratios[1] * total)

        def pulled(values: FloatArray) -> FloatArray:
            return share * np.bincount(code, weights=inverse * values)

        upper, upper_variance = pulled(outcome), share * residual
        around, around_variance = upper[code], upper_variance[code]
        left = mean[:, :-1] - np.column_stack([pulled(x)[code] for x in mean.T[:-1]])
    shrink = ratio * inverse
    effect = shrink * (outcome - around)
    variance = residual * ratio / (1 + ratio * weight)
    lever = shrink[:, None] * left
    own = variance + shrink**2 * around_variance
    return _Prediction(
        effect=effect,
        variance=own,
        error_variance=own + residual * np.sum((lever @ point.inverse) * lever, axis=1),
        total=effect + around,
        total_variance=variance + (1 - shrink) ** 2 * around_variance,
        districts=districts,
        upper=upper,
        upper_variance=upper_variance,
    )
