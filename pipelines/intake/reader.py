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
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
from python_calamine import CalamineWorkbook, PasswordError, SheetTypeEnum, SheetVisibleEnum

from pipelines.intake.lost_cells import Cells, Endless, check_chains, lost_in_ods, lost_in_xls
from pipelines.intake.openxml import DAMAGED, Cut, cut_up, lost_in_xlsx

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
BLANK = pa.scalar("", TEXT)
EACH_TEXT_ONCE = pa.dictionary(pa.int32(), pa.string())
"""How the cells of a large text file are held, which repeat few texts."""

T = TypeVar("T")
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
    elif cut := cut_up(path):
        with suppress(Unreadable):  # read whole, it shows what is wrong, if anything is
            return _sheets(path, cut)
    return _sheets(path)


def _sheets(path: Path, cut: Cut | None = None) -> list[Sheet]:
    """The sheets of a workbook; of one that is cut up, the large ones piece by piece."""
    pieces = cut.pieces if cut else {}
    further = {name for names in pieces.values() for name in names}
    # Looked through beside calamine, which lets other threads run.
    with ThreadPoolExecutor(1) as thread, _without_collector(), path.open("rb") as file:
        lost = thread.submit(_lost, path, pieces)
        book = _asked(CalamineWorkbook.from_filelike, cut.file if cut else file)
        if cut:
            cut.file.close()  # calamine has a copy
            if not set(pieces) <= set(book.sheet_names):
                raise Unreadable("sheets that have other names for calamine")
        sheets = []
        for number, sheet in enumerate(book.sheets_metadata):
            if sheet.typ != SheetTypeEnum.WorkSheet or sheet.name in further:
                continue
            if sheet.name in pieces:
                cells, merged = _in_pieces(book, pieces[sheet.name])
            else:
                found = _asked(book.get_sheet_by_index, number)
                _check_extent(*_extent(found))
                rows = _asked(found.to_python, skip_empty_area=False)
                _put(rows, 0, lost.result().get(sheet.name) or lost.result().get(number) or {})
                cells, merged = _table(rows), found.merged_cell_ranges
            hidden = sheet.visible != SheetVisibleEnum.Visible
            sheets.append(Sheet(sheet.name, _without_end(cells), hidden, tuple(merged or ())))
        return sheets


def _in_pieces(
    book: CalamineWorkbook, pieces: Mapping[str, Cells]
) -> tuple[pa.Table, list[Merged] | None]:
    """The cells of a sheet whose rows stand in others: one is parsed as another becomes a table.

    Raises:
        Unreadable: it has to be read whole.
    """
    parsed = ahead(_asked(book.get_sheet_by_name, name) for name in pieces)
    width = height = 0
    tables: list[tuple[int, pa.Table]] = []
    beside: Cells = {}
    merged = None
    for piece, lost in zip(parsed, pieces.values(), strict=True):
        merged = piece.merged_cell_ranges
        if piece.start is None:
            beside |= lost
            continue
        (first, left), (across, down) = piece.start, _extent(piece)
        if first < height:
            raise Unreadable("rows that are not in their order")
        width, height = max(width, across), down
        _check_extent(width, height)
        rows = _asked(piece.to_python)
        if left:
            rows = [[""] * left + row for row in rows]
        beside |= _put(rows, first, lost)
        tables.append((first, _table(rows)))
    return _put_beside(_below_each_other(tables, width), beside), merged


def ahead(pieces: Iterator[T]) -> Iterator[T]:
    """The same pieces, the next being read while one is worked on."""
    end = object()
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, pieces, end)
        while (piece := coming.result()) is not end:
            coming = thread.submit(next, pieces, end)
            yield cast(T, piece)


def _asked(work: Callable[..., Any], *args: Any, **named: Any) -> Any:
    """What calamine answers, its errors as ours."""
    try:
        return work(*args, **named)
    except PasswordError as error:
        raise Unreadable("encrypted", "encrypted") from error
    except MemoryError:
        raise
    except Exception as error:  # calamine's errors share no base class
        raise Unreadable(f"damaged workbook: {str(error)[:120]}") from error
    except BaseException as error:
        # Where calamine itself gives up, which is no Exception to Python.
        if type(error).__name__ != "PanicException":
            raise
        raise Unreadable(f"damaged workbook: {str(error)[:120]}") from error


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


def _extent(sheet: Any) -> tuple[int, int]:
    """Columns and rows down to the last cell that holds anything."""
    if sheet.end is None:
        return 0, 0
    row, column = sheet.end
    return column + 1, row + 1


def _check_extent(width: int, height: int) -> None:
    if width > MAX_COLUMNS:
        raise Unreadable(f"{width} columns; at most {MAX_COLUMNS} are read")
    if width * height > MAX_CELLS:
        raise Unreadable(f"{height} rows × {width} columns", "too_large")


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
    columns = zip(*rows, strict=True)
    return pa.table({f"c{i}": _as_text(column) for i, column in enumerate(columns)})


def _below_each_other(tables: list[tuple[int, pa.Table]], width: int) -> pa.Table:
    """One table of those that begin in these rows, with blanks where none has a cell."""

    def wide(table: pa.Table, rows: int) -> pa.Table:
        own = dict(zip(table.column_names, table.columns, strict=True))
        names = (f"c{i}" for i in range(width))
        return pa.table({n: own.get(n, pa.repeat(BLANK, rows)) for n in names})

    parts, down = [], 0
    for first, table in tables:
        if first > down:
            parts.append(wide(pa.table({}), first - down))
        parts.append(wide(table, table.num_rows))
        down = first + table.num_rows
    return pa.concat_tables(parts) if parts else pa.table({})


def _without_end(cells: pa.Table) -> pa.Table:
    """Without the blank rows below the last that holds anything."""
    if not cells.num_rows or any(column[-1].as_py() for column in cells.columns):
        return cells
    filled = (pc.not_equal(c, BLANK).to_numpy() for c in cells.columns)
    rows = max(at[-1] + 1 if len(at := np.flatnonzero(own)) else 0 for own in filled)
    return cells.slice(0, rows) if rows else pa.table({})


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


def _lost(path: Path, apart: Collection[str]) -> dict[Any, Cells]:
    """Sheet → what calamine passes over in silence: cells with an error, formulas without a result.

    Sheets by name, those of .xls by number; but for those `apart`.
    """
    try:
        if not zipfile.is_zipfile(path):
            return dict(enumerate(lost_in_xls(path)))
        with zipfile.ZipFile(path) as archive:
            if "content.xml" in archive.namelist():
                return lost_in_ods(path)
            return lost_in_xlsx(archive, apart)
    except (*DAMAGED, struct.error):
        return {}  # calamine has read it, so what it holds stands


def _put(rows: list[list[Any]], first: int, cells: Cells) -> Cells:
    """Write what stands for lost cells in their place, the first of the rows being row `first`.

    A text there is one; a number is the 0 that some programs write for a result that they do not
    know. Answers the cells that have no place among the rows.
    """
    beside = {}
    for (row, column), word in cells.items():
        if not 0 <= row - first < len(rows) or column >= len(rows[row - first]):
            beside[row, column] = word
            continue
        there = rows[row - first][column]
        if there == "" or not isinstance(there, str):
            rows[row - first][column] = word
    return beside


def _put_beside(cells: pa.Table, lost: Cells) -> pa.Table:
    """The same for cells that no piece of a sheet had a place for; the sheet may."""
    words: dict[str, dict[int, str]] = {}
    for (row, column), word in lost.items():
        if row < cells.num_rows:
            words.setdefault(f"c{column}", {})[row] = word
    for at, name in enumerate(cells.column_names):
        if name in words:
            texts = cells[name].to_pylist()
            for row, word in words[name].items():
                texts[row] = texts[row] or word
            cells = cells.set_column(at, name, pa.array(texts, pa.string()))
    return cells
