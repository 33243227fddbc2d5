"""What pages say of staff: counts and shares of persons, nobody by name."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from dashboards.figures import share_bars
from dashboards.pages.base import Published, Row, Unit, unit_labels
from dashboards.pages.marks import WITHHELD, absence, legend
from dashboards.pages.sentences import Teller
from dashboards.pages.tables import Cell
from pipelines.wording import count, percent, percent_band
from pipelines.wording.labels import quantity

_BESIDE = """
    select figures.*, units.unit_name
    from published.{table} as figures
    inner join published.unit as units
        on figures.level = units.level and figures.unit_code = units.unit_code
    where (figures.level = ? and figures.unit_code = ?)
        or (figures.level = ? and units.parent_code = ?)
        or (figures.level = ? and figures.unit_code = (
            select parent_code from published.unit where level = ? and unit_code = ?
        ))
    order by figures.{when}, figures.level, figures.unit_code, figures
"""


def beside(published: Published, table: str, when: str, unit: Unit) -> list[Row]:
    """Rows of the unit, and beside it: of a city its districts, of a district the city alone.

    Args:
        published: the published layer.
        table: a table of it, with a row a unit.
        when: its column by which the rows are put in order first.
        unit: the city or the district.
    """
    parts, whole = ("district", "") if unit.level == "city" else ("", "city")
    return published.rows(
        _BESIDE.format(table=table, when=when),
        [unit.level, unit.code, parts, unit.code, whole, unit.level, unit.code],
    )


def of_unit(row: Row, unit: Unit) -> bool:
    """Whether a row is of the page's own unit."""
    return bool(row["level"] == unit.level and row["unit_code"] == unit.code)


def labels(rows: Sequence[Row]) -> list[str]:
    """Names of the units of these rows, told apart."""
    names = unit_labels({row["unit_code"]: row["unit_name"] for row in rows})
    return [names[row["unit_code"]] for row in rows]


def persons_said(tell: Teller, n: int) -> str:
    """A number of persons."""
    return quantity(n, count(n, tell.lang), "person", tell.words)


def is_share_told(row: Row) -> bool:
    """Whether the share of a row of persons is told, be it as a band."""
    return row["rate"] is not None or bool(row["band"])


def share_said(tell: Teller, row: Row, n: str = "persons") -> str:
    """A share of persons (`rate`, or `band` in its place), or why neither is told.

    Args:
        tell: says things in the page's language.
        row: the row.
        n: column of the persons that the share is of.
    """
    if row["band"]:
        return percent_band(row["band"])
    if row["rate"] is None:
        return legend(tell.words)[absence(row)]
    return percent(row["rate"], row[n], tell.lang)


def share_cell(tell: Teller, row: Row, n: str = "persons") -> Cell:
    """The cell of a share of persons."""
    if row[n] is None or not is_share_told(row):
        return Cell(mark=absence(row))
    return Cell(share_said(tell, row, n), "", row["mark"] or "")


def persons_cell(tell: Teller, row: Row, column: str) -> Cell:
    """The cell of a count that rests on persons."""
    if row[column] is None:
        return Cell(mark=row["mark"] if row["mark"] == "x" else WITHHELD)
    return Cell(count(row[column], tell.lang))


def share_panel(
    tell: Teller,
    name: str,
    rows: Sequence[Row],
    unit: Unit,
    figures: dict[str, go.Figure],
) -> str:
    """Adds bars of shares to the figures; answers what they show in words, empty if nothing may be.

    On the city's page its districts stand beside one another and the city is a line across; on a
    district's page it stands beside the city.

    Args:
        tell: says things in the page's language.
        name: name of the figure.
        rows: the unit's row and those beside it: `unit_name`, `rate`, `band`, `persons`, `mark`.
        unit: unit of the page.
        figures: figures of the page.
    """
    across: dict[str, Any] = {}
    drawn = list(rows)
    if unit.level == "city":
        whole = next((row for row in rows if of_unit(row, unit)), None)
        drawn = [row for row in rows if row is not whole]
        if whole and whole["rate"] is not None:
            label = f"{unit.name(tell.lang)} {share_said(tell, whole)}"
            across = {"reference": float(whole["rate"]), "reference_label": label}
    # Where nothing may be drawn, the table says why.
    if all(row["rate"] is None for row in drawn):
        return ""
    said = [(name, share_said(tell, row)) for name, row in zip(labels(drawn), drawn, strict=True)]
    frame = pd.DataFrame(
        {
            "name": [head for head, _ in said],
            "share": [row["rate"] for row in drawn],
            "said": [text for _, text in said],
        }
    )
    figures[name] = share_bars(frame, **across)
    return tell.joined([tell.headed(head, text) for head, text in said])
