"""Cells of .ods and .xls that the workbook's reader passes over: an error in place of a value.

Of .xls, as much of the container and of its records is read as tells where errors stand. What is
not as the format says ends the search: the reader has taken the file, so what it holds stands.
"""

import re
import struct
import zipfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

Cells = dict[tuple[int, int], str]
"""Row and column from 0 → the error's word."""

MOST = 100_000
"""So many cells are told at most: one that is repeated may stand for a whole sheet of them."""
ERROR = re.compile(r"#(REF!|N/A|DIV/0!|VALUE!|NAME\?|NUM!|NULL!)")
OWN_ERROR = re.compile(r"Err:[0-9]{3}")
"""How LibreOffice shows errors that have no word in other programs."""


# OpenDocument -----------------------------------------------------------------------------------

TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
SIGNS = re.compile(rb">(#[A-Z]|Err:[0-9])")
"""What a document must hold for any cell of it to show an error."""


def lost_in_ods(path: Path) -> dict[str, Cells]:
    """Sheet → its cells with an error, of an OpenDocument spreadsheet.

    Raises:
        KeyError, OSError, zipfile.BadZipFile, ElementTree.ParseError: it is none, or damaged.
    """
    with zipfile.ZipFile(path) as archive:
        with archive.open("content.xml") as file:
            if not _may_hold_errors(file):
                return {}
        with archive.open("content.xml") as file:
            return dict(_tables(file))


def _may_hold_errors(file: IO[bytes]) -> bool:
    tail = b""
    for block in iter(lambda: file.read(2**20), b""):
        if b"<!DOCTYPE" in block or b"<!ENTITY" in block:
            return False  # nothing that declares entities is parsed
        if SIGNS.search(tail + block):
            return True
        tail = block[-8:]
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
            for column, word in _errors(element):
                for down, across in product(range(times), column):
                    if len(cells) < MOST:
                        cells[row + down, across] = word
            row += times
            element.clear()
        elif element.tag == f"{TABLE}table":
            yield element.get(f"{TABLE}name", ""), cells
            element.clear()


def _errors(row: ElementTree.Element) -> Iterator[tuple[range, str]]:
    """Columns of a row that show an error, and its word."""
    column = 0
    for cell in row:
        if cell.tag in (f"{TABLE}table-cell", f"{TABLE}covered-table-cell"):
            times = _times(cell, "columns")
            shown = cell.findtext(f"{TEXT}p") or ""
            if OWN_ERROR.fullmatch(shown):
                shown = "#VALUE!"
            if ERROR.fullmatch(shown):
                yield range(column, column + times), shown
            column += times


def _times(element: ElementTree.Element, what: str) -> int:
    return max(1, min(int(element.get(f"{TABLE}number-{what}-repeated", "1")), 2**20))


# The old binary form ----------------------------------------------------------------------------

WORDS = {
    0x00: "#NULL!", 0x07: "#DIV/0!", 0x0F: "#VALUE!", 0x17: "#REF!", 0x1D: "#NAME?",
    0x24: "#NUM!", 0x2A: "#N/A",
}  # fmt: skip
FORMULA, BOOL_OR_ERROR, SHEET, END_OF_STREAM = 0x0006, 0x0205, 0x0085, 0x000A
LAST_SECTOR = 0xFFFFFFFA
"""From here on a number in the table of sectors is none of a sector."""


def lost_in_xls(path: Path) -> list[Cells]:
    """The cells with an error of each sheet of an .xls, in the order of the sheets.

    Raises:
        OSError, ValueError, struct.error: it is none, or damaged.
    """
    stream = _workbook(path.read_bytes())
    found = []
    for kind, at, _ in _records(stream, 0):
        if kind == SHEET:
            (offset,) = struct.unpack_from("<I", stream, at)
            found.append(_sheet(stream, offset))
    return found


def _sheet(stream: bytes, offset: int) -> Cells:
    cells: Cells = {}
    for kind, at, size in _records(stream, offset):
        if kind == BOOL_OR_ERROR and size >= 8:
            row, column, _, code, is_error = struct.unpack_from("<HHHBB", stream, at)
        elif kind == FORMULA and size >= 14:
            # Eight bytes of result: a number, or a mark and what else it is.
            row, column, _, what, code, mark = struct.unpack_from("<HHHBxBxxxH", stream, at)
            is_error = what == 2 and mark == 0xFFFF
        else:
            continue
        if is_error and code in WORDS:
            cells[row, column] = WORDS[code]
    return cells


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
                raise ValueError("a chain of sectors without end")
            numbers.append(first)
            first = follows[first] if first < len(follows) else LAST_SECTOR
        return numbers

    def whole(first: int) -> bytes:
        return b"".join(map(sector, chain(first, follows)))

    entries = whole(first_entry)
    root: tuple[int, int] = (LAST_SECTOR, 0)
    for at in range(0, len(entries) - 127, 128):
        (length,) = struct.unpack_from("<H", entries, at + 64)
        name = entries[at : at + max(0, length - 2)].decode("utf-16-le", "replace")
        first, length = struct.unpack_from("<II", entries, at + 116)
        if entries[at + 66] == 5:
            root = (first, length)
        if name in ("Workbook", "Book"):
            if length >= least:
                return whole(first)[:length]
            # Small streams share the sectors of the root, in a table of their own.
            small = struct.unpack(f"<{len(whole(first_small)) // 4}I", whole(first_small))
            shared, unit = whole(root[0]), 1 << small_shift
            parts = (shared[n * unit : (n + 1) * unit] for n in chain(first, small))
            return b"".join(parts)[:length]
    raise ValueError("no workbook in it")
