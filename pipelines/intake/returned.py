"""What is given back of a file: its sheets cell by cell, or an excerpt, and where marks stand."""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from python_calamine import CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum
from xlsxwriter.utility import xl_cell_to_rowcol

from pipelines.feeds import rules
from pipelines.intake.problems import RANK, Mark, Problem, masked
from pipelines.intake.reader import read_sheets

if TYPE_CHECKING:
    from pipelines.intake.recognise import SheetReading

NOTES_SHEET, LIST_SHEET = "退回说明", "退回问题清单"
"""Our sheets. Not 问题清单: schools call their own supervision findings so."""
REPORT_SHEETS = tuple(
    name + suffix
    for name in (NOTES_SHEET, LIST_SHEET)
    for suffix in ("", *(f"（{n}）" for n in range(2, 10)))
)
"""Names that our sheets may have: with a number where the file has a sheet of that name."""
EXCERPT_SUFFIX = "〔摘录〕"
"""Ends the name of a sheet that shows some rows only; such a sheet is never taken as data."""
TEXT_SHEET = "数据"
"""Name of the sheet that a text file becomes."""


MAX_CELLS = 300_000
"""Sheets that span more cells are given as an excerpt."""
MAX_ROWS = 5_000
"""Marked rows of an excerpt."""
MAX_TEXT = 32_767
"""Characters that a spreadsheet's cell holds, in units of UTF-16."""

NOT_READ = {
    "unreadable", "encrypted", "too_large", "reader_stopped", "link_outside", "misplaced_file",
}  # fmt: skip
"""Rules under which the file is not opened again: reading it failed, or is not wanted."""
BOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""First bytes of workbooks; whatever else was read is text, whatever its name says."""

Row = tuple[int, Sequence[Any]]
"""A row's number as handed in, from 1, and its cells."""
Merged = tuple[tuple[int, int], tuple[int, int]]


def is_report_sheet(name: str, first: object) -> bool:
    """Whether a sheet is one of ours that came back with the file, by its name and first cell."""
    return name in REPORT_SHEETS and first == name.partition("（")[0]


def fit(text: str, units: int = MAX_TEXT) -> str:
    """A text that a workbook can hold: no half characters, and not longer than so many units."""
    text = re.sub("[\ud800-\udfff\ufffe\uffff]", "\ufffd", text)
    if len(text) <= units // 2:
        return text
    coded = text.encode("utf-16-le")
    if len(coded) <= 2 * units:
        return text
    return coded[: 2 * (units - 1)].decode("utf-16-le", "ignore") + "…"


@dataclass
class _Sheet:
    """A sheet of the file, its rows not yet in hand."""

    name: str
    hidden: bool
    height: int
    width: int
    merged: Sequence[Merged]
    pick: Callable[[Collection[int] | None], list[Row]]
    """The rows of these numbers, or all, in order."""


@dataclass
class Copy:
    """What the workbook gives back of one sheet."""

    name: str
    """As handed in; empty for a text file."""
    hidden: bool
    width: int
    merged: Sequence[Merged]
    header_rows: Sequence[int]
    rows: list[Row]
    excerpt: bool = False
    """Only some rows are given, their numbers in a first column of its own."""
    title: str = field(default="", init=False)
    """Name of the sheet in the workbook."""

    @cached_property
    def _at(self) -> dict[int, int]:
        return {number: at for at, (number, _) in enumerate(self.rows)}

    def row(self, number: int) -> Sequence[Any]:
        """The cells of a row as handed in; none where it is not given."""
        at = self._at.get(number)
        return () if at is None else self.rows[at][1]

    def column(self, mark: Mark) -> int:
        """The column that a mark's comment stands in: of a whole row, the first that is filled."""
        if mark.column is not None:
            return mark.column
        filled = (at for at, value in enumerate(self.row(mark.row)) if value not in (None, ""))
        return next(filled, 0)

    def place(self, number: int, column: int) -> tuple[int, int] | None:
        """Where a cell stands in the workbook, row and column from 0; none if it is left out."""
        if self.excerpt:
            at = self._at.get(number)
            return None if at is None else (at, column + 1)
        return number - 1, column


def _sheets(file: Path) -> Iterator[_Sheet]:
    """The sheets of a file, typed where it is a workbook.

    Raises:
        Exception: whatever the readers raise.
    """
    with file.open("rb") as opened:
        if not opened.read(8).startswith(BOOKS):
            for sheet in read_sheets(file):
                cells = sheet.cells
                yield _Sheet(
                    sheet.name,
                    sheet.hidden,
                    cells.num_rows,
                    cells.num_columns,
                    (),
                    partial(_text_rows, cells),
                )
            return
        opened.seek(0)
        book = CalamineWorkbook.from_filelike(opened)
    for number, about in enumerate(book.sheets_metadata):
        if about.typ == SheetTypeEnum.WorkSheet:
            found = book.get_sheet_by_index(number)
            last = found.end or (-1, -1)
            yield _Sheet(
                about.name,
                about.visible != SheetVisibleEnum.Visible,
                last[0] + 1,
                last[1] + 1,
                found.merged_cell_ranges or (),
                partial(_book_rows, found),
            )


def _text_rows(cells: Any, wanted: Collection[int] | None) -> list[Row]:
    numbers = range(1, cells.num_rows + 1)
    own = numbers if wanted is None else sorted(n for n in wanted if n in numbers)
    table = cells if wanted is None else cells.take([n - 1 for n in own])
    return list(zip(own, zip(*(c.to_pylist() for c in table.columns), strict=True), strict=True))


def _book_rows(sheet: Any, wanted: Collection[int] | None) -> list[Row]:
    before = [""] * (sheet.start[1] if sheet.start else 0)
    rows = enumerate(sheet.iter_rows(), 1)
    return [(n, before + row) for n, row in rows if wanted is None or n in wanted]


def give_back(
    file: Path,
    problems: Sequence[Problem],
    marks: Sequence[Mark],
    readings: Sequence["SheetReading"],
) -> list[Copy]:
    """What is given back: every sheet, or the marked rows where there is too much of it.

    Nothing where the file can't be read.
    """
    if any(p.rule in NOT_READ for p in problems):
        return []
    headers = {r.sheet: r.header_rows for r in readings}
    wanted = _wanted(problems, marks, readings)
    copies = []
    try:
        sheets = [s for s in _sheets(file) if s.width and not _is_ours(s)]
        excerpt = sum(s.height * s.width for s in sheets) > MAX_CELLS
        for s in sheets:
            rows = s.pick(wanted.get(s.name, ()) if excerpt else None)
            if rows:
                merged = () if excerpt else s.merged
                header = headers.get(s.name, ())
                copies.append(Copy(s.name, s.hidden, s.width, merged, header, rows, excerpt))
    except Exception:  # the readers' errors share no base class; the problems say what they are
        return []
    return copies


def _is_ours(sheet: _Sheet) -> bool:
    """Whether a sheet is a report of last time, which would only be out of date."""
    return sheet.name in REPORT_SHEETS and is_report_sheet(sheet.name, sheet.pick({1})[0][1][0])


def _wanted(
    problems: Sequence[Problem], marks: Sequence[Mark], readings: Sequence["SheetReading"]
) -> dict[str, set[int]]:
    """The rows of an excerpt by sheet: headers, and what is marked, errors first."""
    ranked = sorted((RANK[rules()[m.rule].severity], at) for at, m in enumerate(marks))
    places = [(marks[at].sheet, marks[at].row) for rank, at in ranked if rank < RANK["note"]]
    wanted: dict[str, set[int]] = {}
    for sheet, row in list(dict.fromkeys(places))[:MAX_ROWS]:
        wanted.setdefault(sheet, set()).add(row)
    for reading in readings:
        wanted.setdefault(reading.sheet, set()).update(reading.header_rows)
    for p in problems:
        if p.row_first and _about_header(p):
            wanted.setdefault(p.sheet, set()).add(p.row_first)
    return wanted


def _about_header(problem: Problem) -> bool:
    rule = rules()[problem.rule]
    return rule.layer == "file" and rule.severity != "note" and problem.row_first is not None


def place_marks(
    marks: Sequence[Mark], problems: Sequence[Problem], copies: Sequence[Copy]
) -> list[Mark]:
    """The marks of errors and queries, each at a cell or row of its sheet, and those of headers.

    What is wrong with a header is marked at its cells; a column to add, and the cells that it
    lacks, to the right of everything: a gap within the header may have cells below it.
    """
    by_name = {copy.name: copy for copy in copies}
    free = {copy.name: copy.width for copy in copies}
    added: dict[tuple[str, str], int] = {}
    found: list[Mark] = []

    def add(sheet: str, header: str) -> int:
        if (sheet, header) not in added:
            added[sheet, header] = free[sheet]
            free[sheet] += 1
        return added[sheet, header]

    for p in problems:
        if p.rule == "missing_column" and p.row_first and p.sheet in by_name:
            at = add(p.sheet, p.expected)
            found.append(Mark(p.rule, p.sheet, p.row_first, at, p.column, p.found, p.expected))
    for mark in marks:
        copy = by_name.get(mark.sheet)
        if not copy or rules()[mark.rule].severity == "note" or mark.rule == "missing_column":
            continue
        if mark.rule == "required" and mark.column is None and mark.header:
            # A cell of a column that the sheet does without, as long as other cells say the same.
            if (mark.sheet, mark.header) not in added and copy.header_rows:
                row, at = max(copy.header_rows), add(mark.sheet, mark.header)
                headers = ", ".join(masked(str(v)) for v in copy.row(row) if v)
                name = mark.header
                found.append(Mark("missing_column", mark.sheet, row, at, "", headers, name))
            mark = replace(mark, column=add(mark.sheet, mark.header))
        found.append(mark)
    known = {(m.rule, m.sheet) for m in found}
    for p in problems:
        copy = by_name.get(p.sheet)
        if copy and _about_header(p) and (p.rule, p.sheet) not in known:
            row = p.row_first or 0
            columns: list[int | None] = [*_meant(p, copy.row(row))]
            for column in columns or [None]:
                found.append(Mark(p.rule, p.sheet, row, column, p.column, p.found, p.expected))
    return found


def _meant(problem: Problem, header: Sequence[Any]) -> list[int]:
    """The columns whose headers a problem speaks of."""
    words = {problem.found, *re.split(r"[,，、] *", problem.found)}
    named = [i for i, v in enumerate(header) if v and masked(" ".join(str(v).split())) in words]
    if not named and re.fullmatch("[A-Z]{1,3}", problem.found):
        return [xl_cell_to_rowcol(f"{problem.found}1")[1]]
    return named


def name_sheets(copies: Sequence[Copy]) -> tuple[str, str]:
    """Name every sheet as a spreadsheet allows it; returns the names of ours.

    Names stay as handed in where they can; where one of them is ours, ours gives way.
    """
    theirs = {copy.name.lower() for copy in copies}
    ours = tuple(
        next((n for n in REPORT_SHEETS if n.startswith(own) and n not in theirs), own)
        for own in (NOTES_SHEET, LIST_SHEET)
    )
    taken = {"history", *ours}
    for copy in copies:
        name = re.sub(r"[\[\]:*?/\\\x00-\x1f]", "_", fit(copy.name)).strip("'") or TEXT_SHEET
        suffix = EXCERPT_SUFFIX if copy.excerpt else ""
        for n in range(1, len(copies) + len(taken) + 1):
            end = (f"（{n}）" if n > 1 else "") + suffix
            room = 2 * (31 - len(end))  # bytes of UTF-16
            copy.title = name.encode("utf-16-le")[:room].decode("utf-16-le", "ignore") + end
            if copy.title.lower() not in taken:
                break
        taken.add(copy.title.lower())
    return ours[0], ours[1]
