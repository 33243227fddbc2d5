"""Exact linear quantile regression for a whole band of quantiles at once.

Each quantile is the vertex of a linear programme (Koenker & Bassett 1978). The quantiles are walked
from the median outwards. The step from one to the next is predicted by Newton's method; then only
the observations near the predicted plane are looked at, all others entering through the sum of
their gradients, for their side is known (Portnoy & Koenker 1997). The small problem is solved by an
edge descent with long steps (Barrodale & Roberts 1973, in revised form). Each solution is checked
on all observations by its duality gap, so that a wrong answer cannot pass.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import linprog

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]

GAP = 1e-10
"""Largest duality gap of an accepted solution, as a share of its objective."""
COLLINEAR = 1e-7
"""A column is dropped if less than this share of its length is not explained by those before it."""
SMALL = 1000
"""Fewest observations that a descent looks at."""
NEWTON_STEPS = 3
"""Most steps that predict a solution; each costs a pass over all observations."""
MOST_STEPS = 3000
"""A descent of more steps has lost its way."""
TOLERANCE = 1e-8
"""Of slopes of the objective, in units of one observation's weight."""
JITTER = 1e-11
"""How far scores are moved apart while descending, against ties; in units of the width of their
middle half."""


@dataclass(frozen=True)
class Band:
    """Solutions for T quantiles on p columns."""

    taus: Floats
    """(T,) the quantiles asked for."""
    coefficients: Floats
    """(T, p); 0 for a dropped column, not a number where the solution is not verified."""
    objective: Floats
    """(T,) the weighted sum of check losses, in the score's unit."""
    gap: Floats
    """(T,) bound of how far the objective lies above the least possible, as a share of it (or of a
    thousandth of the scores' spread, where the fit is closer than that)."""
    dropped: tuple[int, ...]
    """Columns left out because those before them explain them."""
    by_linear_program: NDArray[np.bool_]
    """(T,) whether the general solver (HiGHS) was needed."""

    @property
    def verified(self) -> NDArray[np.bool_]:
        """(T,) whether the solution is proven to be the best."""
        return self.gap <= GAP


def fit(
    rows: Floats,
    score: Floats,
    taus: Floats,
    row: Integers | None = None,
    weight: Floats | None = None,
) -> Band:
    """Quantile regressions of the score on the columns of `rows`, one for each of `taus`.

    Args:
        rows: (u, p) explanatory rows, the constant among them if there is to be one.
        score: (n,) what is explained.
        taus: (T,) quantiles within (0, 1), in any order.
        row: (n,) which of the rows each score belongs to; left out, the i-th has the i-th. Equal
            rows given once save time.
        weight: (n,) positive; left out, all 1.

    Where several solutions are equally good, which one is given depends on the data alone.

    Raises:
        ValueError: shapes that do not fit, values that are not finite, no row, no column.
    """
    rows, score, taus = (np.asarray(given, dtype=float) for given in (rows, score, taus))
    row = np.arange(len(score)) if row is None else np.asarray(row, dtype=np.intp)
    weight = np.ones(len(score)) if weight is None else np.asarray(weight, dtype=float)
    if rows.ndim != 2 or 0 in rows.shape or taus.ndim != 1:
        raise ValueError("rows must be (u, p), taus (T,), neither empty")
    if score.ndim != 1 or not len(score) or not score.shape == row.shape == weight.shape:
        raise ValueError("score, row and weight must be (n,), n the same and not 0")
    if row.min() < 0 or row.max() >= len(rows):
        raise ValueError("row must point into rows")
    if not all(np.isfinite(given).all() for given in (rows, score, weight)):
        raise ValueError("rows, score and weight must be finite")
    if not ((taus > 0) & (taus < 1)).all() or not (weight > 0).all():
        raise ValueError("taus must lie within (0, 1), weights must be positive")
    return _Walk(rows, score, row, weight).band(taus)


@dataclass
class _Solution:
    """Where a descent ended, in the walk's own columns and unit, and its proof."""

    coefficients: Floats
    residual: Floats
    objective: float
    gap: float


class _Walk:
    """One data set: equal observations merged, columns orthonormal, scores centred and scaled."""

    def __init__(self, rows: Floats, score: Floats, row: Integers, weight: Floats) -> None:
        values, value = np.unique(score, return_inverse=True)
        cells, cell = np.unique(row * len(values) + value, return_inverse=True)
        self.at, value = np.divmod(cells, len(values))
        self.mean_weight = float(weight.mean())
        self.weight = np.asarray(np.bincount(cell, weight / self.mean_weight), dtype=float)
        self.total = float(self.weight.sum())
        of_row = np.asarray(np.bincount(self.at, self.weight, len(rows)), dtype=float)
        self.basis, self.triangle, self.kept = _orthonormal(rows, of_row)
        self.columns = rows.shape[1]
        width = len(self.kept)
        # Large offsets cost digits, so what the columns can explain is taken out beforehand.
        self.sum = self.basis.T @ of_row
        constant = self.sum / self.total
        offset = float(self.weight @ values[value] / self.total)
        if np.abs(self.basis @ constant - 1).max() > 1e-9:
            offset, constant = 0.0, np.zeros(width)
        spread = float(np.subtract(*np.quantile(score, [0.75, 0.25])))
        self.scale = spread or float(np.ptp(values)) or 1.0
        scaled = (values[value] - offset) / self.scale
        slope = self._gradient(self.weight * scaled) / self.total
        self.score = scaled - self._fitted(slope)
        self.taken_out = slope + constant * (offset / self.scale)
        noise = np.random.default_rng(0).uniform(-JITTER, JITTER, len(cells))
        self.apart = self.score + noise
        # A plane moves more where it is held less, so distances count by the length of the row.
        self.closeness = 1 / np.maximum(np.linalg.norm(self.basis, axis=1), 1e-6)[self.at]
        self.size = max(SMALL, int(np.sqrt(len(cells) * width)))
        self.window = max(100 * width, len(cells) // 12)

    def band(self, taus: Floats) -> Band:
        """The solutions for all quantiles, walked from the middle to either end."""
        order = np.argsort(taus, kind="stable")
        middle = int(np.searchsorted(taus[order], 0.5))
        coefficients = np.zeros((len(taus), self.columns))
        objective, gap = np.empty(len(taus)), np.empty(len(taus))
        general = np.zeros(len(taus), dtype=bool)
        mean = _Solution(np.zeros(len(self.kept)), self.score, 0.0, 0.0)
        for side in (order[middle:], order[:middle][::-1]):
            last_tau, last = 0.5, mean
            for each in side:
                tau = float(taus[each])
                try:
                    found = self._descend(tau, last_tau, last)
                except np.linalg.LinAlgError:
                    found = None
                if found is None or not found.gap <= GAP:
                    general[each] = True
                    found = self._linear_program(tau)
                objective[each], gap[each] = found.objective, found.gap
                known = solve_triangular(self.triangle, found.coefficients + self.taken_out)
                coefficients[each, self.kept] = known * self.scale
                if found.gap <= GAP:
                    last_tau, last = tau, found
        coefficients[~(gap <= GAP)] = np.nan
        dropped = tuple(sorted(set(range(self.columns)) - set(self.kept)))
        unit = self.scale * self.mean_weight
        return Band(taus, coefficients, objective * unit, gap, dropped, general)

    def _fitted(self, coefficients: Floats) -> Floats:
        return (self.basis @ coefficients)[self.at]

    def _gradient(self, signed: Floats) -> Floats:
        """The rows added up, each as often as its observations' signed weights say."""
        return self.basis.T @ np.bincount(self.at, signed, len(self.basis))

    def _proven(self, tau: float, coefficients: Floats, dual: Floats) -> _Solution:
        """A solution with its duality gap.

        With `dual` within (tau - 1, tau) times the weights and orthogonal to the columns, no plane
        has a smaller objective than dual @ score. What is left of the orthogonality counts against
        the solution, for planes within reach of all scores.
        """
        residual = self.score - self._fitted(coefficients)
        loss = self.weight * residual * (tau - (residual < 0))
        objective = float(loss.sum())
        dual = np.clip(dual, (tau - 1) * self.weight, tau * self.weight)
        reach = np.linalg.norm(coefficients) + np.abs(residual).max()
        slack = float(np.linalg.norm(self._gradient(dual)) * reach)
        gap = float((loss - dual * residual).sum()) + slack
        # Where the plane goes through all scores, the objective is rounding itself.
        return _Solution(coefficients, residual, objective, gap / max(objective, 1e-3 * self.total))

    def _metric(self, residual: Floats) -> Floats:
        """Triangle L with L L' the curvature of the objective, smoothed over a window."""
        window = min(self.window, len(residual) - 1)
        near = np.argpartition(np.abs(residual), window)[: window + 1]
        half = max(float(np.abs(residual[near]).max()), 1e-6)
        rows, weight = self.basis[self.at[near]], self.weight[near]
        curvature = (rows.T * weight) @ rows / (2 * half)
        ridge = 1e-3 * np.trace(curvature) / len(curvature) + 1e-6 * self.total
        curvature[np.diag_indices_from(curvature)] += ridge
        return cholesky(curvature, lower=True)

    def _predicted(self, tau: float, last_tau: float, last: _Solution) -> tuple[Floats, Floats]:
        """Near the solution by Newton's method; and edges that do not disturb one another."""
        edges = np.asarray(np.linalg.inv(self._metric(last.residual)).T, dtype=float)
        coefficients = last.coefficients + edges @ (edges.T @ ((tau - last_tau) * self.sum))
        nearest, shortest = coefficients, np.inf
        for _ in range(NEWTON_STEPS):
            residual = self.apart - self._fitted(coefficients)
            step = edges.T @ self._gradient(self.weight * (tau - (residual < 0)))
            length = float(np.linalg.norm(step))
            if not length < shortest:
                break
            nearest, shortest = coefficients, length
            coefficients = coefficients + edges @ step
        return nearest, edges

    def _descend(self, tau: float, last_tau: float, last: _Solution) -> _Solution | None:
        """The solution, from that of a neighbour; none where the descent loses its way."""
        coefficients, edges = self._predicted(tau, last_tau, last)
        members = np.full(len(edges), -1)
        size = self.size
        while True:
            residual = self.apart - self._fitted(coefficients)
            residual[members[members >= 0]] = 0
            signed = _subgradients(tau, self.weight, np.sign(residual))
            everyone = size >= len(residual)
            if everyone:
                near = np.arange(len(residual))
            else:
                near = np.argpartition(np.abs(residual) * self.closeness, size)[:size]
            place = np.full(len(residual), -1)
            place[near] = np.arange(len(near))
            small = _Small(
                tau,
                self.basis[self.at[near]],
                self.weight[near],
                residual[near],
                self._gradient(signed),
                # A member's residual is 0, so it is among the near ones.
                np.where(members >= 0, place[members], -1),
                edges,
            )
            outcome = small.descend()
            members = np.where(small.members >= 0, near[small.members], -1)
            if outcome == "unbounded" and not everyone:
                coefficients, edges = coefficients + small.moved, small.edges
                size *= 3
                continue
            if outcome != "solved":
                return None
            edges = np.linalg.inv(self.basis[self.at[members]])
            signed[near] = _subgradients(tau, small.weight, small.side)
            dual = signed.copy()
            dual[members] = -(self._gradient(signed) @ edges)
            found = self._proven(tau, edges @ self.score[members], dual)
            if found.gap <= GAP or everyone:
                return found
            # Someone far away is on the other side than was taken for granted.
            coefficients = edges @ self.apart[members]
            size *= 2

    def _linear_program(self, tau: float) -> _Solution:
        """The dual programme, solved by HiGHS."""
        rows = self.basis[self.at]
        solved = linprog(
            -self.score,
            A_eq=rows.T,
            b_eq=np.zeros(rows.shape[1]),
            bounds=np.stack([(tau - 1) * self.weight, tau * self.weight], axis=1),
            method="highs",
        )
        if solved.x is None:
            return _Solution(np.zeros(rows.shape[1]), self.score, np.nan, np.inf)
        return self._proven(tau, -np.asarray(solved.eqlin.marginals), np.asarray(solved.x))


class _Small:
    """The observations near the plane; all others stand in the gradient.

    The basis has as many members as there are columns: observations with residual 0, or, at the
    start, none (-1), whose place must be taken. Along an edge all members but one stay.
    """

    def __init__(
        self,
        tau: float,
        rows: Floats,
        weight: Floats,
        residual: Floats,
        gradient: Floats,
        members: Integers,
        edges: Floats,
    ) -> None:
        self.tau, self.rows, self.weight, self.members = tau, rows, weight, members
        self.distance, self.side = np.abs(residual), np.sign(residual)
        self.gradient, self.edges = gradient.copy(), edges.copy()
        self.moved = np.zeros(rows.shape[1])

    def descend(self) -> str:
        """Go down edges until none leads down: "solved", "unbounded" or "lost"."""
        tau, rows, weight, members = self.tau, self.rows, self.weight, self.members
        distance, side, edges, gradient = self.distance, self.side, self.edges, self.gradient
        taken = members >= 0
        mass = np.where(taken, weight[members], 0.0)
        for _ in range(MOST_STEPS):
            dual = -(gradient @ edges)
            length = np.sqrt(np.einsum("ij,ij->j", edges, edges))
            # How fast the objective falls along each edge, in the better of its two directions.
            fall = np.maximum(dual - tau * mass, (tau - 1) * mass - dual)
            leaves = int((np.where(taken, fall, fall + TOLERANCE) / length).argmax())
            if taken.all() and fall[leaves] <= TOLERANCE:
                return "solved"
            upwards = dual[leaves] > 0
            edge = -edges[:, leaves] if upwards else edges[:, leaves].copy()
            closing = (rows @ edge) * side
            able = np.flatnonzero(closing > 1e-10 * length[leaves])
            reached = distance[able] / closing[able]
            order = reached.argsort()
            rise = np.cumsum((weight[able] * closing[able])[order])
            stop = int(rise.searchsorted(fall[leaves]))
            if stop == len(able):
                return "unbounded"
            passed, enters, gone = able[order[:stop]], able[order[stop]], reached[order[stop]]
            gradient -= (side[passed] * weight[passed]) @ rows[passed]
            gradient -= weight[enters] * (tau - (side[enters] < 0)) * rows[enters]
            distance -= gone * closing
            distance[passed] *= -1
            side[passed] *= -1
            distance[enters] = side[enters] = 0.0
            if taken[leaves]:
                out = members[leaves]
                side[out], distance[out] = (1.0 if upwards else -1.0), gone
                gradient += weight[out] * (tau - (not upwards)) * rows[out]
            self.moved += gone * edge
            across = rows[enters] @ edges
            edges[:, leaves] /= across[leaves]
            across[leaves] = 0.0
            edges -= np.outer(edges[:, leaves], across)
            members[leaves], taken[leaves], mass[leaves] = enters, True, weight[enters]
        return "lost"


def _subgradients(tau: float, weight: Floats, side: Floats) -> Floats:
    """Of the check losses of observations above (1), below (-1) or on (0) the plane."""
    return weight * np.where(side < 0, tau - 1, tau * side)


def _orthonormal(rows: Floats, weight: Floats) -> tuple[Floats, Floats, list[int]]:
    """Columns of mean square 1 and orthogonal under the weights, the triangle that gives the rows
    back, and which columns were kept: Gram-Schmidt, twice over, in the order given."""
    share = weight / weight.sum()
    basis = np.empty((rows.shape[1], len(rows)))
    triangle = np.zeros((rows.shape[1], rows.shape[1]))
    kept: list[int] = []
    for column, values in enumerate(rows.T):
        known, left = basis[: len(kept)], values.copy()
        for _ in range(2):
            along = known @ (share * left)
            left -= along @ known
            triangle[: len(kept), column] += along
        length, whole = np.sqrt(share @ left**2), np.sqrt(share @ values**2)
        if length > COLLINEAR * whole:
            triangle[len(kept), column] = length
            basis[len(kept)] = left / length
            kept.append(column)
    k = len(kept)
    return np.ascontiguousarray(basis[:k].T), triangle[:k, kept], kept
