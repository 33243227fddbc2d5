"""Grids of cells as files: text and workbooks of four kinds; equal cells give equal bytes.

`.xlsx` and `.xlsm` come from xlsxwriter. `.ods` and `.xls` are written here in the little that a
plain table needs, since no writer of theirs is among the project's dependencies.
"""

import csv
import io
import struct
import zipfile
from dataclasses import dataclass, field
from datetime import date, datetime
from xml.sax.saxutils import escape, quoteattr

import xlsxwriter

CREATED = datetime(2024, 1, 1)
"""Written into every workbook, so that equal content gives equal bytes."""
ZIPPED = (1980, 1, 1, 0, 0, 0)
ERRORS = ("#REF!", "#N/A", "#VALUE!", "#DIV/0!")


@dataclass(frozen=True)
class Formula:
    """A cell that a formula fills, with the result that was saved beside it."""

    text: str
    value: str
    """Empty: the result was not saved."""


Cell = str | int | float | date | Formula


@dataclass
class Page:
    """One sheet as it is written."""

    name: str
    rows: list[list[Cell]]
    merges: list[tuple[int, int, int, int]] = field(default_factory=list)
    """First row, first column, last row, last column, from 0."""
    hidden: bool = False
    chart: bool = False
    """A chart sheet; its rows are not written."""


def text_of(cell: Cell) -> str:
    """A cell as a text file holds it."""
    if isinstance(cell, Formula):
        return cell.value
    if isinstance(cell, float):
        return f"{cell:.2E}" if abs(cell) >= 1e11 else f"{cell:.10g}"
    return str(cell)


def as_text(page: Page, separator: str, encoding: str, line_end: str = "\n") -> bytes:
    """A page as separated text; encodings `utf-16-le` and `utf-16-be` get their mark."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=separator, lineterminator=line_end)
    writer.writerows([[text_of(cell) for cell in row] for row in page.rows])
    mark = "\ufeff" if encoding.startswith("utf-16") else ""
    return (mark + out.getvalue()).encode(encoding)


def as_xlsx(pages: list[Page], macros: bool = False) -> bytes:
    """Pages as `.xlsx`, or as the `.xlsm` that a workbook with macros becomes."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True, "default_date_format": "yyyy/m/d"}) as book:
        book.set_properties({"created": CREATED})
        centred = book.add_format({"align": "center"})
        for page in pages:
            if page.chart:
                _chart(book, page.name, pages[0])
                continue
            sheet = book.add_worksheet(page.name)
            if page.hidden:
                sheet.hide()
            for r0, c0, r1, c1 in page.merges:
                sheet.merge_range(r0, c0, r1, c1, "", centred)
            for r, row in enumerate(page.rows):
                for c, cell in enumerate(row):
                    if isinstance(cell, Formula):
                        value = cell.value
                        numeric = value.replace(".", "", 1).isdigit()
                        sheet.write_formula(
                            r, c, cell.text, None, float(value) if numeric else value
                        )
                    elif isinstance(cell, date):
                        sheet.write_datetime(r, c, datetime(cell.year, cell.month, cell.day))
                    elif isinstance(cell, str):
                        if cell:
                            sheet.write_string(r, c, cell)
                    else:
                        sheet.write_number(r, c, cell)
        shown = [i for i, page in enumerate(pages) if not page.hidden]
        if shown and shown[0]:
            sheets = book.worksheets()
            sheets[shown[0]].set_first_sheet()
            sheets[shown[0]].activate()
    data = out.getvalue()
    return _with_macros(data) if macros else data


def _chart(book: xlsxwriter.Workbook, name: str, page: Page) -> None:
    chart = book.add_chart({"type": "column"})
    last = max(1, len(page.rows) - 1)
    chart.add_series({"values": [page.name, 1, 0, last, 0]})
    book.add_chartsheet(name).set_chart(chart)


def _with_macros(data: bytes) -> bytes:
    plain = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
    macro = b"application/vnd.ms-excel.sheet.macroEnabled.main+xml"
    with zipfile.ZipFile(io.BytesIO(data)) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    parts["[Content_Types].xml"] = parts["[Content_Types].xml"].replace(plain, macro)
    return _zip(parts)


def _zip(parts: dict[str, bytes], stored: tuple[str, ...] = ()) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as book:
        for name, content in parts.items():
            kind = zipfile.ZIP_STORED if name in stored else zipfile.ZIP_DEFLATED
            book.writestr(zipfile.ZipInfo(name, ZIPPED), content, kind)
    return out.getvalue()


# OpenDocument -----------------------------------------------------------------------------------

_ODS_TYPE = "application/vnd.oasis.opendocument.spreadsheet"
_ODS_SPACES = " ".join(
    f'xmlns:{short}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for short, name in (
        ("office", "office"),
        ("table", "table"),
        ("text", "text"),
        ("style", "style"),
    )
)


def _ods_cell(cell: Cell) -> str:
    text = text_of(cell)
    if text == "":
        return "<table:table-cell/>"
    if isinstance(cell, date):
        kind = f'office:value-type="date" office:date-value="{cell.isoformat()}"'
    elif isinstance(cell, int | float):
        kind = f'office:value-type="float" office:value="{cell!r}"'
    else:
        kind = 'office:value-type="string"'
    lines = "".join(f"<text:p>{_ods_text(line)}</text:p>" for line in text.split("\n"))
    return f"<table:table-cell {kind}>{lines}</table:table-cell>"


def _ods_text(line: str) -> str:
    # Plain XML runs blanks together: the format has an element for each.
    return escape(line).replace(" ", "<text:s/>").replace("\t", "<text:tab/>")


def as_ods(pages: list[Page]) -> bytes:
    """Pages as an OpenDocument spreadsheet; merged ranges are not kept."""
    tables = []
    for page in pages:
        style = ' table:style-name="hidden"' if page.hidden else ""
        rows = "".join(
            f"<table:table-row>{''.join(map(_ods_cell, row)) or _ods_cell('')}</table:table-row>"
            for row in page.rows
        )
        tables.append(f"<table:table table:name={quoteattr(page.name)}{style}>{rows}</table:table>")
    content = (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document-content {_ODS_SPACES} '
        'office:version="1.2"><office:automatic-styles><style:style style:name="hidden" '
        'style:family="table"><style:table-properties table:display="false"/></style:style>'
        "</office:automatic-styles><office:body><office:spreadsheet>"
        f"{''.join(tables)}</office:spreadsheet></office:body></office:document-content>"
    )
    manifest = (
        '<?xml version="1.0" encoding="UTF-8"?><manifest:manifest '
        'xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
        f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{_ODS_TYPE}"/>'
        '<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/>'
        "</manifest:manifest>"
    )
    parts = {
        "mimetype": _ODS_TYPE.encode(),
        "content.xml": content.encode(),
        "META-INF/manifest.xml": manifest.encode(),
    }
    return _zip(parts, stored=("mimetype",))


# The old binary form ----------------------------------------------------------------------------

MAX_XLS_BYTES = 6_000_000
"""What the container below can hold without a second level of its table of sectors."""
SECTOR = 512
END, FREE, TABLE = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD


def as_xls(pages: list[Page]) -> bytes:
    """Pages as `.xls` (BIFF8); dates are written as text, merged ranges are not kept.

    Raises:
        ValueError: too large.
    """
    bodies = [_xls_sheet(page) for page in pages]
    head = _record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0005, 0x0DBB, 0x07CC, 0, 6))
    head += _record(0x0042, struct.pack("<H", 1200))  # text is UTF-16
    # A font and a cell format each are the least that readers expect.
    head += _record(
        0x0031,
        struct.pack("<HHHHHBBBB", 200, 0, 0x7FFF, 400, 0, 0, 0, 0, 0) + b"\x05\x00" + b"Arial",
    )
    head += _record(0x00E0, struct.pack("<HHHBBBBIIH", 0, 0, 0, 0x20, 0, 0, 0, 0, 0, 0x20C0))
    sheets = [
        (struct.pack("<BB", 1 if page.hidden else 0, 0), _xls_name(page.name)) for page in pages
    ]
    size = len(head) + sum(4 + 4 + 2 + len(name) for _, name in sheets) + 4
    stream = head
    for (state, name), body in zip(sheets, bodies, strict=True):
        stream += _record(0x0085, struct.pack("<I", size) + state + name)
        size += len(body)
    stream += _record(0x000A, b"") + b"".join(bodies)
    if len(stream) > MAX_XLS_BYTES:
        raise ValueError("too large for .xls")
    return compound_file({"Workbook": stream})


def _record(kind: int, data: bytes) -> bytes:
    return struct.pack("<HH", kind, len(data)) + data


def _xls_name(name: str) -> bytes:
    return struct.pack("<BB", len(name), 1) + name.encode("utf-16-le")


def _xls_sheet(page: Page) -> bytes:
    width = max(map(len, page.rows), default=0)
    parts = [
        _record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0010, 0x0DBB, 0x07CC, 0, 6)),
        _record(0x0200, struct.pack("<IIHHH", 0, len(page.rows), 0, width, 0)),
    ]
    for r, row in enumerate(page.rows):
        for c, cell in enumerate(row):
            if isinstance(cell, int | float):
                parts.append(_record(0x0203, struct.pack("<HHHd", r, c, 0, float(cell))))
            elif text := text_of(cell):
                data = text.encode("utf-16-le")
                head = struct.pack("<HHHHB", r, c, 0, len(data) // 2, 1)
                parts.append(_record(0x0204, head + data))
    parts.append(_record(0x000A, b""))
    return b"".join(parts)


def compound_file(streams: dict[str, bytes]) -> bytes:
    """Streams in the container of old office files (and of encrypted new ones).

    Streams come in the order of the format: the shorter name first, then by letter. Every one is
    filled up to the size from which it needs no table of small sectors.
    """
    padded = {
        name: data.ljust(4096, b"\0").ljust(-(-max(len(data), 4096) // SECTOR) * SECTOR, b"\0")
        for name, data in streams.items()
    }
    entries, chain, body = [_entry("Root Entry", 5, END, 0, child=1)], [], b""
    chain.append(END)  # the directory, one sector of four entries
    for i, (name, data) in enumerate(padded.items()):
        start, count = len(chain), len(data) // SECTOR
        chain += [start + k + 1 for k in range(count - 1)] + [END]
        right = i + 2 if i + 1 < len(padded) else FREE
        entries.append(_entry(name, 2, start, len(data), right=right))
        body += data
    entries += [_entry("", 0, 0, 0)] * (4 - len(entries))
    tables = 1
    while tables * 128 < len(chain) + tables:
        tables += 1
    first = len(chain)
    chain += [TABLE] * tables
    table = struct.pack(f"<{len(chain)}I", *chain).ljust(tables * SECTOR, b"\xff")
    listed = [first + k for k in range(tables)] + [FREE] * (109 - tables)
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    head += struct.pack("<HHHHH6xIIIIIIIII", 0x3E, 3, 0xFFFE, 9, 6, 0, tables, 0, 0, 4096,
                        END, 0, END, 0)  # fmt: skip
    return head + struct.pack("<109I", *listed) + b"".join(entries) + body + table


def _entry(
    name: str, kind: int, start: int, size: int, child: int = FREE, right: int = FREE
) -> bytes:
    text = name.encode("utf-16-le")
    length = len(text) + 2 if name else 0
    return (
        text.ljust(64, b"\0")
        + struct.pack("<HBBIII", length, kind, 1, FREE, right, child)
        + bytes(16 + 4 + 16)
        + struct.pack("<IQ", start, size)
    )


def encrypted_workbook() -> bytes:
    """What a workbook with a password looks like from outside; nothing is inside."""
    return compound_file({"EncryptionInfo": b"\x04\0\x04\0", "EncryptedPackage": b"\x5a" * 8192})
