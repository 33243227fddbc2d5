"""A file as cells: every value as text, every row with the number that a spreadsheet shows."""

import csv
import io
from dataclasses import dataclass
from datetime import date, datetime
from itertools import zip_longest
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
from python_calamine import CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

TEXT_SUFFIXES = {".csv", ".tsv", ".txt"}
BOOK_SUFFIXES = {".xlsx", ".xlsm"}
SUFFIXES = TEXT_SUFFIXES | BOOK_SUFFIXES

MAX_COLUMNS = 512
LONG_NUMBER = 1e15
"""From here on a number cell has lost digits; it is written as a spreadsheet shows it."""


class Unreadable(Exception):
    """The file can't be read; the text says why in a few words."""


@dataclass(frozen=True)
class Sheet:
    """One table of text cells, columns c0, c1, …; row i of the table is row i + 1 of the sheet."""

    name: str
    cells: pa.Table
    hidden: bool = False


def read_sheets(path: Path) -> list[Sheet]:
    """Every sheet of a workbook, hidden ones marked, or the one table of a text file.

    Raises:
        Unreadable: not of a known form, damaged, encrypted, or too wide.
    """
    suffix = path.suffix.lower()
    if suffix in TEXT_SUFFIXES:
        try:
            return [Sheet("", _read_text(path))]
        except (csv.Error, pa.ArrowException) as error:
            # Such as a quotation mark that is never closed, so that a cell swallows the file.
            raise Unreadable(f"damaged text table: {str(error)[:120]}") from error
    if suffix in BOOK_SUFFIXES:
        return _read_book(path)
    raise Unreadable(f"{suffix or 'no extension'} is not read yet; .xlsx and .csv are")


def _decode(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    else:
        encodings = ["utf-8-sig", "gb18030"]
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            raise Unreadable("NUL bytes: not a text file")
        return text
    raise Unreadable("neither UTF-8, UTF-16 nor GB18030")


def _read_text(path: Path) -> pa.Table:
    text = _decode(path.read_bytes())
    head = text[: text.find("\n", 0) if "\n" in text else None]
    separator = max(",\t;", key=head.count)
    if not text.strip():
        return pa.table({})
    header = next(csv.reader(io.StringIO(text[:1_000_000], newline=""), delimiter=separator))
    if len(header) > MAX_COLUMNS:
        raise Unreadable(f"{len(header)} columns; at most {MAX_COLUMNS} are read")
    names = [f"c{i}" for i in range(len(header))]
    try:
        return pacsv.read_csv(
            io.BytesIO(text.encode()),
            read_options=pacsv.ReadOptions(column_names=names),
            parse_options=pacsv.ParseOptions(
                delimiter=separator, newlines_in_values='"' in text, ignore_empty_lines=False
            ),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid:
        # Ragged or empty lines: the standard reader keeps their row numbers.
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
        width = max(map(len, rows))
        if width > MAX_COLUMNS:
            raise Unreadable(f"{width} columns; at most {MAX_COLUMNS} are read") from None
        columns = zip_longest(*rows, fillvalue="")
        return pa.table({f"c{i}": pa.array(c, pa.string()) for i, c in enumerate(columns)})


def _table(frame: pd.DataFrame) -> pa.Table:
    return pa.table({f"c{i}": pa.array(frame[c], pa.string()) for i, c in enumerate(frame.columns)})


def _read_book(path: Path) -> list[Sheet]:
    try:
        book = CalamineWorkbook.from_path(str(path))
        sheets = []
        for sheet in book.sheets_metadata:
            if sheet.typ != SheetTypeEnum.WorkSheet:
                continue
            name, hidden = sheet.name, sheet.visible != SheetVisibleEnum.Visible
            rows = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
            if rows and len(rows[0]) > MAX_COLUMNS:
                raise Unreadable(f"{len(rows[0])} columns; at most {MAX_COLUMNS} are read")
            frame = pd.DataFrame(rows, dtype=object)
            sheets.append(Sheet(name, _table(frame.apply(_as_text)), hidden))
        return sheets
    except Unreadable:
        raise
    except Exception as error:  # calamine's errors share no base class
        raise Unreadable(f"damaged or protected workbook: {str(error)[:120]}") from error


def _as_text(column: pd.Series) -> pd.Series:
    """A workbook's column as text: 3.0 is 3, a long number shows its loss, a day is ISO."""
    text = column.astype(str).where(column.notna(), "")
    kinds = column.map(type)
    numbers = column[kinds.isin([float])].astype(float)
    long = numbers.abs() >= LONG_NUMBER
    whole = numbers[~long & (numbers % 1 == 0)]
    text.loc[whole.index] = whole.astype("int64").astype(str)
    broken = numbers[~long & (numbers % 1 != 0)]
    # A spreadsheet keeps and shows 15 significant digits: 0.1 + 0.2 is 0.3 there.
    text.loc[broken.index] = broken.map("{:.15g}".format)
    text.loc[numbers[long].index] = numbers[long].map("{:.2E}".format)
    days = column[kinds.isin([date, datetime, pd.Timestamp])]
    text.loc[days.index] = days.astype(str).str.removesuffix(" 00:00:00")
    return text
