"""From the raw folder to landed rows, ledger and quarantine: what stands, what goes back."""

import csv
import hashlib
import hmac
from collections import Counter
from pathlib import Path

import pytest
import xlsxwriter

from pipelines.intake import IntakeError, Ledger, check, files_in_all, ingest
from pipelines.intake.ingest import landed_path
from pipelines.plan import TARGETS
from pipelines.settings import Settings
from tests.intake.conftest import FILES, NUMBERS, YEAR, Handed

RESULTS = "monitoring_results"


def states(handed: Handed, feed: str = RESULTS) -> list[tuple[str, str]]:
    return [
        (Path(s["source_file"]).name, s["state"]) for s in Ledger(handed.settings).submissions(feed)
    ]


def key_of(handed: Handed, number: str) -> str:
    key = bytes.fromhex(handed.settings.pseudonym_key_file.read_text().strip())
    return hmac.new(key, number.encode(), hashlib.sha256).hexdigest()


def test_a_sound_city_lands_whole(handed: Handed) -> None:
    reports = handed.ingest()
    assert {name: r.rows_landed for name, r in reports.items() if r.files} == {
        "districts": 1, "schools": 2, "staff": 1, "students": 4, "monitoring_waves": 2,
        RESULTS: 6,
    }  # fmt: skip
    assert not any(p.severity == "error" for report in reports.values() for p in report.problems)
    rows = handed.landed(
        "select student_key, school_code, subject, score::varchar, status, source_row "
        "from landed order by source_file, source_row, subject"
    )
    first, second = "3137000001", "3137000002"
    keys = [key_of(handed, number) for number in NUMBERS]
    assert rows == [
        (keys[0], first, "chinese", "88.500", "present", 2),
        (keys[0], first, "mathematics", "110.000", "present", 2),
        (keys[1], first, "chinese", None, "absent", 3),
        (keys[1], first, "mathematics", "60.000", "present", 3),
        (keys[2], second, "chinese", "70.000", "present", 2),
        (keys[2], second, "mathematics", None, "deferred", 3),
    ]


def test_an_empty_gender_is_landed_empty(settled: Handed) -> None:
    counts = "select gender, count(*) from landed group by all order by all"
    assert settled.landed(counts, "students") == [("female", 2), ("male", 1), (None, 1)]


def test_no_name_or_number_is_kept_outside_quarantine(handed: Handed) -> None:
    handed.write("students/c.csv", FILES["students/a.csv"].replace("女", "女性别"))
    handed.ingest()
    kept = [
        path.read_bytes()
        for path in handed.settings.home.rglob("*")
        if path.is_file() and path.suffix not in (".csv",)
    ]
    assert len(kept) >= len(FILES)
    for secret in [*NUMBERS[:2], "韩梅梅", "李雷"]:
        assert not any(secret.encode() in content for content in kept)


def test_the_same_files_again_are_not_taken_again(settled: Handed) -> None:
    before = {p: p.stat().st_mtime_ns for p in settled.settings.landing.rglob("*.parquet")}
    again = settled.ingest()
    assert all(r.new == 0 and r.rows_landed == 0 for r in again.values())
    assert again[RESULTS].reused == 2
    after = {p: p.stat().st_mtime_ns for p in settled.settings.landing.rglob("*.parquet")}
    assert before == after


def test_a_lost_landed_file_is_landed_again(settled: Handed) -> None:
    lost = next((settled.settings.landing / RESULTS).rglob("*.parquet"))
    content = lost.read_bytes()
    lost.unlink()
    assert settled.ingest()[RESULTS].new == 1
    assert lost.exists() and len(lost.read_bytes()) == len(content)


def test_a_newer_version_replaces_the_older_one(settled: Handed) -> None:
    settled.write(f"{RESULTS}/a.csv", FILES[f"{RESULTS}/a.csv"].replace("88.5,110,198.5", "90,,90"))
    settled.ingest()
    assert settled.found(RESULTS) >= {("score_missing", "2-2", "", "缺考、缓考、免考、违纪、转出")}
    assert ("a.csv", "landed") in states(settled) and ("a.csv", "returned") in states(settled)

    settled.write(
        f"{RESULTS}/a.csv", FILES[f"{RESULTS}/a.csv"].replace("88.5,110,198.5", "90,100,190")
    )
    report = settled.ingest()[RESULTS]
    assert (report.new, report.reused, report.returned) == (1, 1, 0)
    assert sorted(states(settled)) == [
        ("a.csv", "landed"), ("a.csv", "replaced"), ("a.csv", "replaced"), ("b.csv", "landed"),
    ]  # fmt: skip


def test_a_file_taken_away_is_withdrawn_and_comes_back(settled: Handed) -> None:
    path = settled.settings.raw / RESULTS / YEAR / "b.csv"
    path.unlink()
    assert settled.ingest()[RESULTS].withdrawn == 1
    assert states(settled) == [("a.csv", "landed"), ("b.csv", "withdrawn")]
    settled.write(f"{RESULTS}/b.csv", FILES[f"{RESULTS}/b.csv"])
    assert settled.ingest()[RESULTS].new == 1
    assert states(settled) == [("a.csv", "landed"), ("b.csv", "landed")]


def test_a_refused_file_is_kept_with_its_problems_in_both_languages(handed: Handed) -> None:
    handed.add(f"{RESULTS}/a.csv", f"W24,{NUMBERS[2]},=1+1,第三小学,5,1,120.5,110,230.5")
    report = handed.ingest()[RESULTS]
    assert (report.new, report.returned) == (1, 1)
    assert handed.found(RESULTS) >= {
        ("unknown_reference", "4-4", "第三小学", "学校名录 2023-2024"),
        ("above_full_mark", "4-4", "120.5", "100"),
    }
    folder = handed.settings.quarantine / RESULTS / YEAR
    (returned,) = [p for p in folder.iterdir() if not p.name.endswith(".problems.csv")]
    assert returned.read_bytes() == (handed.settings.raw / RESULTS / YEAR / "a.csv").read_bytes()
    (listed,) = folder.glob("*.problems.csv")
    assert listed.read_bytes().startswith(b"\xef\xbb\xbf")
    with listed.open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    (line,) = [x for x in lines if x["found"] == "第三小学"]
    assert line["severity"] == "error" and line["row_first"] == "4"
    assert line["column"] == "学校标识码"
    assert "第三小学 不在学校名录 2023-2024中" in line["message_zh"]
    assert "is not in" in line["message_en"]
    assert NUMBERS[0] not in listed.read_text(encoding="utf-8-sig")
    for restricted in (handed.settings.quarantine, handed.settings.landing):
        assert (restricted.stat().st_mode & 0o077) == 0


@pytest.mark.parametrize(
    ("name", "line", "problem"),
    [
        (
            f"{RESULTS}/a.csv",
            f"W24,{NUMBERS[0]},韩梅梅,第一小学,5,1,87,110,197",
            ("duplicate_key", "2-4", "W24、…1237、chinese", ""),
        ),
        (
            f"{RESULTS}/a.csv",
            f"W24,{NUMBERS[3]},某,第二小学,5,1,87,110,196",
            ("wrong_total", "4-4", "196", "197"),
        ),
        (
            f"{RESULTS}/b.csv",
            f"W24,{NUMBERS[3]},3137000002,5,1,英语,70,",
            ("not_in_wave", "4-4", "W24 5 英语", ""),
        ),
        (
            f"{RESULTS}/b.csv",
            f"W23,{NUMBERS[3]},3137000002,5,1,语文,70,",
            ("unknown_reference", "4-4", "W23", "监测批次"),
        ),
        (
            f"{RESULTS}/b.csv",
            f"W24,{NUMBERS[3]},3137000002,5,1,语文,,正常",
            ("score_missing", "4-4", "", "缺考、缓考、免考、违纪、转出"),
        ),
        (
            f"{RESULTS}/b.csv",
            f"W24,{NUMBERS[3]},3137000002,5,1,语文,正常,",
            ("score_missing", "4-4", "", "缺考、缓考、免考、违纪、转出"),
        ),
        (
            f"{RESULTS}/b.csv",
            f"W24,{NUMBERS[3]},{NUMBERS[1]},5,{NUMBERS[1]},语文,70,",
            ("misplaced_number", "4-4", "…1232", ""),
        ),
        (
            f"{RESULTS}/b.csv",
            f"W24,{NUMBERS[3]},{NUMBERS[1]},5,1,语文,70,",
            ("unknown_reference", "4-4", "…1232", "学校名录 2023-2024"),
        ),
        (
            "monitoring_waves/w.csv",
            "W24,市,学业质量监测,2024-06-20,六年级,语文,100",
            None,
        ),
    ],
)
def test_what_a_row_more_may_break(
    handed: Handed, name: str, line: str, problem: tuple[str, str, str, str] | None
) -> None:
    handed.add(name, line)
    feed = name.split("/")[0]
    report = handed.ingest()[feed]
    errors = {
        (p.rule, f"{p.row_first}-{p.row_last}", p.found, p.expected)
        for p in report.problems
        if p.severity == "error"
    }
    if problem is None:
        assert not errors and not report.returned
    else:
        assert report.returned == 1
        assert problem[0] in {rule for rule, *_ in errors}
        assert problem in errors


def test_cells_without_a_header_are_asked_about(handed: Handed) -> None:
    """A comma in a name shifts a row; what stands past the last header must not vanish unsaid."""
    handed.add(f"{RESULTS}/b.csv", f"W24,{NUMBERS[3]},3137000002,5,1,语文,70,,多余")
    report = handed.ingest()[RESULTS]
    assert report.returned == 0
    assert ("unnamed_column", "1-1", "I", "") in handed.found(RESULTS)


def test_scores_in_two_forms_at_once_are_refused(handed: Handed) -> None:
    name = f"{RESULTS}/b.csv"
    lines = FILES[name].splitlines()
    handed.write(name, "\n".join([lines[0] + ",数学", *(line + ",61" for line in lines[1:])]))
    assert handed.ingest()[RESULTS].returned == 1
    assert ("two_forms", "1-1", "数学", "成绩") in handed.found(RESULTS)


def test_a_header_that_is_missing_shows_no_number(handed: Handed) -> None:
    name = "students/a.csv"
    handed.write(name, f"年级,班级,{NUMBERS[1]},李明\n5,1,{NUMBERS[1]},李明\n")
    handed.ingest()
    text = "".join(p.text("zh") for p in handed.reports["students"].problems)
    assert "C, D" in text and "李明" not in text and NUMBERS[1][-4:] not in text


def test_a_second_sheet_without_a_header_goes_on_with_the_first(handed: Handed) -> None:
    path = handed.settings.raw / "students" / YEAR / "book.xlsx"
    rows = [[f"G3704992010010{i}5678", "3137000001", 5, "1", "女"] for i in (10, 11, 12)]
    with xlsxwriter.Workbook(path) as book:
        first, second = book.add_worksheet("一"), book.add_worksheet("二")
        first.write_row(0, 0, ["学籍号", "学校标识码", "年级", "班级", "性别"])
        first.write_row(1, 0, rows[0])
        second.write_row(0, 0, rows[1])
        second.write_row(1, 0, rows[2])
        book.add_worksheet("说明").write(0, 0, "2024年3月填写")
    report = handed.ingest()["students"]
    assert (report.returned, report.rows) == (0, 7)
    assert {(p.rule, p.sheet) for p in report.problems if p.file.endswith("book.xlsx")} >= {
        ("continued_sheet", "二"), ("unknown_sheet", "说明")
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ['学籍号,年级\n"' + "a" * 200_000 + "\n1,2\n", "a" * 300_000 + "\n学籍号,年级\n"],
)
def test_a_cell_that_swallows_the_file_costs_that_file_alone(handed: Handed, text: str) -> None:
    handed.write("students/swallowed.csv", text)
    report = handed.ingest()["students"]
    assert report.returned == 1 and report.new == 2


def test_a_long_name_and_what_windows_leaves_behind(handed: Handed) -> None:
    long = "二〇二四至二〇二五学年度第二学期全市义务教育阶段学业质量监测成绩汇总表更正稿终稿" * 2
    handed.write(f"students/{long}.csv", "学籍号,年级\nG1,5\n")
    handed.write("students/Thumbs.db", "x")
    report = handed.ingest()["students"]
    assert report.returned == 1 and report.files == 3
    kept = list((handed.settings.quarantine / "students" / YEAR).glob("*.csv"))
    assert len(kept) == 2 and all(p.name.startswith(long[:20]) for p in kept)


def test_refused_bytes_are_over_when_the_good_ones_are_back(settled: Handed) -> None:
    settled.add(f"{RESULTS}/b.csv", "x,y,z,5,1,语文,70,")
    assert settled.ingest()[RESULTS].returned == 1
    settled.write(f"{RESULTS}/b.csv", FILES[f"{RESULTS}/b.csv"])
    assert settled.ingest()[RESULTS].returned == 0
    assert Ledger(settled.settings).submissions(state="returned") == []
    assert len(Ledger(settled.settings).submissions(RESULTS, "landed")) == 2


def test_scores_are_held_against_the_paper_that_stands(settled: Handed) -> None:
    """A correction of the full mark counts, also when all registers are read again at once."""
    header = FILES["monitoring_waves/w.csv"].splitlines()[0]
    fix = "W24,市,学业质量监测,2024-06-20,五年级,语文,150"
    settled.write("monitoring_waves/a-fix.csv", f"{header}\n{fix}\n")
    settled.ingest()
    settled.add(f"{RESULTS}/b.csv", f"W24,{NUMBERS[3]},3137000002,5,1,语文,130,")
    assert settled.ingest()[RESULTS].returned == 0
    for path in (settled.settings.landing / "monitoring_waves").rglob("*.parquet"):
        path.unlink()
    settled.add("schools/s.csv", "3137000003,第三小学,市中区,小学,城区,公办")
    assert settled.ingest()[RESULTS].returned == 0


def test_a_unit_behind_a_subject_and_scores_under_another_name(handed: Handed) -> None:
    name = f"{RESULTS}/a.csv"
    handed.write(
        name, FILES[name].replace("语文", "语文(分)").replace("数学,总分", "数学成绩,备注")
    )
    report = handed.ingest()[RESULTS]
    assert report.returned == 0 and report.new == 2
    assert ("unread_scores", "1-1", "数学成绩", "") in handed.found(RESULTS)
    query = "select count(*) from landed where source_file like '%a.csv' and subject = 'chinese'"
    assert handed.landed(query) == [(2,)]


def test_a_hidden_sheet_is_asked_about(handed: Handed) -> None:
    path = handed.settings.raw / "students" / YEAR / "book.xlsx"
    with xlsxwriter.Workbook(path) as book:
        for name, number in (("一", "G370499201001105678"), ("二", "G370499201001115678")):
            sheet = book.add_worksheet(name)
            sheet.write_row(0, 0, ["学籍号", "学校标识码", "年级", "班级", "性别"])
            sheet.write_row(1, 0, [number, "3137000001", 5, "1", "女"])
        sheet.hide()
    report = handed.ingest()["students"]
    assert (report.returned, report.rows) == (0, 5)
    assert ("hidden_sheet", "二") in {(p.rule, p.sheet) for p in report.problems}


def test_an_equal_row_counts_once(handed: Handed) -> None:
    line = FILES[f"{RESULTS}/b.csv"].splitlines()[1]
    handed.add(f"{RESULTS}/b.csv", line)
    report = handed.ingest()[RESULTS]
    assert (report.returned, report.rows_landed) == (0, 6)
    assert ("repeated_row", "4-4", "", "") in handed.found(RESULTS)


def test_a_name_of_two_schools_asks_for_the_code(handed: Handed) -> None:
    handed.add("schools/s.csv", "3137000003,第一小学,370402,小学,城区,公办")
    handed.ingest()
    assert ("ambiguous_name", "2-3", "第一小学", "学校名录 2023-2024") in handed.found(RESULTS)


def test_without_a_register_nothing_that_refers_to_it_is_landed(handed: Handed) -> None:
    (handed.settings.raw / "schools" / YEAR / "s.csv").unlink()
    reports = handed.ingest()
    assert reports["students"].rows_landed == reports[RESULTS].rows_landed == 0
    assert {p.rule for p in reports["students"].problems if p.severity == "error"} == {
        "no_register"
    }


def test_a_register_that_comes_later_mends_what_was_refused(handed: Handed) -> None:
    path = handed.settings.raw / "schools" / YEAR / "s.csv"
    text = path.read_text(encoding="utf-8")
    path.unlink()
    handed.ingest()
    handed.write("schools/s.csv", text)
    reports = handed.ingest()
    assert reports[RESULTS].rows_landed == 6 and reports["students"].rows_landed == 4
    assert {state for _, state in states(handed)} == {"landed", "replaced"}


def test_an_empty_cell_of_a_subject_that_the_grade_does_not_sit_is_no_row(handed: Handed) -> None:
    handed.write(
        f"{RESULTS}/a.csv",
        f"监测批次,学籍号,学校,年级,语文,数学,物理\nW24,{NUMBERS[0]},第一小学,5,88,110,\n",
    )
    report = handed.ingest()[RESULTS]
    assert (report.returned, report.rows_landed) == (0, 4)


@pytest.mark.parametrize(
    ("name", "rule"),
    [("成绩.csv", "misplaced_file"), ("notes/2023-2024/a.csv", "misplaced_file")],
)
def test_a_file_outside_every_feed_is_named(handed: Handed, name: str, rule: str) -> None:
    path = handed.settings.raw / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("a\n1\n", encoding="utf-8")
    reports = handed.ingest()
    assert [(p.rule, p.file) for p in reports[""].problems] == [(rule, name)]
    assert list((handed.settings.quarantine / "unplaced").rglob("*.problems.csv"))


def test_a_file_without_a_school_year_is_named(handed: Handed) -> None:
    path = handed.settings.raw / RESULTS / "2023-2025" / "a.csv"
    path.parent.mkdir()
    path.write_text(FILES[f"{RESULTS}/a.csv"], encoding="utf-8")
    report = handed.ingest()[RESULTS]
    assert ("misplaced_file", f"{RESULTS}/2023-2025/a.csv") in {
        (p.rule, p.file) for p in report.problems
    }


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"", "empty_file"),
        (FILES[f"{RESULTS}/b.csv"].splitlines()[0].encode() + b"\n", "no_rows"),
        ("监测批次,学籍号\nW24,1\n".encode(), "missing_column"),
        (b"PK\x03\x04 no workbook", "unreadable"),
        (b"\x00\x01\x02\x03" * 50, "unreadable"),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_a_file_that_holds_no_table(handed: Handed, content: bytes, rule: str, suffix: str) -> None:
    path = handed.settings.raw / RESULTS / YEAR / f"c.{suffix}"
    path.write_bytes(content)
    report = handed.ingest()[RESULTS]
    assert (report.new, report.returned) == (2, 1)
    rules = {p.rule for p in report.problems if p.severity == "error"}
    assert len(rules) == 1 and rules <= {rule, "unreadable", "empty_file", "no_rows"}


def test_an_empty_raw_folder_says_what_to_do(handed: Handed) -> None:
    empty = handed.settings.model_copy(update={"raw": handed.settings.home / "nothing"})
    with pytest.raises(IntakeError, match="eqm sample"):
        ingest(empty)


def test_every_file_is_told_of_once_new_or_not(handed: Handed) -> None:
    (handed.settings.raw / "astray.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    (handed.settings.raw / RESULTS / YEAR / "c.csv").write_bytes(b"")
    for _ in range(2):
        told: Counter[str] = Counter()
        reports = ingest(handed.settings, lambda feed, n, told=told: told.update({feed: n}))
        assert told == Counter({report.feed: report.files for report in reports})
        assert sum(told.values()) == files_in_all(handed.settings)


def test_check_lands_nothing_and_finds_the_same(settled: Handed) -> None:
    settled.add(f"{RESULTS}/a.csv", f"W24,{NUMBERS[2]},某,第三小学,5,1,120.5,110,230.5")
    before = sorted(settled.settings.home.rglob("*"))
    path = settled.settings.raw / RESULTS / YEAR / "a.csv"
    problems = check(settled.settings, [path])
    assert sorted(settled.settings.home.rglob("*")) == before
    found = {(p.rule, p.row_first, p.found) for p in problems}
    assert {p.file for p in problems} == {str(path)}
    assert found == {
        (p.rule, p.row_first, p.found) for p in settled.ingest()[RESULTS].problems if "/a" in p.file
    }


def test_check_takes_a_whole_folder_against_itself(handed: Handed) -> None:
    assert not [p for p in check(handed.settings, [handed.settings.raw]) if p.severity == "error"]
    assert not handed.settings.landing.exists()
    with pytest.raises(FileNotFoundError):
        check(handed.settings, [handed.settings.raw / "none"])


def test_where_rows_are_landed(settled: Handed) -> None:
    for s in Ledger(settled.settings).submissions(RESULTS, "landed"):
        path = landed_path(settled.settings, RESULTS, YEAR, s["submission_id"])
        assert path.exists()
        assert s["rows_landed"] == len(
            settled.landed(f"select 1 from landed where file_sha256 = '{s['file_sha256']}'")
        )


def kinds_asked(settings: Settings, folder: Path, *kinds: str) -> dict[str, str]:
    """Kind → what is offered in its place, of those that are asked about."""
    path = folder / "programme_register" / YEAR / "r.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{kind},学校,3137000001,名称{at},2024-03-12" for at, kind in enumerate(kinds)]
    path.write_text("\n".join(["类别,主体类型,主体编号,名称,认定日期", *lines]), encoding="utf-8")
    found = check(settings, [path])
    assert {(p.rule, p.severity, p.column) for p in found} <= {("unknown_kind", "query", "类别")}
    return {p.found: p.expected for p in found}


def test_a_kind_that_the_plan_does_not_count_is_asked_about(handed: Handed, tmp_path: Path) -> None:
    own, folder = handed.settings, tmp_path / "checked"
    assert kinds_asked(own, folder, *own.plan_kinds) == {} and len(own.plan_kinds) > 30
    asked = kinds_asked(
        own, folder, "sizheng_model_leson", "Learning_Case", "市级教研基地校", "课后服务",
        "sizheng_lesson_case",
    )  # fmt: skip
    assert asked["sizheng_model_leson"].startswith("sizheng_model_lesson 思政大课堂精品课")
    assert asked["Learning_Case"].startswith("learning_case 达标学历案")
    assert asked["市级教研基地校"].startswith("research_base_school 市级教研基地校")
    assert asked["课后服务"] == "—" and len(asked) == 4
    # Another plan counts other kinds, so what lies there is asked about anew.
    handed.write(
        "programme_register/r.csv", (folder / f"programme_register/{YEAR}/r.csv").read_text()
    )
    assert len(handed.ingest()["programme_register"].problems) == 4
    plan = tmp_path / "plan.csv"
    plan.write_text(TARGETS.read_text().replace("sizheng_lesson_case", "school_service"))
    handed.settings = own.model_copy(update={"plan_targets": plan})
    assert len(handed.ingest()["programme_register"].problems) == 5


def classes_asked(handed: Handed, *classes: str) -> dict[str, set[str]]:
    """Rule → classes, of what is noted and asked of a list of one student for each of these."""
    lines = [f"L370499201{at:03}000001,3137000001,5,女,{own}" for at, own in enumerate(classes)]
    text = "\n".join(["学籍号,学校标识码,年级,性别,班级", *lines])
    path = handed.write("students/c.csv", text, "2021-2022")
    found: dict[str, set[str]] = {}
    for problem in check(handed.settings, [path]):
        if problem.rule in ("dotted_class", "class_lost_zero"):
            found.setdefault(problem.rule, set()).add(f"{problem.found} {problem.expected}".strip())
    return found


@pytest.mark.parametrize(
    ("classes", "doubtful"),
    [
        # Eleven classes without a tenth: one of the two first is it.
        ([*(f"5.{at}" for at in range(1, 10)), "5.1", "5.11"], {"5.1 5/1、5/10"}),
        # Nine, of which the first is as large as two.
        ([*(f"5.{at}" for at in range(1, 10)), "5.1"], {"5.1 5/1、5/10"}),
        ([f"5.{at}" for at in range(1, 10)], set()),
        # The tenth stands there, as a text or otherwise; or there is no room for one.
        ([*(f"5.{at}" for at in range(1, 12))], None),
        ([*(f"5.{at}" for at in (*range(1, 10), 1, 11)), "10"], set()),
        (["5.1", "5.1", "5.2", "5.3"], set()),
        (["5-1", "5-1", *(f"五年级{at}班" for at in range(2, 10)), "11"], None),
    ],
)
def test_a_class_that_may_have_lost_its_zero_is_asked_about(
    handed: Handed, classes: list[str], doubtful: set[str] | None
) -> None:
    """None: not even a note."""
    handed.write("schools/s.csv", FILES["schools/s.csv"], "2021-2022")
    handed.write("districts/d.csv", FILES["districts/d.csv"], "2021-2022")
    handed.ingest()
    found = classes_asked(handed, *classes)
    assert found.get("class_lost_zero", set()) == (doubtful or set())
    assert ("dotted_class" in found) == (doubtful is not None)
