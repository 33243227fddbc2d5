"""An .xlsx workbook as the archive that it is.

Which part of it holds which sheet; the cells that its reader passes over in silence, which show an
error or hold a formula whose result was not saved; and a copy in which the rows of a large sheet
stand in several, so that they can be read piece by piece.
"""

import io
import re
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
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
    """Sheet → its lost cells, but for the sheets `apart`; what is damaged ends the search."""
    found: dict[str, Cells] = {}
    with suppress(*DAMAGED):
        for name, part in sheet_parts(archive).items():
            if name in apart:
                continue
            cells = found.setdefault(name, {})
            tail = b""
            with archive.open(part) as file:
                while block := file.read(2**22):
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
"""Bytes of XML from which on a sheet is cut."""
PIECE = 2**22
"""About so many bytes of it make a piece."""
MAX_CUT = 2**29
"""A workbook whose parts are larger is left whole: cut up, it is held in memory."""
LONGEST_ROW = 2**24
DATA, END_OF_DATA, END = b"<sheetData", b"</sheetData>", b"</sheetData></worksheet>"
NUMBERED_ROW = re.compile(rb'<row (?:[^>]*?\s)?r="')
"""A row that says which it is, whatever stands above it."""
IDENTITY = re.compile(rb'\s(\w+:id)="')
NO_MERGED = b"<mergeCells></mergeCells>"
"""In front of the cells, so that nobody looks for merged cells behind them."""
WORKSHEET = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet"


@dataclass(frozen=True)
class Cut:
    """A workbook in which the rows of each large sheet stand in others, behind all sheets."""

    file: io.BytesIO
    """The workbook, not compressed."""
    pieces: dict[str, dict[str, Cells]]
    """Large sheet, which itself holds nothing → the sheets that its rows stand in, in their order,
    each with the lost cells of those rows. What is merged in it, the last one says."""


def cut_up(path: Path) -> Cut | None:
    """A large workbook cut up; None where no sheet is large, or one is not as plain as need be.

    Who reads it whole says what is wrong with it, if anything is.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _cut_up(archive)
    except DAMAGED:
        return None


def _cut_up(archive: zipfile.ZipFile) -> Cut | None:
    own = [e for e in archive.infolist() if e.filename.endswith((".xml", ".rels"))]
    if all(e.file_size < LARGE_SHEET for e in own) or sum(e.file_size for e in own) > MAX_CUT:
        return None
    entries, parts = {e.filename: e for e in own}, _unambiguous_parts(archive)
    large = {p: name for name, p in parts.items() if entries[p].file_size >= LARGE_SHEET}
    if not large:
        return None
    pieces: dict[str, dict[str, Cells]] = {name: {} for name in large.values()}
    added: dict[str, str] = {}
    cut = io.BytesIO()
    with zipfile.ZipFile(cut, "w") as target:
        for part, entry in entries.items():
            if part in large:
                with archive.open(entry) as file:
                    for texts in _cut(file):
                        # Neither a sheet nor a part of a workbook has such a name.
                        name = f"[{len(added)}]"
                        added[name] = f"xl/{name}.xml"
                        pieces[large[part]][name] = lost_in_xml(texts[1])
                        with target.open(added[name], "w") as piece:
                            piece.writelines(texts)
            elif part not in (BOOK, RELATIONS):
                target.writestr(part, archive.read(entry))
        if set(added) & set(parts) or set(added.values()) & set(entries):
            return None
        _name_added(archive, target, added)
    cut.seek(0)
    return Cut(cut, pieces)


def _unambiguous_parts(archive: zipfile.ZipFile) -> dict[str, str]:
    """As `sheet_parts`, where nobody could take one part for another.

    Raises:
        ValueError: somebody could.
    """
    parts = sheet_parts(archive)
    names: list[list[str | None]] = [
        [name.lower() for name in archive.namelist()],
        [r.get("Id") for r in _small_xml(archive, RELATIONS)],
        [s.get("name") for s in _small_xml(archive, BOOK).findall("{*}sheets/{*}sheet")],
        list(parts.values()),
    ]
    if any(None in each or len(set(each)) < len(each) for each in names):
        raise ValueError("a name that is missing or stands twice")
    return parts


def _name_added(archive: zipfile.ZipFile, target: zipfile.ZipFile, added: dict[str, str]) -> None:
    """Name further sheets, and their parts, behind those of a workbook.

    Raises:
        ValueError: where they are named isn't found.
    """
    book, relations = archive.read(BOOK), archive.read(RELATIONS)
    identity = IDENTITY.search(book)
    ends = (b"</sheets>", b"</Relationships>")
    if identity is None or not book.count(ends[0]) == relations.count(ends[1]) == 1:
        raise ValueError("a workbook written in an unusual way")
    sheets = [
        f'<sheet name="{name}" sheetId="{2**20 + at}" {identity[1].decode()}="piece{at}"/>'
        for at, name in enumerate(added)
    ]
    places = [
        f'<Relationship Id="piece{at}" Type="{WORKSHEET}" Target="/{part}"/>'
        for at, part in enumerate(added.values())
    ]
    target.writestr(BOOK, book.replace(ends[0], "".join(sheets).encode() + ends[0]))
    target.writestr(RELATIONS, relations.replace(ends[1], "".join(places).encode() + ends[1]))


def _cut(file: IO[bytes]) -> Iterator[tuple[bytes, bytes, bytes]]:
    """What stands in front of some rows of a sheet, those rows, and what is to follow them.

    Raises:
        ValueError: what looks like a row may be none, or nothing does.
    """
    text = file.read(PIECE)
    first = text.find(b">", text.find(DATA)) + 1
    head, text = text[:first], text[first:]
    if DATA not in head or head.endswith(b"/>"):
        raise ValueError("no rows")
    _check_plain(head.removeprefix(b"\xef\xbb\xbf").removeprefix(b"<?xml"))
    early = head.replace(DATA, NO_MERGED + DATA)
    while block := file.read(PIECE):
        if at := _last_row(text):
            _check_plain(text[:at])
            yield early, text[:at], END
            text = text[at:]
        elif len(text) > PIECE + LONGEST_ROW:
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
