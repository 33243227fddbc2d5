"""The return workbook: what it says, what it marks, and that it can be handed in as it is."""

import re
import zipfile
from datetime import date, datetime, time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import openpyxl
import pytest
import xlsxwriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl.utils import coordinate_to_tuple
from openpyxl.worksheet.worksheet import Worksheet
from python_calamine import CalamineWorkbook

from pipelines.feeds import rules
from pipelines.intake import check, read_sheets
from pipelines.intake import feedback as fb
from pipelines.intake import returned as returned_module
from pipelines.intake.feedback import (
    EXCERPT_SUFFIX,
    LIST_SHEET,
    NOTES_SHEET,
    REPORT_SHEETS,
    is_report_sheet,
    return_path,
    returned_submission,
    write_return,
)
from pipelines.intake.problems import Mark, Problem
from pipelines.intake.recognise import SheetReading
from pipelines.intake.returned import MAX_TEXT, TEXT_SHEET
from tests.intake.conftest import YEAR, Handed
from tests.intake.mend import Do, mend

SOURCE = "monitoring_results/2023-2024/八中.xlsx"
RED, YELLOW = "FFFFC7CE", "FFFFEB9C"
HEADER = ["监测批次", "学籍号", "班级", "语文", "日期"]
FORMULAS = [
    "=1+1",
    "+1",
    "-cmd|' /C calc'!A0",
    "@sum(A1)",
    "\t=1",
    "\r=1",
    '=HYPERLINK("http://x")',
]


def book(path: Path, sheets: dict[str, list[list[Any]]], hidden: str = "") -> Path:
    """A workbook of typed cells as a school would hand it in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with xlsxwriter.Workbook(str(path), fb.OPTIONS) as made:
        shown = {
            date: made.add_format({"num_format": "yyyy/m/d"}),
            datetime: made.add_format({"num_format": "yyyy/m/d hh:mm:ss"}),
            time: made.add_format({"num_format": "hh:mm:ss"}),
        }
        for name, rows in sheets.items():
            sheet = made.add_worksheet(name)
            if name == hidden:
                sheet.hide()
            for at, row in enumerate(rows):
                for column, value in enumerate(row):
                    if value not in ("", None):
                        sheet.write(at, column, value, shown.get(type(value)))
    return path


def returned(
    file: Path,
    problems: list[Problem],
    marks: list[Mark] = [],  # noqa: B006
    readings: list[SheetReading] = [],  # noqa: B006
    rows_read: int = 0,
    source: str = SOURCE,
) -> Path:
    target = file.parent / "feedback" / f"{file.stem}.0123456789abcdef.xlsx"
    return write_return(
        target,
        file,
        source_file=source,
        problems=problems,
        marks=marks,
        sheets=readings,
        rows_read=rows_read,
    )


def words(path: Path, sheet: str) -> list[list[str]]:
    """All texts of one of our sheets."""
    rows = CalamineWorkbook.from_path(str(path)).get_sheet_by_name(sheet)
    return [[str(v) for v in row] for row in rows.to_python(skip_empty_area=False)]


def notes(path: Path, sheet: str = NOTES_SHEET) -> str:
    return "\n".join(" | ".join(row) for row in words(path, sheet))


def lines(path: Path) -> list[dict[str, str]]:
    """The lines of the list, by Chinese header."""
    _, head, *rows = words(path, LIST_SHEET)
    names = [h.split(" / ")[0] for h in head]
    return [dict(zip(names, row, strict=True)) for row in rows if any(row)]


def coloured(sheet: Worksheet) -> dict[str, str]:
    """Address → colour of every filled cell."""
    return {
        cell.coordinate: str(cell.fill.fgColor.rgb)
        for row in sheet.iter_rows()
        for cell in row
        if cell.fill.fill_type
    }


def commented(sheet: Worksheet) -> dict[str, str]:
    return {c.coordinate: c.comment.text for row in sheet.iter_rows() for c in row if c.comment}


def links(path: Path) -> list[str]:
    """Where the links of the list lead, those without one left out."""
    sheet = openpyxl.load_workbook(path)[LIST_SHEET]
    return [str(c.hyperlink.location) for row in sheet.iter_rows() for c in row if c.hyperlink]


def trimmed(path: Path) -> dict[str, tuple[bool, list[list[str]]]]:
    """What intake reads of a file: sheets without ours, empty edges left out."""
    found = {}
    for sheet in read_sheets(path):
        rows = [[v or "" for v in row.values()] for row in sheet.cells.to_pylist()]
        while rows and not any(rows[-1]):
            rows.pop()
        width = max((i + 1 for row in rows for i, v in enumerate(row) if v), default=0)
        if rows and sheet.name not in REPORT_SHEETS:
            found[sheet.name] = (sheet.hidden, [row[:width] for row in rows])
    return found


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A title, a header, three rows; a hidden sheet of notes."""
    rows = [
        ["八年级成绩"],
        HEADER,
        ["W24", "G370499201001011231", "3班", 88.5, date(2024, 3, 5)],
        ["W24", 370499201001021234, 3, "病假", "3月下旬"],
        ["W24", "G370499201001011253", "", 132, datetime(2024, 3, 5, 8, 30)],
    ]
    return book(tmp_path / "八中.xlsx", {"数学": rows, "草稿": [["x", 1]]}, hidden="草稿")


READING = SheetReading(
    "数学",
    True,
    header_rows=(2,),
    columns={"监测批次": "wave_id", "学籍号": "student_no", "姓名": "name", "语文": "chinese"},
    unread=("日期",),
    rows=5,
    taken=3,
    left_out={"title": 1, "header": 1},
    wave="W24",
)
PROBLEMS = [
    Problem("bad_score", SOURCE, "数学", 4, 4, 1, "语文", "病假", "缺考、缓考"),
    Problem("unusual_number", SOURCE, "数学", 3, 5, 2, "学籍号", "…1231"),
    Problem("truncated_number", SOURCE, "数学", 4, 4, 1, "学籍号", "3.70E+17"),
    Problem("hidden_sheet", SOURCE, "草稿", found="草稿"),
    Problem("unknown_column", SOURCE, "数学", 2, 2, 1, "", "日期"),
    Problem("differs_between_files", SOURCE, expected="a.csv"),
]
MARKS = [
    Mark("unusual_number", "数学", 3, 1, "学籍号", "…1231", ""),
    Mark("unusual_number", "数学", 5, 1, "学籍号", "…1231", ""),
    Mark("unusual_number", "数学", 4, 1, "学籍号", "3.70E+17", ""),
    Mark("truncated_number", "数学", 4, 1, "学籍号", "3.70E+17", ""),
    Mark("bad_score", "数学", 4, 3, "语文", "病假", "缺考、缓考"),
    Mark("repeated_row", "数学", 5, None, "", "", ""),
]


def test_the_first_sheet_says_what_to_do_and_hides_no_guess(small: Path) -> None:
    path = returned(small, PROBLEMS, MARKS, [READING, SheetReading("草稿", False)], 1234)
    text = notes(path)
    # Cells are counted, not lines.
    assert "已读取 1,234 行：错误 2 处，疑问 4 处，提示 1 处。" in text
    assert "1,234 rows read; errors: 2, queries: 4, notes: 1." in text
    assert "请重新报送本工作簿整份文件" in text
    assert "情况属实，请附说明" in text
    assert text.index("已读取") < text.index("rows read") < text.index("识别结果")
    assert "表头所在行 / Header rows | 2" in text
    assert "学籍号 | 学籍号 student_no" in text
    assert "语文 | 语文 chinese" in text
    assert "未读取的列 / Column left out | 日期 | 未识别的列 / Unknown column" in text
    assert "姓名 | 姓名 name (不保存 / not kept)" in text
    assert "标题 / titles 1; 表头 / header 1" in text
    assert "W24" in text
    assert "草稿 | 未读取 / Not read" in text
    assert openpyxl.load_workbook(path).sheetnames == [NOTES_SHEET, LIST_SHEET, "数学", "草稿"]


def test_the_list_is_in_the_order_of_the_sheets_and_links_to_the_cells(small: Path) -> None:
    path = returned(small, PROBLEMS, MARKS, [READING])
    found = lines(path)
    assert [(line["工作表"], line["行"], line["级别"]) for line in found] == [
        ("", "", "疑问 Query"),
        ("草稿", "", "疑问 Query"),
        ("数学", "2.0", "提示 Note"),
        ("数学", "3～5", "疑问 Query"),
        ("数学", "4.0", "错误 Error"),
        ("数学", "4.0", "错误 Error"),
    ]
    assert links(path) == ["'数学'!A2", "'数学'!B3", "'数学'!B4", "'数学'!D4"]
    folded = next(line for line in found if line["行"] == "3～5")
    assert folded["处数"] == "2.0"
    assert folded["怎么办"].startswith("共 2 处：")
    assert folded["What to do"].startswith("2 cells: ")
    score = found[-1]
    assert (score["列"], score["读到"], score["应为"]) == ("语文", "病假", "缺考、缓考")
    assert score["问题"] == "成绩未识别\nScore not recognised"
    assert score["What to do"].startswith("Found 病假, expected")


def test_the_list_can_be_printed_and_filtered(small: Path) -> None:
    sheet = openpyxl.load_workbook(returned(small, PROBLEMS, MARKS, [READING]))[LIST_SHEET]
    assert sheet.freeze_panes == "A3"
    assert sheet.auto_filter.ref == "A2:L8"
    assert sheet.print_title_rows == "$2:$2"
    assert (sheet.page_setup.orientation, sheet.page_setup.paperSize) == ("landscape", 9)
    assert sheet.column_dimensions["K"].width > 40
    assert sheet["K3"].alignment.wrap_text


def test_exactly_the_marked_cells_are_coloured_and_commented(small: Path) -> None:
    workbook = openpyxl.load_workbook(returned(small, PROBLEMS, MARKS, [READING]))
    sheet = workbook["数学"]
    # A cell with an error and a query is red and says both; notes are not marked.
    assert coloured(sheet) == {"B3": YELLOW, "B4": RED, "B5": YELLOW, "D4": RED}
    said = commented(sheet)
    assert said.keys() == coloured(sheet).keys()
    assert said["D4"].startswith("〔错误〕读到“病假”，应为分数或缺考、缓考")
    assert "[Error] Found 病假, expected a score" in said["D4"]
    assert "〔疑问〕" in said["B4"] and "〔错误〕" in said["B4"]
    assert not commented(workbook["草稿"])


def test_a_whole_row_is_coloured_and_has_one_comment(small: Path) -> None:
    marks = [Mark("duplicate_key", "数学", 4, None, "", "…1234", "")]
    problems = [Problem("duplicate_key", SOURCE, "数学", 4, 4, 1, "", "…1234")]
    sheet = openpyxl.load_workbook(returned(small, problems, marks, [READING]))["数学"]
    assert coloured(sheet) == dict.fromkeys(["A4", "B4", "C4", "D4", "E4"], RED)
    assert list(commented(sheet)) == ["A4"]


def test_a_row_that_begins_with_gaps_is_commented_where_its_link_leads(tmp_path: Path) -> None:
    file = book(tmp_path / "a.xlsx", {"一": [["a", "b", "c"], ["", "", 3]]})
    marks = [Mark("score_missing", "一", 2, None, "", "", "缺考")]
    problems = [Problem("score_missing", SOURCE, "一", 2, 2, 1, "", "", "缺考")]
    path = returned(file, problems, marks, [SheetReading("一", True, header_rows=(1,))])
    sheet = openpyxl.load_workbook(path)["一"]
    assert coloured(sheet) == dict.fromkeys(["A2", "B2", "C2"], RED)
    assert list(commented(sheet)) == ["C2"]
    assert links(path) == ["'一'!C2"]


def test_an_empty_cell_is_marked_too(small: Path) -> None:
    marks = [Mark("required", "数学", 5, 2, "班级", "", "1")]
    problems = [Problem("required", SOURCE, "数学", 5, 5, 1, "班级", "", "1")]
    path = returned(small, problems, marks, [READING])
    assert coloured(openpyxl.load_workbook(path)["数学"]) == {"C5": RED}
    assert links(path) == ["'数学'!C5"]


def test_what_is_wrong_with_a_header_is_marked_there(tmp_path: Path) -> None:
    header = ["班级", "班", " 数学\n成绩", "", "姓名"]
    file = book(tmp_path / "a.xlsx", {"一": [header, [1, 2, 3, 4, 5]]})
    problems = [
        Problem("missing_column", SOURCE, "一", 1, 1, 1, "", "班级, 班, 姓名", "学籍号"),
        Problem("missing_column", SOURCE, "一", 1, 1, 1, "", "班级, 班, 姓名", "年级"),
        Problem("ambiguous_header", SOURCE, "一", 1, 1, 1, "", "班级, 班", "班级"),
        Problem("unread_scores", SOURCE, "一", 1, 1, 1, "", "数学 成绩"),
        Problem("unnamed_column", SOURCE, "一", 1, 1, 1, "", "D"),
        Problem("unknown_column", SOURCE, "一", 1, 1, 1, "", "姓名"),
    ]
    # A mark of the whole row for a missing column would say less than its free cell.
    marks = [Mark("missing_column", "一", 1, None, "", "班级", "学籍号")]
    path = returned(file, problems, marks, [SheetReading("一", True, header_rows=(1,))])
    sheet = openpyxl.load_workbook(path)["一"]
    assert coloured(sheet) == {
        "A1": RED, "B1": RED, "C1": YELLOW, "D1": YELLOW, "F1": RED, "G1": RED,
    }  # fmt: skip
    said = commented(sheet)
    assert "“学籍号”" in said["F1"] and "“年级”" in said["G1"]
    assert sorted(links(path))[-2:] == ["'一'!F1", "'一'!G1"]
    # What is entered into the new columns stays text.
    assert sheet.column_dimensions["F"].number_format == "@"


def test_a_cell_of_a_column_that_is_not_there_has_a_place_to_be_entered(tmp_path: Path) -> None:
    """A class written with its grade makes the grade's column needless, until one is written so."""
    rows = [["七年级"], ["学籍号", "班级"], ["G1", "七年级1班"], ["G2", "1班"], ["G3", "2班"]]
    file = book(tmp_path / "a.xlsx", {"一": rows})
    marks = [Mark("required", "一", row, None, "年级", "", "年级") for row in (4, 5)]
    problems = [Problem("required", SOURCE, "一", 4, 5, 2, "年级", "", "年级")]
    path = returned(file, problems, marks, [SheetReading("一", True, header_rows=(2,))])
    sheet = openpyxl.load_workbook(path)["一"]
    assert coloured(sheet) == {"C2": RED, "C4": RED, "C5": RED}
    assert "没有找到“年级”列；已找到学籍号, 班级" in commented(sheet)["C2"]
    assert links(path) == ["'一'!C4"]
    mended = mend(path, lambda *_: "七年级", tmp_path / "b.xlsx")
    assert trimmed(mended)["一"][1] == [
        ["七年级", "", ""],
        ["学籍号", "班级", "年级"],
        ["G1", "七年级1班", ""],
        ["G2", "1班", "七年级"],
        ["G3", "2班", "七年级"],
    ]


def test_a_problem_of_the_whole_header_marks_its_row(small: Path) -> None:
    problems = [Problem("two_forms", SOURCE, "数学", 2, 2, 1, "", "物理, 化学", "成绩")]
    sheet = openpyxl.load_workbook(returned(small, problems, [], [READING]))["数学"]
    assert coloured(sheet) == dict.fromkeys(["A2", "B2", "C2", "D2", "E2"], RED)


def test_values_keep_their_types(small: Path) -> None:
    path = returned(small, PROBLEMS, MARKS, [READING])
    rows = CalamineWorkbook.from_path(str(path)).get_sheet_by_name("数学").to_python()
    assert rows[2] == ["W24", "G370499201001011231", "3班", 88.5, date(2024, 3, 5)]
    # Fifteen digits are all that a spreadsheet keeps of a number.
    assert rows[3] == ["W24", pytest.approx(370499201001021234, rel=1e-15), 3.0, "病假", "3月下旬"]
    assert rows[4][3:] == [132.0, datetime(2024, 3, 5, 8, 30)]
    sheet = openpyxl.load_workbook(path)["数学"]
    # A student number that is entered again is text, a score a number.
    assert [sheet[c].number_format for c in ("B3", "B4", "D3", "D4", "E3")] == [
        "@", "@", "General", "General", "yyyy-mm-dd",
    ]  # fmt: skip
    assert sheet.freeze_panes == "A3"
    assert sheet.column_dimensions["B"].width >= 20
    assert openpyxl.load_workbook(path)["草稿"].sheet_state == "hidden"


def test_merged_cells_of_a_header_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "a.xlsx"
    with xlsxwriter.Workbook(str(file)) as made:
        sheet = made.add_worksheet("一")
        sheet.merge_range(0, 0, 0, 2, "八年级成绩")
        sheet.merge_range(1, 0, 2, 0, "学籍号")
        sheet.merge_range(1, 1, 1, 2, "数学")
        sheet.write_row(2, 1, ["得分", "等级"])
        sheet.write_row(3, 0, ["G1", 5, "A"])
    reading = SheetReading("一", True, header_rows=(2, 3))
    path = returned(file, [], [], [reading])
    sheet = openpyxl.load_workbook(path)["一"]
    assert {str(r) for r in sheet.merged_cells.ranges} == {"A1:C1", "A2:A3", "B2:C2"}
    assert trimmed(path) == trimmed(file)
    assert sheet.freeze_panes == "A4"


def test_merged_cells_that_overlap_or_cover_a_value_are_not(tmp_path: Path) -> None:
    """Such a workbook is damaged or hostile; none of its values may go out of sight."""
    file = book(tmp_path / "a.xlsx", {"一": [["a", "b"], ["c", "", "d"], ["e", "", ""]]})
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(tmp_path / "b.xlsx", "w") as new:
        for entry in old.infolist():
            data = old.read(entry)
            if entry.filename.endswith("sheet1.xml"):
                merged = b"".join(
                    b'<mergeCell ref="%s"/>' % r for r in (b"A1:B1", b"A2:B3", b"B2:B9999999")
                )
                data = data.replace(b"<pageMargins", b"<mergeCells>%s</mergeCells><pageMargins")
                data = data.replace(b"%s", merged)
            new.writestr(entry.filename, data)
    path = returned(tmp_path / "b.xlsx", [])
    assert trimmed(path) == trimmed(tmp_path / "b.xlsx") == trimmed(file)
    merged = openpyxl.load_workbook(path)["一"].merged_cells.ranges
    assert {str(r) for r in merged} == {"B2:B3"}


def test_nothing_is_ever_computed(tmp_path: Path) -> None:
    file = book(tmp_path / "a.xlsx", {"=a": [FORMULAS, [1.0] * len(FORMULAS), FORMULAS]})
    problems = [
        Problem("bad_text", f, "=a", 3, 3, 1, f, f, f)
        for f in (*FORMULAS, "http://example.org", "internal:x!A1")
    ]
    marks = [Mark("bad_text", "=a", 3, i, f, f, f) for i, f in enumerate(FORMULAS)]
    path = returned(file, problems, marks, [SheetReading("=a", True, why="=1", wave="=1")], 1, "=1")
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            assert b"<f>" not in archive.read(name)
            assert b"example.org" not in archive.read(name) or "sharedStrings" in name
            assert "TargetMode" not in archive.read(name).decode() or "external" not in name
    assert trimmed(path) == trimmed(file)
    sheet = openpyxl.load_workbook(path)["=a"]
    # Text by its format, too, so that an edit of the cell does not bring it to life.
    assert {cell.number_format for row in (1, 3) for cell in sheet[row]} == {"@"}
    assert all(cell.data_type == "s" for row in (1, 3) for cell in sheet[row])


HOSTILE_NAMES = ["a'b", "x" * 31, "名" * 31, "a#b!c", '&<>"', "数据", "history ", " ", "😀" * 15]


def test_hostile_names_and_texts(tmp_path: Path) -> None:
    long = "长" * 40_000
    rows: list[list[Any]] = [["a\x0bb", "_x0041_", " \t", "\x01"], [float(2**60), True, -0.5, "�"]]
    file = book(tmp_path / "a.xlsx", dict.fromkeys(HOSTILE_NAMES, rows))
    marks = [Mark("bad_text", n, 2, 3, long, long, "\ud800\uffff\x00") for n in HOSTILE_NAMES]
    problems = [
        Problem("bad_text", "\ud800", n, 2, 2, 1, long, long, "\ud800\uffff\x00")
        for n in HOSTILE_NAMES
    ]
    path = returned(file, problems, marks, [])
    assert list(trimmed(path).values()) == list(trimmed(file).values())
    sheets = openpyxl.load_workbook(path)
    for link in links(path):
        name, _, cell = link.rpartition("!")
        assert sheets[name[1:-1].replace("''", "'")][cell].comment
    for name in zipfile.ZipFile(path).namelist():
        if name.endswith((".xml", ".rels", ".vml")):
            ElementTree.fromstring(zipfile.ZipFile(path).read(name))


def test_a_text_too_long_for_a_cell_is_cut_and_said(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text(f"甲,乙\n{'长' * 40_000},2\n", encoding="utf-8")
    path = returned(file, [])
    assert "1 个单元格超过 32,767 个字符，此处未全部显示。" in notes(path)
    assert len(trimmed(path)[TEXT_SHEET][1][1][0]) == MAX_TEXT


CELLS = st.one_of(
    st.none(),
    st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="\ufffe\uffff"), max_size=9
    ),
    st.sampled_from(FORMULAS),
    st.floats(-1e12, 1e12).map(lambda x: round(x, 3)),
    st.booleans(),
    st.dates(date(1901, 1, 1), date(2099, 1, 1)),
    st.datetimes(datetime(1901, 1, 1), datetime(2099, 1, 1)).map(
        lambda d: d.replace(microsecond=0)
    ),
)
SHEETS = st.dictionaries(
    st.text("数学ab'#&.（）", min_size=1, max_size=9).filter(lambda n: "'" not in n[0] + n[-1]),
    st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=5),
    min_size=1,
    max_size=3,
)


@given(SHEETS, st.data())
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_intake_reads_the_return_workbook_as_the_file_itself(
    tmp_path: Path, sheets: dict[str, list[list[Any]]], data: st.DataObject
) -> None:
    """Whatever the cells and the marks: what comes back unchanged is the same submission."""
    file = book(tmp_path / "a.xlsx", sheets)
    marks = [
        Mark(
            data.draw(st.sampled_from(["bad_text", "unusual_number"])),
            name,
            row,
            column,
            "",
            "",
            "",
        )
        for name, rows in sheets.items()
        for row in range(1, len(rows) + 1)
        for column in data.draw(st.lists(st.sampled_from([0, 1, 2, None]), max_size=2, unique=True))
    ]
    readings = [SheetReading(name, True, header_rows=(1,)) for name in sheets]
    assert trimmed(returned(file, [], marks, readings)) == trimmed(file)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "gb18030"])
def test_a_text_file_becomes_one_sheet_of_text(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "a.csv"
    file.write_text("学籍号,成绩\n0012,病假\n370499201001011231,=1\n", encoding=encoding)
    problems = [Problem("bad_score", "a.csv", "", 2, 2, 1, "成绩", "病假", "缺考")]
    marks = [Mark("bad_score", "", 2, 1, "成绩", "病假", "缺考")]
    path = returned(file, problems, marks, [SheetReading("", True, header_rows=(1,))])
    assert trimmed(path)[TEXT_SHEET][1] == trimmed(file)[""][1]
    assert links(path) == ["'数据'!B2"]
    assert lines(path)[0]["工作表"] == "数据"
    assert coloured(openpyxl.load_workbook(path)["数据"]) == {"B2": RED}


def test_a_workbook_under_a_name_of_text_is_read_as_what_it_is(small: Path) -> None:
    file = small.rename(small.with_suffix(".csv"))
    assert "数学" in trimmed(returned(file, PROBLEMS, MARKS, [READING]))


@pytest.mark.parametrize("rule", ["unreadable", "misplaced_file"])
def test_a_file_that_was_not_read_is_not_opened_again(small: Path, rule: str) -> None:
    path = returned(small, [Problem(rule, SOURCE, found="damaged")])
    assert openpyxl.load_workbook(path).sheetnames == [NOTES_SHEET, LIST_SHEET]
    assert "不含原表副本" in notes(path)
    assert links(path) == []


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"\x00\x01\x02", b"a,b\n\xff\xff"])
def test_a_file_that_cannot_be_read_gives_the_report_alone(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.xlsx").write_bytes(content)
    for file in (tmp_path / "a.xlsx", tmp_path / "gone.csv"):
        path = returned(file, [Problem("empty_file", SOURCE)])
        assert openpyxl.load_workbook(path).sheetnames == [NOTES_SHEET, LIST_SHEET]
        assert "No table was found" in lines(path)[0]["What to do"]


def test_nothing_wrong_is_said_so(small: Path) -> None:
    text = notes(returned(small, [], [], [READING], 3))
    assert "没有需要更正的内容" in text and "无需再次报送" in text
    assert "hand in this whole workbook" not in text


def test_at_most_so_many_lines_errors_before_the_rest(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fb, "MAX_LINES", 4)
    problems = [
        *(Problem("unusual_number", SOURCE, "数学", row, row, 1, "学籍号") for row in (3, 4, 5)),
        *(Problem("bad_score", SOURCE, "数学", row, row, 1, "语文", "x") for row in (3, 5)),
        Problem("unknown_column", SOURCE, "数学", 2, 2, 1, "", "日期"),
    ]
    path = returned(small, problems, [], [READING])
    *shown, summary = lines(path)
    assert [(line["行"], line["级别"][:2]) for line in shown] == [
        ("3.0", "错误"), ("3.0", "疑问"), ("4.0", "疑问"), ("5.0", "错误"),
    ]  # fmt: skip
    assert summary["怎么办"] == "另有 2 条未列出：学籍号形式少见 1；未识别的列 1"
    assert summary["What to do"].startswith("2 more lines are not shown: Unusual student number 1")
    # All are counted on the first sheet.
    assert "错误 2 处，疑问 3 处，提示 1 处" in notes(path)


def test_the_bound_of_the_list_holds(small: Path) -> None:
    problems = [
        Problem("bad_score", SOURCE, "数学", 3, 3, 1, "语文", str(i))
        for i in range(fb.MAX_LINES + 7)
    ]
    found = lines(returned(small, problems, [], [READING]))
    assert len(found) == fb.MAX_LINES + 1
    assert found[-1]["怎么办"] == "另有 7 条未列出：成绩未识别 7"


@pytest.mark.parametrize("suffix", [".xlsx", ".csv"])
def test_of_a_large_file_only_the_marked_rows_are_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setattr(returned_module, "MAX_CELLS", 100)
    monkeypatch.setattr(returned_module, "MAX_ROWS", 2)  # an error's row comes before a query's
    rows: list[list[Any]] = [
        ["学籍号", "成绩", "备注"],
        *([f"N{i}", f"{i}", ""] for i in range(2, 99)),
    ]
    name = "" if suffix == ".csv" else "数学"
    if suffix == ".csv":
        file = tmp_path / "a.csv"
        file.write_text("".join(",".join(row) + "\n" for row in rows), encoding="utf-8")
    else:
        file = book(tmp_path / "a.xlsx", {name: rows, "别的": [["x"]]})
    marks = [
        Mark("repeated_row", name, 10, None, "", "", ""),
        Mark("unusual_number", name, 20, 0, "学籍号", "", ""),
        Mark("bad_score", name, 70, 1, "成绩", "", ""),
        Mark("bad_score", name, 30, 1, "成绩", "", ""),
    ]
    problems = [
        Problem("bad_score", SOURCE, name, 70, 70, 1, "成绩"),
        Problem("bad_score", SOURCE, name, 30, 30, 1, "成绩"),
        Problem("unusual_number", SOURCE, name, 20, 20, 1, "学籍号"),
    ]
    path = returned(file, problems, marks, [SheetReading(name, True, header_rows=(1,))])
    title = (name or TEXT_SHEET) + EXCERPT_SUFFIX
    assert openpyxl.load_workbook(path).sheetnames == [NOTES_SHEET, LIST_SHEET, title]
    assert words(path, title) == [
        ["原文件行号 / row in your file", "学籍号", "成绩", "备注"],
        ["30.0", "N30", "30", ""],
        ["70.0", "N70", "70", ""],
    ]
    assert coloured(openpyxl.load_workbook(path)[title]) == {"C2": RED, "C3": RED}
    # The row of the query is not given, so its line leads nowhere.
    assert links(path) == [f"'{title}'!C2", f"'{title}'!C3"]
    assert "本工作簿不是完整副本" in notes(path)
    assert "请重新报送本工作簿" not in notes(path)


def test_our_own_sheets_of_last_time_are_not_carried_along(small: Path) -> None:
    once = returned(small, PROBLEMS, MARKS, [READING])
    again = returned(once, PROBLEMS, MARKS, [READING])
    assert openpyxl.load_workbook(again).sheetnames == [NOTES_SHEET, LIST_SHEET, "数学", "草稿"]
    assert trimmed(again) == trimmed(small)
    for sheet in (NOTES_SHEET, LIST_SHEET):
        assert is_report_sheet(sheet, words(once, sheet)[0][0])


def test_a_school_may_name_its_own_sheets_like_ours(tmp_path: Path) -> None:
    own = {NOTES_SHEET: [["问题", 1]], LIST_SHEET: [["x"]], LIST_SHEET + "（2）": [["y"]]}
    file = book(tmp_path / "a.xlsx", own)
    for _ in range(2):
        file = returned(file, [Problem("empty_file", SOURCE)])
        sheets = openpyxl.load_workbook(file).sheetnames
        assert sheets[:2] == [NOTES_SHEET + "（2）", LIST_SHEET + "（3）"]
        assert sheets[2:] == list(own)
        assert set(sheets[:2]) <= set(REPORT_SHEETS)
        assert f"“{LIST_SHEET}（3）”" in notes(file, sheets[0])


def test_every_text_is_there_in_both_languages(small: Path) -> None:
    path = returned(small, PROBLEMS, MARKS, [READING])
    for line in lines(path):
        assert re.search("[\u4e00-\u9fff]", line["怎么办"]), line
        assert re.search("[a-z]{3}", line["What to do"]), line
        assert "{" not in line["怎么办"] + line["What to do"]
    for text in commented(openpyxl.load_workbook(path)["数学"]).values():
        assert re.search("〔.+〕.*[\u4e00-\u9fff].*\n\\[(Error|Query)\\] ", text)


def test_the_same_input_gives_the_same_bytes(small: Path) -> None:
    first = returned(small, PROBLEMS, MARKS, [READING]).read_bytes()
    second = returned(small, PROBLEMS, MARKS, [READING])
    assert first == second.read_bytes()
    assert second.stat().st_mode & 0o077 == 0
    assert [p.name for p in second.parent.iterdir()] == [second.name]


def test_the_name_tells_which_submission_it_answers(tmp_path: Path) -> None:
    path = return_path(tmp_path, "students", YEAR, "八中" * 50, "0123456789abcdef")
    assert path.parent == tmp_path / "students" / YEAR
    assert len(path.name) < 90
    assert returned_submission(path.name) == "0123456789abcdef"
    again = return_path(tmp_path, "students", YEAR, path.stem, "fedcba9876543210")
    assert again.name == "八中" * 30 + ".fedcba9876543210.xlsx"
    assert returned_submission("八中.xlsx") is None


def found_marks(problems: list[Problem], headers: list[str]) -> list[Mark]:
    """Marks of problems about cells of one column, or about a row, from the row that is named."""
    return [
        Mark(
            p.rule,
            p.sheet,
            row,
            headers.index(p.column) if p.column in headers else None,
            p.column,
            p.found,
            p.expected,
        )
        for p in problems
        if p.row_first and p.row_last and rules()[p.rule].layer != "file"
        for row in range(p.row_first, p.row_last + 1)
    ]


def test_whoever_does_what_the_list_says_has_nothing_left_to_mend(handed: Handed) -> None:
    """Each kind of line: a value, a folded one, a row too many, a column that is missing."""
    handed.ingest()
    file = handed.write(
        "students/c.csv",
        "学籍号,姓名,学校标识码,年级\n"
        "G370499201001031233,甲,3137000001,五年级\n"
        "G370499201001041231,乙,3137000001,五年制\n"
        "G370499201001051239,丙,3137000001,五年制\n"
        "G370499201001061237,丁,3137999999,五年级\n"
        "G370499201001061237,丁,3137000001,六年级\n",
    )
    right = {"年级": "五年级", "学校标识码": "3137000001", "班级": "1"}

    def truth(sheet: str, row: int, column: int, header: str) -> Any:
        if header not in right:
            return Do.DELETE_ROW if row == 6 else Do.KEEP
        return right[header]

    seen: set[str] = set()
    sheet = ""
    for turn in range(4):
        problems = [p for p in check(handed.settings, [file]) if p.sheet not in REPORT_SHEETS]
        if not any(p.severity == "error" for p in problems):
            break
        seen |= {p.rule for p in problems}
        headers = trimmed(file)[sheet][1][0]
        marks = found_marks(problems, headers)
        path = returned(file, problems, marks, [SheetReading(sheet, True, header_rows=(1,))])
        file, sheet = mend(path, truth, file.parent / f"c{turn}.xlsx"), TEXT_SHEET
    assert not any(p.severity == "error" for p in problems)
    assert seen >= {"missing_column", "bad_grade", "unknown_reference", "duplicate_key"}
    assert trimmed(file)[sheet][1] == [
        ["学籍号", "姓名", "学校标识码", "年级", "班级"],
        ["G370499201001031233", "甲", "3137000001", "五年级", "1"],
        ["G370499201001041231", "乙", "3137000001", "五年级", "1"],
        ["G370499201001051239", "丙", "3137000001", "五年级", "1"],
        ["G370499201001061237", "丁", "3137000001", "五年级", "1"],
    ]


def test_links_resolve_to_cells_that_exist(small: Path) -> None:
    path = returned(small, PROBLEMS, MARKS, [READING])
    workbook = openpyxl.load_workbook(path)
    for link in links(path):
        name, _, place = link.rpartition("!")
        sheet = workbook[name.strip("'")]
        row, column = coordinate_to_tuple(place)
        assert row <= sheet.max_row and column <= sheet.max_column
