"""The report of a school: what its release knows of it, on two sheets of paper.

It is a view as a page is one, but of no address: `eqm report` prints it. A school stands beside its
district and the city, never beside another school.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from dashboards.figures.sparks import spark
from dashboards.pages import competencies, plan, value_added
from dashboards.pages.base import Download, Published, Row, Unit, View
from dashboards.pages.marks import NOT_APPLICABLE, SMALL, absence, legend
from dashboards.pages.queries import TREND_COLUMNS
from dashboards.pages.sentences import Teller
from dashboards.pages.staff import share_cell
from dashboards.pages.tables import Cell, rate_cell, year_change_cell
from pipelines.wording import Lang, count, day, percent, percent_interval, school_year
from pipelines.wording.labels import (
    STAGE_ORDER,
    SUBJECT_ORDER,
    duty_name,
    population_name,
    rank,
    stage_name,
    subject_name,
)

YEARS = 4
"""So many school years are told, the newest last."""

FIRST_SHEET = 18
"""Lines of pass rates and of value added that the first sheet takes together; else the second has
the value added."""

ABOVE = """
    select level, unit_code, unit_name
    from published.unit
    where level = 'city'
        or (level = 'district' and unit_code = (
            select parent_code from published.unit where level = 'school' and unit_code = ?
        ))
    order by level
"""
TREND = f"""
    select {", ".join(TREND_COLUMNS)}
    from published.pass_rate_trend
    where (level = 'school' and unit_code = ?) or (level = 'city' and unit_code = ?)
    order by school_year, level, stage, subject
"""
OF_THREE = """
    (level = 'school' and unit_code = ?) or (level = 'district' and unit_code = ?)
        or (level = 'city' and unit_code = ?)
"""
CHECKS = f"""
    select * from published.inclass_check
    where {OF_THREE}
    qualify school_year = max(school_year) over ()
    order by level
"""
NEVER = f"""
    select * from published.never_observed
    where {OF_THREE}
    qualify school_year = max(school_year) over ()
    order by level
"""
DUTIES = f"""
    select * from published.observation_duty
    where {OF_THREE}
    qualify school_year = max(school_year) over ()
    order by role, level
"""
TRAINED = f"""
    select * from published.training_coverage
    where ({OF_THREE}) and is_latest
    order by population desc, level
"""


@dataclass(frozen=True)
class Chain:
    """The pass rates of a subject."""

    name: str
    rates: tuple[Cell, ...]
    line: str
    """Points of a small trend; empty without one."""
    change: Cell
    city: Cell


@dataclass(frozen=True)
class Effect:
    """The value added of a grade and subject."""

    name: str
    cell: Cell
    low: float
    high: float
    at: float
    """Ends of the interval and the effect on a scale of 0 to 100, on which 50 is 0."""
    band: str
    n: str
    matched: str


@dataclass(frozen=True)
class Beside:
    """A figure of the school, of its district and of the city."""

    name: str
    cells: tuple[Cell, Cell, Cell]


def build(published: Published, unit: Unit, lang: Lang) -> View:
    """The view of the report of one school, in one language."""
    tell = Teller(lang)
    _ = tell.words.gettext
    above = {row["level"]: row for row in published.rows(ABOVE, [unit.code])}
    district, city = (above.get(level, {}).get("unit_code", "") for level in ("district", "city"))
    three = [unit.code, district, city]
    trend = published.rows(TREND, [unit.code, city])
    own = [row for row in trend if row["level"] == "school"]
    years = sorted({row["school_year"] for row in own})[-YEARS:]
    front = next((r for r in reversed(own) if r["stage"] == r["subject"] == "all"), None)
    downloads: list[Download] = []
    added = value_added.section(tell, published, unit, {}, downloads)
    effects = _effects(added, downloads[0].rows) if added else []
    stages = _stages(tell, trend, years)
    learnt = competencies.build(published, unit, lang).context
    checks = published.rows(CHECKS, three)
    beside = [
        *_checks(tell, checks, three),
        *_never(tell, published.rows(NEVER, three), three),
        *_duties(tell, published.rows(DUTIES, three), three),
        *_trained(tell, published.rows(TRAINED, three), three),
    ]
    name = unit.name(lang)
    context: dict[str, Any] = {
        "scope": unit.name(lang),
        "code": unit.code,
        "district": above.get("district", {}).get("unit_name", ""),
        "year": school_year(years[-1], lang) if years else "",
        "headline": tell.headline(front, name)
        if front
        else _("There are no pass rates of %(unit)s in this release") % {"unit": name},
        "sentences": _sentences(tell, front, checks),
        "years": [school_year(year, "en") for year in years],
        "stages": stages,
        "added": added,
        "effects": effects,
        "added_first": _lines(stages) + _lines(effects) <= FIRST_SHEET,
        "below": bool(added and added["below"]),
        "competencies": [str(learnt["headline"]), *learnt["sentences"]],
        "beside": beside,
        "asked": percent(checks[0]["asked_rate"], 1, lang) if checks else "",
        "targets": _targets(tell, published, district, above),
        "marks": legend(tell.words).items(),
    }
    return View(_("School report"), context)


def _sentences(tell: Teller, front: Row | None, checks: Sequence[Row]) -> list[str]:
    """What is said below the headline."""
    _ = tell.words.gettext
    said = []
    if front and front["mark"] == SMALL:
        said.append(_("Small sample: please read with care."))
    own = next((row for row in checks if row["level"] == "school"), None)
    if own and own["rate"] is not None:
        asked = percent(own["asked_rate"], 1, tell.lang)
        reached = _("reached") if own["meets"] else _("not yet")
        stop = "。" if tell.lang == "zh" else "."
        said.append(
            _("%(told)s; asked of each school: %(asked)s, %(reached)s")
            % {"told": tell.rate_told(own), "asked": asked, "reached": reached}
            + stop
        )
    return said


def _stages(
    tell: Teller, trend: Sequence[Row], years: Sequence[str]
) -> list[tuple[str, tuple[Chain, ...]]]:
    """The pass rates by stage and subject; a school's only stage is told once."""
    by_chain: dict[tuple[str, str], dict[tuple[str, str], Row]] = {}
    for row in trend:
        chain = by_chain.setdefault((row["stage"], row["subject"]), {})
        chain[row["level"], row["school_year"]] = row
    own = {
        key: rows for key, rows in by_chain.items() if any(level == "school" for level, _ in rows)
    }
    stages = {stage for stage, _ in own}
    shown = stages - {"all"} or stages
    keys = sorted(
        (key for key in own if key[0] in shown),
        key=lambda key: (rank(key[0], STAGE_ORDER), rank(key[1], SUBJECT_ORDER)),
    )
    return [
        (
            stage_name(stage, tell.words),
            tuple(_chain(tell, subject, own[stage, subject], years) for _, subject in group),
        )
        for stage, group in groupby(keys, key=lambda key: key[0])
    ]


def _chain(
    tell: Teller, subject: str, rows: dict[tuple[str, str], Row], years: Sequence[str]
) -> Chain:
    missing = Cell(mark=NOT_APPLICABLE)
    own = [rows.get(("school", year)) for year in years]
    city = rows.get(("city", years[-1]))
    points = spark([row["pass_rate"] if row else None for row in own])
    return Chain(
        subject_name(subject, tell.words),
        tuple(rate_cell(tell, row) if row else missing for row in own),
        " ".join(f"{x},{y}" for x, y in points),
        year_change_cell(tell, own[-1]) if own[-1] else missing,
        rate_cell(tell, city) if city else missing,
    )


def _effects(added: dict[str, Any], rows: Sequence[Row]) -> list[tuple[str, tuple[Effect, ...]]]:
    """The effects as the school's page tells them, with their places on one scale."""
    ends = [row[key] for row in rows for key in ("effect", "ci_low", "ci_high")]
    most = max([0.5, *(abs(end) for end in ends if end is not None)])

    def at(value: float | None) -> float:
        return round(50 + 48 * float(value or 0) / most, 1)

    found = []
    by_grade = [list(own) for _, own in groupby(rows, key=lambda row: row["grade"])]
    for grade, own in zip(added["grades"], by_grade, strict=True):
        cells = grade["lines"][0][2]
        found.append(
            (
                grade["name"],
                tuple(
                    Effect(
                        head,
                        cell,
                        at(row["ci_low"] if row["ci_low"] is not None else row["effect"]),
                        at(row["ci_high"] if row["ci_high"] is not None else row["effect"]),
                        at(row["effect"]),
                        row["band"] or "",
                        "" if row["n"] is None else count(row["n"], "en"),
                        "" if row["match_rate"] is None else percent(row["match_rate"], 1, "en"),
                    )
                    for head, cell, row in zip(grade["heads"], cells, own, strict=True)
                ),
            )
        )
    return found


def _lines(groups: Sequence[tuple[str, Sequence[Any]]]) -> int:
    return sum(len(lines) for _, lines in groups)


def _three(
    name: str, rows: Iterable[Row], three: Sequence[str], cells: dict[str, Cell], of_school: Cell
) -> Beside:
    """A line of the table; `cells` by level, `of_school` where nothing is told of schools."""
    known = {row["level"] for row in rows}
    missing = Cell(mark=NOT_APPLICABLE)
    school = cells["school"] if "school" in known else of_school
    return Beside(name, (school, cells.get("district", missing), cells.get("city", missing)))


def _checks(tell: Teller, rows: Sequence[Row], three: Sequence[str]) -> list[Beside]:
    if not rows:
        return []
    cells = {
        row["level"]: Cell(mark=absence(row))
        if row["rate"] is None
        else Cell(
            percent(row["rate"], row["tested"], tell.lang),
            percent_interval(row["ci_low"], row["ci_high"], row["tested"], tell.lang),
            row["mark"] or "",
        )
        for row in rows
    }
    # A school without a row has handed in no check.
    none = Cell(mark="x")
    return [_three(tell.words.gettext("In-class check"), rows, three, cells, none)]


def _by_district(tell: Teller) -> Cell:
    """What stands where a figure of persons is told of no school."""
    return Cell(below=tell.words.gettext("by district only"))


def _never(tell: Teller, rows: Sequence[Row], three: Sequence[str]) -> list[Beside]:
    if not rows:
        return []
    name = tell.words.gettext("Teachers whose lessons were observed")
    cells = {row["level"]: share_cell(tell, row, "teachers") for row in rows}
    return [_three(name, rows, three, cells, _by_district(tell))]


def _duties(tell: Teller, rows: Sequence[Row], three: Sequence[str]) -> list[Beside]:
    _ = tell.words.gettext
    found = []
    for role, group in groupby(rows, key=lambda row: row["role"]):
        own = list(group)
        name = _("%(who)s who have observed what they owe") % {"who": duty_name(role, tell.words)}
        cells = {row["level"]: share_cell(tell, row, "persons") for row in own}
        found.append(_three(name, own, three, cells, _by_district(tell)))
    return found


def _trained(tell: Teller, rows: Sequence[Row], three: Sequence[str]) -> list[Beside]:
    _ = tell.words.gettext
    found = []
    for population, group in groupby(rows, key=lambda row: row["population"]):
        own = list(group)
        name = _("%(who)s with a training within the window") % {
            "who": population_name(population, tell.words)
        }
        cells = {row["level"]: share_cell(tell, row, "persons") for row in own}
        found.append(_three(name, own, three, cells, _by_district(tell)))
    return found


def _targets(tell: Teller, published: Published, district: str, above: dict[str, Row]) -> list[str]:
    """Where the targets of the plan stand that the school's district is asked for."""
    rows = [row for row in published.rows(plan.OWN, ["district", district]) if row["is_default"]]
    if not rows:
        return []
    _ = tell.words.gettext
    counts = Counter(row["status"] for row in rows)
    said = _("%(unit)s, as of %(day)s: %(targets)s") % {
        "unit": above["district"]["unit_name"],
        "day": day(rows[0]["as_of"], tell.lang),
        "targets": tell.targets(counts, plan.STATUSES),
    }
    late = [row[f"indicator_{tell.lang}"] for row in rows if row["status"] in ("overdue", "behind")]
    told = [said]
    if late:
        told.append(_("Overdue or behind pace: %(targets)s") % {"targets": tell.listed(late)})
    return told
