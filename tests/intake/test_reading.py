"""From files to recognised cells: row numbers, text kept as written, headers, problems' words."""

import hashlib
import hmac
import struct
import zipfile
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from pipelines.feeds import load_contracts, rules
from pipelines.intake import IntakeError, Problem, Unreadable, read_sheets, recognise
from pipelines.intake.pseudonym import load_key, student_keys
from pipelines.sample.books import SECTOR, Page, as_xls
from pipelines.settings import Settings
from pipelines.wording import translator

STUDENTS = load_contracts()["students"]
RESULTS = load_contracts()["monitoring_results"]


def cells(path: Path) -> list[list[str]]:
    return [list(row.values()) for row in read_sheets(path)[0].cells.to_pylist()]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
@pytest.mark.parametrize("separator", [",", "\t", ";"])
def test_text_files_in_every_encoding(tmp_path: Path, encoding: str, separator: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        separator.join(["学籍号", "班级"]) + "\n" + separator.join(["007", "3"]) + "\n",
        encoding=encoding,
    )
    assert cells(path) == [["学籍号", "班级"], ["007", "3"]]


def test_an_empty_line_keeps_the_numbers_of_later_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('a,b\n1,2\n\n"x\ny",4\n5\n')
    assert cells(path)[3] == ["x\ny", "4"]
    assert cells(path)[4] == ["5", ""]


def test_a_workbook_shows_lost_digits_and_keeps_text(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("数学")
        sheet.write_row(0, 0, ["学籍号", "成绩", "日期"])
        sheet.write_number(1, 0, 370481201009123456)
        sheet.write_string(2, 0, "0012")
        sheet.write_number(1, 1, 86)
        sheet.write_number(2, 1, 86.5)
        book.add_worksheet("hidden").hide()
    sheet_read, other = read_sheets(path)
    assert (sheet_read.hidden, other.hidden) == (False, True)
    assert sheet_read.name == "数学"
    assert sheet_read.cells["c0"].to_pylist() == ["学籍号", "3.70E+17", "0012"]
    assert sheet_read.cells["c1"].to_pylist() == ["成绩", "86", "86.5"]


NUMBERS = {
    0.0: "0", 86.0: "86", -2.5: "-2.5", 0.1 + 0.2: "0.3", 1e14: "1" + "0" * 14,
    1e15: "1.00E+15", 1234567890123450.0: "1.23E+15", 3.7e17: "3.70E+17", 1e19: "1.00E+19",
}  # fmt: skip


@pytest.mark.parametrize("beside", [(), (1.0,), (1.5,), ("缺考", 1.0)])
@pytest.mark.parametrize("header", ["成绩", None])
def test_a_number_is_read_alike_whatever_stands_around_it(
    tmp_path: Path, header: str | None, beside: tuple[str | float, ...]
) -> None:
    """A sheet that goes on has no header, and its columns may be numbers alone."""
    path = tmp_path / "a.xlsx"
    with xlsxwriter.Workbook(path) as book:
        for number in NUMBERS:
            cells = [header] if header else []
            book.add_worksheet().write_column(0, 0, [*cells, number, *beside])
    read = [sheet.cells["c0"].to_pylist()[len([header] if header else [])] for sheet in
            read_sheets(path)]  # fmt: skip
    assert read == list(NUMBERS.values())


@pytest.mark.parametrize("sector", [0, 1])
def test_sectors_that_go_round_in_a_circle_are_not_followed(tmp_path: Path, sector: int) -> None:
    """Of the directory, and of the workbook itself; found by `bench.fuzz`."""
    path, data = tmp_path / "a.xls", bytearray(as_xls([Page("甲", [["学籍号", "成绩"]])]))
    (table,) = struct.unpack_from("<I", data, 76)
    struct.pack_into("<I", data, (table + 1) * SECTOR + 4 * sector, sector)
    path.write_bytes(data)
    with pytest.raises(Unreadable, match="circle"):
        read_sheets(path)


def test_what_is_no_number_is_text(tmp_path: Path) -> None:
    path, again = tmp_path / "a.xlsx", tmp_path / "b.xlsx"
    with xlsxwriter.Workbook(path) as book:
        book.add_worksheet().write_column(0, 0, ["成绩", 86, 87])
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(again, "w") as target:
        for name in source.namelist():
            part = source.read(name).replace(b"<v>86</v>", b"<v>NaN</v>")
            target.writestr(name, part.replace(b"<v>87</v>", b"<v>1e999</v>"))
    (sheet,) = read_sheets(again)
    assert sheet.cells["c0"].to_pylist() == ["成绩", "NAN", "INF"]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.xlsx", b"PK\x03\x04 no workbook"),
        ("a.csv", b"a,b\x00\n"),
        ("a.pdf", b"%PDF"),
        ("a.csv", b",".join([b"x"] * 1000)),
    ],
)
def test_what_cannot_be_read_says_so(tmp_path: Path, name: str, data: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(Unreadable):
        read_sheets(path)


def test_the_header_is_found_below_title_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("八中花名册,,,,\n,,,,\n学号,学校,年级,班,性 别,备注\n")
    found, problems = recognise(STUDENTS, read_sheets(path)[0], "a.csv")
    assert found is not None and found.header_rows == (3,)
    assert found.columns == {
        "student_no": 0,
        "school_code": 1,
        "grade": 2,
        "class_no": 3,
        "gender": 4,
    }
    assert [(p.rule, p.found) for p in problems] == [("unknown_column", "备注")]


def test_wide_results_and_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("监测批次,学校,年级,语文,数学,总分\n")
    found, problems = recognise(RESULTS, read_sheets(path)[0], "a.csv")
    assert found is not None
    assert [(p.value, p.header, p.column) for p in found.wide] == [
        ("chinese", "语文", 3),
        ("mathematics", "数学", 4),
    ]
    assert found.total == 5
    assert [(p.rule, p.expected) for p in problems] == [("missing_column", "学籍号")]


def test_a_code_goes_before_a_name_and_two_equals_are_a_question(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("学籍号,学校,学校标识码,年级,班级,性别\n")
    found, problems = recognise(STUDENTS, read_sheets(path)[0], "a.csv")
    assert found is not None and found.columns["school_code"] == 2
    assert [(p.rule, p.found) for p in problems] == [("unknown_column", "学校")]
    path.write_text("学籍号,学校,学校名称,年级,班级,性别\n")
    _, problems = recognise(STUDENTS, read_sheets(path)[0], "a.csv")
    assert [p.rule for p in problems] == ["ambiguous_header"]


@given(
    st.lists(st.text(alphabet="GJL0123456789X", min_size=1), min_size=1),
    st.binary(min_size=32, max_size=100),
)
def test_a_pseudonym_is_the_standard_hmac(numbers: list[str], key: bytes) -> None:
    con = duckdb.connect()
    table = pa.table({"id": range(len(numbers)), "value": numbers})
    got = student_keys(con, key, table).to_pylist()
    assert got == [hmac.new(key, n.encode(), hashlib.sha256).hexdigest() for n in numbers]


def test_the_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "key"
    settings = Settings.load(raw=tmp_path / "raw", home=tmp_path / "home", pseudonym_key_file=path)
    assert load_key(settings) == load_key(settings)
    assert path.stat().st_mode & 0o777 == 0o600
    path.unlink()
    with pytest.raises(IntakeError, match="Restore"):
        load_key(settings.model_copy(update={"env": "production"}))


@pytest.mark.parametrize("rule", rules())
def test_every_rule_speaks_both_languages(rule: str) -> None:
    assert all(
        translator("zh").gettext(text) != text
        for text in (rules()[rule].title, rules()[rule].message)
    )
    problem = Problem(rule, "八中.xlsx", "数学", 2, 46, 45, "学籍号", "F", "E")
    assert "第 2～46 行，共 45 处" in problem.text("zh")
    assert problem.text("en").startswith("[") and "rows 2–46, 45 in all" in problem.text("en")


def test_a_part_that_only_one_reader_unpacks_is_no_surprise(tmp_path: Path) -> None:
    """Its flags speak of a patch, which the workbook's reader ignores; found by `bench.fuzz`."""
    path = tmp_path / "a.xlsx"
    with xlsxwriter.Workbook(path) as book:
        book.add_worksheet().write_row(0, 0, ["学籍号", "成绩"])
    data = path.read_bytes()
    entry = data.rindex(b"PK\x01\x02", 0, data.rindex(b"xl/worksheets/sheet1.xml"))
    path.write_bytes(data[: entry + 8] + b"\x20" + data[entry + 9 :])
    (sheet,) = read_sheets(path)
    assert sheet.cells["c1"].to_pylist() == ["成绩"]
