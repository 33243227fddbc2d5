"""A file whose path holds a student's number or name: nothing but the raw folder tells it."""

import json
from pathlib import Path

import pytest

from pipelines.feeds import load_contracts
from pipelines.intake import (
    Ledger,
    ask,
    declare_replacement,
    explain,
    freeze,
    give_back,
    submissions,
    withdraw,
)
from pipelines.intake.feedback import return_path
from pipelines.intake.paths import Paths, possible_names
from pipelines.rosters import known
from tests.intake.conftest import FILES, NUMBERS, YEAR, Handed

NAME, NUMBER = "韩梅梅", NUMBERS[0]
BY_NUMBER, BY_NAME = f"{NUMBER}的学籍.csv", f"{NAME}补报.csv"
HEADER, ROW = FILES["students/a.csv"].splitlines()[:2]


def told(handed: Handed, feed: str = "students") -> dict[str, str]:
    """Path as it is told → state, of the files that count."""
    return {
        f.source_file.split("/")[-1]: f.state
        for f in submissions(handed.settings)
        if f.feed == feed and f.present
    }


def everything(handed: Handed) -> bytes:
    """What the home holds outside the restricted area, as bytes and as Parquet's texts."""
    home = handed.settings.home
    packed = str(handed.landed("select * exclude (loaded_at) from landed", "students"))
    return packed.encode() + b"".join(
        path.read_bytes()
        for path in home.rglob("*")
        if path.is_file() and path.relative_to(home).parts[0] not in ("quarantine", "feedback")
    )


def clear_of_both(handed: Handed) -> bool:
    """Whether neither number nor name stands anywhere, though ids of files do."""
    held = everything(handed)
    assert submissions(handed.settings)[0].source_file.encode() in held
    return not any(
        word.encode(code) in held for word in (NAME, NUMBER) for code in ("utf-8", "gbk")
    )


@pytest.fixture
def personal(handed: Handed) -> Handed:
    """The first student's row is handed in alone, twice, in files that are named after her."""
    handed.write("students/a.csv", FILES["students/a.csv"].replace(f"{ROW}\n", ""))
    handed.write(f"students/{BY_NUMBER}", f"{HEADER}\n{ROW}\n")
    handed.write(f"students/{BY_NAME}", f"{HEADER}\n{ROW.replace('女', '男')}\n")
    handed.ingest()
    return handed


def test_neither_is_told_by_anything(personal: Handed) -> None:
    (by_number,) = [name for name in told(personal) if name.startswith("…1237的学籍~")]
    (by_name,) = [name for name in told(personal) if name.startswith("□□补报~")]
    standing = freeze(personal.settings)
    (problem,) = standing.problems
    assert {problem.file.split("/")[-1], problem.expected.split("/")[-1]} == {by_number, by_name}
    ask(personal.settings, standing.problems)
    assert told(personal)[problem.file.split("/")[-1]] == "awaiting_explanation"
    assert clear_of_both(personal)
    report = json.dumps([p.as_dict() for r in personal.reports.values() for p in r.problems])
    assert NAME not in report and NUMBER not in report
    # Every event of the file goes by that path, the first ones too.
    events = Ledger(personal.settings).events(source_file=f"students/{YEAR}/{by_name}")
    assert [e["state"] for e in events][:3] == ["received", "checking", "landed"]
    # Its own return workbook has its own name, in the restricted area.
    (file,) = [f for f in submissions(personal.settings) if f.open_queries and f.asked]
    stem = BY_NAME if "□□" in file.source_file else BY_NUMBER
    assert return_path(
        personal.settings.feedback, "students", YEAR, Path(stem).stem, file.submission_id
    ).exists()


def test_it_is_the_same_file_at_the_next_run(personal: Handed) -> None:
    before = told(personal)
    assert personal.ingest()["students"].new == 0
    assert told(personal) == before and len(before) == 4
    # Another version, and one without the name in its rows: the path is told as it was.
    for row in (ROW.replace("女", "男") + "\n", ROW.replace(NAME, "") + "\n"):
        personal.write(f"students/{BY_NAME}", f"{HEADER}\n{row}\n")
        assert personal.ingest()["students"].new == 1
        assert told(personal).keys() == before.keys()
    assert clear_of_both(personal)
    (personal.settings.raw / f"students/{YEAR}/{BY_NAME}").unlink()
    assert personal.ingest()["students"].withdrawn == 1
    assert len(told(personal)) == 3 and clear_of_both(personal)


def test_who_hands_it_in_names_it_by_its_own_path(personal: Handed) -> None:
    path = f"students/{YEAR}/{BY_NAME}"
    gone = withdraw(personal.settings, path)
    assert gone.source_file.split("/")[-1].startswith("□□补报~")
    assert personal.ingest()["students"].new == 0
    assert give_back(personal.settings, gone.source_file).state == "landed"
    personal.write(f"students/{NAME}更正.csv", f"{HEADER}\n{ROW.replace('五年级', '六年级')}\n")
    declare_replacement(personal.settings, f"students/{YEAR}/{NAME}更正.csv", path)
    personal.ingest()
    assert {name.partition("~")[0] for name in told(personal)} == {
        "a.csv", "b.csv", "…1237的学籍", "□□更正"
    }  # fmt: skip
    assert clear_of_both(personal)
    ask(personal.settings, freeze(personal.settings).problems)
    explain(personal.settings, f"students/{YEAR}/{NAME}更正.csv", "升级")


def test_a_template_still_finds_the_students_in_it(personal: Handed) -> None:
    (personal.settings.raw / f"students/{YEAR}/{BY_NUMBER}").unlink()
    personal.ingest()
    found = known(personal.settings, load_contracts()["students"], "第一小学")
    assert NAME in {row.get("name") for row in found.rows}


def test_what_can_be_told_of_a_path() -> None:
    paths = Paths(b"k" * 32)
    first, second = (f"r/{YEAR}/{number}.csv" for number in (NUMBER, "J370499201301041237"))
    assert paths.told(first) != paths.told(second)
    assert paths.told(first).startswith(f"r/{YEAR}/…1237~")
    assert Paths(b"x" * 32).told(first) != paths.told(first)
    wide = NUMBER.translate({ord(c): ord(c) + 0xFEE0 for c in NUMBER})
    assert NUMBER[:8] not in paths.told(f"r/{YEAR}/{wide}.csv") and "…" in paths.told(f"r/{wide}")
    for plain in ("3137000001-W24.xlsx", "八中.0123456789012345.xlsx", "2024-06-20 成绩.csv"):
        assert paths.told(f"r/{YEAR}/{plain}") == f"r/{YEAR}/{plain}"
    back = paths.told(f"r/{YEAR}/{NUMBER}.0123456789abcdef.xlsx")
    assert back.startswith(f"r/{YEAR}/…1237~") and back.endswith(".0123456789abcdef.xlsx")
    assert "张伟2" in possible_names(f"r/{YEAR}/七年级张伟2补考.csv")
    assert "Li Lei" in possible_names(f"r/{YEAR}/Li Lei W24.csv")
    assert not possible_names(f"students/{YEAR}/成绩.csv")
    once = paths.without(f"r/{YEAR}/Li Lei 韩梅.csv", ["韩梅", "Li Lei"])
    assert once.startswith(f"r/{YEAR}/□□ □□~") and paths.told(once) == once
