"""Training: is everybody reached in time?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from dashboards.pages.base import Published, Row, Unit, View, to_take
from dashboards.pages.marks import legend
from dashboards.pages.sentences import Teller
from dashboards.pages.staff import (
    beside,
    is_share_told,
    of_unit,
    persons_cell,
    persons_said,
    share_cell,
    share_panel,
)
from dashboards.pages.tables import Cell
from pipelines.wording import Lang, count, day, percent
from pipelines.wording.labels import population_name, rank

COVERAGE_COLUMNS = (
    "as_of", "population", "level", "unit_code", "unit_name", "persons", "covered", "rate", "band",
    "attendances", "hours", "is_whole_window", "mark",
)  # fmt: skip
LAPSE_COLUMNS = (
    "as_of", "population", "within_days", "level", "unit_code", "unit_name", "persons", "lapsing",
    "rate", "band", "mark",
)  # fmt: skip

FILES = {
    "city": ("training-coverage.csv", "training-lapse.csv"),
    "district": ("training-coverage-{code}.csv", "training-lapse-{code}.csv"),
}
"""Names of the tables to take away, by the page's level."""

POPULATIONS = ("teacher", "principal")
"""In the order of pages."""


@dataclass(frozen=True)
class Population:
    """Whose training it is: where coverage stands, how it came there, who is next to fall out."""

    name: str
    figure: str
    alternative: str
    lines: tuple[tuple[str, str, tuple[Cell, ...]], ...]
    years: tuple[tuple[str, tuple[Cell, ...]], ...]
    lapse_figure: str
    lapse_alternative: str
    lapse_lines: tuple[tuple[str, str, tuple[Cell, ...]], ...]


def build(published: Published, unit: Unit, lang: Lang) -> View:
    """The view of the page for the city or for one district, in one language."""
    tell, level = Teller(lang), unit.level
    _ = tell.words.gettext
    coverage = beside(published, "training_coverage", "as_of", unit)
    lapse = beside(published, "training_lapse", "as_of", unit)
    figures: dict[str, go.Figure] = {}
    found = sorted({row["population"] for row in coverage}, key=lambda p: rank(p, POPULATIONS))
    own = [row for row in coverage if of_unit(row, unit) and row["is_latest"]]
    own.sort(key=lambda row: rank(row["population"], POPULATIONS))
    said = [_said(tell, row) for row in own]
    lapsing = [row for row in lapse if of_unit(row, unit)]
    files = [name.format(code=unit.code) for name in FILES[level]]
    context: dict[str, Any] = {
        "scope": unit.name(lang),
        "when": _("as of %(day)s") % {"day": day(own[0]["as_of"], lang)} if own else "",
        "headline": said[0] if said else _("No trainings have been handed in yet."),
        "sentences": [
            *said[1:],
            *[_lapse_said(tell, row) for row in lapsing if row["lapsing"] is not None],
        ],
        "populations": [
            _population(
                tell,
                population,
                [row for row in coverage if row["population"] == population],
                [row for row in lapse if row["population"] == population],
                unit,
                figures,
            )
            for population in found
        ],
        "within_days": lapsing[0]["within_days"] if lapsing else 0,
        "files": files,
        "marks": legend(tell.words).items(),
    }
    tables = (
        (COVERAGE_COLUMNS, coverage, "training_coverage",
         _("Coverage: who has a training within the window")),
        (LAPSE_COLUMNS, lapse, "training_lapse", _("Who falls out next, if nobody is trained")),
    )  # fmt: skip
    return View(_("Training"), context, figures, to_take(files, tables))


def _said(tell: Teller, row: Row) -> str:
    """How many are reached, or what may be said of it."""
    _ = tell.words.gettext
    who = population_name(row["population"], tell.words)
    if row["mark"] == "x":
        return _("%(who)s: no trainings have been handed in yet") % {"who": who}
    if not is_share_told(row):
        return _("%(who)s: not shown, to protect personal data") % {"who": who}
    persons = persons_said(tell, row["persons"])
    if row["covered"] is None:
        return _("%(who)s: of %(persons)s %(share)s have a training within the window") % {
            "who": who,
            "persons": persons,
            "share": share_cell(tell, row).text,
        }
    return _("%(who)s: %(covered)s of %(persons)s have a training within the window (%(rate)s)") % {
        "who": who,
        "covered": count(row["covered"], tell.lang),
        "persons": persons,
        "rate": percent(row["rate"], row["persons"], tell.lang),
    }


def _lapse_said(tell: Teller, row: Row) -> str:
    return tell.words.gettext(
        "%(who)s: of %(persons)s %(lapsing)s fall out of the window within %(days)s days (%(rate)s)"
    ) % {
        "who": population_name(row["population"], tell.words),
        "persons": persons_said(tell, row["persons"]),
        "lapsing": count(row["lapsing"], tell.lang),
        "days": row["within_days"],
        "rate": percent(row["rate"], row["persons"], tell.lang),
    }


def _population(
    tell: Teller,
    population: str,
    coverage: Sequence[Row],
    lapse: Sequence[Row],
    unit: Unit,
    figures: dict[str, go.Figure],
) -> Population:
    latest = [row for row in coverage if row["is_latest"]]
    own = [row for row in coverage if of_unit(row, unit)]
    covered, lapsing = f"covered-{population}", f"lapsing-{population}"
    return Population(
        name=population_name(population, tell.words),
        figure=covered,
        alternative=share_panel(tell, covered, latest, unit, figures),
        lines=tuple(
            (row["unit_name"], row["unit_code"], _coverage_cells(tell, row)) for row in latest
        ),
        years=tuple((_day(tell, row), _coverage_cells(tell, row)) for row in own),
        lapse_figure=lapsing,
        lapse_alternative=share_panel(tell, lapsing, lapse, unit, figures),
        lapse_lines=tuple(
            (
                row["unit_name"],
                row["unit_code"],
                (
                    persons_cell(tell, row, "persons"),
                    persons_cell(tell, row, "lapsing"),
                    share_cell(tell, row),
                ),
            )
            for row in lapse
        ),
    )


def _day(tell: Teller, row: Row) -> str:
    """The day of a row; what lies before the records reach back far enough is said to."""
    said = day(row["as_of"], tell.lang)
    if row["is_whole_window"]:
        return said
    return tell.noted(said, tell.words.gettext("records do not reach back the whole window"))


def _coverage_cells(tell: Teller, row: Row) -> tuple[Cell, ...]:
    return (
        persons_cell(tell, row, "persons"),
        persons_cell(tell, row, "covered"),
        share_cell(tell, row),
        persons_cell(tell, row, "attendances"),
        persons_cell(tell, row, "hours"),
    )
