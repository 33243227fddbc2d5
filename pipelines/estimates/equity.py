"""How evenly the city's schools and its groups of students do, paper by paper and year by year."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.again import Part, made_by_part, ordered, parts, with_origin
from pipelines.estimates.tables import Floats, floats, number, placed, strings
from pipelines.evaluation import equity as measures
from pipelines.evaluation.equity import Cells
from pipelines.evaluation.resampling import Figures, Resampling

RESAMPLING = Resampling()
"""The seeded bootstrap of every interval."""
INEQUALITY = (
    "coefficient_of_variation", "range_ratio", "gini", "theil", "theil_between", "theil_within",
)  # fmt: skip
PAIRS = {
    "locale_rural": ("locale", "rural", "urban"),
    "locale_town": ("locale", "town", "urban"),
    "ownership": ("ownership", "private", "public"),
    "gender": ("gender", "female", "male"),
    "boarding": ("boarding", "yes", "no"),
    "left_behind": ("left_behind", "yes", "no"),
    "migrant": ("migrant", "yes", "no"),
    "subsidised": ("subsidised", "yes", "no"),
    "rural_household": ("rural_household", "yes", "no"),
}
"""Dimension → kind of group, the group a, and the group b that it is held against."""
OTHERS = "others"
"""All districts but the one that is held against them."""
GRADIENT = "subsidised"

FIGURE = [
    ("value", pa.float64()), ("ci_low", pa.float64()), ("ci_high", pa.float64()),
    ("n", pa.int64()), ("state", pa.string()), ("reason", pa.string()),
]  # fmt: skip
MEASURE = [
    ("subject", pa.string()), ("measure", pa.string()), ("dimension", pa.string()),
    ("level", pa.string()), ("unit_code", pa.string()), ("group_a", pa.string()),
    ("group_b", pa.string()), *FIGURE,
]  # fmt: skip
EQUITY = with_origin(
    ("school_year", pa.string()), ("wave_id", pa.string()), ("grade", pa.int32()), *MEASURE
)
COMMUNITIES = pa.schema(
    [
        ("stage", pa.string()), ("subject", pa.string()), ("community_code", pa.string()),
        ("school_year", pa.string()), ("measure", pa.string()), ("lead_mean", pa.float64()),
        ("rural_mean", pa.float64()), *FIGURE,
    ]
)  # fmt: skip
RESOURCES = pa.schema(
    [
        ("school_year", pa.string()), ("stage", pa.string()), ("indicator", pa.string()),
        ("level", pa.string()), ("unit_code", pa.string()), ("schools", pa.int64()), *FIGURE,
    ]
)  # fmt: skip


def equity(
    cells: pa.Table, distributions: pa.Table, city: str, before: pa.Table | None = None
) -> pa.Table:
    """Every measure of every paper: one row a paper, measure, dimension and unit.

    Args:
        cells: rows of `int_equity_cells`.
        distributions: rows of `int_group_distribution`.
        city: code of the city.
        before: the outcome of the last build.
    """
    keys = ("school_year", "wave_id", "grade")
    order = ("wave_id", "grade", "subject", "group_kind", "group_value", "score")
    spread = dict(parts(ordered(distributions, *order), "wave_id", "grade"))
    sorted_cells = ordered(cells, *keys, "school_code", "group_kind", "group_value", "subject")
    waves: Iterable[Part] = (
        (dict(zip(keys, key, strict=True)), partial(list, (own, spread.get(key[1:]))))
        for key, own in parts(sorted_cells, *keys)
    )

    def rows(own: pa.Table, distribution: pa.Table | None) -> pa.Table:
        figures = _Wave(own, distribution, city).figures()
        return pa.Table.from_pylist(list(figures), pa.schema(MEASURE))

    return made_by_part(waves, rows, EQUITY, before, city)


class _Wave:
    """One wave and grade: its subjects are the cells of the measures."""

    def __init__(self, own: pa.Table, spread: pa.Table | None, city: str) -> None:
        self.city, self.spread = city, spread
        self.subjects, subject = placed(strings(own, "subject"))
        self.schools, school = placed(strings(own, "school_code"))
        districts = dict(zip(own["school_code"].to_pylist(), own["district_code"].to_pylist(),
                             strict=True))  # fmt: skip
        self.districts = np.array([districts[s] or "" for s in self.schools])
        kinds, values = strings(own, "group_kind"), strings(own, "group_value")
        self.groups: dict[tuple[str, str], dict[str, Floats]] = {}
        columns = {name: floats(own, name) for name in
                   ("n", "passed", "score_ratio", "mean_z", "squares_z")}  # fmt: skip
        for group in sorted(set(zip(kinds, values, strict=True))):
            at = (kinds == group[0]) & (values == group[1])
            self.groups[group] = {}
            for name, column in columns.items():
                dense = np.zeros((len(self.subjects), len(self.schools)))
                dense[subject[at], school[at]] = column[at]
                self.groups[group][name] = dense

    def group(self, kind: str, value: str) -> dict[str, Floats]:
        """Its columns, (subjects, schools); nought where nobody is of it."""
        nobody = np.zeros((len(self.subjects), len(self.schools)))
        names = ("n", "passed", "score_ratio", "mean_z", "squares_z")
        return self.groups.get((kind, value), dict.fromkeys(names, nobody))

    def figures(self) -> Iterator[dict[str, Any]]:
        """All rows of the wave."""
        yield from self._between_schools()
        districts = [(str(code), self.districts == code) for code in np.unique(self.districts)]
        units = [("city", self.city, np.ones(len(self.schools), dtype=bool))]
        units += [("district", code, inside) for code, inside in districts if code]
        for level, code, inside in units:
            for dimension, (kind, a, b) in PAIRS.items():
                told = {"level": level, "unit_code": code, "group_a": a, "group_b": b}
                first, second = (
                    {name: column[:, inside] for name, column in self.group(kind, group).items()}
                    for group in (a, b)
                )
                yield from self._gap(dimension, first, second, told)
        everyone = self.group("all", "all")
        for code, inside in districts:
            if code:
                told = {"level": "district", "unit_code": code, "group_a": code, "group_b": OTHERS}
                first, second = (
                    {name: np.where(where, column, 0) for name, column in everyone.items()}
                    for where in (inside, ~inside)
                )
                yield from self._gap("district", first, second, told)

    def _between_schools(self) -> Iterator[dict[str, Any]]:
        everyone = self.group("all", "all")
        found = measures.inequality(
            everyone["n"], everyone["score_ratio"], self.districts, resampling=RESAMPLING
        )
        units = [("city", self.city), *(("district", str(code)) for code in found.districts)]
        for name in INEQUALITY:
            figures = getattr(found, name)
            for place, (level, code) in enumerate(units[: figures.value.shape[1]]):
                if code:
                    told = {"dimension": "school", "level": level, "unit_code": code}
                    yield from self._rows(name, figures[:, place], told)
        students = Cells(everyone["n"], everyone["mean_z"], everyone["squares_z"])
        shares = measures.shares(students, self.districts)
        city = {"level": "city", "unit_code": self.city}
        for dimension, figures in (
            ("school", shares.between_schools),
            ("district", shares.between_districts),
            ("school_in_district", shares.within_districts),
        ):
            yield from self._rows("between_share", figures, city | {"dimension": dimension})
        yes, no = self.group(GRADIENT, "yes"), self.group(GRADIENT, "no")
        if yes["n"].any():
            gradient = measures.social_gradient(
                *measures.of_members(yes["n"], yes["mean_z"], no["n"], no["mean_z"]),
                resampling=RESAMPLING,
            )
            for part in ("within", "between", "contextual"):
                told = city | {"dimension": GRADIENT}
                yield from self._rows(f"gradient_{part}", getattr(gradient, part), told)

    def _gap(
        self, dimension: str, a: dict[str, Floats], b: dict[str, Floats], told: dict[str, str]
    ) -> Iterator[dict[str, Any]]:
        """Rows of two groups in the same schools; none where one of them is nobody."""
        if not (a["n"].any() and b["n"].any()):
            return
        told = told | {"dimension": dimension}
        cells = [Cells(g["n"], g["mean_z"], g["squares_z"]) for g in (a, b)]
        gap = measures.standardised_gap(*cells, resampling=RESAMPLING)
        yield from self._rows("gap_d", gap.clustered, told)
        # Scores are counted by groups of the whole city, of which a district is one.
        kind = "district" if dimension == "district" else PAIRS[dimension][0]
        if (told["level"] == "city" or kind == "district") and self.spread is not None:
            ranks = self._ranks(kind, told["group_a"], told["group_b"])
            yield from self._rows("gap_v", _widened(ranks, gap), told)
        parity = measures.parity(a["passed"], a["n"], b["passed"], b["n"], resampling=RESAMPLING)
        yield from self._rows("parity_ratio", parity.ratio.clustered, told)
        yield from self._rows("parity_difference", parity.difference.clustered, told)

    def _ranks(self, kind: str, a: str, b: str) -> Figures:
        """V of each subject from the distributions of scores; students as independent."""
        assert self.spread is not None
        own = self.spread.filter(pa.compute.equal(self.spread["group_kind"], kind))
        _, subject = placed([*self.subjects, *strings(own, "subject")])
        subject = subject[len(self.subjects) :]
        scores, score = np.unique(floats(own, "score"), return_inverse=True)
        values, counts = strings(own, "group_value"), []
        for at in (values == a, values != a if b == OTHERS else values == b):
            dense = np.zeros((len(self.subjects), 1, len(scores)))
            np.add.at(dense, (subject[at], 0, score[at]), floats(own, "n")[at])
            counts.append(dense)
        return measures.rank_gap(*counts).analytic

    def _rows(self, measure: str, found: Figures, told: dict[str, str]) -> Iterator[dict[str, Any]]:
        for i, subject in enumerate(self.subjects):
            yield told | {"measure": measure, "subject": subject} | _figure(found, i)


def _widened(ranks: Figures, gap: measures.Gap) -> Figures:
    """V with its interval as much wider than that of independent students as d's is.

    How alike students of a school are widens both alike: they rest on the same students.
    """
    analytic, clustered = (f.high - f.low for f in (gap.analytic, gap.clustered))
    with np.errstate(divide="ignore", invalid="ignore"):
        wider = np.maximum(clustered / analytic, 1)
    low, high = (ranks.value + wider * (end - ranks.value) for end in (ranks.low, ranks.high))
    reason = np.where(ranks.reason == "", gap.clustered.reason, ranks.reason)
    shown = [np.where(reason == "", x, np.nan) for x in (ranks.value, low, high)]
    return Figures(shown[0], shown[1], shown[2], ranks.n, reason)


def _figure(found: Figures, at: Any) -> dict[str, Any]:
    reason = str(found.reason[at])
    return {
        "value": number(found.value[at]),
        "ci_low": number(found.low[at]),
        "ci_high": number(found.high[at]),
        "n": int(found.n[at]),
        "state": "not_estimated" if reason else "estimated",
        "reason": reason or None,
    }


def communities(cells: pa.Table) -> pa.Table:
    """The gap of each community by year, and how it changes: one row a figure.

    Args:
        cells: rows of `int_community_cells`.
    """
    rows = []
    keys = ("stage", "subject")
    order = (*keys, "community_code", "school_code", "school_year", "grade", "wave_id")
    for key, own in parts(ordered(cells, *order), *keys):
        years, year = placed(strings(own, "school_year"))
        found = measures.convergence(
            strings(own, "community_code").astype(str),
            np.array([int(name[:4]) for name in years])[year],
            floats(own, "is_lead") > 0,
            *(floats(own, name) for name in ("n", "mean_z", "squares_z")),
            resampling=RESAMPLING,
        )
        told = dict(zip(keys, key, strict=True))
        for i, community in enumerate(found.communities):
            own_told = told | {"community_code": str(community)}
            for j, name in enumerate(years):
                rows.append(
                    own_told
                    | {"school_year": name, "measure": "gap"}
                    | {"lead_mean": number(found.lead[i, j])}
                    | {"rural_mean": number(found.rural[i, j])}
                    | _figure(found.gap, (i, j))
                )
            rows.append(own_told | {"measure": "change"} | _figure(found.change, i))
        for j, name in enumerate(years):
            whole = {"community_code": "all", "school_year": name, "measure": "gap"}
            rows.append(told | whole | _figure(found.overall_gap, j))
        whole = {"community_code": "all", "measure": "change"}
        rows.append(told | whole | _figure(found.overall_change, 0))
    return pa.Table.from_pylist(rows, COMMUNITIES)


def resources(cells: pa.Table, city: str) -> pa.Table:
    """Coefficients of variation of each indicator: one row a stage, indicator and unit.

    Args:
        cells: rows of `int_resource_cells`.
        city: code of the city.
    """
    rows = []
    keys = ("school_year", "stage", "indicator")
    for key, own in parts(ordered(cells, *keys, "school_code"), *keys):
        districts = np.array([code or "" for code in own["district_code"].to_pylist()])
        found = measures.inequality(
            floats(own, "n")[None], floats(own, "per_student")[None], districts,
            resampling=RESAMPLING,
        )  # fmt: skip
        units = [("city", city, len(districts))]
        units += [("district", str(c), int((districts == c).sum())) for c in found.districts]
        for place, (level, code, schools) in enumerate(units):
            if code:
                figure = _figure(found.coefficient_of_variation, (0, place))
                unit = {"level": level, "unit_code": code, "schools": schools}
                rows.append(dict(zip(keys, key, strict=True)) | unit | figure)
    return pa.Table.from_pylist(rows, RESOURCES)
