"""An obedient school: it knows only the return workbook, and does what the list says."""

from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.utils import coordinate_to_tuple
from openpyxl.worksheet.worksheet import Worksheet

from pipelines.intake.feedback import LIST_SHEET

HEADER_ROW = 2
"""Of the list; a title stands above it."""
ADD_A_COLUMN = "缺少列"
"""Title of the problem whose cell is the free place for a header."""


class Do(Enum):
    """What the truth may say of a cell, in place of its right value."""

    KEEP = "keep"
    DELETE_ROW = "delete row"
    DELETE_COLUMN = "delete column"


Truth = Callable[[str, int, str], Any]
"""Sheet, row and header → the right value, or what else is to be done; only the school knows."""


def mend(workbook: Path, truth: Truth, target: Path) -> Path:
    """Write a corrected copy of a return workbook and return its path.

    Every line of the list that is an error or a query is gone through: its cells are those of its
    rows that have a comment, in the column that it links to or with its own sentence.
    """
    book = openpyxl.load_workbook(workbook)
    lines = book[LIST_SHEET]
    heads = [str(cell.value).split(" / ")[0] for cell in lines[HEADER_ROW]]
    gone: dict[str, tuple[set[int], set[int]]] = {}
    for cells in lines.iter_rows(min_row=HEADER_ROW + 1):
        line = dict(zip(heads, cells, strict=True))
        link = line["单元格"].hyperlink
        if link is None or str(line["级别"].value).startswith("提示"):
            continue
        name, _, place = str(link.location).rpartition("!")
        sheet = book[name.strip("'").replace("''", "'")]
        rows, columns = gone.setdefault(sheet.title, (set(), set()))
        if str(line["问题"].value).startswith(ADD_A_COLUMN):
            _add_column(sheet, place, str(line["应为"].value), truth)
            continue
        numbers, sentence = str(line["行"].value or ""), str(line["怎么办"].value)
        for row, column in _cells(sheet, place, numbers, sentence):
            right = truth(sheet.title, row, str(line["列"].value or ""))
            if right is Do.DELETE_ROW:
                rows.add(row)
            elif right is Do.DELETE_COLUMN:
                columns.add(column)
            elif right is not Do.KEEP:
                sheet.cell(row, column).value = right
                _name_column(sheet, column, str(line["列"].value or ""))
    # Last, and from the end, so that the list's numbers hold until then.
    for title, (rows, columns) in gone.items():
        for row in sorted(rows, reverse=True):
            book[title].delete_rows(row)
        for column in sorted(columns, reverse=True):
            book[title].delete_cols(column)
    target.parent.mkdir(parents=True, exist_ok=True)
    book.save(target)
    return target


def _cells(sheet: Worksheet, place: str, rows: str, sentence: str) -> list[tuple[int, int]]:
    """Row and column, from 1, of the cells that a line is about."""
    at = coordinate_to_tuple(place)
    if not rows:
        return [at]
    first, _, last = rows.partition("～")
    cause = sentence.rpartition("处：")[2]
    found = [
        (row, column)
        for row in range(int(first), int(last or first) + 1)
        for column in range(1, sheet.max_column + 1)
        if (comment := sheet.cell(row, column).comment)
        and (column == at[1] or cause in comment.text)
    ]
    return found or [at]


def _add_column(sheet: Worksheet, place: str, header: str, truth: Truth) -> None:
    top, column = coordinate_to_tuple(place)
    sheet.cell(top, column).value = header
    for row in range(top + 1, sheet.max_row + 1):
        right = truth(sheet.title, row, header)
        if not isinstance(right, Do):
            sheet.cell(row, column).value = right


def _name_column(sheet: Worksheet, column: int, header: str) -> None:
    """Enter a header where a comment says that it is missing."""
    for row in range(1, min(sheet.max_row, 40) + 1):
        cell = sheet.cell(row, column)
        if cell.value is None and cell.comment and f"没有找到“{header}”列" in cell.comment.text:
            cell.value = header
