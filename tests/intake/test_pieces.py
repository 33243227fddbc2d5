"""A large sheet that is read in pieces gives what it gives when it is read whole."""

import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from pipelines.intake import openxml, reader
from pipelines.intake.lost_cells import NO_RESULT
from pipelines.intake.reader import Sheet, Unreadable, read_sheets

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
BOOK = f"""<?xml version="1.0" encoding="UTF-8"?>
<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>
<sheet name="成绩" sheetId="1" r:id="rId1"/>
<sheet name="说明" sheetId="2" state="hidden" r:id="rId2"/>
</sheets></workbook>"""
RELATIONS = f"""<?xml version="1.0" encoding="UTF-8"?>
<Relationships xmlns="{PACKAGE}">
<Relationship Id="rId1" Type="{OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>
<Relationship Id="rId2" Type="{OFFICE}/worksheet" Target="worksheets/sheet2.xml"/>
<Relationship Id="rId3" Type="{OFFICE}/sharedStrings" Target="sharedStrings.xml"/>
<Relationship Id="rId4" Type="{OFFICE}/styles" Target="styles.xml"/>
</Relationships>"""
STYLES = f"""<styleSheet xmlns="{MAIN}"><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs>
</styleSheet>"""
SHARED = ["学籍号", "缺考", "", "a & b <c>", "００１"]
STRINGS = f'<sst xmlns="{MAIN}">{"".join(f"<si><t>{escape(s)}</t></si>" for s in SHARED)}</sst>'


def book(path: Path, sheet: str) -> Path:
    """A workbook whose first sheet is this XML, with shared texts, a format of days, and more."""
    parts = {
        "xl/workbook.xml": BOOK,
        "xl/_rels/workbook.xml.rels": RELATIONS,
        "xl/styles.xml": STYLES,
        "xl/sharedStrings.xml": STRINGS,
        "xl/worksheets/sheet1.xml": sheet,
        "xl/worksheets/sheet2.xml": worksheet('<row r="1"><c r="A1"><v>1</v></c></row>'),
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}"><Relationship Id="rId1" '
        f'Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return path


def worksheet(rows: str, behind: str = "") -> str:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<worksheet xmlns="{MAIN}"><cols/>'
        f"<sheetData>{rows}</sheetData>{behind}</worksheet>"
    )


@contextmanager
def pieces(size: int) -> Iterator[None]:
    """Sheets of any size are cut, each piece about so many bytes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(openxml, "LARGE_SHEET", 1)
        patch.setattr(openxml, "PIECE", size)
        yield


def outcome(path: Path) -> list[Sheet] | str:
    try:
        return read_sheets(path)
    except Unreadable as error:
        return f"{error.rule}: {error}"


def number_of_pieces(path: Path) -> int:
    cut = openxml.cut_up(path)
    return len(cut.pieces["成绩"]) if cut else 0


def column(number: int) -> str:
    return chr(ord("A") + number)


def cell(place: str, kind: str, value: int) -> str:
    """The XML of a cell."""
    at = f' r="{place}"' if place else ""
    return {
        "number": f"<c{at}><v>{value / 2}</v></c>",
        "long": f"<c{at}><v>3704992010000{value:05d}</v></c>",
        "day": f'<c{at} s="1"><v>{45000 + value}</v></c>',
        "shared": f'<c{at} t="s"><v>{value % len(SHARED)}</v></c>',
        "inline": f'<c{at} t="inlineStr"><is><t>第{value}名 f</t></is></c>',
        "flag": f'<c{at} t="b"><v>{value % 2}</v></c>',
        "error": f'<c{at} t="e"><v>#REF!</v></c>',
        "uncalculated": f"<c{at}><f>A1+{value}</f></c>",
        "calculated": f"<c{at}><f>A1+{value}</f><v>{value}</v></c>",
        "blank": f'<c{at} s="1"/>',
    }[kind]


KINDS = st.sampled_from(
    ["number", "long", "day", "shared", "inline", "flag", "error", "uncalculated", "calculated",
     "blank"]
)  # fmt: skip
CELLS = st.dictionaries(st.integers(0, 6), st.tuples(KINDS, st.integers(0, 999)), max_size=5)
ROWS = st.lists(st.tuples(st.integers(1, 3), CELLS, st.booleans()), min_size=8, max_size=60)


@settings(max_examples=300, deadline=None)
@given(ROWS, st.integers(250, 900), st.booleans())
def test_pieces_of_any_size_give_what_the_whole_gives(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[int, dict[int, tuple[str, int]], bool]],
    size: int,
    merged: bool,
) -> None:
    at, texts = 0, []
    for step, cells, counted in rows:
        at += step
        if counted:  # cells that say where they stand by their order alone
            inside = "".join(cell("", *cells[c]) for c in sorted(cells))
        else:
            inside = "".join(cell(f"{column(c)}{at}", *cells[c]) for c in sorted(cells))
        texts.append(f'<row spans="1:7" r="{at}">{inside}</row>')
    behind = '<mergeCells count="1"><mergeCell ref="A1:B2"/></mergeCells>' if merged else ""
    path = book(tmp_path_factory.mktemp("book") / "a.xlsx", worksheet("".join(texts), behind))
    whole = outcome(path)
    with pieces(size):
        assert outcome(path) == whole


def test_formulas_without_a_result_are_told_where_nothing_else_stands(tmp_path: Path) -> None:
    lost = "".join(f'<row r="{i}">{cell(f"B{i}", "uncalculated", i)}</row>' for i in range(11, 99))
    last = f'<row r="99">{cell("B99", "number", 1)}</row>'
    path = book(tmp_path / "a.xlsx", worksheet(long_sheet(10) + lost + last))
    whole = read_sheets(path)
    with pieces(500):
        assert number_of_pieces(path) > 5
        assert outcome(path) == whole
    assert whole[0].cells["c1"].to_pylist()[10:98] == [NO_RESULT] * 88


def long_sheet(rows: int = 200, between: str = "") -> str:
    return between.join(
        f'<row r="{i}">{cell(f"A{i}", "shared", i)}{cell(f"B{i}", "number", i)}</row>'
        for i in range(1, rows + 1)
    )


def test_a_plain_sheet_is_read_in_pieces_and_not_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = book(tmp_path / "a.xlsx", worksheet(long_sheet()))
    whole = outcome(path)
    with pieces(1000):
        assert number_of_pieces(path) > 5
        monkeypatch.setattr("pipelines.intake.reader.CalamineWorkbook", NoWhole)
        assert outcome(path) == whole


class NoWhole:
    """calamine's workbook, which gives no large sheet whole."""

    def __init__(self, file: Any) -> None:
        self.book = CalamineWorkbook.from_filelike(file)

    from_filelike = classmethod(lambda cls, file: cls(file))

    def get_sheet_by_index(self, number: int) -> Any:
        assert number == 1
        return self.book.get_sheet_by_index(number)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.book, name)


@pytest.mark.parametrize(
    "rows",
    [
        long_sheet(between="<!-- <row r='3'> -->"),
        long_sheet(100, "<!--") + "-->" + long_sheet(),
        long_sheet(between="<?row r='3'?>"),
        long_sheet() + '<row r="3"><c r="A3"><v>7</v></c></row>',
        re.sub(r' r="[A-Z]?[0-9]+"', "", long_sheet()),
        re.sub(r'<row r="([0-9]*[02468])"', "<row", long_sheet()),
        long_sheet().replace("<row", "<x:row").replace("</row", "</x:row"),
        long_sheet().replace('r="77"', 'r="7777777777777"'),
        long_sheet()[:-500],
        long_sheet().replace("<v>", "<v", 1),
        long_sheet().replace(">缺考<", "><![CDATA[</sheetData><row r='2'>]]><"),
        '<row r="1"><c r="A1" t="inlineStr"><is><t>' + "长" * 5000 + "</t></is></c></row>",
        "",
    ],
    ids=[
        "comments", "commented out", "instructions", "out of order", "no numbers", "some numbers",
        "prefixed", "a number out of bounds", "cut off", "damaged", "character data",
        "one long row", "no rows",
    ],
)  # fmt: skip
def test_what_is_not_plain_comes_out_as_when_read_whole(tmp_path: Path, rows: str) -> None:
    path = book(tmp_path / "a.xlsx", worksheet(rows))
    whole = outcome(path)
    for size in (300, 1000, 5000):
        with pieces(size):
            assert outcome(path) == whole


def test_a_sheet_that_is_too_wide_or_too_large_is_refused_in_the_same_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "MAX_CELLS", 1000)
    for last in ("ZZ150", "B900"):
        far = f'<row r="{last.lstrip("BZ")}"><c r="{last}"><v>1</v></c></row>'
        path = book(tmp_path / "a.xlsx", worksheet(long_sheet(100) + far))
        whole = outcome(path)
        assert isinstance(whole, str)
        with pieces(1000):
            assert outcome(path) == whole


@pytest.mark.parametrize(
    ("usual", "unusual"),
    [
        ("</sheets>", "</sheets >"),
        ('r:id="rId2"/>', 'r:id="rId2"/><sheet name="[1]" sheetId="9" r:id="rId2"/>'),
        ('r:id="rId2"', 'r:id="rId1"'),
        ('name="说明"', 'name="成绩"'),
        ('name="说明" ', ""),
    ],
    ids=[
        "written otherwise",
        "a name that pieces have",
        "one part for two sheets",
        "one name for two sheets",
        "a sheet without a name",
    ],
)
def test_an_unusual_workbook_is_left_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, usual: str, unusual: str
) -> None:
    monkeypatch.setattr(f"{__name__}.BOOK", BOOK.replace(usual, unusual))
    path = book(tmp_path / "a.xlsx", worksheet(long_sheet()))
    whole = outcome(path)
    with pieces(1000):
        assert number_of_pieces(path) == 0
        assert outcome(path) == whole


def test_a_part_of_which_there_are_two_is_left_whole(tmp_path: Path) -> None:
    path = book(tmp_path / "a.xlsx", worksheet(long_sheet()))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("xl/worksheets/Sheet1.xml", worksheet(long_sheet(3)))
    whole = outcome(path)
    with pieces(1000):
        assert number_of_pieces(path) == 0
        assert outcome(path) == whole


def test_a_workbook_that_is_too_large_to_be_held_twice_is_left_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = book(tmp_path / "a.xlsx", worksheet(long_sheet()))
    with pieces(1000):
        assert number_of_pieces(path) > 1
        monkeypatch.setattr(openxml, "MAX_CUT", 1000)
        assert number_of_pieces(path) == 0
