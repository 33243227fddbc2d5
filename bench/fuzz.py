"""Damaged files of every form, and what each reader comes to: `python -m bench.fuzz`.

Sound files are damaged at random (bytes flipped, cut out, doubled, put in from a list of tricks;
parts of a workbook's XML likewise, zipped again; of an .xls bytes in their place, so that its
container holds) and read as intake reads them, in a process of its own. Each must give sheets or
one of the rules of an unreadable file, within the limits of time and memory; and an .xlsx that is
read in small pieces what it gives when it is read whole. Anything else is told with the seed that
makes it again, and the exit code is 1.
"""

import argparse
import io
import random
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import openpyxl
import xlwt
from rich.progress import track

from bench.measure import Measure, report
from pipelines.intake import openxml
from pipelines.intake.gather import Gathered, gather
from pipelines.intake.pool import UNFORESEEN, in_turn
from pipelines.intake.reader import Unreadable, read_sheets

HEADER: list[Any] = ["学籍号", "姓名", "学校", "年级", "班级", "语文", "数学", "总分"]
ROWS: list[list[Any]] = [
    [f"L37049920100{i:07d}", f"虚生{i}", "第一小学", "五年级", i % 4 + 1, 80.5, 90, 170.5]
    for i in range(30)
]
TRICKS = [
    b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b'"', b"'", b",,,,,,,,", b"\r", b"\n", b"\t", b";",
    b"=1+1", b"<", b"&", b"&#0;", b"<!DOCTYPE x [<!ENTITY y 'z'>]>&y;", b"]]>", b"9" * 400,
    b"-", b"1e999", b"NaN", b'r="XFD1048576"', b'r="A0"', b"t=\"e\"", b"</row>", b"<c/>", b"\x1a",
    "，".encode("gb18030"), "﻿".encode(), b"\xd8\x00", b"../../etc/passwd", b"A" * 70_000,
]  # fmt: skip
PIECES = ".xlsx in pieces"
READERS = ("text", ".xlsx", ".xls", ".ods", PIECES)
SMALL: dict[str, Any] = {"LARGE_SHEET": 1, "PIECE": 1500}
"""So that each sheet of a small workbook is cut up."""
HEAD = 512
"""Bytes of the head of an .xls, which says where its parts stand."""
LIMIT_SECONDS, LIMIT_MEGABYTES = 20.0, 1500


def sound_files() -> dict[str, bytes]:
    """One file of each form, by its suffix and encoding."""
    lines = "\n".join(",".join(map(str, row)) for row in [HEADER, *ROWS])
    files = {
        f"text-{encoding}{suffix}": lines.replace(",", separator).encode(encoding)
        for encoding in ("utf-8", "utf-8-sig", "utf-16", "gb18030")
        for suffix, separator in ((".csv", ","), (".tsv", "\t"), (".txt", ";"))
    }
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for row in [["八中成绩"], HEADER, *ROWS, ["合计", *[""] * 6, "=SUM(H3:H32)"]]:
        sheet.append(row)
    sheet.merge_cells("A1:H1")
    book.create_sheet("续").append(ROWS[0])
    made = io.BytesIO()
    book.save(made)
    files |= {"book.xlsx": made.getvalue()}
    old = xlwt.Workbook()
    plain = old.add_sheet("成绩")
    for at, row in enumerate([HEADER, *ROWS]):
        for column, value in enumerate(row):
            plain.write(at, column, value)
    made = io.BytesIO()
    old.save(made)
    return {**files, "book.xls": made.getvalue(), "book.ods": _ods()}


def _ods() -> bytes:
    cells = "".join(
        "<table:table-row>"
        + "".join(
            f'<table:table-cell office:value-type="string"><text:p>{v}</text:p></table:table-cell>'
            for v in row
        )
        + "</table:table-row>"
        for row in [HEADER, *ROWS]
    )
    space = "urn:oasis:names:tc:opendocument:xmlns:"
    content = (
        f'<office:document-content xmlns:office="{space}office:1.0" '
        f'xmlns:table="{space}table:1.0" xmlns:text="{space}text:1.0"><office:body>'
        f'<office:spreadsheet><table:table table:name="a">{cells}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", content)
        archive.writestr(
            "META-INF/manifest.xml",
            f'<manifest:manifest xmlns:manifest="{space}manifest:1.0"><manifest:file-entry '
            'manifest:full-path="/" '
            'manifest:media-type="application/vnd.oasis.opendocument.spreadsheet"/>'
            '<manifest:file-entry manifest:full-path="content.xml" '
            'manifest:media-type="text/xml"/></manifest:manifest>',
        )
    return made.getvalue()


def damaged(data: bytes, chance: random.Random) -> bytes:
    """The same bytes with one to six accidents."""
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(5):
            case 0 if data:
                at = min(at, len(data) - 1)
                data = data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
            case 1:
                data = data[:at] + data[at + chance.randint(1, 200) :]
            case 2:
                data = (
                    data[:at]
                    + data[at : at + chance.randint(1, 2000)] * chance.randint(1, 20)
                    + data[at:]
                )
            case 3:
                data = data[:at] + chance.choice(TRICKS) + data[at:]
            case _:
                data = data[:at] + chance.randbytes(chance.randint(1, 50)) + data[at:]
    return data


def damaged_in_place(data: bytes, chance: random.Random) -> bytes:
    """The same bytes with one to six accidents that move none, behind the head of the container."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(HEAD, len(changed))
        pieces = [
            chance.choice(TRICKS),
            chance.randbytes(chance.randint(1, 50)),
            b"\xff",
            b"\0" * 8,
        ]
        piece = chance.choice(pieces)[: len(changed) - at]
        changed[at : at + len(piece)] = piece
    return bytes(changed)


def damaged_book(data: bytes, chance: random.Random) -> bytes:
    """A workbook of which one part is damaged inside, so that it still unpacks."""
    made = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as source,
        zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        names = source.namelist()
        chosen = chance.choice(names)
        for name in names:
            part = source.read(name)
            if name == chosen and chance.random() < 0.05:
                continue  # a part that is missing
            target.writestr(name, damaged(part, chance) if name == chosen else part)
    return made.getvalue()


def tried(reader: str, path: Path) -> Gathered:
    """What a file comes to as one of results.

    Raises:
        AssertionError: in pieces it comes to something else.
    """
    task = ("monitoring_results", path, f"W24/{path.name}", {"W24": "W24"})
    whole = gather(*task)
    if reader == PIECES:
        with patch.multiple(openxml, **SMALL):
            assert gather(*task) == whole
    return whole


def cases(folder: Path, count: int, seed: int) -> Iterator[tuple[str, Path]]:
    """Tasks of `tried`, each over a file of its own; the readers take turns."""
    sound = sound_files()
    readers = [
        [n for n in sorted(sound) if n.startswith(reader) or n.endswith(reader.split(" in ")[0])]
        for reader in READERS
    ]
    for number in range(count * len(READERS)):
        chance = random.Random(f"{seed}/{number}")
        name = chance.choice(readers[number % len(READERS)])
        data = sound[name]
        damage = damaged
        if chance.random() < 0.7 and not name.startswith("text"):
            damage = damaged_in_place if name.endswith(".xls") else damaged_book
        path = folder / f"{number}{Path(name).suffix}"
        path.write_bytes(damage(data, chance))
        yield READERS[number % len(READERS)], path


def main() -> int:
    """Run, print and keep what each reader came to; 1 if anything unforeseen happened."""
    parser = argparse.ArgumentParser(description="Try to break the readers.")
    parser.add_argument("--cases", type=int, default=10_000, help="Of each reader.")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    ends: Counter[tuple[str, str]] = Counter()
    faults: list[str] = []
    start = time.perf_counter()
    total = given.cases * len(READERS)
    with tempfile.TemporaryDirectory() as name:
        for sound, data in sound_files().items():
            # What is refused as it is would be refused however it is damaged, and try nothing.
            path = Path(name) / sound
            path.write_bytes(data)
            read_sheets(path)
        tasks = cases(Path(name), given.cases, given.seed)
        results = in_turn(tried, tasks, LIMIT_SECONDS, LIMIT_MEGABYTES)
        shown = track(results, total=total, disable=not sys.stderr.isatty())
        for number, result in enumerate(shown):
            reader = READERS[number % len(READERS)]
            for path in Path(name).glob(f"{number}.*"):
                path.unlink()
            if isinstance(result, Unreadable):
                ends[reader, result.rule] += 1
                if UNFORESEEN in str(result):
                    faults.append(f"case {number} ({reader}): {result}")
            else:
                worst = [p.rule for p in result.problems if p.severity == "error"]
                ends[reader, worst[0] if worst else "read"] += 1
    for (reader, rule), n in sorted(ends.items()):
        print(f"{reader:<16}{rule:<20}{n:>8,}")
    print(f"{total:,} cases; unforeseen: {len(faults)}")
    print("\n".join(faults[:20]))
    seconds = time.perf_counter() - start
    told = {f"{reader} {rule}": n for (reader, rule), n in sorted(ends.items())}
    size = {"cases a reader": given.cases, "seed": given.seed, "unforeseen": len(faults), **told}
    whole = Measure("damaged files", total, round(seconds, 3), round(total / seconds), 0.0)
    report("fuzz", size, [[whole]])
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
