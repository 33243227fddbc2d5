"""Whoever knows only the return workbook can mend each kind of problem, and hand it in."""

from dataclasses import dataclass, field
from pathlib import Path

import openpyxl
import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.feeds import rules
from pipelines.intake import Ledger, check, examine, submissions
from pipelines.intake.feedback import LIST_SHEET, REPORT_SHEETS, returned_submission
from pipelines.quality.plausibility import MORE
from pipelines.quality.queries import QUERIES
from pipelines.sample.books import encrypted_workbook
from pipelines.settings import Settings
from tests.intake.conftest import FILES, YEAR, Handed
from tests.intake.mend import mend
from tests.intake.test_forms import bomb
from tests.intake.wrongs import (
    EXPLAINED,
    IN_EVERY_FORM,
    MENDED,
    NOTES,
    STUDENT_LIST,
    STUDENTS,
    Wrong,
)

TURNS = 4
"""One problem may hide another: so often a file may be handed in again."""
HANDED_IN = IN_EVERY_FORM | EXPLAINED | NOTES

ANSWERED_BY_A_FILE = {
    "unreadable": "nothing could be read of it that could be given back",
    "encrypted": "nothing could be read of it that could be given back",
    "too_large": "it is not opened; it is split, or its empty rows are deleted, where it lies",
    "reader_stopped": "reading it was stopped; it is saved anew",
    "empty_file": "it holds no table; the file that was meant is handed in",
    "no_rows": "it holds no row; the file that was meant is handed in",
    "excerpt": "only the whole file can replace the whole file",
    "link_outside": "it is not followed; the file itself is put in its place",
    "misplaced_file": "nothing is wrong with it but its place",
    "wrong_template": "it is right in the folder of its own feed",
    "no_register": "another file is missing: the register itself",
}
"""Rules which no cell mends, and why; what to do is to hand in another file, or elsewhere."""
NOTHING_TO_DO = {
    "changed_while_read": "read again at the next run (test_states)",
    "unaccounted": "the platform is at fault",
}
"""Errors of which the school is told that it need not do anything."""
ASKED_LATER = {
    **dict.fromkeys((q.rule for q in QUERIES), "of the standing rows (test_plausibility)"),
    MORE: "counts such questions (test_plausibility)",
    "differs_between_files": "of two files that stand; answered by `eqm explain` (test_states)",
}
"""Rules of rows that have been taken and stand: they come into the return workbook with a build."""


def test_every_rule_has_its_way() -> None:
    ways = [MENDED, EXPLAINED, NOTES, ANSWERED_BY_A_FILE, NOTHING_TO_DO, ASKED_LATER]
    assert sorted(rule for way in ways for rule in way) == sorted(rules())


@dataclass
class Course:
    """How one file fared: what was said of it each time that it was handed in."""

    path: Path
    """As it was handed in last."""
    said: list[list[tuple[str, str]]] = field(default_factory=list)
    """Rule and severity."""


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The tiny city with the registers that the wrong files are held against."""
    folder = tmp_path_factory.mktemp("city")
    handed = Handed(
        Settings.load(
            raw=folder / "raw", home=folder / "home", pseudonym_key_file=folder / "key" / "k"
        )
    )
    waves = FILES["monitoring_waves/w.csv"]
    files = FILES | {
        "schools/s.csv": FILES["schools/s.csv"]
        + "3137000003,第三小学,市中区,小学,城区,公办\n3137000004,第三小学,市中区,小学,农村,公办\n",
        "staff/t.csv": FILES["staff/t.csv"]
        + "T2,韩梅,第一小学,市中区,校,教师,本科,理工,是,2020/9/1\n",
        "monitoring_waves/w.csv": waves + "W25,市,学业质量监测,2024-06-21,五年级,数学,120\n",
        "item_map/i.csv": "监测批次,年级,学科,题号,满分,核心素养,内容领域\n"
        "W24,五年级,语文,1,3,a,b\nW24,五年级,语文,2,5,a,b\n",
    }
    for name, text in files.items():
        handed.write(name, text)
    handed.write("monitoring_waves/w.csv", waves.replace("W24", "W23"), "2022-2023")
    handed.ingest()
    return handed.settings


@pytest.fixture(scope="module")
def courses(city: Settings) -> dict[str, Course]:
    """Every wrong file is handed in, and mended until nothing is wrong with it."""
    handed = Handed(city)
    found = {
        rule: Course(wrong.write(city.raw / wrong.feed / YEAR / wrong.file_name(rule)))
        for rule, wrong in HANDED_IN.items()
    }
    todo, turn = True, 0
    while todo and turn < TURNS:
        handed.ingest()
        told = {s["source_file"]: s["problems"] for s in Ledger(city).submissions()
                if s["state"] in ("landed", "returned")}  # fmt: skip
        if not turn:
            _explain(city, found)
        todo, turn = False, turn + 1
        for rule, course in found.items():
            name = course.path.relative_to(city.raw).as_posix()
            said = [(p["rule"], rules()[p["rule"]].severity) for p in told[name]]
            course.said.append(said)
            if rule in IN_EVERY_FORM and any(severity != "note" for _, severity in said):
                back = _workbook(city, course.path)
                truth = IN_EVERY_FORM[rule].truth
                course.path = mend(back, truth, course.path.with_name(back.name))
                todo = True
    return found


def rule_of(case: str) -> str:
    """`required` of `required-csv`."""
    return case.partition("-")[0]


def _workbook(city: Settings, path: Path) -> Path:
    """The return workbook of a file: its name ends in the submission that it answers."""
    name = path.relative_to(city.raw).as_posix()
    (one,) = [f.submission_id for f in submissions(city) if f.source_file == name and f.present]
    folder = city.feedback / path.parent.relative_to(city.raw)
    return next(folder.glob(f"*.{one}.xlsx"))


def _explain(city: Settings, found: dict[str, Course]) -> None:
    """Answer every query with the id that the return workbook's name carries."""
    for case, course in found.items():
        if rules()[rule_of(case)].severity == "query":
            named = str(returned_submission(_workbook(city, course.path).name))
            places = ["--raw", str(city.raw), "--home", str(city.home)]
            result = CliRunner().invoke(app, ["explain", named, "--reason", "情况属实", *places])
            assert result.exit_code == 0, result.output


def cells(path: Path) -> list[list[list[str]]]:
    """The school's own sheets as text, without what is empty around them."""
    found = []
    for sheet in openpyxl.load_workbook(path).worksheets:
        if sheet.title not in REPORT_SHEETS:
            rows = [["" if v is None else str(v) for v in row] for row in sheet.values]
            width = max((i + 1 for row in rows for i, v in enumerate(row) if v), default=0)
            found.append([row[:width] for row in rows if any(row)])
    return found


@pytest.mark.parametrize("case", IN_EVERY_FORM)
def test_who_does_what_the_list_says_has_nothing_left_to_mend(
    city: Settings, courses: dict[str, Course], case: str
) -> None:
    course, wrong = courses[case], IN_EVERY_FORM[case]
    assert rule_of(case) in {name for name, _ in course.said[0]}
    assert {severity for _, severity in course.said[-1]} <= {"note"}, course.said
    assert returned_submission(course.path.name)
    if not wrong.added:  # there the list leaves more than one way
        right = [["" if v is None else str(v) for v in row] for row in wrong.right]
        assert cells(course.path)[0] == right
    stands = [Path(s["source_file"]).name for s in Ledger(city).submissions(wrong.feed, "landed")]
    own = wrong.file_name(case).removesuffix(wrong.suffix)
    assert [name for name in stands if name.startswith(f"{own}.")] == [course.path.name]


@pytest.mark.parametrize("case", [c for c in HANDED_IN if rules()[rule_of(c)].severity == "query"])
def test_a_query_is_answered_by_the_id_in_the_workbooks_name(
    city: Settings, courses: dict[str, Course], case: str
) -> None:
    assert (rule_of(case), "query") in courses[case].said[0]
    wrong = HANDED_IN[case]
    name = f"{wrong.feed}/{YEAR}/{wrong.file_name(case)}"
    files = [f for f in submissions(city) if f.source_file == name and f.explained]
    assert files and not [f for f in files if f.open_queries]


@pytest.mark.parametrize("rule", NOTES)
def test_a_note_asks_for_nothing(city: Settings, courses: dict[str, Course], rule: str) -> None:
    said = courses[rule].said[0]
    assert (rule, "note") in said and {severity for _, severity in said} == {"note"}
    folder = city.feedback / courses[rule].path.parent.relative_to(city.raw)
    assert not list(folder.glob(f"{rule}*"))


def test_of_a_file_that_is_still_wrong_there_is_one_workbook_to_mend(handed: Handed) -> None:
    wrong = MENDED["bad_code"]
    path = wrong.write(handed.settings.raw / wrong.feed / YEAR / "roll.xlsx")
    handed.ingest()
    for turn in ("again", "and again"):
        back = _workbook(handed.settings, path)
        path = path.with_name(back.name)
        book = openpyxl.load_workbook(back)
        book.worksheets[-1]["B2"].value = turn
        book.save(path)
        handed.ingest()
        named = path.relative_to(handed.settings.raw).as_posix()
        returned = [s["source_file"] for s in Ledger(handed.settings).submissions(state="returned")]
        assert returned == [named]
        assert list(handed.settings.feedback.rglob("roll.*.xlsx")) == [
            _workbook(handed.settings, path)
        ]


# Answered by another file.

PLACES = {
    "misplaced_file": "file.xlsx",
    "wrong_template": f"schools/{YEAR}/file.xlsx",
    "no_register": "students/2021-2022/file.xlsx",
}
RIGHT_PLACE = f"students/{YEAR}/file.xlsx"


def write_wrong(rule: str, path: Path) -> None:
    """A file at this place that breaks the rule."""
    path.parent.mkdir(parents=True, exist_ok=True)
    broken = {
        "unreadable": b"PK\x03\x04" + b"\0" * 100,
        "encrypted": encrypted_workbook(),
        "too_large": bomb(),
        "empty_file": b"",
        # Lines of unequal length are read one by one.
        "reader_stopped": b"a,b\nc\n" * 800_000,
    }
    if rule in broken:
        path.write_bytes(broken[rule])
    elif rule == "link_outside":
        path.symlink_to(path.parent / "nowhere.xlsx")
    else:
        rows = STUDENTS[:1] if rule == "no_rows" else STUDENTS
        sheet = "表〔摘录〕" if rule == "excerpt" else "表"
        Wrong("students", rows, {}, sheet=sheet).write(path)


def do_as_told(rule: str, raw: Path) -> None:
    """Move the file, hand in the register, or put a sound file in its place."""
    place = raw / PLACES.get(rule, RIGHT_PLACE)
    right = raw / RIGHT_PLACE
    if rule == "no_register":
        for name in ("districts/d.csv", "schools/s.csv"):
            feed, _, file = name.partition("/")
            register = raw / feed / "2021-2022" / file
            register.parent.mkdir(parents=True)
            register.write_text(FILES[name], encoding="utf-8")
    elif rule in PLACES:
        right.parent.mkdir(parents=True)
        place.rename(right)
    else:
        place.unlink()
        STUDENT_LIST.write(place)


@pytest.mark.parametrize("rule", ANSWERED_BY_A_FILE)
def test_another_file_answers_what_no_cell_can(city: Settings, tmp_path: Path, rule: str) -> None:
    raw = tmp_path / "raw"
    write_wrong(rule, raw / PLACES.get(rule, RIGHT_PLACE))
    hasty = city.model_copy(update={"reader_seconds": 0.05})
    settings = hasty if rule == "reader_stopped" else city
    (one,) = examine(settings, [raw], back=tmp_path / "back")
    assert rule in {p.rule for p in one.problems}
    if one.workbook:
        sheet = openpyxl.load_workbook(one.workbook)[LIST_SHEET]
        told = [str(row[7]) for row in sheet.iter_rows(min_row=3, values_only=True)]
        assert any(title.endswith(f"\n{rules()[rule].title}") for title in told)
    do_as_told(rule, raw)
    assert check(city, [raw]) == []


def test_rows_that_do_not_add_up_are_not_taken(
    city: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = STUDENT_LIST.write(tmp_path / RIGHT_PLACE)
    monkeypatch.setattr("pipelines.intake.checks.rows_due", lambda con: {0: 1, 1: 1})
    (problem,) = check(city, [path])
    assert problem.rule == "unaccounted" and problem.found == "2 ≠ 1"
