"""Tables to take away: each as CSV and as a workbook, made of the same rows.

Nothing that a clock or a path gives enters a file: equal rows give equal bytes.
"""

import csv
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from dashboards.pages import Download
from dashboards.pages.dictionary import Column, Dictionary
from dashboards.pages.marks import legend
from pipelines.wording import LANGUAGES, Lang, inert, translator

WORKBOOK = ".xlsx"
MADE = datetime(1980, 1, 1)
"""When a workbook says that it was made: always then."""
_TIMES = ("school_year", "as_of")
"""Columns that say what time a row is of."""
_WORDS = "xl/sharedStrings.xml"
_WIDEST, _MEASURED = 40, 200


@dataclass(frozen=True)
class Noted:
    """What the notes of a workbook tell beside its rows."""

    titles: Mapping[Lang, str]
    unit_code: str
    units: Mapping[Lang, str]
    """Name of the unit, by language."""
    release_id: str
    dictionary: Dictionary


def workbook_name(name: str) -> str:
    """The name of the workbook of a table, by that of its CSV."""
    return name.removesuffix(".csv") + WORKBOOK


def csv_text(download: Download) -> bytes:
    """UTF-8 with a byte order mark, which is how Excel recognises it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(download.columns)
    for row in download.rows:
        writer.writerow([_plain(row[column]) for column in download.columns])
    return text.getvalue().encode("utf-8-sig")


def _plain(value: Any) -> str:
    """A value of a download: `0.834`, `-0.3`, `32156`; what a sheet would compute is quoted."""
    if value is None:
        return ""
    if isinstance(value, float | Decimal):
        number = Decimal(str(value)).normalize()
        return format(abs(number) if number == 0 else number, "f")
    return str(inert(value))


def workbook(download: Download, noted: Noted) -> bytes:
    """The rows with their names and marks on the first sheet, what they mean on the second."""
    file = io.BytesIO()
    # A text stays a text, whatever it begins with.
    options = {
        "in_memory": True,
        "strings_to_formulas": False,
        "strings_to_numbers": False,
        "strings_to_urls": False,
    }
    with xlsxwriter.Workbook(file, options) as book:
        book.set_properties({"created": MADE, "title": noted.titles["zh"]})
        head = book.add_format({"bold": True, "bottom": 1})
        bold = book.add_format({"bold": True, "valign": "top"})
        wrap = book.add_format({"text_wrap": True, "valign": "top"})
        day = book.add_format({"num_format": "yyyy-mm-dd", "align": "left"})
        quoted = book.add_format({"quote_prefix": True})
        sheet, notes = book.add_worksheet("数据 Data"), book.add_worksheet("说明 Notes")
        for x, column in enumerate(download.columns):
            sheet.write_string(0, x, column, head)
            for y, row in enumerate(download.rows, 1):
                _write(sheet, y, x, row[column], day, quoted)
        sheet.freeze_panes(1, 0)
        if download.rows:
            sheet.autofilter(0, 0, len(download.rows), len(download.columns) - 1)
        for x, width in enumerate(_widths(download)):
            sheet.set_column(x, x, width)
        for y, line in enumerate(_notes(download, noted)):
            for x, text in enumerate(line):
                notes.write_string(y, x, text, bold if x == 0 else wrap)
        notes.set_column(0, 0, 20)
        notes.set_column(1, 1, 44)
        notes.set_column(2, 2, 64)
        notes.set_column(3, 3, 16)
    return file.getvalue()


def of_release(content: bytes, before: str, now: str) -> bytes:
    """The workbook as it is made in another release; its notes alone name the release."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w") as new:
        for info in old.infolist():
            part = old.read(info)
            if info.filename == _WORDS:
                part = part.replace(before.encode(), now.encode())
            kept = zipfile.ZipInfo(info.filename, info.date_time)
            kept.compress_type, kept.external_attr = info.compress_type, info.external_attr
            new.writestr(kept, part)
    return file.getvalue()


def _write(sheet: Worksheet, y: int, x: int, value: Any, day: Format, quoted: Format) -> None:
    if value is None or value == "":
        return
    if isinstance(value, bool):
        sheet.write_boolean(y, x, value)
    elif isinstance(value, int | float | Decimal):
        # Without the sign of a nought.
        sheet.write_number(y, x, value or 0)
    elif isinstance(value, date):
        sheet.write_datetime(y, x, value, day)
    else:
        text = str(value)
        sheet.write_string(y, x, text, quoted if inert(text) != text else None)


def _widths(download: Download) -> list[int]:
    """Widths of columns in characters, a Chinese one counted twice; long tables are sampled."""
    widths = []
    for column in download.columns:
        shown = [column, *(str(row[column] or "") for row in download.rows[:_MEASURED])]
        most = max(sum(2 if ord(sign) > 0x2E7F else 1 for sign in text) for text in shown)
        widths.append(min(_WIDEST, most + 2))
    return widths


def _notes(download: Download, noted: Noted) -> list[Sequence[str]]:
    """The lines of the notes: what, Chinese, English."""
    words = {lang: translator(lang) for lang in LANGUAGES}

    def said(head: str, message: str) -> tuple[str, str, str]:
        return head, words["zh"].gettext(message), words["en"].gettext(message)

    titles, units = noted.titles, noted.units
    lines: list[Sequence[str]] = [("标题 Title", titles["zh"], titles["en"])]
    code = f"（{noted.unit_code}）", f" ({noted.unit_code})"
    lines.append(("单位 Unit", units["zh"] + code[0], units["en"] + code[1]))
    times = {
        str(row[column])
        for column in _TIMES
        if column in download.columns
        for row in download.rows
        if row[column] is not None
    }
    if times:
        first, last = min(times), max(times)
        zh, en = (first, first) if first == last else (f"{first}～{last}", f"{first} to {last}")
        lines.append(("时间 Time", zh, en))
    table = noted.dictionary.get(download.tables[0] if download.tables else "")
    if table:
        lines.append(("范围 Population", table.zh, table.en))
    lines.append(
        said(
            "来源 Source",
            "Source: monitoring results, rolls and registers handed in by schools and districts; "
            "computed by this platform.",
        )
    )
    lines.append(("发布版本 Release", noted.release_id, noted.release_id))
    lines.append(("", "", ""))
    lines.append(("标注 Marks", "", ""))
    marks = {lang: legend(words[lang]) for lang in LANGUAGES}
    lines += [(mark, marks["zh"][mark], marks["en"][mark]) for mark in marks["zh"]]
    lines.append(
        said("", "An empty cell is not 0: the mark of its row, or what its column means, says why.")
    )
    meant = _meanings(download, noted.dictionary)
    if meant:
        lines.append(("", "", ""))
        lines.append(("列 Columns", "名称", "Meaning", "Unit"))
        lines += [(name, column.zh, column.en, column.unit) for name, column in meant.items()]
    return lines


def _meanings(download: Download, dictionary: Dictionary) -> dict[str, Column]:
    """What each column means: as in the table that it is of, else as in the list of units."""
    tables = [
        dictionary[name] for name in ("unit", *reversed(download.tables)) if name in dictionary
    ]
    known = {column.name: column for table in tables for column in table.columns}
    return {name: known[name] for name in download.columns if name in known}
