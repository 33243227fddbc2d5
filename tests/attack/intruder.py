"""An intruder with all that releases publish: what of that which is withheld can be worked out.

He reads tables as they are downloaded, and knows the rules as the methods state them, which
school is in which district, and what the rules take readers to know: who has nobody, and how many
students a total has beyond its parts; when he looks for who passed, all numbers of students. He
shares no code with disclosure control: what he finds in its figures is a leak.
"""

import csv
import io
import itertools
import zipfile
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tests.attack.pencil import MOST, NEAR, Pencil

FEW, SMALL, NARROW, RARE, WHOLE = 10, 30, 5, 3, 100
"""The rules, as the methods tell them: of fewer students nothing is told; fewer have the mark u;
so far apart must lie the least and the most of what is withheld; where fewer did, or did not, a
band is told; of fewer a rate is told in whole percent."""
RATES = {"passed": "pass", "good": "good", "excellent": "excellent", "low": "low"}
"""What students did → the share of those who did."""
STAGES = {
    **dict.fromkeys(range(1, 7), "primary"), **dict.fromkeys(range(7, 10), "junior"),
    **dict.fromkeys(range(10, 13), "senior"),
}  # fmt: skip
BASELINE, GROWTH = "2023-2024", "T11b"
"""The year that the plan counts from, and its target of how far rates have risen since."""

OF_ALL = {
    "attainment": ("mean_z",),
    "competency": ("difference_points", "difference_low", "difference_high", "stands"),
    "equity": ("value", "ci_low", "ci_high", "stands"),
    "item_quality": ("item_difficulty", "discrimination", "item_rest_correlation", "look_at"),
    "paper_quality": ("mean_difficulty", "mean_discrimination", "cronbach_alpha"),
    "value_added": ("effect", "ci_low", "ci_high", "reliability", "band"),
}
"""Table → figures that rest on all who sat a paper, be they of one unit."""
KEYS = (
    "wave_id", "grade", "subject", "level", "unit_code", "group_kind", "group_value",
    "dimension_kind", "dimension_value", "measure", "dimension", "item_no",
)  # fmt: skip
"""Columns that tell the rows of such a table apart."""

UNIT = ("school_year", "level", "unit_code", "subject")
"""Columns that tell which unit's students a row counts, of what year and subject."""

Row = Mapping[str, str]
Tables = Mapping[str, Sequence[Row]]
Range = tuple[float, float]
Ends = Mapping[Hashable, tuple[int, int]]
"""The least and the most of each number."""


class Cell(NamedTuple):
    """A number of students."""

    topic: str
    """`results` of a paper or of a year's `trend`, `students` behind the latter, `matched` ones."""
    year: str
    level: str
    unit: str
    subject: str
    stage: str = "all"
    wave: str = ""
    grade: int = 0
    kind: str = "all"
    value: str = "all"


@dataclass(frozen=True)
class Town:
    """What is known of a city without its releases."""

    city: str
    districts: Mapping[tuple[str, str], str]
    """(school year, school) → its district; a school that is in none is left out."""
    annual: frozenset[str]
    """The waves that the trend counts."""
    numbers: Mapping[Cell, int]
    """The students of every cell."""
    did: Mapping[tuple[str, Cell], int]
    """(what, cell) → how many did, also `absent` ones and `exempt` ones. Looked at by who judges
    the loot, and in one's own class."""


class Loot(NamedTuple):
    """What was worked out and should not be."""

    what: str
    cell: Cell
    low: int
    high: int


class Sum(NamedTuple):
    """A total, its parts, and how many of it are in none of these."""

    total: Cell
    parts: tuple[Cell, ...]
    beyond: int


def tables_of(archive: Path) -> Tables:
    """The tables of a release as they are downloaded: name → rows of texts, empty where untold."""
    found: dict[str, Sequence[Row]] = {}
    with zipfile.ZipFile(archive) as file:
        for name in file.namelist():
            text = io.TextIOWrapper(file.open(name), encoding="utf-8-sig", newline="")
            found[Path(name).stem] = list(csv.DictReader(text))
    return found


def told_otherwise(before: Tables, after: Tables) -> dict[tuple[str, str, int, str], int]:
    """Table, wave, grade and subject → figures that rest on all who sat and are told otherwise."""
    found: dict[tuple[str, str, int, str], int] = defaultdict(int)
    for table, figures in OF_ALL.items():
        then = {tuple(row.get(name) for name in KEYS): row for row in before.get(table, ())}
        for row in after.get(table, ()):
            old = then.get(tuple(row.get(name) for name in KEYS), {})
            moved = sum(bool(row[it] and old.get(it) and row[it] != old[it]) for it in figures)
            if moved:
                found[table, row["wave_id"], int(row["grade"]), row["subject"]] += moved
    return found


class Told:
    """What the tables of a release tell of each number of students."""

    def __init__(self, tables: Tables) -> None:
        self.n: dict[Cell, int] = {}
        self.withheld: set[Cell] = set()
        self.marks: dict[Cell, str] = {}
        self.rates: dict[tuple[str, Cell], list[Range]] = defaultdict(list)
        self.bands: dict[tuple[str, Cell], str] = {}
        self.matched: dict[Cell, Row] = {}
        self.sat: dict[Cell, Row] = {}
        for row in tables["attainment"]:
            cell = Cell(
                "results", *(row[name] for name in UNIT), "all",
                row["wave_id"], int(row["grade"]), row["group_kind"], row["group_value"],
            )  # fmt: skip
            self._row(cell, row, "n", RATES)
            if row["candidates"]:
                self.sat[cell] = row
        trend = tables["pass_rate_trend"]
        for row in trend:
            self._row(_of_year(row), row, "n", {"passed": "pass"})
            if row["students"] or (row["subject"] == "all" and row["level"] != "school"):
                self._row(_of_year(row)._replace(topic="students"), row, "students", {})
        for row in trend:
            self._of_other_years(row)
        for row in tables.get("value_added", ()):
            paper = row["wave_id"], int(row["grade"])
            cell = Cell("matched", *(row[name] for name in UNIT), "all", *paper)
            self._row(cell, row, "n", {})
            self.matched[cell] = row
        if trend:
            newest = max(row["school_year"] for row in trend)
            self._of_the_plan(tables.get("plan_target", ()), newest)

    def spread(self, cell: Cell) -> Range:
        """Between what numbers of students a cell's own row says that it lies."""
        if cell in self.n:
            return self.n[cell], self.n[cell]
        if cell.topic == "matched":
            # The mark of a number that alone is not told goes by what is known of it anyhow.
            return 0, MOST
        return {"u": (FEW, SMALL - 1), "": (SMALL, MOST)}.get(self.marks[cell], (0, MOST))

    def met(self, what: str, cell: Cell, n: int) -> Range:
        """Between what numbers its own row says that those lie who did, of n students."""
        low, high = 0.0, float(n)
        band = self.bands.get((what, cell), "")
        if band.startswith(">="):
            low = max(n - RARE + 1, n * float(band[2:]) / 100)
        elif band:
            high = min(RARE - 1, n * float(band[2:]) / 100)
        for least, most in self.rates.get((what, cell), ()):
            low, high = max(low, n * least), min(high, n * most)
        return low, high

    def _row(self, cell: Cell, row: Row, number: str, rates: Mapping[str, str]) -> None:
        self.marks[cell] = row["mark"]
        if row[number]:
            self.n[cell] = int(row[number])
        else:
            self.withheld.add(cell)
        for what, name in rates.items():
            if row[f"{name}_rate"]:
                self.rates[what, cell].append(_rounded(row[f"{name}_rate"], row["n"]))
            if row[f"{name}_band"]:
                self.bands[what, cell] = row[f"{name}_band"]

    def _of_other_years(self, row: Row) -> None:
        """What a year's row tells of the year before and of the baseline's."""
        cell = _of_year(row)
        before, baseline = cell._replace(year=row["previous_year"]), cell._replace(year=BASELINE)
        if row["baseline_rate"]:
            self.rates["passed", baseline].append(_rounded(row["baseline_rate"], ""))
        for other, change in ((before, "year_change_points"), (baseline, "change_points")):
            if row[change]:
                self._apart(cell, other, _points(row[change]))

    def _of_the_plan(self, targets: Sequence[Row], newest: str) -> None:
        """What the plan's page tells of the newest year's results, and of the baseline's."""
        for row in targets:
            if row["target_id"] != GROWTH:
                continue
            cell = Cell("trend", newest, row["level"], row["unit_code"], "all")
            if row["denominator"]:
                self.n[cell] = int(row["denominator"])
            if not row["actual"]:
                continue
            low, high = _points(row["actual"])
            baseline = cell._replace(year=BASELINE)
            if row["reading"] == "points":
                self._apart(cell, baseline, (low, high))
            else:
                for least, most in self.rates["passed", cell][:1]:
                    self.rates["passed", baseline].append((least / (1 + high), most / (1 + low)))

    def _apart(self, cell: Cell, other: Cell, change: Range) -> None:
        """Two years' rates, of which either tells the other by their difference."""
        for one, two, (low, high) in (
            (cell, other, (-change[1], -change[0])), (other, cell, change)
        ):  # fmt: skip
            for least, most in self.rates.get(("passed", one), [])[:1]:
                self.rates["passed", two].append((least + low, most + high))


def _of_year(row: Row) -> Cell:
    return Cell("trend", *(row[name] for name in UNIT), row["stage"])


def _rounded(rate: str, n: str) -> Range:
    """Between what shares lies one that is told so: in whole percent of few, else to a tenth."""
    told = float(rate)
    whole = abs(100 * told - round(100 * told)) < NEAR
    half = 0.0005 if (n and int(n) >= WHOLE) or not whole else 0.005
    return told - half, told + half


def _points(change: str) -> Range:
    """The same of a difference in points."""
    told = float(change)
    half = 0.5 if told == round(told) else 0.05
    return (told - half) / 100, (told + half) / 100


@dataclass(frozen=True)
class Intruder:
    """Whoever kept these releases, the oldest first."""

    releases: Sequence[tuple[Told, Town]]
    corrected: frozenset[str] = frozenset()
    """Units whose students are others in the second release than in the first: the release history
    tells whose file was corrected."""

    def numbers(self) -> list[Loot]:
        """Students who are not told of, and how near their number can be told."""
        found = []
        for year in self._years():
            at = self._students_of(year)
            for no, cell, told, town in self._cells(year):
                n, (low, high) = town.numbers.get(cell, 0), at[no, cell]
                if not n:
                    continue
                assert low <= n <= high, (cell, low, n, high)
                others = town.numbers.get(cell._replace(topic="results"), 0) - n
                nearly = cell.topic == "matched" and others < RARE
                # Where its number alone is not told, of those who are not matched a band is told;
                # it was, too, where the effect has been withheld since.
                alone = cell.topic == "matched" and any(
                    one.marks.get(cell, "c") != "c" for one, _ in self.releases
                )
                need = RARE - 1 if alone else NARROW
                if (n < FEW or nearly or cell in told.withheld) and high - low < need:
                    found.append(Loot("students", cell, low, high))
        return found

    def sitting(self) -> list[Loot]:
        """The few who were absent or exempt."""
        found = []
        for told, town in self.releases:
            for cell, row in told.sat.items():
                n, candidates = int(row["n"] or 0), int(row["candidates"])
                low, high = _rounded(row["participation_rate"] or "1", row["n"])
                absent = _whole(n / high - n, min(n / low - n, candidates - n))
                exempt = (candidates - n - absent[1], candidates - n - absent[0])
                for what, (least, most) in (("absent", absent), ("exempt", exempt)):
                    if 0 < town.did[what, cell] < FEW and most - least < NARROW:
                        found.append(Loot(what, cell, least, most))
        return found

    def deeds(self, nested: bool = True) -> list[Loot]:
        """Rare deeds, or any of few students, and how near it can be told how many did.

        Args:
            nested: whether he minds that who is excellent is good, and who is good has passed.
        """
        found = []
        for year in self._years():
            at = self._did_of(year, nested)
            for no, cell, _, town in self._cells(year):
                if not town.numbers.get(cell, 0):
                    continue
                for what in _deeds(cell):
                    (low, high), did = at[no, what, cell], town.did[what, cell]
                    assert low <= did <= high, (what, cell, low, did, high)
                    if _too_near(town, what, cell, (low, high)):
                        found.append(Loot(what, cell, low, high))
        return found

    def from_a_class(self) -> list[Loot]:
        """The same of other classes, by somebody who knows what everybody in one's own did."""
        found = []
        for year in self._years():
            at = self._did_of(year, nested=False)
            for no, (told, town) in enumerate(self.releases):
                classes = [one for one in _sums(told, town, year) if one.parts[0].level == "class"]
                for (total, parts, beyond), what in itertools.product(classes, RATES):
                    ends = [at[no, what, part] for part in parts] + [(0, beyond)]
                    low, high = (
                        at[no, what, total][side] - sum(end[1 - side] for end in ends)
                        for side in (0, 1)
                    )
                    for (own, mine), (cell, near) in itertools.permutations(
                        zip(parts, ends, strict=False), 2
                    ):
                        did = town.did[what, own]
                        least = max(near[0], low + mine[1] + near[1] - did)
                        most = min(near[1], high + mine[0] + near[0] - did)
                        if _too_near(town, what, cell, (least, most)):
                            found.append(Loot(what, cell, least, most))
        return found

    def differences(self) -> list[Loot]:
        """What the few did whom a correction brought, took or graded otherwise: by all that two
        releases tell together of how many did."""
        (_, was), (_, town) = self.releases
        found = []
        for year in self._years():
            at = self._did_of(year, nested=True)
            mine = [{cell for no, cell, *_ in self._cells(year) if no == one} for one in (0, 1)]
            for cell in mine[0] & mine[1]:
                n, then = town.numbers.get(cell, 0), was.numbers.get(cell, 0)
                for what in _deeds(cell):
                    did, before = town.did[what, cell], was.did[what, cell]
                    moved = max(abs(n - then), abs(did - before))
                    if 0 < moved < FEW and min(n, then):
                        (old_low, old_high), (low, high) = (at[no, what, cell] for no in (0, 1))
                        least, most = low - old_high, high - old_low
                        if most - least < min(RARE - 1, abs(n - then) or RARE - 1):
                            found.append(Loot(what, cell, least, most))
        return found

    def _cells(self, year: str) -> Iterator[tuple[int, Cell, Told, Town]]:
        for no, (told, town) in enumerate(self.releases):
            for cell in told.marks:
                if cell.year == year:
                    yield no, cell, told, town

    def _years(self) -> list[str]:
        return sorted({cell.year for told, _ in self.releases for cell in told.marks})

    def _students_of(self, year: str) -> Ends:
        pencil = Pencil()
        for no, cell, told, town in self._cells(year):
            somebody = town.numbers.get(cell, 0)
            pencil.between((no, cell), *(told.spread(cell) if somebody else (0, 0)))
        for no, (told, town) in enumerate(self.releases):
            for total, parts, beyond in _sums(told, town, year):
                names: list[Hashable] = [(no, part) for part in parts]
                if parts[0].level == "class" and beyond:
                    names.append((no, "no class", total))
                    beyond = 0
                pencil.adds_up((no, total), names, beyond)
            self._bounds(pencil, no, year)
        for one, two in self._same(year):
            pencil.adds_up(one, [two])
        at = pencil.worked_out()
        for no, cell, told, _ in self._cells(year):
            rates = [ends for what in RATES for ends in told.rates.get((what, cell), ())]
            low, high = at[no, cell]
            if rates and cell not in told.n and high < MOST:
                pencil.between((no, cell), *_divided(low, high, rates))
        return pencil.worked_out()

    def _bounds(self, pencil: Pencil, no: int, year: str) -> None:
        """Numbers that are at least others: who sat, of those matched; results, of students."""
        told, town = self.releases[no]
        there = {cell for cell in told.marks if cell.year == year and town.numbers.get(cell, 0)}
        by_subject: dict[Cell, list[Cell]] = defaultdict(list)
        for cell in there:
            if cell.topic == "trend" and cell.subject != "all":
                by_subject[cell._replace(subject="all")].append(cell)
        for cell in there:
            if cell.topic == "matched":
                sat = cell._replace(topic="results")
                if sat in there:
                    pencil.at_least((no, sat), (no, cell))
                    row, n = told.matched[cell], told.n.get(sat)
                    if n and row["match_band"]:
                        least = max(n - RARE + 1, n * float(row["match_band"][2:]) / 100)
                        pencil.between((no, cell), least)
                    if n and row["match_rate"]:
                        share = float(row["match_rate"])
                        pencil.between((no, cell), n * (share - 0.005), n * (share + 0.005))
            elif cell.topic == "students":
                results = cell._replace(topic="trend")
                pencil.at_least((no, results), (no, cell))
                for other in by_subject[results]:
                    pencil.at_least((no, cell), (no, other))

    def _did_of(self, year: str, nested: bool) -> Ends:
        pencil = Pencil()
        for no, cell, told, town in self._cells(year):
            n = town.numbers.get(cell, 0)
            for what in _deeds(cell):
                pencil.between((no, what, cell), *told.met(what, cell, n))
            if cell.topic == "results" and nested:
                pencil.at_least((no, "passed", cell), (no, "good", cell))
                pencil.at_least((no, "good", cell), (no, "excellent", cell))
                parts = [(no, what, cell) for what in ("passed", "low", "neither")]
                pencil.adds_up((no, "all", cell), parts)
                pencil.between((no, "all", cell), n, n)
        for no, (told, town) in enumerate(self.releases):
            for total, parts, beyond in _sums(told, town, year):
                for what in set(_deeds(total)) & set(_deeds(parts[0])):
                    names: list[Hashable] = [(no, what, part) for part in parts]
                    if beyond:
                        names.append((no, what, "beyond", parts[0]))
                        pencil.between(names[-1], 0, beyond)
                    pencil.adds_up((no, what, total), names)
        for (no, cell), (later, _) in self._same(year):
            for what in _deeds(cell):
                pencil.adds_up((no, what, cell), [(later, what, cell)])
        return pencil.worked_out()

    def _same(self, year: str) -> Iterator[tuple[tuple[int, Cell], tuple[int, Cell]]]:
        """Cells that are in the next release what they were, since nobody in them was corrected."""
        for no in range(1, len(self.releases)):
            (old, _), (new, town) = self.releases[no - 1], self.releases[no]
            moved = set(self.corrected) | {town.city}
            moved |= {town.districts.get((year, unit), town.city) for unit in self.corrected}
            for cell in old.marks.keys() & new.marks.keys():
                if cell.year == year and cell.unit.split("-")[0] not in moved:
                    yield (no - 1, cell), (no, cell)


def _deeds(cell: Cell) -> tuple[str, ...]:
    """What is told of the students of a cell that they did."""
    return {"results": tuple(RATES), "trend": ("passed",)}.get(cell.topic, ())


def _too_near(town: Town, what: str, cell: Cell, near: tuple[int, int]) -> bool:
    """Whether it is told too nearly how many did, where that or the cell is of few."""
    n, did = town.numbers[cell], town.did[what, cell]
    return (min(did, n - did) < RARE or n < FEW) and near[1] - near[0] < min(RARE - 1, n)


def _whole(low: float, high: float) -> tuple[int, int]:
    return -int(-(low - NEAR) // 1), int((high + NEAR) // 1)


def _divided(low: int, high: int, rates: Sequence[Range]) -> Range:
    """The least and the most number of which each of the shares can be one."""
    n = np.arange(low, high + 1)
    fits = np.ones(len(n), dtype=bool)
    for least, most in rates:
        fits &= np.ceil(n * least - NEAR) <= np.floor(n * most + NEAR)
    return n[fits][0], n[fits][-1]


def _sums(told: Told, town: Town, year: str) -> list[Sum]:
    """How the cells of a year add up, by their names alone."""
    there = [cell for cell in told.marks if cell.year == year and town.numbers.get(cell, 0)]
    known = set(there)
    parts: dict[tuple[Cell, str], list[Cell]] = defaultdict(list)
    for cell in there:
        for how, total in _totals(cell, town):
            if total in known:
                parts[total, how].append(cell)
    return [
        Sum(total, tuple(own), town.numbers[total] - sum(town.numbers[part] for part in own))
        for (total, _), own in parts.items()
    ]


def _totals(cell: Cell, town: Town) -> Iterator[tuple[str, Cell]]:
    """What a cell is part of, and beside which others."""
    above = {
        "class": ("school", cell.unit.split("-")[0]),
        "school": ("district", town.districts.get((cell.year, cell.unit), "")),
        "district": ("city", town.city),
    }.get(cell.level, ("", ""))
    if cell.level == "school" and not above[1]:
        above = ("city", town.city)
    if above[1]:
        yield "units", cell._replace(level=above[0], unit=above[1])
    if cell.kind != "all":
        yield cell.kind, cell._replace(kind="all", value="all")
    of_unit = cell.topic == "results" and cell.kind == "all" and cell.level != "class"
    if of_unit and cell.wave in town.annual:
        year = cell._replace(topic="trend", wave="", grade=0)
        yield "papers", year._replace(stage=STAGES[cell.grade])
    if cell.topic in ("trend", "students") and cell.stage != "all":
        yield "stages", cell._replace(stage="all")
    if cell.topic == "trend" and cell.subject != "all":
        yield "subjects", cell._replace(subject="all")
