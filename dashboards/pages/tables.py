"""Tables as templates draw them, and the cells that say a row's figures."""

from dataclasses import dataclass

from dashboards.pages.base import Row
from dashboards.pages.marks import NOT_APPLICABLE, WITHHELD, absence
from dashboards.pages.sentences import Teller
from pipelines.wording import count, percent_band, percent_change, points, points_interval
from pipelines.wording.labels import status_name


@dataclass(frozen=True)
class Cell:
    """A cell of a table: its text, a second line, a mark instead of or after the text."""

    text: str = ""
    below: str = ""
    mark: str = ""


@dataclass(frozen=True)
class Line:
    """One row of a table, in its group."""

    head: str
    cells: tuple[Cell, ...]


def count_cell(tell: Teller, row: Row, column: str) -> Cell:
    """The cell of a count: students, or their scores."""
    if row[column] is None:
        return Cell(mark=absence(row))
    return Cell(count(row[column], tell.lang))


def rate_cell(tell: Teller, row: Row) -> Cell:
    """The cell of the pass rate with its interval, or of its band, and its mark."""
    if row["pass_band"]:
        return Cell(percent_band(row["pass_band"]), "", row["mark"] or "")
    if row["pass_rate"] is None:
        return Cell(mark=absence(row))
    return Cell(tell.rate(row), tell.rate_interval(row), row["mark"] or "")


def year_change_cell(tell: Teller, row: Row) -> Cell:
    """The cell of the change against the earlier year, in percentage points."""
    if row["pass_rate"] is None and not row["pass_band"]:
        return Cell(mark=absence(row))
    if row["year_change_points"] is None:
        return Cell(mark=WITHHELD if row["previous_year"] else NOT_APPLICABLE)
    return _change_cell(tell, row, "year_change")


def baseline_cells(tell: Teller, row: Row) -> tuple[Cell, Cell, Cell, Cell]:
    """The cells of change in percentage points, relative change, pace line and status."""
    if row["pass_rate"] is None and not row["pass_band"]:
        missing = Cell(mark=absence(row))
        return missing, missing, missing, missing
    pace = Cell(tell.rate(row, "pace_rate")) if row["pace_rate"] is not None else None
    if row["change_points"] is None:
        hidden = row["comparability"] == "compared"
        missing = Cell(mark=WITHHELD if hidden else NOT_APPLICABLE)
        return missing, missing, pace or missing, missing
    return (
        _change_cell(tell, row, "change"),
        Cell(percent_change(row["change_percent"], tell.lang)),
        pace or Cell(mark=NOT_APPLICABLE),
        Cell(status_name(row["status"] or "", tell.words)),
    )


def _change_cell(tell: Teller, row: Row, prefix: str) -> Cell:
    low, high = row[f"{prefix}_low"], row[f"{prefix}_high"]
    return Cell(points(row[f"{prefix}_points"], tell.lang), points_interval(low, high, tell.lang))
