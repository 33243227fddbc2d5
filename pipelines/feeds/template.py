"""Workbooks to fill in, derived from the contract.

The first sheet is the table: its header stands in row 1, as the contract spells it. A second
explains each column and shows an example record; it is written downwards, so that no reader can
take it for the table. Word lists too long for a cell's own list stand on a hidden third.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.utility import xl_col_to_name, xl_rowcol_to_cell
from xlsxwriter.worksheet import Worksheet

from pipelines.feeds.contract import LAST_DAY, Column, Contract
from pipelines.feeds.words import accepts, choices, example, fixed_length, status_words
from pipelines.wording import translator

NOTES_SHEET = "填写说明"
"""Sheet of explanations."""
LISTS_SHEET = "选项"
"""Hidden sheet of the word lists that are too long for a cell's own list."""
TEMPLATE_SHEETS = (NOTES_SHEET, LISTS_SHEET)
"""Sheets that a template carries beside its table; intake leaves them out by name."""

ROWS = 5_000
"""Rows that carry drop-down lists and checks; at least 1,000 more than are filled in already."""
LIST_CHARACTERS = MESSAGE_CHARACTERS = FORMULA_CHARACTERS = 255
TITLE_CHARACTERS = 32
"""Excel's own limits of a list in a cell, a message, a formula and a title."""
FIRST_EXCEL_DAY = date(1900, 1, 1)
MADE = datetime(2020, 1, 1)
"""In place of the day of writing, so that equal templates are equal bytes."""
TEXT_FORMAT = 49
"""Number of the spreadsheet's own format Text, `@`."""
NUMERIC = ("integer", "number", "score")
DAYS = ("date", "month")


def _(message: str) -> str:
    """Mark a message for the catalogue; it is translated when shown."""
    return message


HOW = (
    _("Fill in the first sheet, one row a record. Leave its header row as it is."),
    _("Bold on dark: required column; plain on light: optional, the cells may stay empty."),
    _("When pasting, paste values only: formats and drop-down lists then stay."),
    _("This sheet need not be filled in, and is not read. The example is not read either."),
)
HEADINGS = (
    _("Column"),
    _("Required?"),
    _("What to enter"),
    _("Example"),
    _("Explanation"),
)


@dataclass(frozen=True)
class _Place:
    """One column of the table to fill in."""

    header: str
    column: Column
    required: bool
    top: float | None = None
    """Largest value, where more is known than the contract says: the full mark."""
    offered: Sequence[str] = ()
    """Words of its drop-down list."""
    closed: bool = False
    """Whether nothing but the words of the list can be right."""


def write_template(
    contract: Contract,
    path: Path,
    *,
    rows: Sequence[Mapping[str, str]] = (),
    wide: Mapping[str, float | None] | None = None,
    offered: Mapping[str, Sequence[str]] | None = None,
    usual_student_no: str | None = None,
) -> Path:
    """Write a workbook to fill in for one feed, and return its path.

    Args:
        contract: of the feed.
        path: file to write; an earlier one is replaced.
        rows: cells that are known already, by canonical name, as a person would write them.
        wide: headers of the wide form, each with its full mark where it is known; the long form
            where none are given.
        offered: canonical name → values to choose from, beside those of the code sets, such as
            the one school that fills this in.
        usual_student_no: pattern of a usual student number.

    Raises:
        ValueError: the feed has no wide form.
    """
    places = _places(contract, wide or {}, offered or {})
    last = max(ROWS, len(rows) + 1_000)
    title = re.sub(r"[\[\]:*?/\\]", " ", contract.title)[:31]
    with xlsxwriter.Workbook(path) as book:
        book.set_properties({"title": contract.title, "created": MADE})
        sheet = book.add_worksheet(title)
        _explain(book, contract, places)
        lists = _lists(book, places)
        plain = book.add_format()
        text = book.add_format({"num_format": TEXT_FORMAT})
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        framed = {"border": 1, "border_color": "#8A97A6", "align": "center", "valign": "vcenter"}
        required = book.add_format(
            {"bold": True, "bg_color": "#1F4E79", "font_color": "#FFFFFF", **framed}
        )
        optional = book.add_format({"bg_color": "#E8EDF3", **framed})
        for at, place in enumerate(places):
            kind = place.column.type
            form = plain if kind in NUMERIC else day if kind in DAYS else text
            sheet.set_column(at, at, _width(contract, place), form)
            sheet.write_string(0, at, place.header, required if place.required else optional)
            cell = f"{xl_col_to_name(at)}2"
            pattern = usual_student_no if kind == "student_no" else place.column.pattern
            checked = _check(place, cell, lists.get(at), fixed_length(pattern))
            sheet.data_validation(1, at, last, at, {**checked, **_messages(contract, place)})
            for row, known in enumerate(rows, start=1):
                if value := known.get(place.column.name):
                    _write(sheet, row, at, value, kind, form)
        sheet.freeze_panes(1, 0)
        sheet.set_row(0, 22)
        _print_set_up(sheet)
        sheet.activate()
    return path


def _places(
    contract: Contract, wide: Mapping[str, float | None], offered: Mapping[str, Sequence[str]]
) -> list[_Place]:
    """The columns of the table, those of the wide form in place of the one they are named by."""
    if wide and contract.wide is None:
        raise ValueError(f"{contract.feed} has no wide form")
    places: list[_Place] = []
    for column in contract.columns:
        if wide and contract.wide:
            if column.name == contract.wide.names:
                values = contract.column(contract.wide.values)
                places += [_Place(header, values, True, top) for header, top in wide.items()]
            # A status is written in the score's own cell there.
            if column.name in (contract.wide.names, contract.wide.values) or (
                column.codes == "score_status"
            ):
                continue
        words = offered.get(column.name) or choices(column)
        closed = column.type in ("code", "flag") and not offered.get(column.name)
        places.append(_Place(column.header, column, column.required, None, words, closed))
    return places


def _lists(book: xlsxwriter.Workbook, places: Sequence[_Place]) -> dict[int, Any]:
    """Place → source of its drop-down list; long lists are written to their own sheet."""
    sources: dict[int, Any] = {}
    sheet: Worksheet | None = None
    for at, place in enumerate(places):
        words = list(place.offered)
        if not words:
            continue
        plain = not any(set(word) & set(',"') for word in words)
        if plain and len(",".join(words)) <= LIST_CHARACTERS:
            sources[at] = words
            continue
        if sheet is None:
            sheet = book.add_worksheet(LISTS_SHEET)
            sheet.hide()
        text = book.add_format({"num_format": TEXT_FORMAT})
        to = len(sources)
        sheet.write_column(0, to, words, text)
        first, final = (xl_rowcol_to_cell(row, to, True, True) for row in (0, len(words) - 1))
        sources[at] = f"='{LISTS_SHEET}'!{first}:{final}"
    return sources


def _check(place: _Place, cell: str, source: Any, length: int | None) -> dict[str, Any]:
    """What Excel asks of a cell: it stops what can only come back, and warns of the rest.

    The reader takes more forms of a day, a grade or a school than Excel can check.
    """
    column = place.column
    low, high = column.min, place.top if place.top is not None else column.max
    if source is not None:
        stop = "stop" if place.closed else "warning"
        return {"validate": "list", "source": source, "error_type": stop}
    if column.type == "score":
        asked = [f"ISNUMBER({cell})"]
        asked += [f"{cell}>={low:.15g}"] if low is not None else []
        asked += [f"{cell}<={high:.15g}"] if high is not None else []
        words = [f'{cell}="{word}"' for word in status_words()]
        formula = f"=OR(AND({','.join(asked)}),{','.join(words)})"
        assert len(formula) <= FORMULA_CHARACTERS
        return {"validate": "custom", "value": formula}
    if column.type in ("integer", "number"):
        asks: dict[str, Any] = {"validate": "integer" if column.type == "integer" else "decimal"}
        if low is not None and high is not None:
            return {**asks, "criteria": "between", "minimum": low, "maximum": high}
        if high is not None:
            return {**asks, "criteria": "<=", "value": high}
        return {**asks, "criteria": ">=", "value": -1e12 if low is None else low}
    if column.type in DAYS:
        return {
            "validate": "date",
            "criteria": "between",
            "minimum": FIRST_EXCEL_DAY,
            "maximum": LAST_DAY,
            "error_type": "warning",
        }
    if length:
        return {"validate": "custom", "value": f"=LEN({cell})={length}", "error_type": "warning"}
    return {"validate": "any"}


def _messages(contract: Contract, place: _Place) -> dict[str, str]:
    """What Excel says when a cell is chosen, and when it does not take what was typed."""
    t = translator("zh").gettext
    column = place.column
    what = accepts(column, "zh", high=place.top)
    given = example(contract, column)
    lines = [
        t(column.description),
        # A drop-down list shows by itself what may be entered.
        *([] if place.offered else [t(_("Enter: {what}")).format(what=what)]),
        *([t(_("Example: {example}")).format(example=given)] if given else []),
    ]
    need = t(_("required")) if place.required else t(_("optional"))
    listed = t(_("Please choose from the list.")) if place.closed else ""
    return {
        "input_title": _within(f"{place.header}（{need}）", TITLE_CHARACTERS),
        "input_message": _within("\n".join(lines), MESSAGE_CHARACTERS),
        "error_title": _within(t(_("Please check")), TITLE_CHARACTERS),
        "error_message": _within(
            t(_("Expected: {what}.")).format(what=what) + listed, MESSAGE_CHARACTERS
        ),
    }


def _within(text: str, limit: int) -> str:
    """A text as it fits into Excel's limit; a city's own descriptions may be long."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _write(sheet: Worksheet, row: int, at: int, value: str, kind: str, form: Format) -> None:
    """One known cell: a number as a number, all else, long digits above all, as text."""
    if kind in NUMERIC and re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,3})?", value):
        sheet.write_number(row, at, float(value), form)
    elif kind in DAYS and re.fullmatch(r"(19|20)[0-9]{2}-[0-9]{2}-[0-9]{2}", value):
        sheet.write_datetime(row, at, date.fromisoformat(value), form)
    else:
        sheet.write_string(row, at, value, form)


def _cells_wide(text: str) -> int:
    """Width of a text in columns of a spreadsheet: a Chinese character takes two."""
    return max(
        sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)
        for line in text.split("\n")
    )


def _width(contract: Contract, place: _Place) -> int:
    texts = [place.header, example(contract, place.column), *place.offered]
    return min(max(8, *(_cells_wide(text) + 3 for text in texts)), 32)


def _explain(book: xlsxwriter.Workbook, contract: Contract, places: Sequence[_Place]) -> None:
    """The sheet of explanations, with the example record from top to bottom."""
    languages = ("zh", "en")
    sheet = book.add_worksheet(NOTES_SHEET)
    head = book.add_format(
        {"bold": True, "bg_color": "#1F4E79", "font_color": "#FFFFFF", "border": 1,
         "text_wrap": True, "valign": "vcenter"}
    )  # fmt: skip
    top = book.add_format({"bold": True, "font_size": 14})
    wrap = book.add_format(
        {"text_wrap": True, "valign": "top", "border": 1, "num_format": TEXT_FORMAT}
    )
    bold = book.add_format({"text_wrap": True, "valign": "top", "border": 1, "bold": True})

    def both(message: str) -> str:
        return _both([translator(lang).gettext(message) for lang in languages], "\n")

    sheet.write_string(0, 0, contract.title, top)
    told = [contract.description, *HOW]
    for row, message in enumerate(told, start=1):
        sheet.write_string(row, 0, both(message).replace("\n", " / "))
    first = len(told) + 2
    sheet.write_row(first, 0, [both(heading) for heading in HEADINGS], head)
    widths = (22, 10, 44, 24, 60)
    for at, width in enumerate(widths):
        sheet.set_column(at, at, width)
    for row, place in enumerate(places, start=first + 1):
        need = both(_("required") if place.required else _("optional"))
        what = [accepts(place.column, lang, high=place.top) for lang in languages]
        cells = [
            need,
            _both(what, "\n"),
            example(contract, place.column),
            both(place.column.description),
        ]
        # With its letter before it, so that a reader finds no header of the table on this sheet.
        named = f"{xl_col_to_name(row - first - 1)}  {place.header}"
        sheet.write_string(row, 0, named, bold if place.required else wrap)
        for at, cell in enumerate(cells, start=1):
            sheet.write_string(row, at, cell, wrap)
        lines = max(
            sum(-(-_cells_wide(line) // width) for line in cell.split("\n"))
            for cell, width in zip([named, *cells], widths, strict=True)
        )
        # Spreadsheets do not all fit a row to its wrapped text by themselves.
        sheet.set_row(row, 16 * lines + 2)
    sheet.freeze_panes(first + 1, 1)
    _print_set_up(sheet, first)


def _both(texts: Sequence[str], between: str) -> str:
    """The languages one after the other; once, where they say the same."""
    return between.join(dict.fromkeys(texts))


def _print_set_up(sheet: Worksheet, header: int = 0) -> None:
    """A4 across, one page wide, the header on each page, pages numbered."""
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(header)
    sheet.set_footer("&C&P / &N")
