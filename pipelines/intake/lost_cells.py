"""Cells of .ods and .xls that the workbook's reader passes over or takes for a value.

They show an error, or hold a formula whose result was not saved. Of .xls, as much of the container
and of its records is read as tells where they stand. What is not as the format says ends the
search: the reader has taken the file, so what it holds stands.
"""

import re
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

Cells = dict[tuple[int, int], str]
"""Row and column from 0 → the error's word, or `NO_RESULT`."""
NO_RESULT = "="
"""Stands in the place of a formula whose result was not saved."""

MOST = 100_000
"""So many cells are told at most: one that is repeated may stand for a whole sheet of them."""
ERROR = re.compile(r"#(REF!|N/A|DIV/0!|VALUE!|NAME\?|NUM!|NULL!)")
OWN_ERROR = re.compile(r"(Err|错误):[0-9]{3}")
"""How LibreOffice shows errors that have no word in other programs, in English and in Chinese."""


# OpenDocument -----------------------------------------------------------------------------------

TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
OWN = "{urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0}"
SIGNS = re.compile(rb">(#[A-Z]|Err:[0-9]|\xe9\x94\x99\xe8\xaf\xaf:)")
"""What a document must hold for any cell of it to show an error, unless one is marked as such."""
UNCALCULATED = re.compile(
    rb"<table:(?:covered-)?table-cell\b(?=[^>]*\stable:formula=)"
    rb"(?![^>]*\soffice:(?:[a-z]+-)?value=)[^>]*(?:/>|>\s*</table:)"
)
"""A cell with a formula, without a value, and with nothing in it."""
LONGEST = 2**14
"""So many bytes of such a sign may stand before and behind the end of a piece."""


def lost_in_ods(path: Path) -> dict[str, Cells]:
    """Sheet → its lost cells, of an OpenDocument spreadsheet.

    Raises:
        KeyError, OSError, zipfile.BadZipFile, ElementTree.ParseError: it is none, or damaged.
    """
    with zipfile.ZipFile(path) as archive:
        with archive.open("content.xml") as file:
            if not _may_lose_cells(file):
                return {}
        with archive.open("content.xml") as file:
            return dict(_tables(file))


def _may_lose_cells(file: IO[bytes]) -> bool:
    tail = b""
    for block in iter(lambda: file.read(2**20), b""):
        if b"<!DOCTYPE" in block or b"<!ENTITY" in block:
            return False  # nothing that declares entities is parsed
        piece = tail + block
        if b'value-type="error"' in piece or SIGNS.search(piece):
            return True
        if b"table:formula=" in piece and UNCALCULATED.search(piece):
            return True
        tail = piece[-LONGEST:]
    return False


def _tables(file: IO[bytes]) -> Iterator[tuple[str, Cells]]:
    row = 0
    cells: Cells = {}
    for event, element in ElementTree.iterparse(file, ("start", "end")):
        if event == "start":
            if element.tag == f"{TABLE}table":
                row, cells = 0, {}
        elif element.tag == f"{TABLE}table-row":
            times = _times(element, "rows")
            for column, word in _lost(element):
                for down, across in product(range(times), column):
                    if len(cells) < MOST:
                        cells[row + down, across] = word
            row += times
            element.clear()
        elif element.tag == f"{TABLE}table":
            yield element.get(f"{TABLE}name", ""), cells
            element.clear()


def _lost(row: ElementTree.Element) -> Iterator[tuple[range, str]]:
    """Columns of a row that are lost, and what stands for them."""
    column = 0
    for cell in row:
        if cell.tag in (f"{TABLE}table-cell", f"{TABLE}covered-table-cell"):
            times = _times(cell, "columns")
            if word := _word(cell):
                yield range(column, column + times), word
            column += times


def _word(cell: ElementTree.Element) -> str:
    """What stands for a cell that is lost; empty where it is none.

    The format knows no errors: LibreOffice writes a text that is empty, Excel the number 0, each
    with the error as what is shown.
    """
    kind = cell.get(f"{OFFICE}value-type")
    inside = cell.find(f"{TEXT}p")
    shown = "".join(inside.itertext()) if inside is not None else ""
    formula = cell.get(f"{TABLE}formula") is not None
    marked = "error" in (kind, cell.get(f"{OWN}value-type"))
    if ERROR.fullmatch(shown) or OWN_ERROR.fullmatch(shown):
        return shown
    if marked:
        return "#VALUE!"
    # The empty text that a formula may give has its place, though nothing stands there.
    if formula and inside is None and kind != "string":
        valued = any(name.startswith(OFFICE) and name.endswith("value") for name in cell.attrib)
        return "" if valued else NO_RESULT
    return ""


def _times(element: ElementTree.Element, what: str) -> int:
    return max(1, min(int(element.get(f"{TABLE}number-{what}-repeated", "1")), 2**20))


# The old binary form ----------------------------------------------------------------------------

WORDS = {
    0x00: "#NULL!", 0x07: "#DIV/0!", 0x0F: "#VALUE!", 0x17: "#REF!", 0x1D: "#NAME?",
    0x24: "#NUM!", 0x2A: "#N/A",
}  # fmt: skip
FORMULA, BOOL_OR_ERROR, SHEET, END_OF_STREAM = 0x0006, 0x0205, 0x0085, 0x000A
CALCULATED_BY = 0x01C1
"""The record by which a spreadsheet program says that it has calculated the formulas."""
AT_OPENING = 2
"""The flag of a formula that is to be calculated when the file is opened."""
LAST_SECTOR = 0xFFFFFFFA
"""From here on a number in the table of sectors is none of a sector."""


def lost_in_xls(path: Path) -> list[Cells]:
    """The lost cells of each sheet of an .xls, in the order of the sheets.

    Raises:
        OSError, ValueError, struct.error: it is none, or damaged.
    """
    stream = _workbook(path.read_bytes())
    sheets = []
    calculated = False
    for kind, at, _ in _records(stream, 0):
        if kind == SHEET:
            (offset,) = struct.unpack_from("<I", stream, at)
            sheets.append(_sheet(stream, offset))
        calculated |= kind == CALCULATED_BY
    # An empty text is also what programs write that leave the calculating to others.
    calculated |= any(sheet.calculated for sheet in sheets)
    return [
        sheet.cells | ({} if calculated else dict.fromkeys(sheet.empty, NO_RESULT))
        for sheet in sheets
    ]


class Endless(ValueError):
    """A chain of sectors that comes back to itself: whoever follows it never ends."""


def check_chains(path: Path) -> None:
    """Refuse an .xls whose sectors go round in a circle; other damage is left to its reader.

    Raises:
        Endless: as it says.
        OSError: it can't be opened.
    """
    try:
        _workbook(path.read_bytes())
    except Endless:
        raise
    except (ValueError, struct.error):
        return


@dataclass
class _Sheet:
    cells: Cells = field(default_factory=dict)
    empty: list[tuple[int, int]] = field(default_factory=list)
    """Formulas whose result is an empty text."""
    calculated: bool = False
    """Whether any formula has another result."""


def _sheet(stream: bytes, offset: int) -> _Sheet:
    found = _Sheet()
    for kind, at, size in _records(stream, offset):
        if kind == BOOL_OR_ERROR and size >= 8:
            row, column, _, code, is_error = struct.unpack_from("<HHHBB", stream, at)
            if is_error and code in WORDS:
                found.cells[row, column] = WORDS[code]
        elif kind == FORMULA and size >= 16:
            # Eight bytes of result: a number, or a mark and what else it is.
            row, column, _, what, code, mark, flags = struct.unpack_from("<HHHBxBxxxHH", stream, at)
            special = mark == 0xFFFF
            if special and what == 2 and code in WORDS:
                found.cells[row, column] = WORDS[code]
            if special and what == 3:
                found.empty.append((row, column))
            elif flags & AT_OPENING and not any(stream[at + 6 : at + 14]):
                # So do others write it that calculate nothing: the number 0.
                found.cells[row, column] = NO_RESULT
            else:
                found.calculated = True
    return found


def _records(stream: bytes, at: int) -> Iterator[tuple[int, int, int]]:
    """Kind, place and size of each record from a place on, to the end of its part."""
    while at + 4 <= len(stream):
        kind, size = struct.unpack_from("<HH", stream, at)
        if kind == END_OF_STREAM:
            return
        yield kind, at + 4, size
        at += 4 + size


def _workbook(data: bytes) -> bytes:
    """The stream of a compound file that holds the workbook."""
    shift, small_shift = struct.unpack_from("<HH", data, 30)
    (first_entry,) = struct.unpack_from("<I", data, 48)
    least, first_small, _, first_more, _ = struct.unpack_from("<IIIII", data, 56)
    if not 7 <= shift <= 16 or small_shift > shift:
        raise ValueError("no compound file")
    size = 1 << shift

    def sector(number: int) -> bytes:
        return data[(number + 1) * size : (number + 2) * size]

    # The table of sectors is itself kept in sectors, of which the head lists the first 109.
    listed = list(struct.unpack_from("<109I", data, 76))
    for _ in range(len(data) // size):
        if first_more >= LAST_SECTOR:
            break
        more = struct.unpack(f"<{size // 4}I", sector(first_more))
        listed, first_more = [*listed, *more[:-1]], more[-1]
    table = b"".join(sector(number) for number in listed if number < LAST_SECTOR)
    follows = struct.unpack(f"<{len(table) // 4}I", table)

    def chain(first: int, follows: tuple[int, ...]) -> list[int]:
        numbers: list[int] = []
        while first < LAST_SECTOR:
            if len(numbers) > len(follows):
                raise Endless("sectors go round in a circle")
            numbers.append(first)
            first = follows[first] if first < len(follows) else LAST_SECTOR
        return numbers

    def whole(first: int) -> bytes:
        return b"".join(map(sector, chain(first, follows)))

    entries = whole(first_entry)
    chain(first_small, follows)  # readers follow it whether they need it or not
    root: tuple[int, int] = (LAST_SECTOR, 0)
    for at in range(0, len(entries) - 127, 128):
        (length,) = struct.unpack_from("<H", entries, at + 64)
        name = entries[at : at + max(0, length - 2)].decode("utf-16-le", "replace")
        first, length = struct.unpack_from("<II", entries, at + 116)
        if entries[at + 66] == 5:
            root = (first, length)
            chain(first, follows)
        if name in ("Workbook", "Book"):
            if length >= least:
                return whole(first)[:length]
            # Small streams share the sectors of the root, in a table of their own.
            small = struct.unpack(f"<{len(whole(first_small)) // 4}I", whole(first_small))
            shared, unit = whole(root[0]), 1 << small_shift
            parts = (shared[n * unit : (n + 1) * unit] for n in chain(first, small))
            return b"".join(parts)[:length]
    raise ValueError("no workbook in it")
