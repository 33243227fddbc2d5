"""Value added of the newest wave: of districts, of a district's schools, or of one school."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, Literal

import pandas as pd
import plotly.graph_objects as go

from dashboards.figures import effect_dots, effect_range
from dashboards.pages.base import Download, Published, Row, Unit, View, unit_labels
from dashboards.pages.marks import NOT_APPLICABLE, absence, legend
from dashboards.pages.sentences import Teller
from dashboards.pages.tables import Cell
from pipelines.wording import (
    Lang,
    count,
    deviations,
    deviations_interval,
    percent,
    percent_band,
    school_year,
)
from pipelines.wording.labels import SUBJECT_ORDER, band_name, rank, subject_name

COLUMNS = (
    "school_year",
    "wave_id",
    "grade",
    "subject",
    "level",
    "unit_code",
    "unit_name",
    "n",
    "effect",
    "ci_low",
    "ci_high",
    "reliability",
    "band",
    "match_rate",
    "match_band",
    "mark",
)
SIGNS = {"above": "▲ ", "below": "▼ "}

NEWEST = """
    select added.school_year, added.wave_id, added.grade, added.subject, added.level,
        added.unit_code, units.unit_name, added.n, added.effect, added.ci_low, added.ci_high,
        added.reliability, added.band, added.match_rate, added.match_band, added.is_low_match,
        added.mark
    from published.value_added as added
    inner join published.unit as units
        on added.level = units.level and added.unit_code = units.unit_code
    where added.level = ? and {whose} = ?
    qualify added.wave_id = first_value(added.wave_id) over (
        order by added.effect is null, added.held_on desc, added.wave_id
    )
    order by added.grade, added.subject, added.unit_code
"""
"""Rows of the newest wave in which some unit has an effect; by code, never by value."""

FILES = {
    "city": "value-added-districts.csv",
    "district": "value-added-{code}.csv",
    "school": "value-added-school-{code}.csv",
}
"""Name of the table to take away, by the page's level."""

WHOSE = {"city": "units.parent_code", "district": "units.parent_code", "school": "added.unit_code"}
"""Column of the effects that holds the code of the page's unit, by the page's level."""


def build(published: Published, unit: Unit, lang: Lang) -> View:
    """The view of the page for one district, or for one school: itself, and no other school."""
    tell = Teller(lang)
    _ = tell.words.gettext
    figures: dict[str, go.Figure] = {}
    downloads: list[Download] = []
    context: dict[str, Any] = {
        "scope": unit.name(lang),
        "level": unit.level,
        "added": section(tell, published, unit, figures, downloads),
        "marks": legend(tell.words).items(),
    }
    of_schools = unit.level == "district"
    title = _("Value added of schools") if of_schools else _("Value added of the school")
    return View(title, context, figures, downloads)


def section(
    tell: Teller,
    published: Published,
    unit: Unit,
    figures: dict[str, go.Figure],
    downloads: list[Download],
) -> dict[str, Any] | None:
    """The section's context; adds its figures and its table to download. None without effects.

    Args:
        tell: says things in the page's language.
        published: the published layer.
        unit: the city whose districts, the district whose schools, or the school that is told of.
        figures: figures of the page.
        downloads: tables of the page.
    """
    level: Literal["district", "school"] = "district" if unit.level == "city" else "school"
    asked = published.rows(NEWEST.format(whose=WHOSE[unit.level]), [level, unit.code])
    papers = {(r["grade"], r["subject"]) for r in asked if r["effect"] is not None}
    rows = [row for row in asked if (row["grade"], row["subject"]) in papers]
    if not rows:
        return None
    _ = tell.words.gettext
    rows.sort(key=lambda r: (r["grade"], rank(r["subject"], SUBJECT_ORDER), r["unit_code"]))
    labels = unit_labels({row["unit_code"]: row["unit_name"] for row in rows})
    for row in rows:
        row["label"] = labels[row["unit_code"]]
    axis = effect_range(row[column] for row in rows for column in ("ci_low", "ci_high"))
    grades = [
        _grade(tell, list(own), axis, figures) for _key, own in groupby(rows, lambda r: r["grade"])
    ]
    file = FILES[unit.level].format(code=unit.code)
    told = [row for row in rows if row["effect"] is not None]
    bands = [sum(row["band"] == band for row in told) for band in ("above", "as_expected", "below")]
    measure = _(
        "How far students are above students with the same starting point, in standard "
        "deviations, with 95%% interval; %(unit)s, %(year)s"
    ) % {"unit": unit.name(tell.lang), "year": school_year(rows[0]["school_year"], tell.lang)}
    downloads.append(Download(file, COLUMNS, rows, ("value_added",), measure))
    return {
        "title": _(
            "Value added: of %(all)s results, %(above)s above expected, %(same)s as expected, "
            "%(below)s below expected"
        )
        % {"all": len(told), "above": bands[0], "same": bands[1], "below": bands[2]},
        "measure": measure,
        "chance": _(
            "One result is one unit, grade and subject. Even if no unit differed from another, "
            "about one in twenty could stand out by chance."
        ),
        "below": bands[2] > 0,
        "unmatched": any(row["is_low_match"] for row in told),
        "head": _("District") if level == "district" else _("School"),
        "grades": grades,
        "download": file,
    }


def _grade(
    tell: Teller, rows: Sequence[Row], axis: tuple[float, float], figures: dict[str, go.Figure]
) -> dict[str, Any]:
    """The panels and the table of one grade: units down, subjects across."""
    grade = rows[0]["grade"]
    heading = tell.words.gettext("Grade %(grade)s") % {"grade": grade}
    panels = []
    subjects = list(dict.fromkeys(row["subject"] for row in rows))
    for subject in subjects:
        own = [row for row in rows if row["subject"] == subject]
        name = f"value-added-{grade}-{subject}"
        figures[name] = effect_dots(
            pd.DataFrame.from_records(
                [
                    {column: row[column] for column in ("effect", "ci_low", "ci_high", "band")}
                    | {"mark": row["mark"], "name": row["label"], "note": absence(row)}
                    | {"hover": _hover(tell, row)}
                    for row in own
                ]
            ),
            axis,
        )
        said = subject_name(subject, tell.words)
        points = tell.joined([tell.headed(row["label"], _said(tell, row)) for row in own])
        panels.append((name, said, tell.headed(f"{heading} {said}", points)))
    lines = []
    for code in sorted({row["unit_code"] for row in rows}):
        own_cells = {row["subject"]: row for row in rows if row["unit_code"] == code}
        cells = tuple(_cell(tell, own_cells.get(subject)) for subject in subjects)
        lines.append((next(iter(own_cells.values()))["unit_name"], code, cells))
    heads = [subject_name(subject, tell.words) for subject in subjects]
    return {"name": heading, "panels": panels, "heads": heads, "lines": lines}


def _figures(tell: Teller, row: Row) -> str:
    """Effect and interval, as one text."""
    if row["ci_low"] is None:
        return tell.words.gettext("no difference found")
    effect = deviations(row["effect"], tell.lang)
    interval = deviations_interval(row["ci_low"], row["ci_high"], tell.lang)
    return tell.words.gettext("%(effect)s (%(interval)s)") % {
        "effect": effect,
        "interval": interval,
    }


def _cell(tell: Teller, row: Row | None) -> Cell:
    if row is None:
        return Cell(mark=NOT_APPLICABLE)
    if row["effect"] is None:
        return Cell(mark=absence(row))
    said = SIGNS.get(row["band"], "") + band_name(row["band"], tell.words)
    return Cell(said, _figures(tell, row), row["mark"] or "")


def _said(tell: Teller, row: Row) -> str:
    """A row in words, for the text alternative of a figure."""
    if row["effect"] is None:
        return absence(row)
    return f"{band_name(row['band'], tell.words)} {_figures(tell, row)}"


def _hover(tell: Teller, row: Row) -> str:
    if row["effect"] is None:
        return ""
    if row["n"] is None:
        # A number that would tell another is withheld; the effect is told.
        said = f"{row['label']}<br>{_said(tell, row)}"
        if not row["match_band"]:
            return said
        rate = percent_band(row["match_band"])
        return said + tell.words.gettext("<br>%(rate)s with a starting point") % {"rate": rate}
    return tell.words.gettext(
        "%(unit)s<br>%(said)s<br>%(n)s students, %(rate)s with a starting point"
    ) % {
        "unit": row["label"],
        "said": _said(tell, row),
        "n": count(row["n"], tell.lang),
        "rate": percent(row["match_rate"], 1, tell.lang),
    }
