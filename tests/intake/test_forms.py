"""Every form in which schools hand in: each is read without a person's help, or reported."""

import datetime
import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlwt

from pipelines.feeds import load_contracts
from pipelines.intake.aside import rows_aside
from pipelines.intake.classes import long_class, number_of, read_class
from pipelines.intake.ingest import usual
from pipelines.intake.privacy import discreet
from pipelines.intake.reader import Unreadable, read_sheets, stream_text
from pipelines.intake.recognise import recognise
from pipelines.intake.take import File, Limits, Taken, take
from tests.feeds.test_office import OFFICE, convert
from tests.intake.conftest import NUMBERS, Handed

HEADER = ["学籍号", "姓名", "学校", "年级", "班级", "语文", "数学"]
ROWS: list[list[Any]] = [
    [NUMBERS[0], "韩梅梅", "第一小学", 5, 1, 88.5, 110],
    [NUMBERS[1], "李明", "第一小学", 5, 1, "缺考", 60],
]
LANDED = [
    ("1", "chinese", None, "absent"),
    ("1", "chinese", "88.500", "present"),
    ("1", "mathematics", "60.000", "present"),
    ("1", "mathematics", "110.000", "present"),
]
LIMITS = Limits(60, 2048)
Sheets = dict[str, list[list[Any]]]


@pytest.fixture
def handed(enrolled: Handed) -> Handed:
    """The tiny city, whose registers are known already: the forms are those of its results."""
    return enrolled


def save(path: Path, sheets: Sheets, touch: Callable[[openpyxl.Workbook], None] = id) -> None:
    """A workbook of these rows; `touch` does the rest to it."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    touch(book)
    book.save(path)


def results(handed: Handed, sheets: Sheets, name: str = "r-W24.xlsx", **more: Any) -> Path:
    """The results of the tiny city in a workbook, in place of its other files."""
    folder = handed.settings.raw / "monitoring_results" / "2023-2024"
    for other in folder.iterdir():
        other.unlink()
    save(folder / name, sheets, **more)
    return folder / name


def landed(handed: Handed) -> list[Any]:
    return handed.landed(
        "select class_no, subject, score::varchar, status from landed "
        "order by subject, landed.score nulls first"
    )


def rules(handed: Handed) -> dict[str, str]:
    """Rule → severity, of the results; the tiny city's odd numbers do not count."""
    report = handed.ingest()["monitoring_results"]
    odd = ("unusual_number", "check_digit")
    return {p.rule: p.severity for p in report.problems if p.rule not in odd}


def merge_title(book: openpyxl.Workbook) -> None:
    book.active.merge_cells("A1:G1")


def two_rows(book: openpyxl.Workbook) -> None:
    sheet = book.active
    for column in "ABCDE":
        sheet.merge_cells(f"{column}1:{column}2")
    sheet.merge_cells("F1:G1")


def hide_last(book: openpyxl.Workbook) -> None:
    book.worksheets[-1].sheet_state = "hidden"


def add_chart(book: openpyxl.Workbook) -> None:
    book.create_chartsheet("图", 0)


HARMLESS: dict[str, tuple[Sheets, Callable[[openpyxl.Workbook], None], set[str]]] = {
    "plain, the wave in the file's name": ({"a": [HEADER, *ROWS]}, id, set()),
    "title rows": (
        {"a": [["2024年成绩（W24）"], ["制表：教务处"], [], HEADER, *ROWS]}, merge_title, set(),
    ),
    "two rows of header, merged": (
        {"a": [[*HEADER[:5], "成绩", None], [None] * 5 + HEADER[5:], *ROWS]}, two_rows, set(),
    ),
    "a subject above its score and its level": (
        {"a": [[*HEADER[:5], "语文", None, "数学", None],
               [None] * 5 + ["成绩", "等级", "成绩", "等级"],
               *[[*r[:6], "A", r[6], "B"] for r in ROWS]]},
        lambda b: [b.active.merge_cells(m) for m in
                   (*(f"{c}1:{c}2" for c in "ABCDE"), "F1:G1", "H1:I1")],
        {"unread_scores"},
    ),
    "starts elsewhere": (
        {"a": [[], [], *[[None, None, *r] for r in ([*HEADER], *ROWS)]]}, id, set(),
    ),
    "empty rows and columns between": (
        {"a": [[*HEADER[:3], None, *HEADER[3:]], [], *[[*r[:3], None, *r[3:]] for r in ROWS],
               [], []]},
        id, set(),
    ),
    "subtotals and notes": (
        {"a": [HEADER, ROWS[0], ["合计", None, None, None, None, 88.5, 110], ROWS[1],
               [None, None, None, None, "平均分", 88.5, 85], [],
               ["注：1.缺考按零分统计，不计入平均。"], ["制表人：张三", None, "审核人：李四"]]},
        id, {"subtotal_rows", "note_rows"},
    ),
    "the header again": ({"a": [HEADER, ROWS[0], HEADER, ROWS[1]]}, id, {"repeated_header"}),
    "a sheet a class": ({"1班": [HEADER, ROWS[0]], "2班": [HEADER, ROWS[1]]}, id, set()),
    "a sheet that goes on": (
        {"a": [HEADER, ROWS[0]], "b": [ROWS[1]]}, id, {"continued_sheet"},
    ),
    "a sheet that goes on in full width": (
        {"a": [HEADER, ROWS[0]],
         "b": [[NUMBERS[1].translate({ord(c): ord(c) + 0xFEE0 for c in "0123456789"}), "李明",
                "第一小学", "五年级", "１班", "缺考", "６０"]]},
        id, {"continued_sheet", "tidied_class"},
    ),
    "a hidden list": (
        {"a": [HEADER, *ROWS], "选项表": [["缺考"], ["缓考"]]}, hide_last, {"unknown_sheet"},
    ),
    "a hidden table": (
        {"a": [HEADER, *ROWS], "旧": [HEADER, ROWS[0]]}, hide_last, {"hidden_sheet"},
    ),
    "a chart sheet": ({"a": [HEADER, *ROWS]}, add_chart, set()),
    "the template's own sheets": (
        {"a": [HEADER, *ROWS], "填写说明": [["列", "是否必填"], ["学籍号", "必填"]]}, id, set(),
    ),
    "class with its grade, no grade": (
        {"a": [[h for h in HEADER if h != "年级"],
               *[[*r[:3], "五年级(1)班", *r[5:]] for r in ROWS]]},
        id, {"tidied_class"},
    ),
    "numbers as people write them": (
        {"a": [HEADER,
               [NUMBERS[0].lower(), "韩 梅梅", " 第一小学 ", "５", "（1）班", "８８.5", "110分"],
               ["'" + NUMBERS[1], "李明", "第一小学", "五年级", "一班", "缺 考", "60.0"]]},
        id, {"tidied_class"},
    ),
    "other words, order and units": (
        {"a": [["数 学\n(分)", "语文（分）", "班", "学生姓名", "学校名称", "年级", "学号", "备注"],
               *[[r[6], r[5], r[4], r[1], r[2], r[3], r[0], None] for r in ROWS]]},
        id, {"unknown_column"},
    ),
}  # fmt: skip


BESIDE: dict[str, tuple[list[list[Any]], str]] = {
    "a class whose header nobody knows": (
        [["代号", "称呼", "卷面"], *([f"G37049920100101{at}", "甲", 80] for at in range(4))],
        "unread_records",
    ),
    "numbers of full width": (
        [["代号", "称呼", "卷面"], *([f"２０２３０１０{at}", "甲", "８０"] for at in range(3))],
        "unread_records",
    ),
    "short numbers, a title above": (
        [["二班"], ["代号", "称呼", "卷面"], *([f"2023010{at}", "甲", 80] for at in range(3))],
        "unread_records",
    ),
    "statistics by class": (
        [["统计", "1班", "2班", "3班"], ["平均分", 80.5, 79, 81.25], ["最高分", 99, 98, 100],
         ["及格率", "80%", "75%", "90%"], ["参考人数", 40, 41, 39]],
        "unknown_sheet",
    ),
    "shares of points": (
        [["分数段", "人数", "比例"], ["90-100", 10, 0.25], ["80-89", 20, 0.5], ["60-79", 10, 0.25]],
        "unknown_sheet",
    ),
    "a cover with telephones": (
        [["学校", "第一小学", ""], ["填表人", "张三", "13800000000"],
         ["审核人", "李四", "13800000001"], ["日期", "2024-06-30", ""]],
        "unknown_sheet",
    ),
    "codes to choose from": (
        [["代码", "名称"], *([f"37040{at}", "区"] for at in range(6))], "unknown_sheet",
    ),
    "one code for all": (
        [["单位", "科", "人"], *(["3137000001", "语文", at] for at in range(6))], "unknown_sheet",
    ),
    "how to fill it in": (
        [["填报要求"], ["1. 每行一名学生。"], ["2. 2024年6月30日前报送"]], "unknown_sheet",
    ),
    "nothing": ([], ""),
}  # fmt: skip
"""Sheets beside the table that are none of the feed, and the rule under which they are told."""


@pytest.mark.parametrize("what", BESIDE)
@pytest.mark.parametrize("first", [False, True])
def test_a_sheet_beside_the_table_is_asked_about_where_records_may_be_lost(
    handed: Handed, what: str, first: bool
) -> None:
    rows, rule = BESIDE[what]
    table, other = {"a": [HEADER, *ROWS]}, {"另": rows}
    results(handed, other | table if first else table | other)
    found = rules(handed)
    assert landed(handed) == LANDED
    assert set(found) - {"wave_elsewhere"} == ({rule} if rule else set())
    if rule == "unread_records":
        (problem,) = [p for p in handed.reports["monitoring_results"].problems if p.rule == rule]
        assert (problem.severity, problem.sheet) == ("query", "另")
        assert problem.expected == str(sum(str(row[0])[-1].isdigit() for row in rows))


@pytest.mark.parametrize("form", HARMLESS)
def test_a_form_lands_the_same_rows(handed: Handed, form: str) -> None:
    sheets, touch, notes = HARMLESS[form]
    results(handed, sheets, touch=touch)
    found = rules(handed)
    assert landed(handed) == LANDED, found
    assert set(found) == notes | {"wave_elsewhere"}
    if form != "a hidden table":
        assert "error" not in found.values()


def test_rows_are_accounted_for_and_shown(handed: Handed) -> None:
    """The report says of every sheet what was read as what, and where each row went."""
    sheets, touch, _ = HARMLESS["subtotals and notes"]
    results(handed, {**sheets, "说明": [["填表说明"]]}, touch=touch)
    handed.ingest()
    (taken,) = take_results(handed)
    first, second = taken.sheets
    assert (first.header_rows, first.rows, first.taken) == ((1,), 8, 2)
    assert first.left_out == {"subtotal": 2, "blank": 1, "note": 2}
    assert first.columns["语文"] == "chinese" and first.columns["姓名"] == "name"
    assert first.wave == "W24"
    # Only what has to be mended or explained is marked in the sheet.
    assert {mark.rule for mark in taken.marks} <= {"unusual_number", "check_digit"}
    assert (second.read, second.why, second.left_out) == (False, "unknown_sheet", {"unread": 1})


def take_results(handed: Handed) -> list[Taken]:
    contract = load_contracts()["monitoring_results"]
    files = [
        File(path, contract.feed, "2023-2024", f"{contract.feed}/2023-2024/{path.name}", "0" * 64)
        for path in (handed.settings.raw / contract.feed / "2023-2024").iterdir()
    ]
    registers = {
        feed: list((handed.settings.landing / feed).rglob("*.parquet"))
        for feed in contract.depends_on
    }
    return list(take(contract, files, registers, b"k" * 32, usual(handed.settings), LIMITS))


ERRORS: dict[str, tuple[Sheets, str, dict[str, str]]] = {
    "title and file name differ": (
        {"a": [["W25 成绩"], HEADER, *ROWS]}, "r-W24.xlsx", {"ambiguous_wave": "error"},
    ),
    "no wave anywhere": ({"a": [HEADER, *ROWS]}, "r.xlsx", {"missing_column": "error"}),
    "another feed's template": (
        {"a": [["教职工号", "姓名", "学校标识码", "岗位", "层级", "任职日期"],
               ["T1", "x", "1", "教师", "校", ""]]},
        "r-W24.xlsx", {"wrong_template": "error"},
    ),
    "an error of a formula": (
        {"a": [HEADER, [*ROWS[0][:6], "#REF!"], ROWS[1]]}, "r-W24.xlsx",
        {"damaged_cell": "error"},
    ),
    "a formula without a result": (
        {"a": [HEADER, [*ROWS[0][:6], "=1+2"], ROWS[1]]}, "r-W24.xlsx",
        {"formula_without_value": "error"},
    ),
    "a total that is an error": (
        {"a": [[*HEADER, "总分"], [*ROWS[0], "#REF!"], [*ROWS[1], None]]}, "r-W24.xlsx",
        {"damaged_cell": "error"},
    ),
    "a total without a result": (
        {"a": [[*HEADER, "总分"], [*ROWS[0], "=F2+G2"], [*ROWS[1], None]]}, "r-W24.xlsx",
        {"formula_without_value": "error"},
    ),
    "a class that became a day": (
        {"a": [HEADER, [*ROWS[0][:4], datetime.date(2024, 5, 1), 80, 90], ROWS[1]]},
        "r-W24.xlsx", {"turned_into_date": "error"},
    ),
    "a class of another grade": (
        {"a": [HEADER, [*ROWS[0][:4], "六年级1班", 80, 90], ROWS[1]]}, "r-W24.xlsx",
        {"grade_beside_class": "error"},
    ),
    "one student in two classes": (
        {"a": [[*HEADER[:5], "学科", "成绩"], [*ROWS[0][:5], "语文", 80],
               [*ROWS[0][:4], 2, "数学", 90], [*ROWS[1][:5], "语文", 90]]},
        "r-W24.xlsx", {"two_classes": "query"},
    ),
    "a header and nothing else": ({"a": [HEADER]}, "r-W24.xlsx", {"no_rows": "error"}),
    "a sheet that fits nothing": (
        {"a": [HEADER, *ROWS], "b": [["2024", "1", "2", "3", "4", "5", "6", "7", "8", "9"]]},
        "r-W24.xlsx", {"continued_unclear": "error"},
    ),
    "another school's file": (
        {"a": [HEADER, *ROWS]}, "3137000002-W24.xlsx", {"other_school": "query"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", ERRORS)
def test_what_is_wrong_is_said(handed: Handed, what: str) -> None:
    sheets, name, expected = ERRORS[what]
    if "W25" in str(sheets):
        line = "W25,市,学业质量监测,2024-06-20,五年级,语文,100"
        handed.add("monitoring_waves/w.csv", line)
    results(handed, sheets, name)
    found = rules(handed)
    found.pop("wave_elsewhere", None)
    assert found == expected


def test_an_empty_cell_with_a_format_hides_no_damage_behind_it(handed: Handed) -> None:
    def frame(book: openpyxl.Workbook) -> None:
        for row in range(2, 4):
            book.active.cell(row, 6).number_format = "0.0"

    first, second = [*ROWS[0][:5], None, "#REF!"], [*ROWS[1][:5], 80, 60]
    results(handed, {"a": [HEADER, first, second]}, touch=frame)
    report = handed.ingest()["monitoring_results"]
    assert ("damaged_cell", "数学") in {(p.rule, p.column) for p in report.problems}


def test_old_and_open_workbooks(tmp_path: Path) -> None:
    book = xlwt.Workbook()
    sheet = book.add_sheet("甲")
    for at, row in enumerate([["学籍号", "分"], ["007", 86.5], ["008", datetime.date(2024, 3, 5)]]):
        for column, value in enumerate(row):
            style = xlwt.easyxf(num_format_str="YYYY-MM-DD")
            plain = xlwt.Style.default_style
            sheet.write(at, column, value, style if isinstance(value, datetime.date) else plain)
    book.save(str(tmp_path / "a.xls"))
    (read,) = read_sheets(tmp_path / "a.xls")
    assert read.cells.to_pylist() == [
        {"c0": "学籍号", "c1": "分"}, {"c0": "007", "c1": "86.5"},
        {"c0": "008", "c1": "2024-03-05"},
    ]  # fmt: skip
    ods(tmp_path / "a.ods", [["学籍号", "分"], ["007", 86.5]])
    (read,) = read_sheets(tmp_path / "a.ods")
    assert read.cells.to_pylist() == [{"c0": "学籍号", "c1": "分"}, {"c0": "007", "c1": "86.5"}]


def test_errors_in_old_and_open_workbooks_are_read(tmp_path: Path) -> None:
    """The reader itself gives such a cell as an empty one."""
    book = xlwt.Workbook()
    for name, code in (("甲", 0x17), ("乙", 0x2A)):
        sheet = book.add_sheet(name)
        sheet.write(0, 0, "分")
        sheet.row(1).set_cell_error(0, code)
        sheet.write(1, 1, 0)
    book.save(str(tmp_path / "a.xls"))
    read = read_sheets(tmp_path / "a.xls")
    assert [s.cells.to_pylist()[1] for s in read] == [
        {"c0": "#REF!", "c1": "0"}, {"c0": "#N/A", "c1": "0"},
    ]  # fmt: skip
    ods(tmp_path / "a.ods", [["分", "b"], ["#VALUE!", 1.0], ["Err:502", 2.0]])
    (sheet,) = read_sheets(tmp_path / "a.ods")
    assert [row["c0"] for row in sheet.cells.to_pylist()] == ["分", "#VALUE!", "Err:502"]


FORMULA = '<table:table-cell table:formula="of:=1/0" '
LOST_IN_ODS = {
    # LibreOffice, in English and in Chinese; a word that nobody knows is an error all the same.
    'office:value-type="string" office:string-value="" calcext:value-type="error">'
    "<text:p>#REF!</text:p>": "#REF!",
    'office:value-type="string" office:string-value="" calcext:value-type="error">'
    "<text:p>错误:502</text:p>": "错误:502",
    'office:value-type="string" office:string-value="" calcext:value-type="error">'
    "<text:p>#BEZUG!</text:p>": "#VALUE!",
    # Excel, and OpenOffice of old: the number 0.
    'office:value-type="float" office:value="0"><text:p>#DIV/0!</text:p>': "#DIV/0!",
    'office:value-type="float" office:value="0"><text:p>Err:503</text:p>': "Err:503",
    # Whoever does not calculate.
    ">": "=",
    'office:value-type="float">': "=",
    # Results all the same.
    "><text:p/>": "",
    'office:value-type="string" office:string-value=""><text:p/>': "",
    'office:value-type="float" office:value="0"><text:p>0</text:p>': "0",
    'office:value-type="string" office:string-value="a"><text:p>a</text:p>': "a",
}
"""What follows the formula in a cell of an .ods, and what is read."""


def test_every_way_in_which_an_open_workbook_loses_a_cell(tmp_path: Path) -> None:
    cells = [f"{FORMULA}{inside}</table:table-cell>" for inside in LOST_IN_ODS]
    ods(tmp_path / "a.ods", [["分", 1.0], *([cell, 1.0] for cell in cells)])
    (sheet,) = read_sheets(tmp_path / "a.ods")
    assert [r["c0"] for r in sheet.cells.to_pylist()] == ["分", *LOST_IN_ODS.values()]
    # Each is found by itself, too: most documents are not looked through.
    for cell, told in zip(cells, LOST_IN_ODS.values(), strict=True):
        ods(tmp_path / "a.ods", [["分", 1.0], [cell, 1.0]])
        (sheet,) = read_sheets(tmp_path / "a.ods")
        assert sheet.cells.to_pylist()[1]["c0"] == told


def xls_of(path: Path, *results: bytes, calculated: bool = False) -> list[str | None]:
    """What is read of formulas with these results and flags, in an .xls as their programs write."""
    book = xlwt.Workbook()
    sheet = book.add_sheet("甲")
    for row in range(len(results)):
        sheet.write(row, 0, xlwt.Formula("1+1"))
        sheet.write(row, 1, 1)
    book.save(str(path))
    data = path.read_bytes()
    own = bytes.fromhex("030000000000ffff0000")
    first, *others = data.split(own)
    data = first + b"".join(r + other for r, other in zip(results, others, strict=True))
    if calculated:
        # In place of the first record that says nothing of cells: that sheets are not protected.
        data = data.replace(b"\x12\0\x02\0\0\0", b"\xc1\1\x02\0\0\0", 1)
    path.write_bytes(data)
    return [r["c0"] for r in read_sheets(path)[0].cells.to_pylist()]


def test_a_formula_without_result_in_an_old_workbook(tmp_path: Path) -> None:
    path = tmp_path / "a.xls"
    empty, zero = bytes.fromhex("030000000000ffff0000"), bytes(10)
    later, two = bytes(8) + b"\2\0", bytes.fromhex("00000000000000400000")
    assert xls_of(path, empty, empty) == ["=", "="]
    assert xls_of(path, empty, empty, calculated=True) == ["", ""]
    # Where any was calculated, an empty text is a result; so is a 0, unless its flag says other.
    assert xls_of(path, empty, two) == ["", "2"]
    assert xls_of(path, empty, zero) == ["", "0"]
    assert xls_of(path, later, two) == ["=", "2"]


@pytest.mark.skipif(OFFICE is None, reason="LibreOffice is missing")
def test_errors_and_formulas_as_libreoffice_writes_them(tmp_path: Path) -> None:
    """The same workbook, opened and saved in every form."""
    wanted = {
        "=1/0": {"#DIV/0!"}, "=NA()": {"#N/A"}, "=nosuch(1)": {"#NAME?"},
        '=VALUE("a")': {"#VALUE!", "Err:502"}, "=SQRT(-1)": {"#VALUE!", "Err:502"},
        '=""': {""}, "=1-1": {"0"}, '="甲"': {"甲"},
    }  # fmt: skip
    book = openpyxl.Workbook()
    for formula in wanted:
        book.active.append([formula, 1])
    book.save(tmp_path / "a.xlsx")
    (plain,) = read_sheets(tmp_path / "a.xlsx")
    assert {row["c0"] for row in plain.cells.to_pylist()} == {"="}
    for form in ("ods", "xls", "xlsx"):
        convert([tmp_path / "a.xlsx"], form, tmp_path)
        (sheet,) = read_sheets(tmp_path / form / f"a.{form}")
        for told, read in zip(wanted.values(), sheet.cells.to_pylist(), strict=True):
            assert read["c0"] in told, (form, told, read)


def test_an_error_in_an_old_workbook_is_reported(handed: Handed) -> None:
    path = results(handed, {"a": [HEADER, *ROWS]})
    path.unlink()
    ods(path.with_suffix(".ods"), [HEADER, [*map(str, ROWS[0][:6]), "#DIV/0!"]])
    report = handed.ingest()["monitoring_results"]
    (problem,) = [p for p in report.problems if p.rule == "damaged_cell"]
    assert (problem.row_first, problem.column, problem.found) == (2, "数学", "#DIV/0!")
    cells = [*map(str, ROWS[0][:5]), f"{FORMULA}/>", "错误:502"]
    ods(path.with_suffix(".ods"), [HEADER, cells])
    report = handed.ingest()["monitoring_results"]
    assert {(p.rule, p.column, p.found) for p in report.problems if p.severity == "error"} == {
        ("formula_without_value", "语文", ""), ("damaged_cell", "数学", "错误:502"),
    }  # fmt: skip


def ods(path: Path, rows: list[list[Any]]) -> None:
    cells = "".join(
        "<table:table-row>"
        + "".join(
            f'<table:table-cell office:value-type="float" office:value="{v}"><text:p>{v}</text:p>'
            "</table:table-cell>"
            if isinstance(v, float)
            else v
            if v.startswith("<")
            else f'<table:table-cell office:value-type="string"'
            # As LibreOffice writes an error: text that is shown, and no value.
            f"{' office:string-value=' + chr(34) * 2 if v.startswith(('#', 'Err:')) else ''}"
            f"><text:p>{v}</text:p>"
            "</table:table-cell>"
            for v in row
        )
        + "</table:table-row>"
        for row in rows
    )
    space = "urn:oasis:names:tc:opendocument:xmlns:"
    content = (
        f'<?xml version="1.0"?><office:document-content xmlns:office="{space}office:1.0" '
        f'xmlns:table="{space}table:1.0" xmlns:text="{space}text:1.0" xmlns:calcext="urn:org:'
        'documentfoundation:names:experimental:calc:xmlns:calcext:1.0"><office:body>'
        f'<office:spreadsheet><table:table table:name="a">{cells}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    mime = "application/vnd.oasis.opendocument.spreadsheet"
    manifest = (
        f'<?xml version="1.0"?><manifest:manifest xmlns:manifest="{space}manifest:1.0">'
        f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{mime}"/>'
        '<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/>'
        "</manifest:manifest>"
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", mime)
        archive.writestr("META-INF/manifest.xml", manifest)
        archive.writestr("content.xml", content)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.txt").write_bytes("学籍号\t班级\n007\t3\n".encode(encoding))
    (read,) = read_sheets(tmp_path / "a.txt")
    assert read.cells.to_pylist() == [{"c0": "学籍号", "c1": "班级"}, {"c0": "007", "c1": "3"}]


@pytest.mark.parametrize("separator", [",", "\t", ";"])
def test_the_separator_is_not_guessed_from_a_title(tmp_path: Path, separator: str) -> None:
    title = "七年级，成绩;表,一"
    rows = [separator.join(["学籍号", "班级", "语文"]), separator.join(["007", "3", "80"])] * 3
    (tmp_path / "a.csv").write_text("\n".join([title, *rows]), encoding="utf-8")
    (read,) = read_sheets(tmp_path / "a.csv")
    assert list(read.cells.to_pylist()[1].values())[:3] == ["学籍号", "班级", "语文"]


def test_a_name_that_lies_is_seen_through(handed: Handed) -> None:
    path = results(handed, {"a": [HEADER, *ROWS]})
    path.rename(path.with_suffix(".csv"))
    found = rules(handed)
    assert landed(handed) == LANDED and found["lying_extension"] == "note"


def encrypted() -> bytes:
    name = "EncryptedPackage".encode("utf-16-le")
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600 + name + b"\0" * 600


def bomb() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        for part in range(3):
            archive.writestr(f"xl/{part}.xml", b"\0" * 2**20)
    raw = bytearray(data.getvalue())
    at = raw.find(b"PK\x01\x02")
    while at >= 0:  # the directory says 1 GB each
        raw[at + 24 : at + 28] = struct.pack("<I", 2**30)
        at = raw.find(b"PK\x01\x02", at + 4)
    return bytes(raw)


def entities() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr(
            "xl/workbook.xml",
            '<!DOCTYPE a [<!ENTITY b "'
            + "c" * 1000
            + '">]><workbook>'
            + "&b;" * 1000
            + "</workbook>",
        )
    return data.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "rule"),
    [
        ("a.xlsx", encrypted(), "encrypted"),
        ("a.xlsx", bomb(), "too_large"),
        ("a.xlsx", entities(), "unreadable"),
        ("a.xls", b"<html><table><tr><td>1</td></tr></table></html>", "unreadable"),
        ("a.xlsx", b"PK\x03\x04" + b"\0" * 100, "unreadable"),
        ("a.csv", b"a,b\n" + b"\0" * 100, "unreadable"),
        ("a.csv", b'a,"' + b"x" * 300_000, "unreadable"),
        ("a.pdf", b"%PDF", "unreadable"),
    ],
)  # fmt: skip
def test_what_cannot_be_read(tmp_path: Path, name: str, data: bytes, rule: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(Unreadable) as error:
        read_sheets(tmp_path / name)
    assert error.value.rule == rule


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("3", ("3", None)), ("03", ("3", None)), ("3班", ("3", None)), ("(3)班", ("3", None)),
        ("三班", ("3", None)), ("十二班", ("12", None)), ("七年级(3)班", ("3", 7)),
        ("初一3班", ("3", 7)), ("7.3", ("3", 7)), ("7-10", ("10", 7)),
        ("高二(5)班", ("5", 11)), ("实验班", ("实验班", None)), ("2021级3班", ("2021级3班", None)),
        ("13.2", ("13.2", None)), ("0", ("0", None)), ("703", ("703", None)),
    ],
)  # fmt: skip
def test_classes_as_people_write_them(written: str, read: tuple[str, int | None]) -> None:
    assert read_class(written) == read


def test_numbers_of_classes() -> None:
    assert [number_of(t) for t in ("十", "十一", "二十", "二十三", "三", "", "十十", "三三")] == [
        10, 11, 20, 23, 3, None, None, None,
    ]  # fmt: skip
    assert long_class("703") == (7, "3") and long_class("1012") == (10, "12")
    assert long_class("1303") is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("病假", "病假"), ("张三", "□□"), ("阿依古丽·买买提", "□□□□□□"), ("Li Lei", "□□□□□□"),
        ("第三小学", "第三小学"), ("3月下旬", "3月下旬"), ("十三年级", "十三年级"), ("8O", "8O"),
        ("G370499201001011237", "…1237"), ("absent", "absent"), ("虚生123", "□□123"),
        ("T0012", "T0012"),
    ],
)  # fmt: skip
def test_a_message_shows_no_name(text: str, shown: str) -> None:
    assert discreet(text) == shown


def test_no_name_goes_on_record(handed: Handed) -> None:
    """A name in every wrong place, and no header where one should be."""
    handed.add("monitoring_results/a.csv", f"W24,王小虎,{NUMBERS[2]},第一小学,5,1,王小虎,赵四,7")
    handed.add("students/a.csv", f"{NUMBERS[2]},3,钱多多,五年级,钱多多,孙七")
    handed.write("students/c.csv", f"{NUMBERS[3]},周八,年级,班级\n{NUMBERS[2]},吴九,5,1\n")
    reports = handed.ingest()
    told = str([p.as_dict() for r in reports.values() for p in r.problems])
    assert not [n for n in ("王小虎", "赵四", "钱多多", "孙七", "周八", "吴九") if n in told]


def test_a_large_text_file_comes_in_pieces(tmp_path: Path) -> None:
    """Ragged and empty lines keep the numbers of the rows around them."""
    lines = [
        "标题",
        "a,b,c",
        "1,2,3",
        "",
        "4,5,6",
        "7,8",
        '"x',
        'y",9,10',
        "11,12,13,14",
        "",
        "15,16,17",
    ]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    head, pieces = stream_text(path, 2)
    assert head.cells.num_columns == 4
    rows = {}
    for numbers, table in pieces:
        values = [[v for v in row.values() if v] for row in table.to_pylist()]
        rows |= dict(zip(numbers.tolist(), values, strict=True))
    assert rows == {
        1: ["标题"], 2: ["a", "b", "c"], 3: ["1", "2", "3"], 4: [], 5: ["4", "5", "6"],
        6: ["7", "8"],
        7: ["x\ny", "9", "10"], 8: ["11", "12", "13", "14"], 9: [], 10: ["15", "16", "17"],
    }  # fmt: skip


@pytest.mark.parametrize("together", [True, False])
def test_pieces_land_what_one_piece_lands(
    handed: Handed, monkeypatch: pytest.MonkeyPatch, together: bool
) -> None:
    lines = ["标题 W24", "学籍号,学校,年级,班级,学科,成绩", ""]
    for at in range(50):
        # What is resolved, or read in another way, comes only after some pieces.
        school = "3137000001" if at < 30 else "第一小学"
        lines.append(
            f"L0000000000000{at % 25:05d},{school},5,1,{'语文数学'[at // 25 * 2 :][:2]},{at}"
        )
    lines += [lines[5], "平均分,,,,,24", "注：以上为全部成绩"]
    for other in ("a", "b"):
        handed.write(f"monitoring_results/{other}.csv", lines[1])
    handed.write("monitoring_results/a.csv", "\n".join(lines))
    if not together:
        monkeypatch.setattr("pipelines.intake.take.LARGE_BYTES", 10)
        monkeypatch.setattr("pipelines.intake.gather.PIECE_ROWS", 7)
        monkeypatch.setattr("pipelines.intake.reader.BLOCK", 400)
    found = {
        (p.rule, p.row_first, p.row_last, p.count)
        for p in handed.ingest()["monitoring_results"].problems
        if p.file.endswith("a.csv") and p.rule != "unusual_number"
    }
    assert found == {
        ("wave_elsewhere", 2, 2, 1), ("repeated_row", 54, 54, 1), ("subtotal_rows", 55, 55, 1),
        ("note_rows", 56, 56, 1),
    }  # fmt: skip
    assert handed.landed(
        "select count(*), sum(score)::int, min(source_row), any_value(school_code), "
        "count(distinct school_code) from landed"
    ) == [(50, sum(range(50)), 4, "3137000001", 1)]


def test_items_are_columns(handed: Handed) -> None:
    handed.write(
        "item_map/m.csv",
        "监测批次,年级,学科,题号,满分,核心素养,内容领域\n"
        + "".join(
            f"W24,五年级,语文,{i},{m},a,b\n" for i, m in (("第1题", 3), ("２", 5), ("21（2）", 4))
        ),
    )
    handed.write(
        "item_results/i.csv",
        "监测批次,学籍号,学科,第1题,T2,21（2）,22\n"
        f"W24,{NUMBERS[0]},语文,3,4.5,0,\nW24,{NUMBERS[1]},语文,,6,1,\n",
    )
    report = handed.ingest()["item_results"]
    assert {(p.rule, p.row_first, p.column, p.found, p.expected) for p in report.problems} == {
        ("above_full_mark", 3, "2", "6", "5")
    }
    handed.write(
        "item_results/i.csv",
        "监测批次,学籍号,学科,得分,,\n,,,第1题,T2,21（2）\n"
        f"W24,{NUMBERS[0]},语文,3,4.5,0\nW24,{NUMBERS[1]},语文,,5,1\n",
    )
    assert not handed.ingest()["item_results"].problems
    assert handed.landed(
        "select item_no, score::varchar, source_row from landed order by source_row, item_no",
        "item_results",
    ) == [
        ("1", "3.000", 3), ("2", "4.500", 3), ("21(2)", "0.000", 3),
        ("2", "5.000", 4), ("21(2)", "1.000", 4),
    ]  # fmt: skip


def test_a_row_is_left_out_for_a_reason() -> None:
    import pyarrow as pa

    rows = [
        ["G1", "甲", "80"], ["", "", ""], ["", "乙", "70"], ["全校平均", "", "75"],
        ["合计", "", ""], ["", "", "60"], ["学籍号", "姓名", "语文"], ["G2", "合计", "90"],
        ["", "2024-06-30", ""], ["以上数据经核对无误", "", ""], ["2024年6月30日", "", ""],
        ["2024-06-30", "", ""], ["", "", "2024.6"],
    ]  # fmt: skip
    table = pa.table({f"c{i}": [row[i] for row in rows] for i in range(3)})
    assert rows_aside(table, 0, [0, 1, 2], [["学籍号", "姓名", "语文"]]) == {
        1: "blank", 3: "subtotal", 4: "subtotal", 6: "repeated_header",
        8: "note", 9: "note", 10: "note", 11: "note", 12: "note",
    }  # fmt: skip
    above = pa.table({f"c{i}": [rows[8][i], rows[0][i]] for i in range(3)})
    assert rows_aside(above, 0, [0, 1, 2], [["学籍号", "姓名", "语文"]]) == {}


def test_a_wave_is_named_whole(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("学籍号,学校,年级,班级,语文\nS1,x,5,1,80\n", encoding="utf-8")
    (sheet,) = read_sheets(tmp_path / "a.csv")
    waves = {"W24": "W24", "W24-B": "W24-B", "2024年全市监测": "W24"}
    contract = load_contracts()["monitoring_results"]

    def named(file: str) -> str:
        found, _ = recognise(contract, sheet, file, waves)
        assert found is not None
        return found.wave

    assert named("八中-W24-B.csv") == "W24-B" and named("八中 w24 成绩.csv") == "W24"
    assert named("XW245.csv") == "" and named("2024年全市监测-八中.csv") == "W24"


def test_a_row_from_which_nothing_is_taken_is_said(handed: Handed) -> None:
    """A grade that the wave does not test, with nothing in its cells."""
    handed.add("monitoring_results/a.csv", f"W24,{NUMBERS[2]},某,第二小学,六年级,1,,,")
    found = {
        (p.rule, p.severity, p.row_first)
        for p in handed.ingest()["monitoring_results"].problems
        if p.file.endswith("a.csv")
    }
    assert ("without_scores", "note", 4) in found and "error" not in {s for _, s, _ in found}
