"""Two crossed random intercepts, exactly: the severity of observers beside the level of teachers.

y = b0 + x b + u_first + v_second + e, all random parts independent and normal; every row belongs to
one group of each factor, in any pattern. A third factor, in whose groups those of the first lie
(teachers in schools), may be taken out as fixed effects: without it whoever sees the teachers of a
good school alone would seem mild. The larger factor is eliminated in closed form (its block
of the mixed-model equations is diagonal: Henderson 1975), the smaller one's Schur complement is
factored, which also gives the log-determinant and the posterior variances: by a dense Cholesky
factorisation, or a sparse one where the groups are many, who then mostly have nobody in common.
So the estimates are exact (no alternating fits), and a city's observers take seconds.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csc_array, csr_array, eye_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu

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

DENSE = 600
"""Groups of the smaller factor up to which its matrix is inverted as it is."""
STEP = 1e-4
"""Step of a difference, as a share of a ratio."""
COLUMNS = 256
"""Columns of an inverse that are held at a time."""

Interval = tuple[float, float]
Indices = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Factor:
    """The estimates of one factor's groups, in the sorted order of their labels."""

    labels: NDArray[Any]
    variance: float
    interval: Interval
    """95 % by profile likelihood."""
    lr_statistic: float
    """Likelihood ratio against no variance of this factor."""
    lr_p: float
    """Its p by the half-and-half mixture of 0 and chi-squared(1) (Self & Liang 1987)."""
    effect: FloatArray
    """Best linear unbiased predictions, in units of the outcome."""
    effect_variance: FloatArray
    """Posterior variances given the variances and coefficients; of a factor that was taken out as
    fixed, its effects are not given."""
    effect_error_variance: FloatArray
    """Mean squared errors of the predictions given the variances, with the coefficients'
    uncertainty (Henderson 1975)."""
    reliability: FloatArray
    """1 - effect_variance / variance; 0 where the variance is 0."""


@dataclass(frozen=True, eq=False)
class CrossedFit:
    """An estimated model; every number is NaN where `state` is not_estimated."""

    state: Literal["estimated", "not_estimated"]
    reason: str | None
    """Why there is no estimate, else None: not_finite, negative_weight, one_group, too_few_rows,
    outcome_constant, perfect_prediction, no_repeated_rows, same_factors (or nobody of the second
    beside another within a group taken out),
    no_variation_within_groups, no_convergence."""
    terms: tuple[str, ...]
    """`constant` first."""
    dropped: tuple[str, ...]
    n: int
    coefficients: FloatArray
    """Where a factor was taken out, the constant is that of its mean group, without an error."""
    covariance: FloatArray
    standard_errors: FloatArray
    variance_residual: float
    interval_residual: Interval
    log_likelihood: float
    first: Factor
    second: Factor
    connected: int
    """Parts of the design that share no group of either factor. Between parts, severity and level
    are told apart by the assumption of random effects alone; 1 is what one hopes for."""
    convergence: Convergence | None


def fit_crossed(
    x: ArrayLike,
    y: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    terms: Sequence[str],
    weight: ArrayLike | None = None,
    method: Literal["reml", "ml"] = "reml",
    intervals: bool = True,
    within: ArrayLike | None = None,
) -> CrossedFit:
    """Fit a model with a random intercept for each group of two crossed factors.

    Args:
        x: (n, p) covariates without a constant; p may be 0.
        y: (n,) outcome.
        first, second: (n,) labels of any sortable kind, such as teachers and observers.
        terms: names of the p covariates; the constant is added.
        weight: (n,) precision weights; a row of weight 0 does not count.
        method: "reml" or "ml".
        intervals: whether those of the variances are wanted: they take most of the time.
        within: (n,) labels of groups whose means are taken out (schools); each group of `first`
            lies in one of them. With `reml` alone.

    Raises:
        ValueError: shapes do not fit each other, the method is unknown or not for `within`, or a
            group of `first` lies in two of `within`.
    """
    outcome, covariates = np.asarray(y, dtype=float), np.asarray(x, dtype=float)
    keys = np.asarray(first), np.asarray(second)
    weights = np.ones(outcome.shape) if weight is None else np.asarray(weight, dtype=float)
    if outcome.ndim != 1 or covariates.shape != (len(outcome), len(terms)):
        raise ValueError(f"x {covariates.shape}, y {outcome.shape}, {len(terms)} terms do not fit")
    around = np.zeros(outcome.shape) if within is None else np.asarray(within)
    if any(key.shape != outcome.shape for key in (*keys, weights, around)):
        raise ValueError(f"first, second, weight and within must have {len(outcome)} rows")
    if method not in ("reml", "ml") or (within is not None and method == "ml"):
        raise ValueError(f"method {method!r} is neither reml nor ml, or not for within")
    names = tuple(terms)
    if not (np.isfinite(outcome).all() and np.isfinite(covariates).all()):
        return _refusal("not_finite", names, keys)
    if not np.isfinite(weights).all():
        return _refusal("not_finite", names, keys)
    if np.any(weights < 0):
        return _refusal("negative_weight", names, keys)
    counted = weights > 0
    keys = keys[0][counted], keys[1][counted]
    columns = np.column_stack([covariates, outcome])[counted]
    weights = weights[counted]
    labels, codes = zip(*(np.unique(k, return_inverse=True) for k in keys), strict=True)
    places, place = np.unique(around[counted], return_inverse=True)
    lies_in = np.zeros(len(labels[0]), dtype=int)
    lies_in[codes[0]] = place
    if (lies_in[codes[0]] != place).any():
        raise ValueError("a group of first lies in two groups of within")
    reason = _undetermined(len(weights), codes, [len(found) for found in labels])
    if reason:
        return _refusal(reason, names, keys)

    total = float(weights.sum())
    centre = columns[0] + weights @ (columns - columns[0]) / total
    away = columns - centre
    if within is not None:
        size = np.bincount(place, weights)
        means = [np.bincount(place, weights * column) / size for column in away.T]
        away = away - np.column_stack(means)[place]
    use = Columns.of(centre, (away * weights[:, None]).T @ away, total)
    dropped = tuple(names[i] for i in use.dropped)
    kept = tuple(names[i] for i in use.kept)
    rows, k = len(weights) - (len(places) - 1), len(kept) + 1
    if use.scale[-1] == 0:
        return _refusal("outcome_constant", kept, keys, dropped)
    if rows <= k:
        return _refusal("too_few_rows", kept, keys, dropped)
    correlation = use.variance[:-1, :-1]
    towards = use.variance[:-1, -1]
    if 1 - towards @ np.linalg.solve(correlation, towards) < PERFECT:
        return _refusal("perfect_prediction", kept, keys, dropped)

    swapped = within is None and len(labels[0]) < len(labels[1])
    larger, smaller = (codes[1], codes[0]) if swapped else (codes[0], codes[1])
    inside = None if within is None else lies_in
    design = _Crossed(use.standardise(columns), weights, larger, smaller, inside)
    if within is not None and not design.tells_apart():
        return _refusal("same_factors", kept, keys, dropped)
    if not design.leaves_a_residual():
        return _refusal("no_variation_within_groups", kept, keys, dropped)
    reml = method == "reml"
    constant = 2 * (rows - (k if reml else 0)) * math.log(use.scale[-1])
    constant -= float(np.log(weights).sum())
    if reml:
        constant += 2 * float(np.log(use.scale[:-1]).sum())
    try:
        optimum = Criterion(design, rows, reml, constant).minimise()
    except NoMaximum:
        return _refusal("no_variation_within_groups", kept, keys, dropped)
    if not optimum.convergence().converged:
        return _refusal("no_convergence", kept, keys, dropped)

    unit = float(use.scale[-1])
    coefficients, covariance = use.restore(
        optimum.point.coefficients, optimum.point.inverse * optimum.point.residual_variance
    )
    if within is not None:
        covariance[0] = covariance[:, 0] = math.nan
    predictions = design.predict(optimum)
    order = (1, 0) if swapped else (0, 1)
    factors = [
        _factor(found, optimum, place, predictions[place], unit, intervals)
        for found, place in zip(labels, order, strict=True)
    ]
    residual = optimum.interval(0) if intervals else (math.nan, math.nan)
    return CrossedFit(
        state="estimated",
        reason=None,
        terms=("constant", *kept),
        dropped=dropped,
        n=len(weights),
        coefficients=coefficients,
        covariance=covariance,
        standard_errors=np.sqrt(np.diag(covariance)),
        variance_residual=float(optimum.variances[0]) * unit**2,
        interval_residual=(residual[0] * unit**2, residual[1] * unit**2),
        log_likelihood=-optimum.point.deviance / 2,
        first=factors[0],
        second=factors[1],
        connected=design.connected,
        convergence=optimum.convergence(),
    )


def _undetermined(rows: int, codes: Sequence[Indices], counts: Sequence[int]) -> str | None:
    """Why the variances cannot be told apart, whatever the scores."""
    if min(counts) < 2:
        return "one_group"
    if max(counts) >= rows:
        return "no_repeated_rows"
    cells = len(np.unique(codes[0] * counts[1] + codes[1]))
    return "same_factors" if cells == counts[0] == counts[1] else None


def _refusal(
    reason: str,
    terms: tuple[str, ...],
    keys: tuple[NDArray[Any], NDArray[Any]],
    dropped: tuple[str, ...] = (),
) -> CrossedFit:
    nan, k = math.nan, len(terms) + 1

    def factor(key: NDArray[Any]) -> Factor:
        labels = np.unique(key)
        none = np.full(len(labels), nan)
        return Factor(labels, nan, (nan, nan), nan, nan, none, none, none, none)

    return CrossedFit(
        state="not_estimated",
        reason=reason,
        terms=("constant", *terms),
        dropped=dropped,
        n=len(keys[0]),
        coefficients=np.full(k, nan),
        covariance=np.full((k, k), nan),
        standard_errors=np.full(k, nan),
        variance_residual=nan,
        interval_residual=(nan, nan),
        log_likelihood=nan,
        first=factor(keys[0]),
        second=factor(keys[1]),
        connected=0,
        convergence=None,
    )


def _factor(
    labels: NDArray[Any],
    optimum: Optimum,
    place: int,
    prediction: tuple[FloatArray, FloatArray, FloatArray],
    unit: float,
    intervals: bool,
) -> Factor:
    variance = float(optimum.variances[1 + place]) * unit**2
    low, high = optimum.interval(1 + place) if intervals else (math.nan, math.nan)
    effect, own, error = prediction
    own = own * unit**2
    return Factor(
        labels,
        variance,
        (low * unit**2, high * unit**2),
        *optimum.test(place),
        effect * unit,
        own,
        error * unit**2,
        1 - own / variance if variance > 0 else np.zeros(len(labels)),
    )


class _Crossed:
    """Two crossed factors; the first ratio is that of the larger one, which is eliminated.

    Groups around those of the larger one may be eliminated too, as fixed effects: their block of
    the equations is diagonal as well. The constant, which is one of them, is then held at 0.
    """

    def __init__(
        self,
        columns: FloatArray,
        weight: FloatArray,
        larger: Indices,
        smaller: Indices,
        around: Indices | None,
    ) -> None:
        """`around` says of each group of the larger factor in which group it lies."""
        shape = int(larger.max()) + 1, int(smaller.max()) + 1
        common = csr_array((weight, (larger, smaller)), shape=shape)
        self.connected = int(
            connected_components(
                csr_array((weight, (larger, smaller + shape[0])), shape=(sum(shape), sum(shape))),
                directed=False,
                return_labels=False,
            )
        )
        self.many = shape[1] > DENSE
        self._member = None
        if around is not None:
            self._member = csr_array((np.ones(shape[0]), (around, np.arange(shape[0]))))
        # Within, groups of the smaller factor stand in the order in which they are eliminated.
        self._rank = np.arange(shape[1])
        if self.many:
            self._rank = _order(common if self._member is None else self._member @ common)
        smaller = self._rank[smaller]
        self._common = csr_array((weight, (larger, smaller)), shape=shape)
        self._common.sum_duplicates()

        def summed(code: Indices, groups: int, values: FloatArray) -> FloatArray:
            return np.bincount(code, weights=values, minlength=groups).astype(float)

        self._size = summed(larger, shape[0], weight)
        self._other_size = summed(smaller, shape[1], weight)
        weighted = columns * weight[:, None]
        self._sums = np.column_stack([summed(larger, shape[0], c) for c in weighted.T])
        self._other_sums = np.column_stack([summed(smaller, shape[1], c) for c in weighted.T])
        self._mean = self._sums / self._size[:, None]
        inside = columns - self._mean[larger]
        self._cross = (inside * weight[:, None]).T @ inside
        self.scale = np.array([shape[0], shape[1]]) / weight.sum()
        met = None if self._member is None else csr_array(self._member @ self._common)
        self._products = _Products(self._common, self._size, self._other_size, self._member, met)
        self._last: tuple[float, _Inside] | None = None

    def tells_apart(self) -> bool:
        """Whether anything is left of the smaller factor once the groups around are taken out."""
        left = self._inside(0.0).products.diagonal()
        return float(left.sum()) > 1e-9 * float(self._other_size.sum())

    def leaves_a_residual(self) -> bool:
        """Whether the columns and the groups of both factors, taken as fixed, explain not all.

        With ever larger ratios what is left falls to the residual sum of squares; where there is
        none (below 1e-7 of the outcome's variance), it falls as the ratio grows, without end.
        """
        left = []
        for ratio in (1e4, 1e6):
            gram = self.evaluate(ratio * self.scale, ()).gram
            outcome = gram[:-1, -1]
            explained = outcome @ np.linalg.lstsq(gram[:-1, :-1], outcome, rcond=1e-12)[0]
            left.append(float(gram[-1, -1] - explained))
        return left[1] > 0.012 * left[0]

    def _inside(self, large: float) -> "_Inside":
        """What is left of the larger factor's sums, weighted by V⁻¹ without the smaller one."""
        shrink = 1 / (1 + large * self._size)
        sums, kept = shrink[:, None] * self._sums, self._size * shrink
        gram = self._cross + (self._mean * kept[:, None]).T @ self._mean
        towards = self._other_sums - self._common.T @ (large * sums)
        common = csr_array(
            (self._common.data * np.repeat(shrink, np.diff(self._common.indptr)),
             self._common.indices, self._common.indptr),
            shape=self._common.shape,
        )  # fmt: skip
        products = self._products.at(large)
        log_determinant = float(np.log1p(large * self._size).sum())
        if self._member is None:
            return _Inside(gram, towards, products, sums, common, None, None, kept, log_determinant)
        # The same again, of the groups around.
        total = self._member @ kept
        added, met = self._member @ sums, (self._member @ common).tocsr()
        gram = gram - (added / total[:, None]).T @ added
        gram[0] = gram[:, 0] = 0.0
        gram[0, 0] = 1.0
        towards = towards - met.T @ (added / total[:, None])
        share = csr_array(self._member.T.multiply(kept[:, None])).multiply(1 / total[None]).tocsr()
        return _Inside(
            gram,
            towards,
            products,
            sums - share @ added,
            common,
            share,
            met,
            kept - share.power(2) @ total,
            log_determinant + float(np.log(total).sum()),
        )

    def _schur(self, products: csc_array, small: float) -> "_Dense | _Sparse":
        return (_Sparse if self.many else _Dense)(products, small)

    def _slopes(
        self, ratios: FloatArray, s: "_Solved", wanted: Components | None
    ) -> tuple[float, float]:
        """Derivatives of the Schur complement's log-determinant in the two ratios."""
        if ratios[1] == 0:
            return 0.0, float(s.inside.products.diagonal().sum())
        if isinstance(s.schur, _Dense):
            common = s.inside.common
            lost = (common.T @ common).toarray()
            by_large = -ratios[1] * np.sum(lost * s.schur.inverse)
            return float(by_large), float(np.sum(s.schur.inverse * s.schur.products))
        # The whole inverse would take longest; differences lose nothing that an estimate shows.
        slopes = [math.nan, math.nan]
        for component in (0, 1) if wanted is None else wanted:
            step = STEP * max(ratios[component], STEP * self.scale[component])
            ends = []
            for moved in (ratios[component] + step, ratios[component] - step):
                if component == 0:
                    found = _Sparse(self._products.at(moved), ratios[1])
                else:
                    found = _Sparse(s.inside.products, moved)
                ends.append(found.log_determinant)
            slopes[component] = (ends[0] - ends[1]) / (2 * step)
        return slopes[0], slopes[1]

    def _solve(self, ratios: FloatArray) -> "_Solved":
        large = float(ratios[0])
        # A search often moves along the smaller factor's ratio alone.
        if self._last is None or self._last[0] != large:
            self._last = large, self._inside(large)
        inside = self._last[1]
        schur = self._schur(inside.products, ratios[1])
        other = schur.solve(inside.towards)
        own = inside.sums - inside.of_other(ratios[1] * other)
        return _Solved(inside, schur, own, other)

    def evaluate(self, ratios: FloatArray, slopes: Components | None = None) -> Evaluation:
        s = self._solve(ratios)
        by_large, by_small = math.nan, math.nan
        if slopes != ():
            by_large, by_small = self._slopes(ratios, s, slopes)
        gram = s.inside.gram - ratios[1] * s.inside.towards.T @ s.other
        return Evaluation(
            s.inside.log_determinant + s.schur.log_determinant,
            (gram + gram.T) / 2,
            np.array([s.inside.kept.sum() + by_large, by_small]),
            np.stack([-s.own.T @ s.own, -s.other.T @ s.other]),
        )

    def predict(self, optimum: Optimum) -> list[tuple[FloatArray, FloatArray, FloatArray]]:
        """Of each factor: effects, posterior variances, mean squared errors."""
        large, small = optimum.ratios
        residual = optimum.point.residual_variance
        s = self._solve(optimum.ratios)
        common, products = s.inside.common, s.inside.products
        # All that is asked of the inverse stands where the products have entries.
        entries = np.empty(products.nnz)
        for start, columns in s.schur.inverse_by_columns():
            ends = products.indptr[start : start + columns.shape[1] + 1]
            column = np.repeat(np.arange(columns.shape[1]), np.diff(ends))
            inside = slice(ends[0], ends[-1])
            entries[inside] = columns[products.indices[inside], column]
        inverse = csc_array((entries, products.indices, products.indptr), shape=products.shape)
        spread = np.asarray(common.multiply(common @ inverse).sum(axis=1)).ravel()
        variances = (
            residual * large * (1 - large * s.inside.kept + large * small * spread),
            (residual * small * inverse.diagonal())[self._rank],
        )
        contrast = np.append(-optimum.point.coefficients, 1.0)
        out = []
        own = s.own, s.other[self._rank]
        for ratio, left, variance in zip(optimum.ratios, own, variances, strict=True):
            lever = ratio * left[:, :-1]
            more = residual * np.sum((lever @ optimum.point.inverse) * lever, axis=1)
            out.append((ratio * left @ contrast, variance, variance + more))
        return out


def _order(links: csr_array) -> Indices:
    """Rank of each column in an order in which the factor of `links.T @ links` stays sparse."""
    count = abs(links).sign()
    pattern = csc_array(count.T @ count)
    pattern += (1 + pattern.sum(axis=0).max()) * eye_array(pattern.shape[0])
    return np.asarray(_factored(csc_array(pattern), "MMD_AT_PLUS_A").perm_c, dtype=np.intp)


def _factored(matrix: csc_array, order: str) -> Any:
    # The matrix is symmetric and positive, so that no row need be exchanged for another.
    return splu(matrix, permc_spec=order, diag_pivot_thresh=0.0, options={"SymmetricMode": True})


class _Products:
    """The small factor's indicators by themselves, without the larger one, at any of its ratios.

    Where the entries are, and what is summed into each, is the same at all ratios and found once.
    """

    def __init__(
        self,
        common: csr_array,
        size: FloatArray,
        other_size: FloatArray,
        member: csr_array | None,
        met: csr_array | None,
    ) -> None:
        self._groups, self._size, self._other_size = common.shape[1], size, other_size
        group, one, other = _pairs(common)
        self._group, self._both = group, common.data[one] * common.data[other]
        places = [common.indices[one] * np.int64(self._groups) + common.indices[other]]
        self._member, self._common = member, common
        if member is not None and met is not None:
            self._around, self._first, self._second = _pairs(met)
            across = met.indices[self._first] * np.int64(self._groups) + met.indices[self._second]
            places.append(across)
            rows = np.repeat(np.arange(common.shape[0]), np.diff(common.indptr))
            of_met = np.repeat(np.arange(met.shape[0]), np.diff(met.indptr))
            keys = of_met * np.int64(self._groups) + met.indices
            around = member.tocsc().indices[rows]
            by_key = np.argsort(keys)
            wanted = around * np.int64(self._groups) + common.indices
            self._rows, self._met_at = rows, by_key[np.searchsorted(keys, wanted, sorter=by_key)]
            self._met_size = len(keys)
        places.append(np.arange(self._groups) * np.int64(self._groups + 1))
        found, at = np.unique(np.concatenate(places), return_inverse=True)
        self._at = np.split(at, np.cumsum([len(p) for p in places])[:-1])
        self._entries = len(found)
        column, self._indices = np.divmod(found, self._groups)
        self._starts = np.searchsorted(column, np.arange(self._groups + 1))

    def at(self, large: float) -> csc_array:
        """(small, small) at a ratio of the larger factor."""
        shrink = 1 / (1 + large * self._size)
        entries = np.zeros(self._entries)
        entries[self._at[-1]] = self._other_size
        entries -= self._summed(0, self._both * (large * shrink)[self._group])
        if self._member is not None:
            total = self._member @ (self._size * shrink)
            met = np.bincount(self._met_at, self._common.data * shrink[self._rows], self._met_size)
            both = met[self._first] * met[self._second]
            entries -= self._summed(1, both / total[self._around])
        shape = (self._groups, self._groups)
        return csc_array((entries, self._indices, self._starts), shape=shape)

    def _summed(self, number: int, values: FloatArray) -> FloatArray:
        return np.asarray(np.bincount(self._at[number], values, self._entries), dtype=float)


def _pairs(matrix: csr_array) -> tuple[Indices, Indices, Indices]:
    """Each two entries of one row, either way round: the row, and the places of the two."""
    each = np.diff(matrix.indptr)
    row = np.repeat(np.arange(matrix.shape[0]), each)
    partners = each[row]
    one = np.repeat(np.arange(len(row)), partners)
    ends = np.cumsum(partners)
    other = np.arange(len(one)) - np.repeat(ends - partners - matrix.indptr[row], partners)
    return row[one], one, other


class _Dense:
    """1 + ratio × products, and its inverse."""

    def __init__(self, products: csc_array, small: float) -> None:
        self.products = products.toarray()
        factor = cho_factor(np.eye(len(self.products)) + small * self.products, lower=True)
        self.inverse = cho_solve(factor, np.eye(len(self.products)))
        self.log_determinant = 2 * float(np.log(np.diag(factor[0])).sum())

    def solve(self, right: FloatArray) -> FloatArray:
        return np.asarray(self.inverse @ right)

    def inverse_by_columns(self) -> Iterator[tuple[int, FloatArray]]:
        yield 0, self.inverse


class _Sparse:
    """The same where most groups have no other group in common: factored, never inverted whole."""

    def __init__(self, products: csc_array, small: float) -> None:
        self._size = products.shape[0]
        whole = eye_array(self._size)
        self._factor = _factored(csc_array(whole + small * products if small else whole), "NATURAL")
        self.log_determinant = float(np.log(self._factor.U.diagonal()).sum())

    def solve(self, right: FloatArray) -> FloatArray:
        return np.asarray(self._factor.solve(right))

    def inverse_by_columns(self) -> Iterator[tuple[int, FloatArray]]:
        """The inverse, some columns at a time, with the place of the first."""
        for start in range(0, self._size, COLUMNS):
            width = min(COLUMNS, self._size - start)
            right = np.zeros((self._size, width))
            right[start + np.arange(width), np.arange(width)] = 1
            yield start, self.solve(right)


@dataclass(frozen=True, eq=False)
class _Inside:
    """The equations without the smaller factor: all weighted by V⁻¹ without it, at a ratio of the
    larger one, and with the groups around it taken out where there are any."""

    gram: FloatArray
    """(q, q): the columns by themselves."""
    towards: FloatArray
    """(small, q): the small factor's indicators by the columns."""
    products: csc_array
    """(small, small): its indicators by themselves."""
    sums: FloatArray
    """(large, q): the large factor's indicators by the columns."""
    alone: csr_array
    """(large, small): the large factor's indicators by the small one's, with nothing taken out."""
    share: csr_array | None
    """(large, around): which part each of the large factor's groups is of the group around it."""
    met: csr_array | None
    """(around, small): the small factor's indicators in each group around."""
    kept: FloatArray
    """(large,): each of the large factor's indicators by itself."""
    log_determinant: float

    @property
    def common(self) -> csr_array:
        """(large, small): the large factor's indicators by the small one's."""
        if self.share is None or self.met is None:
            return self.alone
        return csr_array(self.alone - self.share @ self.met)

    def of_other(self, values: FloatArray) -> FloatArray:
        """`common @ values`, without making it."""
        own = np.asarray(self.alone @ values)
        if self.share is None or self.met is None:
            return own
        return np.asarray(own - self.share @ (self.met @ values))


@dataclass(frozen=True, eq=False)
class _Solved:
    """The mixed-model equations at given ratios; V, the covariance in units of the residual's."""

    inside: _Inside
    schur: "_Dense | _Sparse"
    """1 + ratio × products, of the small factor's groups."""
    own: FloatArray
    """(large, q): the large factor's indicators by the columns, weighted by V⁻¹."""
    other: FloatArray
    """(small, q): the small factor's."""
