"""Value added of schools and districts, by every model of the settings."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.again import Part, made_by_part, ordered, parts, with_origin
from pipelines.estimates.tables import Floats, floats, number
from pipelines.evaluation import multilevel, robustness
from pipelines.evaluation.multilevel import Fit, Moments
from pipelines.evaluation.resampling import Z

BASE = ("prior_z", "prior_squared", "others", "no_others")
"""Terms of every model of value added."""
SCHOOL_PRIOR = "school_prior"
"""The school's mean of `prior_z`: the one term that is no column of the sums."""

EFFECT = pa.struct(
    [
        ("level", pa.string()), ("unit_code", pa.string()), ("present", pa.int64()),
        ("n", pa.int64()), ("effect", pa.float64()), ("se", pa.float64()),
        ("ci_low", pa.float64()), ("ci_high", pa.float64()), ("reliability", pa.float64()),
        ("band", pa.string()), ("simple_effect", pa.float64()), ("simple_se", pa.float64()),
    ]
)  # fmt: skip
FIGURES = pa.schema(
    [
        ("model", pa.string()), ("levels", pa.int32()),
        ("state", pa.string()), ("reason", pa.string()), ("present", pa.int64()),
        ("n", pa.int64()), ("schools", pa.int64()), ("terms", pa.list_(pa.string())),
        ("formula", pa.string()), ("dropped", pa.list_(pa.string())),
        ("coefficients", pa.list_(pa.float64())),
        ("standard_errors", pa.list_(pa.float64())), ("variance_student", pa.float64()),
        ("variance_school", pa.float64()), ("variance_district", pa.float64()),
        ("variance_school_low", pa.float64()), ("variance_school_high", pa.float64()),
        ("variance_district_low", pa.float64()), ("variance_district_high", pa.float64()),
        ("icc", pa.float64()), ("r_squared", pa.float64()),
        ("r_squared_conditional", pa.float64()), ("log_likelihood", pa.float64()),
        ("lr_statistic", pa.float64()), ("lr_p", pa.float64()),
        ("lr_statistic_district", pa.float64()), ("lr_p_district", pa.float64()),
        ("evaluations", pa.int32()), ("converged", pa.bool_()),
        ("simple_correlation", pa.float64()), ("effects", pa.list_(EFFECT)),
    ]
)  # fmt: skip
VALUE_ADDED = with_origin(("paper_no", pa.int32()), *zip(FIGURES.names, FIGURES.types, strict=True))


def value_added(
    sums: pa.Table,
    progress: pa.Table,
    models: Mapping[str, Sequence[str]],
    fewest: int,
    before: pa.Table | None = None,
) -> pa.Table:
    """Every paper's models of value added, two- and three-level: one row a paper, model and levels.

    Args:
        sums: rows of `int_value_added_sums`.
        progress: rows of `int_progress_cells`.
        models: name → terms beside those of every model.
        fewest: a unit with fewer matched students gets no effect.
        before: the outcome of the last build.
    """
    cells = {
        paper: own
        for (paper,), own in parts(ordered(progress, "paper_no", "school_code", "band"), "paper_no")
    }
    papers: Iterable[Part] = (
        ({"paper_no": paper}, partial(list, (own, cells.get(paper))))
        for (paper,), own in parts(ordered(sums, "paper_no", "school_code"), "paper_no")
    )
    given = [list(map(list, models.items())), fewest]
    return made_by_part(
        papers, partial(_paper, models=models, fewest=fewest), VALUE_ADDED, before, given
    )


def _paper(
    own: pa.Table, cells: pa.Table | None, models: Mapping[str, Sequence[str]], fewest: int
) -> pa.Table:
    """All models of one paper."""
    schools = own.column("school_code").to_pylist()
    districts = own.column("district_code").to_pylist()
    simple = _Simple(cells, schools, districts)
    rows = []
    for place, (name, extra) in enumerate(models.items()):
        terms = [*BASE, *extra]
        moments = moments_of(own, terms)
        for levels in (2, 3):
            rows.append(
                {"model": name, "levels": levels}
                | _fitted(
                    own, moments, terms, districts, levels, simple, fewest, intervals=place == 0
                )
            )
    return pa.Table.from_pylist(rows, FIGURES)


def moments_of(own: pa.Table, terms: Sequence[str]) -> Moments:
    """Statistics of the schools of one paper, the outcome last."""
    order = ["z", *BASE]
    names = [*order, *(n[4:] for n in own.column_names if n.startswith("sum_"))]
    place = {name: i for i, name in reversed(list(enumerate(names)))}
    columns = [term for term in terms if term != SCHOOL_PRIOR] + ["z"]

    def product(a: str, b: str) -> str:
        first, second = sorted((a, b), key=lambda name: place[name])
        return f"sum_{first}_{second}"

    def known(name: str) -> Floats:
        # A school without matched students has no sums: it is an empty group. A paper on which
        # all scores are equal has no z: they do not vary.
        values: Floats = own.column(name).cast(pa.float64()).fill_null(0.0).to_numpy()
        return values

    found = multilevel.from_sums(
        floats(own, "n"),
        np.column_stack([known(f"sum_{name}") for name in columns]),
        np.column_stack([known(product(a, b)) for i, a in enumerate(columns) for b in columns[i:]]),
    )
    if SCHOOL_PRIOR not in terms:
        return found
    at = list(terms).index(SCHOOL_PRIOR)
    # Within a school its own mean does not vary.
    mean = np.insert(found.mean, at, found.mean[:, columns.index("prior_z")], axis=1)
    cross = np.insert(np.insert(found.cross, at, 0.0, axis=1), at, 0.0, axis=2)
    return Moments(found.weight, mean, cross)


class _Simple:
    """The simple counterpart of one paper: of each school, and of each district."""

    def __init__(
        self, cells: pa.Table | None, schools: list[str], districts: list[str | None]
    ) -> None:
        self.place = {code: i for i, code in enumerate(schools)}
        self.districts = districts
        self.size = np.zeros((0, len(schools)))
        self.total, self.squares = self.size, self.size
        if cells is not None:
            self._fill(cells)

    def _fill(self, cells: pa.Table) -> None:
        at = [self.place[code] for code in cells.column("school_code").to_pylist()]
        band = cells.column("band").to_numpy() - 1
        shape = (int(band.max()) + 1, len(self.place))
        arrays = []
        for name in ("n", "z_sum", "z_square_sum"):
            array = np.zeros(shape)
            array[band, at] = floats(cells, name)
            arrays.append(array)
        self.size, self.total, self.squares = arrays

    def of_schools(self) -> tuple[Floats, Floats]:
        """Progress and its standard error."""
        return self._of(self.size, self.total, self.squares)

    def of_districts(self, codes: list[str]) -> tuple[Floats, Floats]:
        """The same of districts; what lies in no district stays out of them."""
        member = np.array([[own == code for code in codes] for own in self.districts], dtype=float)
        member = member.reshape(len(self.districts), len(codes))
        rest = 1 - member.sum(axis=1, keepdims=True)
        whole = np.hstack([member, rest])
        found = self._of(self.size @ whole, self.total @ whole, self.squares @ whole)
        return found[0][:-1], found[1][:-1]

    @staticmethod
    def _of(size: Floats, total: Floats, squares: Floats) -> tuple[Floats, Floats]:
        found = robustness.simple_progress(size, total, squares).progress
        return found.value, (found.high - found.low) / (2 * Z)


def _fitted(
    own: pa.Table,
    moments: Moments,
    terms: Sequence[str],
    districts: list[str | None],
    levels: int,
    simple: _Simple,
    fewest: int,
    intervals: bool,
) -> dict[str, Any]:
    """One row's figures: of the schools in two levels, of the districts in three."""
    present = own.column("present").to_numpy()
    n = own.column("n").to_numpy()
    codes = sorted({code for code in districts if code is not None})
    if levels == 2:
        fit = multilevel.fit(moments, terms, intervals=intervals)
        units = own.column("school_code").to_pylist()
        effect, variance, reliability = fit.effect, fit.effect_variance, fit.reliability
        simple_effect, simple_se = simple.of_schools()
    else:
        inside = np.array([code is not None for code in districts], dtype=bool)
        index = np.array([codes.index(c) for c in districts if c is not None], dtype=int)
        kept = Moments(moments.weight[inside], moments.mean[inside], moments.cross[inside])
        fit = multilevel.fit(kept, terms, upper=index, intervals=intervals)
        units = codes
        present, n = (
            np.bincount(index, weights=x[inside], minlength=len(codes)).astype(int)
            for x in (present, n)
        )
        effect, variance = fit.upper_effect, fit.upper_effect_variance
        # 0 where districts do not differ, as it is of schools.
        between = fit.variance_district
        reliability = 1 - variance / between if between > 0 else np.zeros(len(variance))
        simple_effect, simple_se = simple.of_districts(codes)
    told = np.isfinite(effect) & (n >= fewest)
    effect, variance = (np.where(told, x, np.nan) for x in (effect, variance))
    half = Z * np.sqrt(variance)
    bands = robustness.bands(effect, variance)
    both = robustness.correlation(effect, simple_effect)
    figures = {
        "effect": effect, "se": np.sqrt(variance), "ci_low": effect - half,
        "ci_high": effect + half, "reliability": np.where(told, reliability, np.nan),
        "simple_effect": np.where(n >= fewest, simple_effect, np.nan),
        "simple_se": np.where(n >= fewest, simple_se, np.nan),
    }  # fmt: skip
    effects = [
        {
            "level": "school" if levels == 2 else "district",
            "unit_code": code,
            "present": int(present[i]),
            "n": int(n[i]),
            "band": str(bands[i]) or None,
        }
        | {name: number(values[i]) for name, values in figures.items()}
        for i, code in enumerate(units)
    ]
    record = _described(fit) | {"formula": _formula(fit, levels)}
    if levels == 3 and not codes and moments.weight.any():
        record["reason"] = "one_upper_group"
    return record | {
        "present": int(present.sum()),
        "simple_correlation": number(both.value),
        "effects": effects,
    }


def _formula(fit: Fit, levels: int) -> str:
    """The model in words: the fitted terms, each with its coefficient, and the random parts."""
    fixed = [f"b{i} {term}" for i, term in enumerate(fit.terms) if i]
    random = ["district"] * (levels == 3) + ["school", "student"]
    return "z = " + " + ".join(["b0", *fixed, *random])


def _described(fit: Fit) -> dict[str, Any]:
    """What the record of models keeps of a fit."""
    return {
        "state": fit.state,
        "reason": fit.reason if fit.n else "no_priors",
        "n": fit.n,
        "schools": fit.groups,
        "terms": list(fit.terms),
        "dropped": list(fit.dropped),
        "coefficients": [number(value) for value in fit.coefficients],
        "standard_errors": [number(value) for value in fit.standard_errors],
        "variance_student": number(fit.variance_student),
        "variance_school": number(fit.variance_school),
        "variance_district": number(fit.variance_district),
        "variance_school_low": number(fit.interval_school[0]),
        "variance_school_high": number(fit.interval_school[1]),
        "variance_district_low": number(fit.interval_district[0]),
        "variance_district_high": number(fit.interval_district[1]),
        "icc": number(fit.icc),
        "r_squared": number(fit.r_squared_marginal),
        "r_squared_conditional": number(fit.r_squared_conditional),
        "log_likelihood": number(fit.log_likelihood),
        "lr_statistic": number(fit.lr_statistic),
        "lr_p": number(fit.lr_p),
        "lr_statistic_district": number(fit.lr_statistic_district),
        "lr_p_district": number(fit.lr_p_district),
        "evaluations": fit.convergence.evaluations if fit.convergence else None,
        "converged": fit.convergence.converged if fit.convergence else None,
    }
