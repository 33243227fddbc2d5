"""What pages say of staff: counts and shares of persons, nobody by name."""

from collections.abc import Sequence
from typing import Any, Literal

import pandas as pd
import plotly.graph_objects as go

from dashboards.figures import share_bars
from dashboards.pages import plan
from dashboards.pages.base import Row, Unit
from dashboards.pages.marks import WITHHELD, absence, legend
from dashboards.pages.sentences import Teller
from dashboards.pages.tables import Cell
from pipelines.wording import count, percent
from pipelines.wording.labels import quantity

Level = Literal["city", "district"]


def of_unit(row: Row, level: Level, unit: Unit) -> bool:
    """Whether a row is of the page's own unit."""
    return bool(row["level"] == level and row["unit_code"] == unit.code)


def labels(rows: Sequence[Row]) -> list[str]:
    """Names of units, with the code where two share a name."""
    names = [row["unit_name"] for row in rows]
    return [
        f"{name} {row['unit_code']}" if names.count(name) > 1 else name
        for name, row in zip(names, rows, strict=True)
    ]


def persons_said(tell: Teller, n: int) -> str:
    """A number of persons."""
    return quantity(n, count(n, tell.lang), "person", tell.words)


def share_said(tell: Teller, row: Row, n: str = "persons") -> str:
    """A share of persons (`rate`, or `band` in its place), or why neither is told.

    Args:
        tell: says things in the page's language.
        row: the row.
        n: column of the persons that the share is of.
    """
    if row["band"]:
        return plan.banded(row["band"])
    if row["rate"] is None:
        return legend(tell.words)[absence(row)]
    return percent(row["rate"], row[n], tell.lang)


def share_cell(tell: Teller, row: Row, n: str = "persons") -> Cell:
    """The cell of a share of persons."""
    if row[n] is None or (row["rate"] is None and not row["band"]):
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
    level: Level,
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
        level: level of the page.
        unit: unit of the page.
        figures: figures of the page.
    """
    across: dict[str, Any] = {}
    drawn = list(rows)
    if level == "city":
        whole = next((row for row in rows if of_unit(row, level, unit)), None)
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
