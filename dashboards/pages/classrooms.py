"""Classrooms: are lessons observed, and do they work?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from dashboards.figures import (
    distribution,
    share_distribution,
    share_range,
    unit_dots,
)
from dashboards.pages.base import Published, Row, Unit, View, to_take
from dashboards.pages.marks import absence, legend
from dashboards.pages.sentences import Teller
from dashboards.pages.staff import (
    beside,
    labels,
    of_unit,
    persons_cell,
    persons_said,
    share_cell,
    share_panel,
)
from dashboards.pages.tables import Cell
from pipelines.wording import Lang, count, percent, percent_interval, school_year
from pipelines.wording.labels import duty_name, quantity, rank

DUTY_COLUMNS = (
    "school_year", "level", "unit_code", "unit_name", "role", "persons", "met", "rate", "band",
    "owed", "done", "mark",
)  # fmt: skip
CHECK_COLUMNS = (
    "school_year", "level", "unit_code", "unit_name", "tested", "rate", "ci_low", "ci_high",
    "lessons", "schools", "schools_checked", "schools_met", "meets", "mark",
)  # fmt: skip
NEVER_COLUMNS = (
    "school_year", "level", "unit_code", "unit_name", "teachers", "observed", "never", "rate",
    "band", "silent", "mark",
)  # fmt: skip

CHECKS = """
    select checks.*, units.unit_name, units.parent_code
    from published.inclass_check as checks
    inner join published.unit as units
        on checks.level = units.level and checks.unit_code = units.unit_code
    where (checks.level = ? and checks.unit_code = ?) or units.parent_code = ?
        or (? = 'city' and checks.level = 'school')
    qualify checks.school_year = max(checks.school_year) over ()
    order by checks.level, checks.unit_code
"""
FILES = {
    "city": ("classrooms-duties.csv", "classrooms-checks.csv", "classrooms-observed.csv"),
    "district": (
        "classrooms-duties-{code}.csv",
        "classrooms-checks-{code}.csv",
        "classrooms-observed-{code}.csv",
    ),
}
"""Names of the tables to take away, by the page's level."""

ROLES = ("principal_or_secretary", "school_leader", "education_official")
"""In the order of pages."""


@dataclass(frozen=True)
class Duty:
    """The duty of one post: its figure and its lines."""

    name: str
    figure: str
    alternative: str
    lines: tuple[tuple[str, str, tuple[Cell, ...]], ...]


def build(published: Published, unit: Unit, lang: Lang) -> View:
    """The view of the page for the city or for one district, in one language."""
    tell, level = Teller(lang), unit.level
    _ = tell.words.gettext
    duties = _newest(beside(published, "observation_duty", "school_year", unit))
    duties.sort(key=lambda row: rank(row["role"], ROLES))
    never = _newest(beside(published, "never_observed", "school_year", unit))
    checks = published.rows(CHECKS, [level, unit.code, unit.code, level])
    own_check = next((r for r in checks if of_unit(r, unit)), None)
    title = _("Classrooms")
    years = [row["school_year"] for row in (*duties, *checks, *never)]
    figures: dict[str, go.Figure] = {}
    files = [name.format(code=unit.code) for name in FILES[level]]
    context: dict[str, Any] = {
        "scope": unit.name(lang),
        "when": school_year(max(years), lang) if years else "",
        "headline": _headline(tell, own_check, duties, unit, bool(years)),
        "sentences": [
            *_duty_said(tell, duties, unit),
            *_never_said(tell, never, unit),
        ],
        "duties": [
            _duty(tell, role, [r for r in duties if r["role"] == role], unit, figures)
            for role in dict.fromkeys(row["role"] for row in duties)
        ],
        "checks": _checks(tell, checks, own_check, unit, figures),
        "never": [(row["unit_name"], row["unit_code"], _never_cells(tell, row)) for row in never],
        "files": files,
        "marks": legend(tell.words).items(),
    }
    tables = (
        (DUTY_COLUMNS, duties, "observation_duty",
         _("Lessons observed: who has done what the post owes")),
        (CHECK_COLUMNS, checks, "inclass_check", _("In-class check")),
        (NEVER_COLUMNS, never, "never_observed",
         _("Teachers of whom nobody has observed a lesson this school year")),
    )  # fmt: skip
    return View(title, context, figures, to_take(files, tables))


def _newest(rows: list[Row]) -> list[Row]:
    """Those of the newest school year of them."""
    year = max((row["school_year"] for row in rows), default=None)
    return [row for row in rows if row["school_year"] == year]


def _headline(
    tell: Teller,
    check: Row | None,
    duties: Sequence[Row],
    unit: Unit,
    known: bool,
) -> str:
    _ = tell.words.gettext
    if check and check["schools_checked"]:
        return _("In-class check: %(said)s") % {"said": tell.schools_reach(check)}
    said = _duty_said(tell, duties, unit)
    if said:
        return said[0].rstrip("。.")
    if known:
        return _("Classrooms of %(unit)s") % {"unit": unit.name(tell.lang)}
    return _("No observed lessons have been handed in yet.")


def _duty_said(tell: Teller, duties: Sequence[Row], unit: Unit) -> list[str]:
    """How many of each post have observed what they owe."""
    _ = tell.words.gettext
    said = []
    for row in duties:
        if not of_unit(row, unit) or row["met"] is None:
            continue
        said.append(
            _("%(role)s: %(met)s of %(persons)s have observed what they owe this year (%(rate)s).")
            % {
                "role": duty_name(row["role"], tell.words),
                "met": count(row["met"], tell.lang),
                "persons": persons_said(tell, row["persons"]),
                "rate": percent(row["rate"], row["persons"], tell.lang),
            }
        )
    return said


def _never_said(tell: Teller, never: Sequence[Row], unit: Unit) -> list[str]:
    """Of how many teachers nobody has observed a lesson."""
    _ = tell.words.gettext
    return [
        _("Of %(teachers)s teachers nobody has observed a lesson of %(never)s (%(rate)s).")
        % {
            "teachers": count(row["teachers"], tell.lang),
            "never": count(row["never"], tell.lang),
            "rate": percent(round(1 - row["rate"], 3), row["teachers"], tell.lang),
        }
        for row in never
        if of_unit(row, unit) and row["never"] is not None
    ]


def _duty(
    tell: Teller,
    role: str,
    rows: Sequence[Row],
    unit: Unit,
    figures: dict[str, go.Figure],
) -> Duty:
    """One post: the unit's parts beside one another, or the unit beside the city."""
    alternative = share_panel(tell, f"duty-{role}", rows, unit, figures)
    lines = tuple(
        (
            row["unit_name"],
            row["unit_code"],
            (
                persons_cell(tell, row, "persons"),
                persons_cell(tell, row, "met"),
                share_cell(tell, row, "persons"),
                persons_cell(tell, row, "done"),
                persons_cell(tell, row, "owed"),
            ),
        )
        for row in rows
    )
    return Duty(duty_name(role, tell.words), f"duty-{role}", alternative, lines)


def _checks(
    tell: Teller,
    checks: Sequence[Row],
    own: Row | None,
    unit: Unit,
    figures: dict[str, go.Figure],
) -> dict[str, Any] | None:
    """The rates of a unit's parts with their intervals; of the city, where its schools lie."""
    _ = tell.words.gettext
    part = "district" if unit.level == "city" else "school"
    parts = [row for row in checks if row["level"] == part]
    if own is None and not parts:
        return None
    names = labels(parts)
    shown = [row for row in parts if row["rate"] is not None]
    ends = [row[column] for row in shown for column in ("ci_low", "ci_high")]
    axis = share_range(ends, least=1)
    across: dict[str, Any] = {}
    if own and own["rate"] is not None:
        across = {
            "reference": float(own["rate"]),
            "reference_label": percent(own["rate"], own["tested"], tell.lang),
        }
    frame = pd.DataFrame.from_records(
        [
            {
                "name": name,
                "pass_rate": row["rate"],
                "pass_low": row["ci_low"],
                "pass_high": row["ci_high"],
                "mark": row["mark"],
                "hover": tell.headed(name, _rate_said(tell, row)),
                "note": legend(tell.words)[absence(row)],
            }
            for name, row in zip(names, parts, strict=True)
        ]
    )
    if parts:
        figures["checks"] = unit_dots(frame, axis, **across)
    schools = [
        float(row["rate"]) for row in checks if row["level"] == "school" and row["rate"] is not None
    ]
    spread = None
    if unit.level == "city" and schools:
        reach = float(checks[0]["asked_rate"])
        label = _("asked of each: %(rate)s") % {"rate": percent(reach, 1, tell.lang)}
        figures["spread"] = share_distribution(schools, reach, label)
        spread = [
            (f"{at}%", f"{end}%", quantity(n, str(n), "school", tell.words))
            for at, end, n in distribution(schools)
        ]
    return {
        "title": tell.rate_told(own) if own and own["rate"] is not None else _("In-class check"),
        "head": _("District") if part == "district" else _("School"),
        "alternative": tell.joined(
            [
                tell.headed(name, _rate_said(tell, row))
                for name, row in zip(names, parts, strict=True)
            ]
        ),
        "axis_start": tell.axis_start(axis),
        "parts": bool(parts),
        "lines": [(r["unit_name"], r["unit_code"], _check_cells(tell, r)) for r in parts],
        "spread": spread,
        "spread_said": tell.joined([f"{a}～{b} {n}" for a, b, n in spread or []]),
    }


def _rate_said(tell: Teller, row: Row) -> str:
    if row["rate"] is None:
        return legend(tell.words)[absence(row)]
    return tell.noted(
        percent(row["rate"], row["tested"], tell.lang),
        percent_interval(row["ci_low"], row["ci_high"], row["tested"], tell.lang),
    )


def _check_cells(tell: Teller, row: Row) -> tuple[Cell, ...]:
    _ = tell.words.gettext
    if row["rate"] is None:
        hidden = Cell(mark=absence(row))
        return hidden, hidden, hidden, hidden
    if row["schools"] is None:
        reached = _("reached") if row["meets"] else _("not yet")
    else:
        reached = f"{row['schools_met']} / {row['schools']}"
    return (
        Cell(
            percent(row["rate"], row["tested"], tell.lang),
            percent_interval(row["ci_low"], row["ci_high"], row["tested"], tell.lang),
            row["mark"] or "",
        ),
        Cell(reached),
        Cell(count(row["tested"], tell.lang)),
        Cell(count(row["lessons"], tell.lang)),
    )


def _never_cells(tell: Teller, row: Row) -> tuple[Cell, ...]:
    return (
        persons_cell(tell, row, "teachers"),
        persons_cell(tell, row, "never"),
        share_cell(tell, row, "teachers"),
        persons_cell(tell, row, "silent"),
    )
