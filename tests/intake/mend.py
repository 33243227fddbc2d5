"""An obedient school: it knows only the return workbook, and does what the list says."""

from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.utils import coordinate_to_tuple
from openpyxl.worksheet.worksheet import Worksheet

from pipelines.intake.feedback import LIST_SHEET

HEADER_ROW = 2
"""Of the list; a title stands above it."""
ADD_A_COLUMN, REPEAT_HEADER = "缺少列", "工作表没有表头"
MEANT_OR_DELETE = ("隐藏的工作表", "工作表似有数据")
"""Titles of the problems that are not mended in a cell that is there."""
OR_ADD_A_COLUMN = "或增加“{header}”列"
"""In a sentence that leaves the choice: the file's name can't be changed in the workbook."""


class Do(Enum):
    """What the truth may say of a cell or a sheet, in place of its right value."""

    KEEP = "keep"
    DELETE_ROW = "delete row"
    DELETE_COLUMN = "delete column"
    DELETE_SHEET = "delete sheet"


Truth = Callable[[str, int, int, str], Any]
"""Sheet, row and column (from 1), header → the right value, or what else is to be done.

Only the school knows. A sheet as a whole is asked about as its row 0.
"""
Gone = dict[str, tuple[set[int], set[int]]]
"""Sheet → rows and columns that are to be deleted."""


def mend(workbook: Path, truth: Truth, target: Path) -> Path:
    """Write a corrected copy of a return workbook and return its path.

    Every line of the list that is an error or a query is gone through: its cells are those of its
    rows that have a comment, in the column that it links to or with its own sentence. Where they
    are right as they stand, the rest of their rows is looked at.
    """
    book = openpyxl.load_workbook(workbook)
    gone: Gone = {}
    headless: list[Worksheet] = []
    for line in _lines(book[LIST_SHEET]):
        title, header = str(line["问题"].value), str(line["列"].value or "")
        expected, sentence = str(line["应为"].value or ""), str(line["怎么办"].value)
        if title.startswith(MEANT_OR_DELETE):
            name = str(line["工作表"].value)
            if truth(name, 0, 0, "") is Do.DELETE_SHEET:
                book.remove(book[name])
            else:
                book[name].sheet_state = "visible"
            continue
        if line["单元格"].hyperlink is None:
            continue
        name, _, place = str(line["单元格"].hyperlink.location).rpartition("!")
        sheet = book[name.strip("'").replace("''", "'")]
        if title.startswith(REPEAT_HEADER):
            headless.append(sheet)
        elif title.startswith(ADD_A_COLUMN):
            _add_column(sheet, place, expected, truth)
        elif OR_ADD_A_COLUMN.format(header=expected) in sentence:
            row, _ = coordinate_to_tuple(place)
            _add_column(sheet, sheet.cell(row, sheet.max_column + 1).coordinate, expected, truth)
        else:
            cells = _cells(sheet, place, str(line["行"].value or ""), sentence)
            _mend_cells(sheet, cells, header, truth, gone)
    # Last, and from the end, so that the list's numbers hold until then.
    for title, (rows, columns) in gone.items():
        for row in sorted(rows, reverse=True):
            book[title].delete_rows(row)
        for column in sorted(columns, reverse=True):
            book[title].delete_cols(column)
    for sheet in headless:
        sheet.insert_rows(1)
        for at, cell in enumerate(book.worksheets[book.index(sheet) - 1][1], 1):
            sheet.cell(1, at).value = cell.value
    target.parent.mkdir(parents=True, exist_ok=True)
    book.save(target)
    return target


def _lines(sheet: Worksheet) -> Iterator[dict[str, Any]]:
    """The lines of the list that ask for something, by header."""
    heads = [str(cell.value).split(" / ")[0] for cell in sheet[HEADER_ROW]]
    for cells in sheet.iter_rows(min_row=HEADER_ROW + 1):
        line = dict(zip(heads, cells, strict=True))
        if line["级别"].value and not str(line["级别"].value).startswith("提示"):
            yield line


def _mend_cells(
    sheet: Worksheet, cells: list[tuple[int, int]], header: str, truth: Truth, gone: Gone
) -> None:
    """Put the right values into these cells; into others of their rows, if these have them."""
    rows, columns = gone.setdefault(sheet.title, (set(), set()))

    def put(row: int, column: int, header: str) -> bool:
        right, cell = truth(sheet.title, row, column, header), sheet.cell(row, column)
        if right is Do.DELETE_ROW:
            rows.add(row)
        elif right is Do.DELETE_COLUMN:
            columns.add(column)
        elif right is Do.KEEP or right == cell.value:
            return False
        else:
            cell.value = right
            _name_column(sheet, column, header)
        return True

    changed = [put(row, column, header) for row, column in cells]
    if not any(changed):
        for row in dict.fromkeys(row for row, _ in cells):
            for column in range(1, sheet.max_column + 1):
                put(row, column, "")


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
        right = truth(sheet.title, row, column, header)
        if not isinstance(right, Do):
            sheet.cell(row, column).value = right


def _name_column(sheet: Worksheet, column: int, header: str) -> None:
    """Enter a header where a comment says that it is missing."""
    for row in range(1, min(sheet.max_row, 40) + 1):
        cell = sheet.cell(row, column)
        if cell.value is None and cell.comment and f"没有找到“{header}”列" in cell.comment.text:
            cell.value = header
