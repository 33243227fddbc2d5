"""One sheet of a file, written back as it was handed in, its marked cells to be seen."""

import math
from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, Literal

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from pipelines.feeds import Severity, rules
from pipelines.intake.problems import RANK, SEVERITY_WORDS, Mark
from pipelines.intake.returned import MAX_CELLS, MAX_TEXT, NOTES_SHEET, Copy, fit
from pipelines.wording import LANGUAGES, Lang, bilingual, count, translator

FORMULA = ("=", "+", "-", "@", "\t", "\r")
LONG_NUMBER = 1e10
"""Numbers from here on are names of something; their column is given back as text."""
COLOURS: dict[str, dict[str, str]] = {
    "error": {"bg_color": "#FFC7CE", "font_color": "#9C0006"},
    "query": {"bg_color": "#FFEB9C", "font_color": "#7F4F00"},
}
"""As spreadsheets themselves show bad and doubtful cells; each also has a comment."""
FROZEN_ROWS = 8
"""A header further down is not frozen: it would leave no room to scroll."""
MAX_COMMENT = 2_000
"""Characters of a comment; what is longer is in the list."""

Kind = Literal["", "@", "yyyy-mm-dd", "yyyy-mm-dd hh:mm:ss", "hh:mm:ss", "[h]:mm:ss"]
"""How a cell's value is shown."""


class Formats:
    """The formats of one workbook, each made once."""

    def __init__(self, workbook: xlsxwriter.Workbook) -> None:
        self._workbook = workbook
        self._made: dict[tuple[tuple[str, Any], ...], Format] = {}
        self._shown: dict[tuple[Kind, bool, Severity | None], Format | None] = {}

    def __call__(self, **properties: Any) -> Format:
        key = tuple(sorted(properties.items()))
        if key not in self._made:
            self._made[key] = self._workbook.add_format(properties)
        return self._made[key]

    def cell(self, value: Any, text: bool, head: bool, found: Severity | None) -> Format | None:
        """The format of a value: its type, and how it is marked."""
        kind: Kind = ""
        if isinstance(value, str):
            # As text, what begins like a formula stays inert when the cell is edited, too.
            kind = "@" if text or value.startswith(FORMULA) else ""
        elif isinstance(value, datetime):
            kind = "yyyy-mm-dd hh:mm:ss" if value.time() != time() else "yyyy-mm-dd"
        elif isinstance(value, date):
            kind = "yyyy-mm-dd"
        elif isinstance(value, time):
            kind = "hh:mm:ss"
        elif isinstance(value, timedelta):
            kind = "[h]:mm:ss"
        elif text and not isinstance(value, bool):
            kind = "@"
        key = (kind, head, found)
        if key not in self._shown:
            properties: dict[str, Any] = {"num_format": kind} if kind else {}
            if head:
                properties |= {"bold": True, "text_wrap": True, "bottom": 1}
            if found:
                properties |= {**COLOURS[found], "border": 1}
            self._shown[key] = self(**properties) if properties else None
        return self._shown[key]


def write_copy(
    workbook: xlsxwriter.Workbook, formats: Formats, copy: Copy, marks: Sequence[Mark]
) -> int:
    """Write one sheet of the file, its marked cells coloured and commented.

    Returns the number of cells whose text was too long to be given whole.
    """
    sheet = workbook.add_worksheet(copy.title)
    if copy.hidden:
        sheet.hide()
    header = set(copy.header_rows)
    body = max(header, default=0)
    texts = _text_columns(copy, body)
    at_cell = _by_cell(copy, marks)
    _merge(sheet, formats, copy)
    # Widths first: a column's format is what cells that are still empty take.
    for column in range(max([copy.width - 1, *(c for _, c in at_cell)]) + 1):
        text = column not in texts or texts[column]
        place = column + copy.excerpt
        kind = formats(num_format="@") if text else None
        sheet.set_column(place, place, _width(copy, column), kind)
    sheet.ignore_errors({"number_stored_as_text": "A1:XFD1048576"})
    cut = 0
    for at, (number, values) in enumerate(copy.rows):
        head = number in header
        if copy.excerpt:
            if head:
                words = bilingual("row in your file")
                sheet.write_string(at, 0, words, formats(bold=True, text_wrap=True))
            else:
                sheet.write_number(at, 0, number)
        for column, value in enumerate(values):
            if value is None or value == "":
                continue
            found = at_cell.get((number, column))
            shown = formats.cell(value, texts.get(column, True), head, found)
            cut += isinstance(value, str) and len(value) > MAX_TEXT // 2 and fit(value) != value
            _write(sheet, at, column + copy.excerpt, value, shown)
    for (number, column), found in at_cell.items():
        place_of = copy.place(number, column)
        if place_of is None:
            continue
        values = copy.row(number)
        if column >= len(values) or values[column] in (None, ""):
            shown = formats.cell("", texts.get(column, True), number in header, found)
            sheet.write_blank(*place_of, None, shown)
    _comments(sheet, copy, marks)
    if copy.excerpt:
        sheet.set_column(0, 0, 12)
    frozen = sum(n <= body for n, _ in copy.rows) if copy.excerpt else body
    if 0 < frozen <= FROZEN_ROWS:
        sheet.freeze_panes(frozen, int(copy.excerpt))
    return cut


def _text_columns(copy: Copy, body: int) -> dict[int, bool]:
    """Column → whether it is one of text: so are student numbers that lost their digits."""
    text: Counter[int] = Counter()
    for number, values in copy.rows:
        if number > body:
            for column, value in enumerate(values):
                if value is None or value == "":
                    continue
                long = isinstance(value, float | int) and abs(value) >= LONG_NUMBER
                text[column] += 1 if isinstance(value, str) or long else -1
    return {column: text[column] >= 0 for column in range(copy.width)}


def _merge(sheet: Worksheet, formats: Formats, copy: Copy) -> None:
    """Merged cells as handed in, unless they overlap or would cover a value."""
    covered: set[tuple[int, int]] = set()
    area = 0
    for (top, left), (bottom, right) in copy.merged:
        bottom, right = min(bottom, len(copy.rows) - 1), min(right, copy.width - 1)
        area += max(bottom - top + 1, 0) * max(right - left + 1, 0)
        if area > MAX_CELLS:
            break  # they overlap, and looking at all of them would take too long
        cells = [(r, c) for r in range(top, bottom + 1) for c in range(left, right + 1)]
        if len(cells) < 2 or not covered.isdisjoint(cells):
            continue
        if any(copy.rows[r][1][c] not in (None, "") for r, c in cells[1:]):
            continue
        covered.update(cells)
        shown = formats(align="center", valign="vcenter")
        sheet.merge_range(top, left, bottom, right, "", shown)


def _comments(sheet: Worksheet, copy: Copy, marks: Sequence[Mark]) -> None:
    by_cell: dict[tuple[int, int], list[Mark]] = {}
    for mark in marks:
        place = copy.place(mark.row, copy.column(mark))
        if place is not None:
            by_cell.setdefault(place, []).append(mark)
    sheet.set_comments_author(NOTES_SHEET)
    for place, found in by_cell.items():
        text = fit(_comment(found))[:MAX_COMMENT]
        lines = sum(1 + wide(line) // 48 for line in text.splitlines())
        size: dict[str, Any] = {"width": 340, "height": 18 * min(lines, 20) + 10}
        size |= {"font_size": 9, "font_name": "Microsoft YaHei"}
        sheet.write_comment(*place, text, size)


def _write(sheet: Worksheet, row: int, column: int, value: Any, shown: Format | None) -> None:
    """One cell as what it is; text is never taken as anything else."""
    if isinstance(value, str):
        sheet.write_string(row, column, fit(value), shown)
    elif isinstance(value, bool):
        sheet.write_boolean(row, column, value, shown)
    elif isinstance(value, int | float) and math.isfinite(value):
        sheet.write_number(row, column, value, shown)
    elif isinstance(value, time | timedelta) or (isinstance(value, date) and value.year >= 1900):
        sheet.write_datetime(row, column, value, shown)
    else:
        sheet.write_string(row, column, fit(str(value)), shown)


def _by_cell(copy: Copy, marks: Sequence[Mark]) -> dict[tuple[int, int], Severity]:
    """Row and column as handed in → the gravest that is wrong with the cell."""
    found: dict[tuple[int, int], Severity] = {}
    for mark in marks:
        severity = rules()[mark.rule].severity
        for column in range(copy.width) if mark.column is None else [mark.column]:
            earlier = found.setdefault((mark.row, column), severity)
            if RANK[severity] < RANK[earlier]:
                found[mark.row, column] = severity
    return found


def _width(copy: Copy, column: int) -> int:
    """A column's width in characters, by its header and its first rows."""
    rows = [
        v
        for n, v in copy.rows[:200]
        if n in copy.header_rows or n > max(copy.header_rows, default=0)
    ]
    texts = [str(values[column]) for values in rows if column < len(values)]
    longest = max((wide(line) for text in texts for line in text[:200].split("\n")), default=0)
    return min(max(longest + 2, 8), 40)


def _comment(marks: Sequence[Mark]) -> str:
    """What is wrong with a cell, each cause in Chinese and English, its severity in words."""
    texts = []
    for m in marks:
        word = SEVERITY_WORDS[rules()[m.rule].severity]
        zh, en = (sentence(m.rule, m.found, m.expected, lang) for lang in LANGUAGES)
        texts.append(f"〔{translator('zh').gettext(word)}〕{zh}\n[{word}] {en}")
    return "\n".join(dict.fromkeys(texts))


def sentence(rule: str, found: str, expected: str, lang: Lang, cells: int = 1) -> str:
    """What is wrong and what to do, of so many cells; without the place."""
    _ = translator(lang).gettext
    message = rules()[rule].message
    text = _(message).format(found=found, expected=expected)
    if cells > 1:
        return _("{cells} cells: ").format(cells=count(cells, lang)) + text
    return text[0].upper() + text[1:] if lang == "en" and message[0] != "{" else text


def wide(text: str) -> int:
    """How many digits a text is as wide as."""
    return sum(2 if c > "\u2e80" else 1 for c in text)
