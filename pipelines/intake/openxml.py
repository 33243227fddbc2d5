"""An .xlsx workbook as the archive that it is.

Which part of it holds which sheet; the cells that its reader passes over in silence, which show an
error or hold a formula whose result was not saved; and a large sheet in pieces, each a workbook.
"""

import io
import re
import zipfile
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

from pipelines.intake.lost_cells import NO_RESULT, Cells

DAMAGED = (
    zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, OSError, RuntimeError,
    ElementTree.ParseError,
)  # fmt: skip
"""What a damaged archive raises."""

BOOK, RELATIONS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"


def sheet_parts(archive: zipfile.ZipFile) -> dict[str, str]:
    """Sheet → the part of the archive that holds its cells; empty where it is no .xlsx.

    Raises:
        `DAMAGED`: it is damaged.
    """
    try:
        book, relations = _small_xml(archive, BOOK), _small_xml(archive, RELATIONS)
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


# Lost cells -------------------------------------------------------------------------------------

CELL = re.compile(rb"<c\b([^>]*)(?<!/)>(.*?)</c>", re.S)
"""A cell that holds something: an empty one, `<c …/>`, must not swallow the next that does."""
PLACE = re.compile(rb'\br="([A-Z]{1,3})([0-9]{1,7})"')
VALUE = re.compile(rb"<v[^>]*>([^<]*)</v>")
OF_TYPE = re.compile(rb'\bt="(\w+)"')
CARRY = 2**16
"""A cell that is longer is not looked at twice where a block of the sheet ends."""


def lost_in_xlsx(archive: zipfile.ZipFile, apart: Collection[str] = ()) -> dict[str, Cells]:
    """Sheet → its lost cells, but for the sheets `apart`.

    Raises:
        `DAMAGED`: it is damaged.
    """
    found: dict[str, Cells] = {}
    for name, part in sheet_parts(archive).items():
        if name in apart:
            continue
        cells = found.setdefault(name, {})
        tail = b""
        with archive.open(part) as file:
            for block in iter(lambda file=file: file.read(2**22), b""):  # type: ignore[misc]
                text = tail + block
                cells |= lost_in_xml(text)
                cut = text.rfind(b"<c ", max(0, len(text) - CARRY))
                tail = text[cut:] if cut >= 0 else b""
    return found


def lost_in_xml(text: bytes) -> Cells:
    """The lost cells among some rows of a sheet."""
    # A single letter is found much faster, and most sheets are without this one.
    if b't="e"' not in text and not (b"f" in text and (b"<f>" in text or b"<f " in text)):
        return {}
    found: Cells = {}
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


# Pieces -----------------------------------------------------------------------------------------

LARGE_SHEET = 2**23
"""Bytes of XML from which on a sheet is read in pieces."""
PIECE = 2**22
"""About so many bytes of it make a piece."""
TIMES_SHARED = 4
"""A piece is so many times as large as what goes with each, so that this costs little."""
MAX_SHARED = 2**26
LONGEST_ROW = 2**24
DATA, END_OF_DATA, END = b"<sheetData", b"</sheetData>", b"</sheetData></worksheet>"
NUMBERED_ROW = re.compile(rb'<row (?:[^>]*?\s)?r="')
"""A row that says which it is, whatever stands above it."""
NO_MERGED = b"<mergeCells></mergeCells>"
"""In front of the cells, so that nobody looks for merged cells behind them."""


def large_sheets(path: Path) -> set[str]:
    """The sheets of a workbook that are better read in pieces."""
    try:
        with zipfile.ZipFile(path) as archive:
            if all(entry.file_size < LARGE_SHEET for entry in archive.infolist()):
                return set()
            parts = sheet_parts(archive)
            return {n for n, p in parts.items() if archive.getinfo(p).file_size >= LARGE_SHEET}
    except DAMAGED:
        return set()  # who reads it whole says what is wrong with it


def in_pieces(path: Path, sheet: str) -> Iterator[tuple[io.BytesIO, Cells]]:
    """Workbooks that each hold some rows of a sheet, in their order, and those rows' lost cells.

    What is merged in the sheet, the last one says. Formats and shared texts go with each.

    Raises:
        `DAMAGED`: it is damaged, or not as plain as it should be to be cut.
    """
    with zipfile.ZipFile(path) as archive:
        parts = sheet_parts(archive)
        part = parts[sheet]
        shared = [
            entry
            for entry in archive.infolist()
            if entry.filename.count("/") < 2 or entry.filename == RELATIONS
            if entry.filename.endswith((".xml", ".rels")) and entry.filename not in parts.values()
        ]
        weight = sum(entry.file_size for entry in shared)
        if weight > MAX_SHARED:
            raise ValueError("more to go with each piece than a piece is worth")
        common = {entry.filename: archive.read(entry) for entry in shared}
        with archive.open(part) as file:
            for texts in _cut(file, max(PIECE, TIMES_SHARED * weight)):
                piece = io.BytesIO()
                with zipfile.ZipFile(piece, "w") as target:
                    for name, data in common.items():
                        target.writestr(name, data)
                    with target.open(part, "w") as rows:
                        rows.writelines(texts)
                piece.seek(0)
                yield piece, lost_in_xml(texts[1])


def _cut(file: IO[bytes], size: int) -> Iterator[tuple[bytes, bytes, bytes]]:
    """What stands in front of some rows of a sheet, those rows, and what is to follow them.

    Raises:
        ValueError: what looks like a row may be none, or nothing does.
    """
    text = file.read(size)
    first = text.find(b">", text.find(DATA)) + 1
    head, text = text[:first], text[first:]
    if DATA not in head or head.endswith(b"/>"):
        raise ValueError("no rows")
    _check_plain(head.removeprefix(b"\xef\xbb\xbf").removeprefix(b"<?xml"))
    early = head.replace(DATA, NO_MERGED + DATA)
    while block := file.read(size):
        if at := _last_row(text):
            _check_plain(text[:at])
            yield early, text[:at], END
            text = text[at:]
        elif len(text) > size + LONGEST_ROW:
            raise ValueError("rows without numbers")
        text += block
    _check_plain(text)
    end = text.rindex(END_OF_DATA)
    yield head, text[:end], text[end:]


def _check_plain(text: bytes) -> None:
    """Refuse comments and the like, in which a row might stand that is none."""
    if any(sign in text and b"<" + sign in text for sign in (b"!", b"?")):
        raise ValueError("markup that is no element")


def _last_row(text: bytes) -> int:
    """Where the last row begins that says which it is; 0 where none does."""
    at = text.rfind(b"<row ")
    while at > 0 and not NUMBERED_ROW.match(text, at):
        at = text.rfind(b"<row ", 0, at)
    return max(at, 0)
