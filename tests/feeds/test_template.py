"""Templates: what the workbook holds, and that one filled in goes in without a problem."""

import csv
import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from zipfile import ZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.feeds import (
    NOTES_SHEET,
    TEMPLATE_SHEETS,
    Column,
    Contract,
    load_contracts,
    rules,
    write_template,
)
from pipelines.feeds.template import LISTS_SHEET, ROWS
from pipelines.feeds.words import accepts, choices, example, fixed_length
from pipelines.intake import check, ingest, read_sheets, recognise
from pipelines.rosters import Unknown, known
from pipelines.settings import Settings
from pipelines.wording import translator
from tests.feeds.conftest import NUMBERS, WAVE, YEAR

XML = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
EVERY_FEED = pytest.mark.parametrize("contract", load_contracts().values(), ids=lambda c: c.feed)
TEXT_FORMAT = "49"


def part(path: Path, name: str) -> ElementTree.Element:
    with ZipFile(path) as book:
        return ElementTree.fromstring(book.read(name))


def checks(path: Path) -> dict[int, dict[str, str]]:
    """Column → what Excel asks of its cells."""
    found = {}
    for element in part(path, "xl/worksheets/sheet1.xml").iter(f"{XML}dataValidation"):
        first, last = element.attrib["sqref"].split(":")
        assert first.endswith("2") and last.endswith(str(ROWS + 1))
        letters = re.sub("[0-9]", "", first)
        at = sum((ord(c) - 64) * 26**i for i, c in enumerate(reversed(letters))) - 1
        formulas = {e.tag.removeprefix(XML): e.text or "" for e in element}
        found[at] = {**element.attrib, **formulas}
    return found


def offered(path: Path, asked: Mapping[str, str]) -> list[str]:
    """The words of a drop-down list, wherever they stand."""
    formula = asked["formula1"]
    if formula.startswith('"'):
        return formula.strip('"').split(",")
    match = re.fullmatch(rf"'{LISTS_SHEET}'!\$([A-Z])\$1:\$\1\$([0-9]+)", formula)
    assert match
    sheet = CalamineWorkbook.from_path(str(path)).get_sheet_by_name(LISTS_SHEET).to_python()
    return [str(row[ord(match[1]) - 65]) for row in sheet[: int(match[2])]]


def headers(path: Path) -> list[str]:
    return [
        str(h) for h in CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).to_python()[0]
    ]


@EVERY_FEED
def test_the_first_sheet_is_the_table_and_the_second_explains_it(
    contract: Contract, tmp_path: Path
) -> None:
    path = write_template(contract, tmp_path / "t.xlsx")
    book = CalamineWorkbook.from_path(str(path))
    assert book.sheet_names[:2] == [contract.title, NOTES_SHEET]
    assert set(book.sheet_names[1:]) <= set(TEMPLATE_SHEETS)
    assert book.get_sheet_by_index(0).to_python() == [[c.header for c in contract.columns]]
    notes = book.get_sheet_by_index(1).to_python()
    explained = [str(row[0]).split("  ")[1] for row in notes if "  " in str(row[0])]
    assert explained == [c.header for c in contract.columns]
    told = "\n".join(str(cell) for row in notes for cell in row)
    for column in contract.columns:
        for lang in ("zh", "en"):
            assert translator(lang).gettext(column.description) in told
            assert accepts(column, lang) in told


@EVERY_FEED
def test_every_cell_is_checked_as_its_column_says(contract: Contract, tmp_path: Path) -> None:
    path = write_template(contract, tmp_path / "t.xlsx", usual_student_no="[GJL][0-9A-Z]{18}")
    asked = checks(path)
    assert list(asked) == list(range(len(contract.columns)))
    kinds = {"integer": "whole", "number": "decimal", "score": "custom", "date": "date",
             "month": "date", "student_no": "custom"}  # fmt: skip
    for at, column in enumerate(contract.columns):
        found = asked[at]
        if column.code_set:
            assert found["type"] == "list" and offered(path, found) == choices(column)
            assert found.get("errorStyle", "stop") == (
                "warning" if column.type == "grade" else "stop"
            )
        elif column.type in kinds:
            assert found["type"] == kinds[column.type]
        if column.type == "student_no":
            assert (
                found["formula1"] == f"LEN({'ABCDE'[at]}2)=19" and found["errorStyle"] == "warning"
            )
        if column.type in ("integer", "number") and column.max is not None:
            assert float(found["formula2"]) == column.max
        need = "必填" if column.required else "选填"
        assert found["promptTitle"] == f"{column.header}（{need}）" and found["error"]
        assert translator("zh").gettext(column.description) in found["prompt"]


@EVERY_FEED
def test_leading_zeros_and_long_numbers_survive(contract: Contract, tmp_path: Path) -> None:
    """A column that is text for the intake is text for the spreadsheet, down to its last row."""
    path = write_template(contract, tmp_path / "t.xlsx")
    styles = part(path, "xl/styles.xml").find(f"{XML}cellXfs")
    assert styles is not None
    formats = [xf.attrib["numFmtId"] for xf in styles]
    columns = part(path, "xl/worksheets/sheet1.xml").iter(f"{XML}col")
    numeric = ("integer", "number", "score")
    spans = [
        (int(e.attrib["min"]), int(e.attrib["max"]), formats[int(e.attrib.get("style", 0))])
        for e in columns
    ]
    for at, column in enumerate(contract.columns, start=1):
        (found,) = [form for first, last, form in spans if first <= at <= last]
        if column.type in ("date", "month"):
            assert found not in ("0", TEXT_FORMAT)
        else:
            assert found == ("0" if column.type in numeric else TEXT_FORMAT), column.name


@EVERY_FEED
def test_equal_templates_are_equal_bytes(contract: Contract, tmp_path: Path) -> None:
    one, two = (write_template(contract, tmp_path / name) for name in ("1.xlsx", "2.xlsx"))
    assert one.read_bytes() == two.read_bytes()


@EVERY_FEED
def test_no_reader_takes_the_explanations_for_the_table(contract: Contract, tmp_path: Path) -> None:
    """Under another name of the sheet too: it holds no two headers in one row."""
    wide = {"语文": 120.0, "数学": 120.0} if contract.feed == "monitoring_results" else {}
    for path in (
        write_template(contract, tmp_path / "long.xlsx"),
        write_template(contract, tmp_path / "wide.xlsx", wide=wide),
    ):
        for sheet in read_sheets(path):
            if sheet.name in TEMPLATE_SHEETS:
                assert recognise(contract, sheet, "f.xlsx")[0] is None


def test_each_example_is_a_sound_record(city: Settings, tmp_path: Path) -> None:
    for feed, contract in load_contracts().items():
        path = tmp_path / "raw" / feed / YEAR / "example.csv"
        path.parent.mkdir(parents=True)
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([c.header for c in contract.columns])
            writer.writerow([example(contract, c) for c in contract.columns])
    found = check(city, [tmp_path / "raw"])
    assert not [p.text("en") for p in found if rules()[p.rule].layer != "between"]


def test_printing_is_set_up(tmp_path: Path) -> None:
    path = write_template(load_contracts()["students"], tmp_path / "t.xlsx")
    sheet = part(path, "xl/worksheets/sheet1.xml")
    page = sheet.find(f"{XML}pageSetup")
    pane = next(sheet.iter(f"{XML}pane"))
    assert page is not None and page.attrib["paperSize"] == "9"
    assert page.attrib["orientation"] == "landscape" and page.attrib["fitToHeight"] == "0"
    assert pane.attrib["ySplit"] == "1" and pane.attrib["state"] == "frozen"
    names = [e.text for e in part(path, "xl/workbook.xml").iter(f"{XML}definedName")]
    assert "学生名册!$1:$1" in names


def test_long_lists_and_long_words_stay_within_excels_limits(tmp_path: Path) -> None:
    """A city's own contract may say more than Excel shows; the file opens all the same."""
    many = [f"学校第{i}号，分校" for i in range(400)]
    contract = Contract(
        feed="own",
        title="很长的标题[1]:" * 8,
        description="d" * 999,
        key=["a"],
        columns=[
            Column(name="a", header="表头" * 30, type="text", description="说" * 999),
            Column(name="b", header="乙", type="code", codes="grade", description="b", example="e"),
            Column(name="c", header="丙", type="text", description="c"),
        ],
    )
    path = write_template(contract, tmp_path / "t.xlsx", offered={"a": many, "c": ["一,二", "三"]})
    asked = checks(path)
    for found in asked.values():
        assert len(found["promptTitle"]) <= 32 and len(found["errorTitle"]) <= 32
        assert len(found["prompt"]) <= 255 and len(found["error"]) <= 255
        assert len(found.get("formula1", "")) <= 257
    assert offered(path, asked[0]) == many
    assert offered(path, asked[2]) == ["一,二", "三"]
    hidden = [s.name for s in CalamineWorkbook.from_path(str(path)).sheets_metadata
              if "Hidden" in str(s.visible)]  # fmt: skip
    assert hidden == [LISTS_SHEET]


def test_a_feed_without_a_wide_form_has_none(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="schools has no wide form"):
        write_template(load_contracts()["schools"], tmp_path / "t.xlsx", wide={"语文": None})


@given(
    st.lists(
        st.tuples(st.sampled_from(["[0-9]", "[GJL]", "[0-9A-Z]", r"\d", "A"]), st.integers(0, 30))
    )
)
def test_the_length_of_a_simple_pattern(parts: list[tuple[str, int]]) -> None:
    pattern = "".join(unit + (f"{{{n}}}" if n else "") for unit, n in parts)
    length = fixed_length(pattern)
    assert length == (sum(n or 1 for _, n in parts) or None)
    if length and not any(unit in ("A", "[GJL]") for unit, _ in parts):
        assert re.fullmatch(pattern, "1" * length)


@pytest.mark.parametrize("pattern", [None, "", "[0-9]{1,3}", "(a|b)", "[^0]{3}", "[0-9]+", "a.c"])
def test_other_patterns_have_no_length(pattern: str | None) -> None:
    assert fixed_length(pattern) is None


# Filled in.

Cells = Mapping[str, Any]


def fill(path: Path, rows: Sequence[Cells], first: int = 2) -> Path:
    """Type cells into the table below its header, and save as a spreadsheet does: anew, in full."""
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.load_workbook(path)
    sheet = book.worksheets[0]
    at = {cell.value: cell.column for cell in sheet[1]}
    for row, cells in enumerate(rows, start=first):
        for header, value in cells.items():
            sheet.cell(row, at[header]).value = value
    saved = path.with_name(f"filled-{path.name}")
    book.save(saved)
    return saved


def problems(city: Settings, path: Path, feed: str) -> list[str]:
    return [p.text("en") for p in check(city, [path], feed, YEAR)]


@pytest.mark.parametrize(
    ("feed", "rows"),
    [
        (
            "schools",
            [
                {"学校标识码": "3137000003", "学校名称": "第三中学", "区划代码": "薛城区",
                 "镇街": "陶庄", "办学类型": "初中", "城乡类型": "镇区", "办学性质": "公办",
                 "建校日期": date(1998, 9, 1)},
                {"学校标识码": "0137000004", "学校名称": "第四中学", "区划代码": "370403",
                 "办学类型": "九年一贯制", "城乡类型": "城区", "办学性质": "民办"},
            ],
        ),
        (
            "students",
            [{"学籍号": NUMBERS[0], "姓名": "张三", "学校标识码": "3137000001", "年级": "七年级",
              "班级": "3", "性别": "男", "出生日期": date(2012, 3, 15), "是否寄宿": "否"}],
        ),
        (
            "staff",
            [{"教职工号": "00231", "姓名": "韩梅", "学校标识码": "示范中学", "区划代码": "薛城区",
              "层级": "校", "岗位": "教师", "任教学科": "数学", "学历": "本科", "专业类别": "理工",
              "是否专职": "是", "任职日期": date(2019, 8, 25)}],
        ),
        (
            "lesson_observations",
            [{"听课日期": date(2026, 3, 5), "听课人工号": "T0101", "授课教师工号": "T0231",
              "学校标识码": "3137000001", "年级": "七年级", "班级": "2", "学科": "数学",
              "节次": "2", "节数": 1, "评课得分": 92.5, "是否达标课": "是", "随堂监测人数": 45,
              "随堂达标人数": 41}],
        ),
        (
            "monitoring_results",
            [
                {"监测批次": WAVE, "学籍号": NUMBERS[0], "姓名": "张三", "学校标识码": "3137000001",
                 "年级": "七年级", "班级": "2", "学科": "数学", "成绩": 88.5},
                {"监测批次": WAVE, "学籍号": NUMBERS[1], "学校标识码": "3137000001",
                 "年级": "七年级", "班级": "2", "学科": "数学", "状态": "缺考"},
            ],
        ),
        (
            "training_logs",
            [{"教职工号": "T0231", "培训项目编号": "001", "培训项目": "培训",
              "项目类别": "学科培训", "期次": "1", "层级": "国家", "培训方式": "集中",
              "开始日期": date(2026, 3, 9),
              "结束日期": date(2026, 3, 13), "学时": 16, "是否结业": "是"}],
        ),
    ],
)  # fmt: skip
def test_a_filled_template_goes_in_without_a_problem(
    city: Settings, tmp_path: Path, feed: str, rows: Sequence[Cells]
) -> None:
    contract = load_contracts()[feed]
    found = known(city, contract)
    path = write_template(contract, tmp_path / "t.xlsx", offered=found.offered)
    assert problems(city, fill(path, rows), feed) == []


def test_the_wide_form_with_the_schools_students_goes_in(city: Settings, tmp_path: Path) -> None:
    contract = load_contracts()["monitoring_results"]
    found = known(city, contract, "3137000001", WAVE)
    assert found.wide == {"语文": 120.0, "数学": 120.0}, "no physics: that is another grade's"
    assert [row["student_no"] for row in found.rows] == [NUMBERS[0], NUMBERS[1], NUMBERS[2]]
    assert found.rows[0] == {
        "wave_id": WAVE, "student_no": NUMBERS[0], "name": "张三", "school_code": "3137000001",
        "grade": "七年级", "class_no": "2",
    }  # fmt: skip
    assert found.offered["school_code"] == ["3137000001", "示范中学"]
    assert found.offered["wave_id"] == [WAVE] and found.offered["grade"] == ["七年级"]
    path = write_template(
        contract, tmp_path / "t.xlsx", rows=found.rows, wide=found.wide, offered=found.offered
    )
    assert headers(path) == [
        "监测批次",
        "学籍号",
        "姓名",
        "学校标识码",
        "年级",
        "班级",
        "语文",
        "数学",
    ]
    assert checks(path)[7]["formula1"].startswith("OR(AND(ISNUMBER(H2),H2>=0,H2<=120),")
    filled = fill(
        path, [{"语文": 101, "数学": 88.5}, {"语文": "缺考", "数学": 0}, {"语文": 90, "数学": 120}]
    )
    assert problems(city, filled, "monitoring_results") == []
    half = fill(path, [{"语文": 101, "数学": 88.5}])
    assert "no score and no status" in "".join(problems(city, half, "monitoring_results"))


def test_what_is_offered_follows_what_is_known(city: Settings) -> None:
    results = load_contracts()["monitoring_results"]
    assert known(city, results).offered == {"wave_id": [WAVE]}
    whole = known(city, results, wave=WAVE)
    assert list(whole.wide) == ["语文", "数学", "物理"] and not whole.rows
    assert list(known(city, results, "示范中学", WAVE, "mathematics").wide) == ["数学"]
    waiting = known(city, results, "示范中学")
    assert waiting.rows == [] and "where the papers are known" in waiting.notes[0]
    assert known(city, load_contracts()["staff"]).offered == {"district_code": ["薛城区"]}


def test_a_column_an_item(city: Settings, tmp_path: Path) -> None:
    contract = load_contracts()["item_results"]
    found = known(city, contract, "示范中学", WAVE)
    assert found.wide == {"第2题": 4.0, "第10题": 4.0, "21(2)": 6.0}
    assert [row["subject"] for row in found.rows] == ["数学"] * 3
    assert set(found.rows[0]) == {"wave_id", "student_no", "name", "subject"}
    path = write_template(contract, tmp_path / "t.xlsx", rows=found.rows, wide=found.wide)
    assert headers(path) == ["监测批次", "学籍号", "姓名", "学科", "第2题", "第10题", "21(2)"]
    with pytest.raises(Unknown, match="there are: 语文, 数学"):
        known(city, contract, "示范中学", WAVE, "音乐")
    assert known(city, contract, "示范中学", WAVE, "语文").wide == {}


def test_the_roll_comes_back_in_full_for_the_school_alone(city: Settings, tmp_path: Path) -> None:
    """What the school handed in stands in its template; of the other school nothing does."""
    contract = load_contracts()["students"]
    found = known(city, contract, "示范中学")
    assert [(r["student_no"], r["class_no"], r["gender"], r["birth_date"]) for r in found.rows] == [
        (NUMBERS[0], "2", "女", "2012-03-15"),
        (NUMBERS[1], "2", "男", "2012-04-07"),
        (NUMBERS[2], "10", "男", "2012-06-11"),
    ]
    path = write_template(contract, tmp_path / "t.xlsx", rows=found.rows)
    assert problems(city, path, "students") == []
    sheets = [sheet.to_python() for sheet in map(
        CalamineWorkbook.from_path(str(path)).get_sheet_by_index, (0, 1))]  # fmt: skip
    assert NUMBERS[3] not in str(sheets) and NUMBERS[2] in str(sheets)


def test_a_file_that_has_changed_since_fills_nothing_in(changing_city: Settings) -> None:
    """Row numbers of the landed rows would point at other students."""
    city = changing_city
    path = city.raw / "students" / YEAR / "b.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("1,女", "2,女"), encoding="utf-8")
    found = known(city, load_contracts()["students"], "第二中学")
    assert found.rows == []
    assert any("1 students are left out" in note and "b.csv" in note for note in found.notes)
    path.unlink()
    assert known(city, load_contracts()["students"], "第二中学").rows == []


def test_the_roll_comes_back_in_the_words_that_its_lists_offer(changing_city: Settings) -> None:
    """A roll may have come out of a system that writes codes."""
    path = changing_city.raw / "students" / YEAR / "b.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("女", "Female"), encoding="utf-8")
    ingest(changing_city)
    (row,) = known(changing_city, load_contracts()["students"], "第二中学").rows
    assert row["gender"] == "女"


def test_a_school_whose_grades_sit_no_paper(changing_city: Settings) -> None:
    path = changing_city.raw / "students" / YEAR / "b.csv"
    text = path.read_text(encoding="utf-8").replace("七年级", "九年级")
    path.write_text(text, encoding="utf-8")
    ingest(changing_city)
    found = known(changing_city, load_contracts()["monitoring_results"], "第二中学", WAVE)
    assert found.rows == [] and list(found.wide) == ["语文", "数学", "物理"]
    (note,) = found.notes
    assert "no paper for the school's grades" in note


def test_a_name_that_two_schools_share_is_asked_about(changing_city: Settings) -> None:
    path = changing_city.raw / "schools" / YEAR / "s.csv"
    text = path.read_text(encoding="utf-8").replace("第二中学", "示范中学")
    path.write_text(text, encoding="utf-8")
    ingest(changing_city)
    with pytest.raises(Unknown, match="nearest: 3137000001, 3137000002"):
        known(changing_city, load_contracts()["students"], "示范中学")


def test_nothing_landed_gives_the_plain_template(tmp_path: Path) -> None:
    settings = Settings.load(raw=tmp_path / "raw", home=tmp_path / "home")
    found = known(settings, load_contracts()["monitoring_results"], "3137000001", WAVE)
    assert (found.rows, found.wide, found.offered) == ([], {}, {})
    assert len(found.notes) == 2 and not settings.home.exists()


def test_the_command(city: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EQM_PSEUDONYM_KEY_FILE", str(city.pseudonym_key_file))

    def run(*words: str) -> tuple[int, str]:
        places = ["--raw", str(city.raw), "--home", str(city.home)]
        result = CliRunner().invoke(app, ["template", *words, *places])
        return result.exit_code, result.output

    path = tmp_path / "out.xlsx"
    asked = ["monitoring_results", "--school", "3137000001", "--wave", WAVE, "-o", str(path)]
    code, said = run(*asked)
    assert code == 0 and "3 students are filled in" in said and str(path) in said
    assert path.stat().st_mode & 0o777 == 0o600
    assert not any(number in said for number in NUMBERS)
    code, said = run("students", "--school", "3137000009", "-o", str(path))
    assert code == 2 and "3137000001" in said and "没有" in said
    code, said = run("monitoring_results", "--wave", "2026-06-anual", "-o", str(path))
    assert code == 2 and WAVE in said
    assert run("item_results", "--subject", "数学", "-o", str(path))[0] == 2
    assert run("students", "-o", str(tmp_path))[0] == 2
    assert run("districts", "--school", "3137000001", "-o", str(path))[0] == 2
    assert run("monitoring_waves", "--wave", WAVE, "-o", str(path))[0] == 2
    assert run("schools", "--wave", WAVE, "-o", str(path))[0] == 2
