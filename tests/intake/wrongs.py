"""Small files of which each breaks one rule, and how they would be right."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.worksheet.worksheet import Worksheet

from pipelines.sample.books import Page, as_ods, as_text, as_xls
from tests.intake.conftest import NUMBERS
from tests.intake.mend import Do

Grid = list[list[Any]]
Place = tuple[int, int]
"""Row and column, from 1."""

FIRST, SECOND, THIRD = *NUMBERS[:2], "G370499201001031238"
STUDENTS: Grid = [
    ["学籍号", "姓名", "学校标识码", "年级", "性别", "是否寄宿", "班级"],
    [FIRST, "韩梅", "3137000001", "五年级", "女", "否", "1"],
    [SECOND, "李雷", "3137000001", "五年级", "男", "是", "2"],
]
RESULTS: Grid = [
    ["监测批次", "学籍号", "学校标识码", "年级", "班级", "语文", "数学", "总分"],
    ["W24", FIRST, "3137000001", 5, "1", 88.5, 110, 198.5],
    ["W24", SECOND, "3137000001", 5, "2", "缺考", 60, 60],
]
SCORES: Grid = [
    ["监测批次", "学籍号", "学校标识码", "年级", "班级", "学科", "成绩", "状态"],
    ["W24", FIRST, "3137000001", 5, "1", "语文", 88.5, None],
    ["W24", FIRST, "3137000001", 5, "1", "数学", 110, None],
    ["W24", SECOND, "3137000001", 5, "2", "语文", None, "缺考"],
]
ITEMS: Grid = [
    ["监测批次", "学籍号", "学科", "第1题", "第2题"],
    ["W24", FIRST, "语文", 3, 5],
    ["W24", SECOND, "语文", 2, 0],
]
SCHOOLS: Grid = [
    ["学校名称", "区划代码", "办学类型", "城乡类型", "办学性质", "学校标识码"],
    ["第五小学", "370402", "小学", "城区", "公办", "3137000005"],
]
WAVES: Grid = [
    ["监测批次", "组织层级", "监测类型", "监测日期", "年级", "学科", "满分", "合格线", "良好线"],
    ["W25", "市", "学业质量监测", "2024-06-21", "五年级", "语文", 100, 60, 75],
]
LESSONS: Grid = [
    ["听课日期", "听课人工号", "授课教师工号", "学校标识码", "年级", "班级", "学科", "节数",
     "评课得分", "教学设计", "教学过程", "教学效果", "教师素养", "随堂监测人数", "随堂达标人数"],
    ["2024-03-05", "T1", "T2", "3137000001", "五年级", "1", "语文", 1,
     90, 22, 23, 22, 23, 45, 41],
]  # fmt: skip
TRAININGS: Grid = [
    ["教职工号", "培训项目编号", "项目类别", "期次", "培训方式", "开始日期", "结束日期", "学时",
     "是否结业"],
    ["T1", "P1", "学科培训", "1", "集中", "2024-03-05", "2024-03-08", 16, "是"],
]  # fmt: skip
CLASSES: Grid = [
    ["学籍号", "学校标识码", "年级", "性别", "班级"],
    *[[f"L370499201{at:02}{'0' * 6}1", "3137000001", 5, "女", f"5.{at}"] for at in range(1, 12)],
]
"""A class each, and a class 10 that lost its zero is the second of class 1."""
ENTRIES: Grid = [
    ["类别", "主体类型", "主体编号", "名称", "认定日期"],
    ["research_base_school", "学校", "3137000001", "市级教研基地校", "2024-03-12"],
]

SECOND_SHEET = "续"
CONTINUED: Grid = [
    STUDENTS[0],
    [THIRD, "赵五", "3137000001", "五年级", "男", "否", "2"],
]


@dataclass(frozen=True)
class Wrong:
    """A file as it should be, and what is wrong with it.

    Wrong cells stand where the right ones do; rows and columns too many stand after all others, so
    that whoever knows the right table knows of every cell what belongs there.
    """

    feed: str
    right: Grid
    cells: dict[Place, Any]
    touch: Callable[[Worksheet], None] = id  # type: ignore[assignment]
    name: str = ""
    """Goes on with the file's name, which begins with the rule."""
    suffix: str = ".xlsx"
    form: str = ".xlsx"
    """What the file is, whatever its name says."""
    sheet: str = "表"
    above: int = 0
    """Rows of a title."""
    added: str = ""
    """What stands in a column that the file lacks, where `right` does not hold it."""

    def file_name(self, rule: str) -> str:
        """Name of the file that shows this rule broken."""
        return f"{rule}{self.name}{self.suffix}"

    def truth(self, sheet: str, row: int, column: int, header: str) -> Any:
        """What belongs into a cell, which only the school knows; for `mend`."""
        if not row:
            return Do.DELETE_SHEET
        right = {SECOND_SHEET: CONTINUED}.get(sheet, self.right)
        row -= self.above
        if row > len(right):
            return Do.DELETE_ROW
        if column > len(right[0]):
            return self.added if header and self.added else Do.DELETE_COLUMN
        return right[row - 1][column - 1] if row > 0 else Do.KEEP

    def write(self, path: Path) -> Path:
        """The file as it is handed in."""
        book = openpyxl.Workbook()
        sheet = book.active
        assert isinstance(sheet, Worksheet)
        sheet.title = self.sheet
        for row in self.right:
            sheet.append(row)
        for (row, column), value in self.cells.items():
            sheet.cell(row, column).value = value
        self.touch(sheet)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            if self.form == ".xlsx":
                book.save(file)
            else:
                file.write(WRITERS[self.form](list(_pages(book))))
        return path


def _pages(book: openpyxl.Workbook) -> Iterator[Page]:
    """The same sheets for another form, which has no formulas of its own here."""
    for sheet in book.worksheets:
        rows = [["" if v is None else _day(v) for v in row] for row in sheet.values]
        yield Page(sheet.title, rows, hidden=sheet.sheet_state == "hidden")


def _day(value: Any) -> Any:
    return value.date() if isinstance(value, datetime) else value


WRITERS: dict[str, Callable[[list[Page]], bytes]] = {
    ".csv": lambda pages: as_text(pages[0], ",", "utf-8-sig"),
    ".txt": lambda pages: as_text(pages[0], "\t", "gb18030"),
    ".xls": as_xls,
    ".ods": as_ods,
}


def _more(right: Grid, *cells: Any) -> dict[Place, Any]:
    """A row under the table."""
    return {(len(right) + 1, column): cell for column, cell in enumerate(cells, 1)}


def _beside(right: Grid, *cells: Any) -> dict[Place, Any]:
    """A column right of the table."""
    return {(row, len(right[0]) + 1): cell for row, cell in enumerate(cells, 1)}


def _second_sheet(*rows: list[Any], hidden: bool = False) -> Callable[..., None]:
    def touch(sheet: Worksheet) -> None:
        book = sheet.parent
        assert isinstance(book, openpyxl.Workbook)
        more = book.create_sheet(SECOND_SHEET)
        for row in rows:
            more.append(row)
        if hidden:
            more.sheet_state = "hidden"

    return touch


def _drop_last(sheet: Worksheet) -> None:
    sheet.delete_cols(sheet.max_column)


def _title(words: str) -> Callable[..., None]:
    def touch(sheet: Worksheet) -> None:
        sheet.insert_rows(1)
        sheet["A1"].value = words

    return touch


MENDED: dict[str, Wrong] = {
    "missing_column": Wrong("students", STUDENTS, {}, _drop_last),
    "ambiguous_header": Wrong("students", STUDENTS, _beside(STUDENTS, "年级", "六年级", "六年级")),
    "unnamed_column": Wrong("monitoring_results", RESULTS, _beside(RESULTS, None, 90, 91)),
    "unread_scores": Wrong("monitoring_results", [r[:7] for r in RESULTS], {(1, 7): "数学成绩"}),
    "two_forms": Wrong("monitoring_results", RESULTS, _beside(RESULTS, "成绩", 88.5, 60)),
    "required": Wrong("students", STUDENTS, {(2, 7): None}),
    "bad_text": Wrong("schools", SCHOOLS, {(2, 6): "31370"}),
    "bad_code": Wrong("students", STUDENTS, {(3, 5): "混合"}),
    "bad_grade": Wrong("students", STUDENTS, {(2, 4): "学前", (3, 4): "学前"}),
    "bad_integer": Wrong("lesson_observations", LESSONS, {(2, 8): "约2"}),
    "bad_number": Wrong("training_logs", TRAININGS, {(2, 8): "约8"}),
    "bad_score": Wrong("monitoring_results", RESULTS, {(3, 6): "病假"}),
    "bad_date": Wrong("training_logs", TRAININGS, {(2, 6): "3月下旬"}),
    "bad_flag": Wrong("training_logs", TRAININGS, {(2, 9): "不详"}),
    "below_min": Wrong("monitoring_results", RESULTS, {(2, 6): -5}),
    "above_max": Wrong("lesson_observations", LESSONS, {(2, 8): 9}),
    "truncated_number": Wrong("students", STUDENTS, {(2, 1): "3.70E+17", (3, 1): 3.7e17}),
    "misplaced_number": Wrong("students", STUDENTS, {(2, 7): FIRST}),
    "unusual_number": Wrong("students", STUDENTS, {(2, 1): "20230017"}),
    "unknown_kind": Wrong("programme_register", ENTRIES, {(2, 1): "市级教研基地校"}),
    "class_lost_zero": Wrong("students", CLASSES, {(11, 5): 5.1}),
    "check_digit": Wrong("students", STUDENTS, {(2, 1): FIRST[:-1] + "4"}),
    "score_without_presence": Wrong("monitoring_results", SCORES, {(2, 8): "缺考"}),
    "wrong_total": Wrong("monitoring_results", RESULTS, {(2, 8): 200, (3, 7): 61}),
    "duplicate_key": Wrong("monitoring_results", SCORES, _more(SCORES, *SCORES[1][:6], 87)),
    "unknown_reference": Wrong("students", STUDENTS, {(2, 3): "3137999999"}),
    "ambiguous_name": Wrong("students", STUDENTS, {(3, 3): "第三小学"}),
    "above_full_mark": Wrong("monitoring_results", RESULTS, {(2, 6): 885, (2, 8): 995}),
    "continued_unclear": Wrong("students", STUDENTS, {}, _second_sheet([*CONTINUED[1], *"abc"])),
    "unread_records": Wrong("students", STUDENTS, {}, _second_sheet(
        ["代号", "称呼", "备忘"], *([f"2023010{at}", "甲", "乙"] for at in range(3)))),
    "hidden_sheet": Wrong("students", STUDENTS, {}, _second_sheet(*STUDENTS[:2], hidden=True)),
    "ambiguous_wave": Wrong(
        "monitoring_results", [r[1:] for r in RESULTS], {}, _title("W25 成绩"), name="-W24",
        above=1, added="W24",
    ),
    "damaged_cell": Wrong("monitoring_results", RESULTS, {(2, 7): "#REF!"}),
    "formula_without_value": Wrong("monitoring_results", RESULTS, {(2, 7): "=100+10"}),
    "turned_into_date": Wrong("students", STUDENTS, {(2, 7): date(2024, 5, 1)}),
    "too_long": Wrong("schools", SCHOOLS, {(2, 1): "第五小学" * 600}),
    "grade_beside_class": Wrong("students", STUDENTS, {(2, 7): "六年级(1)班"}),
    "dates_out_of_order": Wrong("training_logs", TRAININGS, {(2, 6): "2024-03-18"}),
    "more_than": Wrong("lesson_observations", LESSONS, {(2, 14): 40}),
    "parts_and_whole": Wrong("lesson_observations", LESSONS, {(2, 9): 95}),
    "mark_order": Wrong("monitoring_waves", WAVES, {(2, 9): 50}),
    "two_classes": Wrong("monitoring_results", SCORES, {(3, 5): "2"}),
    "score_missing": Wrong("monitoring_results", RESULTS, {(3, 6): None}),
    "not_in_wave": Wrong("monitoring_results", RESULTS, _beside(RESULTS, "英语", 80, 70)),
    "no_item": Wrong("item_results", ITEMS, _beside(ITEMS, "第99题", 1, 1)),
}  # fmt: skip
"""Rule → a file that breaks it, and is right again once its cells are."""

SHEETS = {"continued_unclear", "unread_records", "hidden_sheet"}
"""Rules of a second sheet, which text files have not."""
IN_EVERY_FORM = MENDED | {
    f"{rule}{form.replace('.', '-')}": replace(wrong, suffix=form, form=form)
    for rule, wrong in MENDED.items()
    for form in WRITERS
    if rule not in SHEETS or form in (".xls", ".ods")
}
"""The same by rule and form: `required`, `required-csv`."""

EXPLAINED: dict[str, Wrong] = {
    "other_school": Wrong("monitoring_results", RESULTS, {}, name="-3137000002"),
    "other_year": Wrong("monitoring_results", RESULTS, {(r, 1): "W23" for r in (2, 3)}),
}
"""Queries about the file as a whole, which has no cell to mend."""

NOTES: dict[str, Wrong] = {
    "unknown_column": Wrong("students", STUDENTS, _beside(STUDENTS, "备注", "甲", "乙")),
    "unknown_sheet": Wrong("students", STUDENTS, {}, _second_sheet(["填表说明"])),
    "repeated_row": Wrong("students", STUDENTS, _more(STUDENTS, *STUDENTS[2])),
    "lying_extension": Wrong("students", STUDENTS, {}, suffix=".csv"),
    "subtotal_rows": Wrong(
        "monitoring_results", RESULTS, _more(RESULTS, "平均分", *[None] * 4, 88.5, 85)
    ),
    "note_rows": Wrong("students", STUDENTS, _more(STUDENTS, "注：1.本表由教务处填写。")),
    "repeated_header": Wrong("students", STUDENTS, _more(STUDENTS, *STUDENTS[0])),
    "continued_sheet": Wrong("students", STUDENTS, {}, _second_sheet(CONTINUED[1])),
    "wave_elsewhere": Wrong("monitoring_results", [r[1:] for r in RESULTS], {}, name="-W24"),
    "dotted_class": Wrong("students", STUDENTS, {(2, 7): 5.1}),
    "tidied_class": Wrong("students", STUDENTS, {(2, 7): "五年级(1)班"}),
    "without_scores": Wrong(
        "monitoring_results", RESULTS, _more(RESULTS, "W24", THIRD, "3137000001", 6, "1")
    ),
}  # fmt: skip
"""Rules of which nothing is asked."""

STUDENT_LIST = Wrong("students", STUDENTS, {})
