"""A file as cells: every value as text, every row with the number that a spreadsheet shows.

What a file is, its first bytes say; its name only says what it claims to be. Nothing is run,
expanded or followed, and sizes are bounded before anything is unpacked. `pool` runs the reading
in a process of its own, which may hang or die without harm to anything else.
"""

import csv
import gc
import io
import re
import struct
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
from python_calamine import CalamineWorkbook, PasswordError, SheetTypeEnum, SheetVisibleEnum

from pipelines.intake.lost_cells import NO_RESULT, Endless, check_chains, lost_in_ods, lost_in_xls

TEXT_SUFFIXES = {".csv", ".tsv", ".txt"}
BOOK_SUFFIXES = {".xlsx", ".xlsm", ".xls", ".ods"}
SUFFIXES = TEXT_SUFFIXES | BOOK_SUFFIXES

ZIP, OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""First bytes of .xlsx, .xlsm and .ods, and of .xls and encrypted workbooks."""
ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
"""Name of the stream that an encrypted workbook is kept in."""
MARKUP = re.compile(rb"\s*<(\?xml|!doctype|html|table|head|meta)", re.I)
"""What a web page begins with that calls itself a workbook."""

MAX_COLUMNS = 512
MAX_CELLS = 60_000_000
"""So many cells a sheet of a workbook may span; what is larger is a slip or an attack."""
MAX_UNPACKED = 2 * 2**30
"""Bytes that a workbook may unpack to."""
MAX_TEXT = 512 * 2**20
"""Bytes of a text file that is read in one piece; `stream_text` reads larger ones."""
LONG_NUMBER = 1e15
"""From here on a number cell has lost digits; it is written as a spreadsheet shows it."""
HEAD_LINES = 60
"""So many lines tell the separator, and the form of a text file that is streamed."""
BLOCK = 2**24
"""Bytes of a text file that are parsed at a time."""
TEXT = pa.string()
EACH_TEXT_ONCE = pa.dictionary(pa.int32(), pa.string())
"""How the cells of a large text file are held, which repeat few texts."""

Merged = tuple[tuple[int, int], tuple[int, int]]
"""First and last corner of merged cells: row and column, from 0."""


Piece = tuple[np.ndarray, pa.Table]
"""Rows of a file with their numbers as a spreadsheet shows them."""


class Unreadable(Exception):
    """The file can't be read; `rule` names the problem, the text says why in a few words."""

    def __init__(self, why: str, rule: str = "unreadable") -> None:
        super().__init__(why, rule)
        self.why, self.rule = why, rule

    def __str__(self) -> str:
        return self.why


@dataclass(frozen=True)
class Sheet:
    """One table of text cells, columns c0, c1, …; row i of the table is row i + 1 of the sheet."""

    name: str
    cells: pa.Table
    hidden: bool = False
    merged: tuple[Merged, ...] = ()


def kind(path: Path) -> str:
    """What a file is by its first bytes: `book`, or `text` for whatever may be text.

    Raises:
        Unreadable: encrypted, or a web page under a workbook's name.
    """
    with path.open("rb") as file:
        first = file.read(4096)
        if first.startswith(ZIP):
            return "book"
        if first.startswith(OLE):
            size = path.stat().st_size
            if ENCRYPTED in first + file.read(min(size, MAX_TEXT)):
                raise Unreadable("encrypted", "encrypted")
            return "book"
    if path.suffix.lower() in BOOK_SUFFIXES and MARKUP.match(first):
        raise Unreadable("a web page or XML under the name of a workbook")
    return "text"


def lies(path: Path) -> bool:
    """Whether a file's name claims to be a workbook and it is text, or the other way round."""
    with path.open("rb") as file:
        is_book = file.read(8).startswith((ZIP, OLE))
    return is_book != (path.suffix.lower() in BOOK_SUFFIXES)


def read_sheets(path: Path) -> list[Sheet]:
    """Every sheet of a workbook, hidden ones marked, or the one table of a text file.

    Raises:
        Unreadable: not of a known form, damaged, encrypted, too wide or too large.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise Unreadable(f"{path.suffix or 'no extension'}; {', '.join(sorted(SUFFIXES))} are read")
    if kind(path) == "book":
        return _read_book(path)
    if path.stat().st_size > MAX_TEXT:
        raise Unreadable(f"{path.stat().st_size / 1e6:.0f} MB", "too_large")
    try:
        return [Sheet("", _read_text(path.read_bytes()))]
    except (csv.Error, pa.ArrowException) as error:
        # Such as a quotation mark that is never closed, so that a cell swallows the file.
        raise Unreadable(f"damaged text table: {str(error)[:120]}") from error


# Text -------------------------------------------------------------------------------------------


def _encodings(data: bytes) -> list[str]:
    """Encodings to try, by the first bytes."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return ["utf-16"]
    head = data[:2000]
    # Without a mark: separators, digits and line ends leave every second byte empty.
    if len(head) >= 4 and head[1::2].count(0) > len(head) / 8:
        return ["utf-16-le"]
    if len(head) >= 4 and head[0::2].count(0) > len(head) / 8:
        return ["utf-16-be"]
    return ["utf-8-sig", "gb18030"]


def _decode(data: bytes) -> str:
    for encoding in _encodings(data):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            raise Unreadable("NUL bytes: not a text file")
        return text
    raise Unreadable("neither UTF-8, UTF-16 nor GB18030")


def _separator(text: str) -> str:
    """The separator under which most of the first lines have the same number of cells."""

    def regular(separator: str) -> tuple[int, int]:
        rows = csv.reader(io.StringIO(text[:200_000], newline=""), delimiter=separator)
        try:
            widths = [len(row) for row in islice(rows, HEAD_LINES)]
        except csv.Error:
            return 0, 0
        wide = [width for width in widths if width > 1]
        if not wide:
            return 0, 0
        usual = max(set(wide), key=lambda width: (wide.count(width), width))
        return wide.count(usual), usual

    return max(",\t;", key=regular)


def _text_table(rows: list[list[str]]) -> pa.Table:
    width = max(map(len, rows), default=0)
    if width > MAX_COLUMNS:
        raise Unreadable(f"{width} columns; at most {MAX_COLUMNS} are read")
    columns = zip_longest(*rows, fillvalue="")
    return pa.table({f"c{i}": pa.array(c, pa.string()) for i, c in enumerate(columns)})


def _csv_options(
    names: list[str], separator: str, quoted: bool, cell: pa.DataType = TEXT
) -> dict[str, Any]:
    return {
        "read_options": pacsv.ReadOptions(column_names=names, block_size=BLOCK),
        "parse_options": pacsv.ParseOptions(
            delimiter=separator, newlines_in_values=quoted, ignore_empty_lines=False
        ),
        "convert_options": pacsv.ConvertOptions(
            column_types=dict.fromkeys(names, cell), strings_can_be_null=False
        ),
    }


def _read_text(data: bytes) -> pa.Table:
    text = _decode(data)
    if not text.strip():
        return pa.table({})
    separator = _separator(text)
    header = next(csv.reader(io.StringIO(text[:1_000_000], newline=""), delimiter=separator))
    if len(header) > MAX_COLUMNS:
        raise Unreadable(f"{len(header)} columns; at most {MAX_COLUMNS} are read")
    names = [f"c{i}" for i in range(len(header))]
    try:
        return pacsv.read_csv(
            io.BytesIO(text.encode()), **_csv_options(names, separator, '"' in text)
        )
    except pa.ArrowInvalid:
        # Ragged or empty lines: the standard reader keeps their row numbers.
        return _text_table(list(csv.reader(io.StringIO(text, newline=""), delimiter=separator)))


def stream_text(path: Path, rows: int) -> tuple[Sheet, Iterator[Piece]]:
    """A large text file: its head as a sheet, and then all of it in pieces of about `rows` rows.

    Each piece comes with the numbers of its rows, from 1. Lines that have more or fewer cells than
    the head come in pieces of their own.

    Raises:
        Unreadable: as `read_sheets`; also while the pieces are read.
    """
    with path.open("rb") as file:
        head = file.read(1_000_000)
    encoding = _encodings(head)[0]
    text = head[: head.rfind(b"\n") + 1 or None] if encoding == "utf-8-sig" else head
    try:
        known = text.decode(encoding, "strict" if encoding == "utf-8-sig" else "ignore")
    except UnicodeDecodeError:
        encoding, known = "gb18030", head.decode("gb18030", "ignore")
    if "\0" in known:
        raise Unreadable("NUL bytes: not a text file")
    separator = _separator(known)
    rows_of_head = csv.reader(io.StringIO(known, newline=""), delimiter=separator)
    try:
        table = _text_table(list(islice(rows_of_head, HEAD_LINES)))
    except csv.Error as error:
        raise Unreadable(f"damaged text table: {str(error)[:120]}") from error
    return Sheet("", table), _pieces(path, encoding, separator, table.num_columns, rows)


def _pieces(path: Path, encoding: str, separator: str, width: int, rows: int) -> Iterator[Piece]:
    names = [f"c{i}" for i in range(width)]
    with path.open("rb") as file:
        quoted = any(b'"' in block for block in iter(lambda: file.read(2**24), b""))
    options = _csv_options(names, separator, quoted, EACH_TEXT_ONCE)
    options["read_options"].encoding = "utf-8" if encoding == "utf-8-sig" else encoding
    odd: list[tuple[int, list[str]]] = []

    def keep(row: pacsv.InvalidRow) -> str:
        cells = next(csv.reader([row.text], delimiter=separator), [])
        if len(cells) > MAX_COLUMNS:
            raise Unreadable(f"{len(cells)} columns; at most {MAX_COLUMNS} are read")
        odd.append((row.number - 1, cells))
        return "skip"

    options["parse_options"].invalid_row_handler = keep
    options["read_options"].use_threads = False
    at = passed = 0
    held: list[pa.RecordBatch] = []
    try:
        with pacsv.open_csv(path, **options) as reader:
            for batch in reader:
                held.append(batch)
                if sum(b.num_rows for b in held) >= rows:
                    yield from _numbered(held, at, odd[passed:])
                    at += sum(b.num_rows for b in held) + len(odd) - passed
                    passed, held = len(odd), []
        yield from _numbered(held, at, odd[passed:])
    except (pa.ArrowException, UnicodeDecodeError, csv.Error) as error:
        raise Unreadable(f"damaged text table: {str(error)[:120]}") from error


def _numbered(
    batches: list[pa.RecordBatch], at: int, odd: list[tuple[int, list[str]]]
) -> Iterator[Piece]:
    """The regular rows and the odd ones among them, row `at` (from 0) being the first."""
    regular = sum(batch.num_rows for batch in batches)
    numbers = np.arange(at, at + regular + len(odd))
    if regular:
        own = np.setdiff1d(numbers, [number for number, _ in odd], assume_unique=True)
        yield own + 1, pa.Table.from_batches(batches)
    if odd:
        yield np.array([number + 1 for number, _ in odd]), _text_table([cells for _, cells in odd])


# Workbooks --------------------------------------------------------------------------------------


def _read_book(path: Path) -> list[Sheet]:
    _check_size(path)
    if not zipfile.is_zipfile(path):
        try:
            check_chains(path)
        except Endless as error:
            raise Unreadable(f"damaged workbook: {error}") from error
    # Looked through beside calamine, which lets other threads run.
    with ThreadPoolExecutor(1) as thread, _without_collector():
        passed_over = thread.submit(_damaged, path)
        sheets = _sheets(path)
        damaged = passed_over.result()
        for number, name, rows, *_ in sheets:
            _put(rows, damaged.get(name) or damaged.get(number) or {})
        return [
            Sheet(name, _table(rows), hidden, merged) for _, name, rows, hidden, merged in sheets
        ]


@contextmanager
def _without_collector() -> Iterator[None]:
    """Let nobody look for garbage among rows by the ten thousand, of which none is any.

    It would take longer than to make them.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _sheets(path: Path) -> list[tuple[int, str, list[list[Any]], bool, tuple[Merged, ...]]]:
    """Number, name, rows, whether hidden, and merged cells of each sheet, as calamine has them."""
    try:
        with path.open("rb") as file:
            book = CalamineWorkbook.from_filelike(file)
            sheets = []
            for number, sheet in enumerate(book.sheets_metadata):
                if sheet.typ != SheetTypeEnum.WorkSheet:
                    continue
                hidden = sheet.visible != SheetVisibleEnum.Visible
                found = book.get_sheet_by_index(number)
                width, height = _extent(found)
                if width > MAX_COLUMNS:
                    raise Unreadable(f"{width} columns; at most {MAX_COLUMNS} are read")
                if width * height > MAX_CELLS:
                    raise Unreadable(f"{height} rows × {width} columns", "too_large")
                rows = found.to_python(skip_empty_area=False)
                merged = tuple(found.merged_cell_ranges or ())
                sheets.append((number, sheet.name, rows, hidden, merged))
    except Unreadable:
        raise
    except PasswordError as error:
        raise Unreadable("encrypted", "encrypted") from error
    except Exception as error:  # calamine's errors share no base class
        raise Unreadable(f"damaged workbook: {str(error)[:120]}") from error
    except BaseException as error:
        # Where calamine itself gives up, which is no Exception to Python.
        if type(error).__name__ != "PanicException":
            raise
        raise Unreadable(f"damaged workbook: {str(error)[:120]}") from error
    return sheets


def _extent(sheet: Any) -> tuple[int, int]:
    """Columns and rows down to the last cell that holds anything."""
    if sheet.end is None:
        return 0, 0
    row, column = sheet.end
    return column + 1, row + 1


def _check_size(path: Path) -> None:
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise Unreadable(f"damaged workbook: {str(error)[:120]}") from error
    if unpacked > MAX_UNPACKED:
        raise Unreadable(f"unpacks to {unpacked / 1e6:.0f} MB", "too_large")


def _table(rows: list[list[Any]]) -> pa.Table:
    while rows and not any(value != "" for value in rows[-1]):
        rows.pop()
    columns = zip(*rows, strict=True)
    return pa.table({f"c{i}": _as_text(column) for i, column in enumerate(columns)})


def _as_text(column: tuple[Any, ...]) -> pa.Array:
    """A workbook's column as text: 3.0 is 3, a long number shows its loss, a day is ISO."""
    kinds = set(map(type, column))
    if kinds <= {str}:
        return pa.array(column, pa.string())
    if kinds <= {str, float}:
        # Texts above numbers: a header, and what stands under it.
        first = next(at for at, value in enumerate(column) if value.__class__ is float)
        with suppress(pa.ArrowInvalid, TypeError):  # a text among the numbers
            below = _numbers(pa.array(column[first:], pa.float64()))
            return pa.concat_arrays([pa.array(column[:first], pa.string()), below])
    if bool in kinds:  # True == 1.0, so the two would share one word
        return pa.array([_word(v) for v in column], pa.string())
    words = {v: _word(v) for v in set(column) if v.__class__ is not str}
    return pa.array(list(map(words.get, column, column)), pa.string())


def _numbers(numbers: pa.Array) -> pa.Array:
    if pc.all(pc.less(pc.abs(numbers), LONG_NUMBER)).as_py():
        with suppress(pa.ArrowInvalid):  # not whole
            return numbers.cast(pa.int64()).cast(pa.string())
    each = numbers.dictionary_encode()
    words = pa.array(map(_word, each.dictionary.to_pylist()), pa.string())
    return words.take(each.indices)


def _word(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        if not abs(value) < LONG_NUMBER:  # nor is what is no number at all
            return f"{value:.2E}"
        # A spreadsheet keeps and shows 15 significant digits: 0.1 + 0.2 is 0.3 there.
        return str(int(value)) if value == int(value) else f"{value:.15g}"
    if isinstance(value, datetime):
        return value.isoformat(" ").removesuffix(" 00:00:00")
    return value.isoformat() if isinstance(value, date) else str(value)


# What a workbook's reader passes over in silence: cells with an error, formulas without a result.

CELL = re.compile(rb"<c\b([^>]*)(?<!/)>(.*?)</c>", re.S)
"""A cell that holds something: an empty one, `<c …/>`, must not swallow the next that does."""
PLACE = re.compile(rb'\br="([A-Z]{1,3})([0-9]{1,7})"')
VALUE = re.compile(rb"<v[^>]*>([^<]*)</v>")
OF_TYPE = re.compile(rb'\bt="(\w+)"')
CARRY = 2**16
"""A cell that is longer is not looked at twice where a piece of the sheet ends."""


def _damaged(path: Path) -> dict[str | int, dict[tuple[int, int], str]]:
    """Sheet → (row, column) from 0 → the error's word, or `NO_RESULT`.

    Sheets by name, those of .xls by number.
    """
    found: dict[str | int, dict[tuple[int, int], str]] = {}
    try:
        if not zipfile.is_zipfile(path):
            return dict(enumerate(lost_in_xls(path)))
        with zipfile.ZipFile(path) as archive:
            if "content.xml" in archive.namelist():
                found.update((name, cells) for name, cells in lost_in_ods(path).items())
                return found
            for name, part in _parts(archive).items():
                cells = found.setdefault(name, {})
                tail = b""
                with archive.open(part) as file:
                    for block in iter(lambda file=file: file.read(2**22), b""):  # type: ignore[misc]
                        text = tail + block
                        if b't="e"' in text or b"<f>" in text or b"<f " in text:
                            cells |= _look(text)
                        cut = text.rfind(b"<c ", max(0, len(text) - CARRY))
                        tail = text[cut:] if cut >= 0 else b""
    except (
        zipfile.BadZipFile, KeyError, ValueError, OSError, RuntimeError, struct.error,
        ElementTree.ParseError,
    ):  # fmt: skip
        return found  # calamine has read it, so what it holds stands
    return found


def _look(text: bytes) -> dict[tuple[int, int], str]:
    found = {}
    for match in CELL.finditer(text):
        attributes, inside = match.groups()
        of_type, place = OF_TYPE.search(attributes), PLACE.search(attributes)
        if place is None:
            continue
        value = VALUE.search(inside)
        kind_of = of_type[1] if of_type else b""
        where = (int(place[2]) - 1, _column_number(place[1]))
        if kind_of == b"e":
            found[where] = (value[1] if value else b"#N/A").decode("ascii", "replace")[:10]
        elif b"<f" in inside and kind_of != b"str" and not (value and value[1]):
            found[where] = NO_RESULT
    return found


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number - 1


def _parts(archive: zipfile.ZipFile) -> dict[str, str]:
    """Sheet → the part of the archive that holds its cells."""
    try:
        book = _small_xml(archive, "xl/workbook.xml")
        relations = _small_xml(archive, "xl/_rels/workbook.xml.rels")
    except KeyError:
        return {}
    targets = {r.get("Id"): str(r.get("Target")) for r in relations}
    found = {}
    for sheet in book.findall("{*}sheets/{*}sheet"):
        own = next((v for k, v in sheet.attrib.items() if k.endswith("}id")), None)
        target = targets.get(own, "")
        part = target.removeprefix("/") if target.startswith("/") else f"xl/{target}"
        if part in archive.namelist() and "/chartsheets/" not in part:
            found[str(sheet.get("name"))] = part
    return found


def _small_xml(archive: zipfile.ZipFile, part: str) -> ElementTree.Element:
    with archive.open(part) as file:
        data = file.read(2**22)
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise ValueError("a document type in a workbook")
    return ElementTree.fromstring(data)


def _put(rows: list[list[Any]], cells: dict[tuple[int, int], str]) -> None:
    """Write what stands for lost cells in their place: a text there is one; a number is the 0 that
    some programs write for a result that they do not know.
    """
    for (row, column), word in cells.items():
        if row < len(rows) and column < len(rows[row]):
            there = rows[row][column]
            if there == "" or not isinstance(there, str):
                rows[row][column] = word
