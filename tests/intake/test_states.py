"""Where a file is in the workflow: who said what of it, when, and what holds of that later."""

import hashlib
import os
import sqlite3
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pipelines.feeds import rules
from pipelines.intake import (
    FileState,
    IntakeError,
    Ledger,
    NoSuchFile,
    Problem,
    approve,
    ask,
    declare_replacement,
    explain,
    freeze,
    give_back,
    published,
    read_sheets,
    submissions,
    waiting,
    withdraw,
)
from pipelines.intake import raw as raw_folder
from pipelines.intake.feedback import LIST_SHEET, return_path
from pipelines.intake.ledger import now
from pipelines.intake.take import take
from pipelines.settings import Settings
from tests.intake.conftest import FILES, NUMBERS, YEAR, Handed

RESULTS = "monitoring_results"
ASKED = "students/a.csv"
"""Two of its numbers are of an unusual form in `students/b.csv`, which asks a query."""


def state(handed: Handed, name: str) -> FileState:
    """The file that counts now, by `<feed>/<file>`."""
    feed, _, rest = name.partition("/")
    (one,) = [
        f
        for f in submissions(handed.settings)
        if f.source_file == f"{feed}/{YEAR}/{rest}" and f.present
    ]
    return one


def told(handed: Handed, name: str) -> list[tuple[str, str, str]]:
    """State, by and reason of the events of a file."""
    feed, _, rest = name.partition("/")
    events = Ledger(handed.settings).events(source_file=f"{feed}/{YEAR}/{rest}")
    return [(e["state"], e["by"], e["reason"]) for e in events]


def at(handed: Handed, moment: datetime) -> Settings:
    return handed.settings.model_copy(update={"as_of": f"{moment.isoformat()}+00:00"})


def test_each_step_of_a_file_is_an_event(settled: Handed) -> None:
    assert told(settled, "schools/s.csv") == [
        ("received", "eqm", ""), ("checking", "eqm", ""), ("landed", "eqm", "")
    ]  # fmt: skip
    settled.ingest()
    assert len(told(settled, "schools/s.csv")) == 3
    assert told(settled, "students/b.csv")[-1] == ("awaiting_explanation", "eqm", "1 queries")
    settled.write("schools/s.csv", "no table")
    settled.ingest()
    assert [s for s, *_ in told(settled, "schools/s.csv")][3:] == [
        "received",
        "checking",
        "returned",
    ]


def test_rows_stand_while_an_explanation_is_awaited(settled: Handed) -> None:
    file = state(settled, "students/b.csv")
    assert (file.state, file.stands, file.queries) == ("awaiting_explanation", True, 1)
    assert freeze(settled.settings).rows["students"] == 4
    after = explain(settled.settings, file.submission_id[:10], " 转学生，原省编号 ", by="王老师")
    assert (after.state, after.open_queries) == ("landed", ())
    assert len(after.explained) == 1
    assert (after.explained[-1].by, after.explained[-1].reason) == ("王老师", "转学生，原省编号")
    assert told(settled, "students/b.csv")[-1] == ("explained", "王老师", "转学生，原省编号")
    with pytest.raises(IntakeError, match="no query"):
        explain(settled.settings, file.submission_id, "again")
    with pytest.raises(IntakeError, match="needs words"):
        explain(settled.settings, file.submission_id, "  ")


def test_an_explanation_holds_for_the_bytes_not_for_a_reading(settled: Handed) -> None:
    """A register that changes makes every id anew; what was said of the bytes stays."""
    before = state(settled, "students/b.csv")
    explain(settled.settings, f"students/{YEAR}/b.csv", "原省编号")
    settled.add("schools/s.csv", "3137000003,第三小学,市中区,小学,城区,公办")
    settled.ingest()
    after = state(settled, "students/b.csv")
    assert after.submission_id != before.submission_id and after.state == "landed"
    # The old id still names the file.
    assert approve(settled.settings, [before.submission_id]).approved[0].bytes == after.bytes
    assert state(settled, "students/b.csv").state == "district_approved"
    # Other bytes under the path have to be explained again.
    settled.write("students/b.csv", FILES["students/b.csv"].replace("女", "男"))
    settled.ingest()
    again = state(settled, "students/b.csv")
    assert (again.state, again.approved) == ("awaiting_explanation", None)


def test_a_query_that_comes_up_later_is_open(settled: Handed) -> None:
    explain(settled.settings, f"students/{YEAR}/b.csv", "原省编号")
    approve(settled.settings, [f"students/{YEAR}/b.csv"])
    header, line, *_ = FILES["students/b.csv"].splitlines()
    settled.write("students/0.csv", f"{header}\n{line.replace('女', '男')}\n")
    settled.ingest()
    ask(settled.settings, freeze(settled.settings).problems)
    late = state(settled, "students/0.csv")
    assert {q[0] for q in late.open_queries} == {"unusual_number", "differs_between_files"}
    assert state(settled, "students/b.csv").state == "district_approved"
    explain(settled.settings, late.submission_id, "更正性别")
    assert state(settled, "students/0.csv").state == "landed"
    # Against another file it is another query.
    settled.write("students/c.csv", f"{header}\n{line.replace('女', '')}\n")
    settled.ingest()
    ask(settled.settings, freeze(settled.settings).problems)
    assert "students/2023-2024/0.csv" in {
        q[3] for q in state(settled, "students/c.csv").open_queries
    }


FEWER = Problem(
    "candidates_register", f"{RESULTS}/{YEAR}/a.csv", "", 2, 3, 2, "W24 3137000001 五年级", "2", "9"
)
JUMP = Problem(
    "pass_rate_jump", f"{RESULTS}/{YEAR}/a.csv", "", 2, 3, 2, "3137000001 五年级 数学",
    "40% → 90%", "30%～60%",
)  # fmt: skip


def listed(handed: Handed, file: FileState) -> dict[str, str]:
    """Rule → explanation, of the lines of a return workbook."""
    path = return_path(
        handed.settings.feedback, file.feed, YEAR, Path(file.source_file).stem, file.submission_id
    )
    (sheet,) = [s for s in read_sheets(path) if s.name == LIST_SHEET]
    head, *rows = [list(row.values()) for row in sheet.cells.to_pylist()][1:]
    titles = {rules()[r].title: r for r in rules()}
    at = head.index("说明 / Explained") if "说明 / Explained" in head else None
    return {
        titles[row[7].split("\n")[1]]: row[at] if at is not None else "" for row in rows if row[7]
    }


def test_what_is_asked_between_files_is_answered_as_any_query(settled: Handed) -> None:
    files = [f.bytes for f in submissions(settled.settings)]
    published(settled.settings, "first", files)
    assert ask(settled.settings, [FEWER, JUMP]) == 1
    assert told(settled, f"{RESULTS}/a.csv")[-1] == ("asked", "eqm", "2 queries")
    file = waiting(settled.settings, f"{RESULTS}/{YEAR}/a.csv")
    assert (file.state, file.queries) == ("awaiting_explanation", 2)
    assert file.awaiting == [FEWER, JUMP]
    assert listed(settled, file) == {"candidates_register": "", "pass_rate_jump": ""}
    # Asked once: the next build changes nothing, nor does one whose yardstick moved a little.
    assert ask(settled.settings, [FEWER, JUMP]) == 0
    with pytest.raises(IntakeError, match="candidates_register, pass_rate_jump"):
        explain(settled.settings, file.submission_id, "x", rules=["one_score_class"])
    half = explain(
        settled.settings, file.submission_id, "流感", by="王老师", rules=["candidates_register"]
    )
    assert (half.state, half.awaiting) == ("awaiting_explanation", [JUMP])
    answered = listed(settled, half)
    assert answered["candidates_register"].endswith("王老师\n流感")
    assert answered["pass_rate_jump"] == ""
    whole = explain(settled.settings, file.submission_id, "换了任课教师")
    assert (whole.state, whole.open_queries) == ("published", ())
    assert listed(settled, whole)["pass_rate_jump"].endswith("换了任课教师")
    event = Ledger(settled.settings).events(["explained"], source_file=file.source_file)[0]
    assert event["detail"] == [["candidates_register", "", FEWER.column, "2｜9"]]


def test_an_answer_holds_as_long_as_the_evidence(settled: Handed) -> None:
    name = f"{RESULTS}/{YEAR}/a.csv"
    ask(settled.settings, [FEWER, JUMP])
    explain(settled.settings, name, "流感")
    # What the other schools did decides what was to be expected, not what was found.
    assert ask(settled.settings, [FEWER, replace(JUMP, expected="31%～61%")]) == 1
    assert state(settled, f"{RESULTS}/a.csv").state == "landed"
    # A register that changed is another matter; so is another unit.
    other = replace(FEWER, expected="40")
    ask(settled.settings, [other, replace(JUMP, column="3137000001 五年级 语文")])
    assert {p.rule for p in state(settled, f"{RESULTS}/a.csv").awaiting} == {
        "candidates_register", "pass_rate_jump"
    }  # fmt: skip
    # As it was found before, it is answered still; where nothing is found, nothing is asked.
    ask(settled.settings, [FEWER])
    assert state(settled, f"{RESULTS}/a.csv").state == "landed"
    ask(settled.settings, [])
    assert state(settled, f"{RESULTS}/a.csv").queries == 0
    assert told(settled, f"{RESULTS}/a.csv")[-1] == ("asked", "eqm", "0 queries")
    # A new version is asked again, once a build has found it again.
    settled.write(
        f"{RESULTS}/a.csv", FILES[f"{RESULTS}/a.csv"].replace("88.5,110,198.5", "88,110,198")
    )
    settled.ingest()
    assert state(settled, f"{RESULTS}/a.csv").state == "landed"
    ask(settled.settings, [FEWER])
    assert state(settled, f"{RESULTS}/a.csv").state == "awaiting_explanation"


def test_what_was_asked_stays_asked_until_a_build_finds_otherwise(settled: Handed) -> None:
    """An ingest without a build, and a reading under another register, leave it as it is."""
    moment = now()
    ask(settled.settings, [FEWER])
    explain(settled.settings, f"{RESULTS}/{YEAR}/a.csv", "流感")
    ask(settled.settings, [FEWER, JUMP])
    settled.add("schools/s.csv", "3137000003,第三小学,市中区,小学,城区,公办")
    settled.ingest()
    file = state(settled, f"{RESULTS}/a.csv")
    assert (file.state, file.awaiting) == ("awaiting_explanation", [JUMP])
    assert listed(settled, file)["candidates_register"].endswith("流感")
    assert not [f for f in submissions(at(settled, moment)) if f.asked]
    refused = approve(settled.settings, [file.submission_id]).refused
    assert [r.file.source_file for r in refused] == [file.source_file]


def test_the_district_signs_off_what_is_ready(handed: Handed) -> None:
    handed.add(f"{RESULTS}/b.csv", "x,y,z,5,1,语文,70,")
    handed.ingest()
    done = approve(
        handed.settings,
        [f"students/{YEAR}/a.csv", f"students/{YEAR}/b.csv", f"{RESULTS}/{YEAR}/b.csv"],
        by="市中区",
    )  # fmt: skip
    assert [f.source_file for f in done.approved] == [f"students/{YEAR}/a.csv"]
    assert ["eqm explain" in r.reason for r in done.refused] == [True, False]
    assert "errors have to be mended" in done.refused[1].reason
    approved = state(handed, "students/a.csv")
    assert approved.state == "district_approved" and approved.approved is not None
    assert approved.approved.by == "市中区"


def test_a_whole_district_signs_off_its_own_files_only(handed: Handed) -> None:
    handed.add("districts/d.csv", "370403,薛城区,县")
    handed.add("schools/s.csv", "3137000009,第九小学,薛城区,小学,城区,公办")
    handed.add("students/a.csv", "G370499201001015555,,3137000009,5,1,女")
    handed.ingest()
    done = approve(handed.settings, district="370402")
    # a.csv also holds rows of the other district, the lists too; the city's files hold nobody's.
    assert {f.source_file for f in done.approved} == {
        f"{RESULTS}/{YEAR}/a.csv", f"staff/{YEAR}/t.csv"
    }  # fmt: skip
    assert {r.file.source_file for r in done.refused} >= {f"students/{YEAR}/b.csv"}
    only = approve(handed.settings, district="370402", feed="staff")
    assert not only.approved and not only.refused
    with pytest.raises(NoSuchFile, match="370402, 370403"):
        approve(handed.settings, district="370499")
    with pytest.raises(NoSuchFile, match="the feeds are"):
        approve(handed.settings, district="370402", feed="pupils")


def test_an_unknown_or_ambiguous_name_says_what_to_do(settled: Handed) -> None:
    for name in ("", "nothing", "zz"):
        with pytest.raises(NoSuchFile, match="eqm status --files"):
            explain(settled.settings, name, "x")
    same = Ledger(settled.settings).submissions("students")[0]
    named = [
        {**same, "submission_id": f"ffffffff{i:08d}", "source_file": f"students/{YEAR}/{i}.csv"}
        for i in range(2)
    ]
    Ledger(settled.settings).record(named, {})
    with pytest.raises(NoSuchFile, match=r"ffffffff00000000 .*0\.csv.*Give more of the id"):
        explain(settled.settings, "ffffffff", "x")


def test_with_the_setting_only_what_was_signed_off_stands(settled: Handed) -> None:
    strict = settled.settings.model_copy(update={"require_approval": True})
    assert freeze(strict).rows["students"] == 0
    assert {f.state for f in submissions(strict)} == {"checking", "awaiting_explanation"}
    assert not any(f.stands for f in submissions(strict))
    approve(strict, [f"students/{YEAR}/a.csv"])
    assert freeze(strict).rows["students"] == 2
    assert freeze(settled.settings).rows["students"] == 4


def test_published_is_what_the_served_release_holds(settled: Handed) -> None:
    files = [f.bytes for f in submissions(settled.settings)]
    assert published(settled.settings, "first", files) == len(files)
    assert published(settled.settings, "second", files) == 0
    assert state(settled, "students/a.csv").state == "published"
    # What waits for an answer goes on waiting.
    assert state(settled, "students/b.csv").state == "awaiting_explanation"
    assert published(settled.settings, "first again", files[:1]) == 0
    assert state(settled, "students/a.csv").state == "landed"
    assert told(settled, "students/a.csv")[-1] == ("unpublished", "eqm", "first again")


def test_a_file_taken_back_stays_in_raw_and_its_rows_do_not_stand(settled: Handed) -> None:
    before = freeze(settled.settings)
    was = state(settled, f"{RESULTS}/b.csv")
    gone = withdraw(settled.settings, f"{RESULTS}/{YEAR}/b.csv", "学校要求", by="张主任")
    assert gone.state == "withdrawn"
    assert freeze(settled.settings).rows[RESULTS] == 4
    report = settled.ingest()[RESULTS]
    assert (report.files, report.new, report.reused) == (2, 0, 1)
    assert told(settled, f"{RESULTS}/b.csv")[-2:] == [
        ("taken_back", "张主任", "学校要求"), ("withdrawn", "张主任", "学校要求")
    ]  # fmt: skip
    with pytest.raises(IntakeError, match="nothing to take back"):
        withdraw(settled.settings, was.submission_id)
    back = give_back(settled.settings, was.submission_id)
    assert (back.state, back.received_at) == (was.state, was.received_at)
    assert freeze(settled.settings) == before
    assert settled.ingest()[RESULTS].new == 0
    with pytest.raises(IntakeError, match="not taken back"):
        give_back(settled.settings, was.submission_id)


def test_a_new_version_of_a_file_taken_back_is_taken_in(settled: Handed) -> None:
    withdraw(settled.settings, f"{RESULTS}/{YEAR}/b.csv")
    settled.write(f"{RESULTS}/b.csv", FILES[f"{RESULTS}/b.csv"].replace(",70,", ",71,"))
    assert settled.ingest()[RESULTS].new == 1
    # The old bytes, should they come back, are still taken back.
    settled.write(f"{RESULTS}/b.csv", FILES[f"{RESULTS}/b.csv"])
    report = settled.ingest()[RESULTS]
    assert (report.new, report.reused, report.withdrawn) == (0, 1, 1)


def test_taking_back_a_broken_version_takes_the_earlier_one_too(settled: Handed) -> None:
    settled.add(f"{RESULTS}/b.csv", "x,y,z,5,1,语文,70,")
    settled.ingest()
    assert freeze(settled.settings).rows[RESULTS] == 6
    withdraw(settled.settings, f"{RESULTS}/{YEAR}/b.csv")
    assert freeze(settled.settings).rows[RESULTS] == 4 and not list(
        (settled.settings.quarantine / RESULTS).rglob("*.tmp")
    )
    assert settled.ingest()[RESULTS].returned == 0
    give_back(settled.settings, f"{RESULTS}/{YEAR}/b.csv")
    assert freeze(settled.settings).rows[RESULTS] == 6
    assert settled.ingest()[RESULTS].returned == 1


def test_a_corrected_file_under_a_new_name_replaces_the_one_it_names(settled: Handed) -> None:
    old, new = f"{RESULTS}/{YEAR}/b.csv", f"{RESULTS}/{YEAR}/更正.csv"
    header, line, _ = FILES[f"{RESULTS}/b.csv"].splitlines()
    path = settled.write(f"{RESULTS}/更正.csv", f"{header}\n{line.replace(',70,', ',71,')}\n")
    declare_replacement(settled.settings, new, old, by="王老师")
    declare_replacement(settled.settings, new, old)
    assert len(Ledger(settled.settings).events(["replaces"])) == 1
    for _run in range(2):
        report = settled.ingest()[RESULTS]
        # Replaced in full: the deferred paper is gone, and nothing differs between files.
        assert freeze(settled.settings).rows[RESULTS] == 5
        assert not freeze(settled.settings).problems
        assert report.reused + report.new == 2
    assert not (settled.settings.landing / "x").exists()
    # Refused, it leaves the old one standing; taken away, too.
    path.write_text("no table")
    assert settled.ingest()[RESULTS].returned == 1
    assert freeze(settled.settings).rows[RESULTS] == 5
    path.unlink()
    settled.ingest()
    assert freeze(settled.settings).rows[RESULTS] == 6
    # A later version of the old file is a file of its own.
    settled.write(f"{RESULTS}/更正.csv", f"{header}\n{line.replace(',70,', ',71,')}\n")
    settled.write(f"{RESULTS}/b.csv", FILES[f"{RESULTS}/b.csv"].replace(",70,", ",72,"))
    settled.ingest()
    assert freeze(settled.settings).rows[RESULTS] == 6
    assert {p.rule for p in freeze(settled.settings).problems} == {"differs_between_files"}


def test_what_can_not_be_declared_to_replace(settled: Handed) -> None:
    a, b = (f"{RESULTS}/{YEAR}/{n}.csv" for n in "ab")
    with pytest.raises(NoSuchFile):
        declare_replacement(settled.settings, f"{RESULTS}/{YEAR}/none.csv", a)
    with pytest.raises(NoSuchFile):
        declare_replacement(settled.settings, a, f"{RESULTS}/{YEAR}/none.csv")
    with pytest.raises(IntakeError, match="not paths of one feed"):
        declare_replacement(settled.settings, a, f"students/{YEAR}/a.csv")
    with pytest.raises(IntakeError, match="replace each other"):
        declare_replacement(settled.settings, a, a)
    declare_replacement(settled.settings, a, b)
    with pytest.raises(IntakeError, match="replace each other"):
        declare_replacement(settled.settings, b, a)


def test_rows_of_a_school_that_left_do_not_stand_behind_a_broken_version(settled: Handed) -> None:
    """The earlier version can't be read again, and would be refused if it could."""
    settled.add(f"{RESULTS}/b.csv", "x,y,z,5,1,语文,70,")
    settled.ingest()
    assert freeze(settled.settings).rows[RESULTS] == 6
    text = FILES["schools/s.csv"]
    settled.write("schools/s.csv", text[: text.index("3137000002")])
    settled.ingest()
    assert freeze(settled.settings).rows[RESULTS] == 4
    settled.write("schools/s.csv", text)
    settled.ingest()
    assert freeze(settled.settings).rows[RESULTS] == 4  # the bytes that stood are gone
    settled.write(f"{RESULTS}/b.csv", FILES[f"{RESULTS}/b.csv"])
    settled.ingest()
    assert freeze(settled.settings).rows[RESULTS] == 6


def test_a_moment_of_the_past_shows_the_figures_of_then(settled: Handed) -> None:
    first, then = now(), freeze(settled.settings)
    settled.write(f"{RESULTS}/b.csv", FILES[f"{RESULTS}/b.csv"].replace(",70,", ",71,"))
    settled.write("students/late.csv", FILES["students/a.csv"].replace("0101", "0909"))
    explained = state(settled, "students/b.csv")
    explain(settled.settings, explained.submission_id, "原省编号")
    settled.ingest()
    second, later = now(), freeze(settled.settings)
    withdraw(settled.settings, f"{RESULTS}/{YEAR}/b.csv")
    (settled.settings.raw / "students" / YEAR / "a.csv").unlink()
    settled.ingest()
    assert freeze(settled.settings).digest not in (then.digest, later.digest)
    for moment, frozen in ((first, then), (second, later)):
        there = at(settled, moment)
        past = freeze(there)
        assert (past.digest, past.rows, past.problems) == (
            frozen.digest,
            frozen.rows,
            frozen.problems,
        )
        assert past == freeze(there)
    states = {f.source_file: f.state for f in submissions(at(settled, first))}
    assert states[f"students/{YEAR}/b.csv"] == "awaiting_explanation"
    assert f"students/{YEAR}/late.csv" not in states
    states = {f.source_file: f.state for f in submissions(at(settled, second)) if f.present}
    assert states[f"students/{YEAR}/b.csv"] == "landed"
    with pytest.raises(IntakeError, match="ledger begins at"):
        freeze(at(settled, first - timedelta(days=400)))


def test_rows_of_the_past_that_are_gone_are_said(settled: Handed) -> None:
    moment = now()
    settled.write(f"{RESULTS}/b.csv", FILES[f"{RESULTS}/b.csv"].replace(",70,", ",71,"))
    old = state(settled, f"{RESULTS}/b.csv")
    settled.ingest()
    (settled.settings.landing / RESULTS / YEAR / f"{old.submission_id}.parquet").unlink()
    with pytest.raises(IntakeError, match=r"landed rows of 1 files .*b\.csv"):
        freeze(at(settled, moment))


def test_an_older_ledger_is_brought_up_when_it_is_opened(settled: Handed) -> None:
    settled.write(f"{RESULTS}/b.csv", FILES[f"{RESULTS}/b.csv"].replace(",70,", ",71,"))
    settled.ingest()
    before = Ledger(settled.settings).submissions()
    path = settled.settings.home / "ledger" / "ledger.sqlite"
    with sqlite3.connect(path) as con:
        for table in ("event", "carries", "seen"):
            con.execute(f"drop table {table}")
        con.execute("alter table submission drop column sheets")
    after = Ledger(settled.settings).submissions()
    blank = [{**row, "sheets": []} for row in before]
    assert after == blank
    # What had been replaced stood until its successor came.
    replaced = next(s for s in after if s["state"] == "replaced")
    ledger = Ledger(settled.settings)
    past = ledger.submissions(RESULTS, "landed", as_of=replaced["received_at"])
    assert replaced["submission_id"] in {s["submission_id"] for s in past}
    assert len(past) == 2
    report = settled.ingest()
    assert all(r.new == 0 for r in report.values())


def test_quarantine_holds_only_what_is_to_be_mended(handed: Handed) -> None:
    handed.add(f"{RESULTS}/b.csv", "x,y,z,5,1,语文,70,")
    handed.ingest()
    folder = handed.settings.quarantine / RESULTS / YEAR
    assert len(list(folder.iterdir())) == 2
    other = folder / "b.0123456789abcdef.problems.csv"
    other.write_text("left by an earlier version of the platform")
    kept = folder / "a note of the duty desk.txt"
    kept.write_text("…")
    handed.write(f"{RESULTS}/b.csv", FILES[f"{RESULTS}/b.csv"])
    handed.ingest()
    assert list(folder.iterdir()) == [kept]
    refused = [s for s in Ledger(handed.settings).submissions(RESULTS) if s["rows_landed"] == 0]
    assert refused and refused[0]["state"] == "replaced" and refused[0]["problems"]


@pytest.mark.parametrize("where", [f"students/{YEAR}/x.csv", f"students/{YEAR}/deep", "x.csv"])
@pytest.mark.parametrize("target", ["file", "folder", "nowhere", "itself"])
def test_a_link_out_of_the_raw_folder_is_told_and_not_followed(
    handed: Handed, where: str, target: str
) -> None:
    outside = handed.settings.raw.with_name("outside")
    outside.mkdir()
    (outside / "x.csv").write_text(FILES["students/a.csv"])
    link = handed.settings.raw / where
    link.symlink_to(
        {"file": outside / "x.csv", "folder": outside, "nowhere": outside / "no",
         "itself": link}[target]
    )  # fmt: skip
    reports = handed.ingest()
    report = reports["students" if "/" in where else ""]
    assert [(p.file, p.severity) for p in report.problems if p.rule == "link_outside"] == [
        (where, "error")
    ]
    assert report.returned == 1 and reports["students"].rows == 4
    kept = [p for p in handed.settings.quarantine.rglob("*") if p.is_file()]
    assert [p.name.endswith(".problems.csv") for p in kept] == [True]
    assert all(r.new == 0 for r in handed.ingest().values())
    link.unlink()
    assert handed.ingest()["students"].returned == 0


def test_links_within_the_raw_folder(handed: Handed) -> None:
    folder = handed.settings.raw / "students" / YEAR
    (folder / "b.csv").rename(handed.settings.raw / "b.csv")
    (folder / "b.csv").symlink_to(handed.settings.raw / "b.csv")
    (folder / "again").symlink_to(folder)
    assert handed.ingest()["students"].rows == 4


def test_a_file_that_changes_while_it_is_read_is_not_taken(
    handed: Handed, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest = sys.modules["pipelines.intake.ingest"]
    path = handed.settings.raw / RESULTS / YEAR / "b.csv"
    real = take

    def growing(contract: object, files: list[object], *rest: object) -> object:
        for one in real(contract, files, *rest):  # type: ignore[arg-type]
            if one.file.path == path:
                path.write_text(path.read_text() + f"W24,{NUMBERS[3]},3137000002,5,1,语文,60,\n")
            yield one

    monkeypatch.setattr(ingest, "take", growing)
    report = handed.ingest()[RESULTS]
    assert (report.new, report.returned) == (1, 1)
    assert "changed_while_read" in {p.rule for p in report.problems}
    monkeypatch.setattr(ingest, "take", real)
    # The same bytes as before, too, are read again.
    path.write_text(FILES[f"{RESULTS}/b.csv"])
    assert handed.ingest()[RESULTS].returned == 0
    assert freeze(handed.settings).rows[RESULTS] == 6


def test_unchanged_files_are_not_hashed_again(
    handed: Handed, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[Path] = []
    real = raw_folder.digest_of
    monkeypatch.setattr(raw_folder, "digest_of", lambda path: (hashed.append(path), real(path))[1])
    monkeypatch.setattr(raw_folder, "SETTLED_NS", -(10**12))  # as if all had been written long ago
    handed.ingest()
    assert len(hashed) == len(FILES)
    hashed.clear()
    handed.ingest()
    assert hashed == []
    path = handed.settings.raw / RESULTS / YEAR / "b.csv"
    stat = path.stat()
    path.write_bytes(path.read_bytes().replace(b",70,", b",71,"))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # the same size and time
    assert path.stat().st_size == stat.st_size
    handed.ingest()
    assert hashed == [path]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert state(handed, f"{RESULTS}/b.csv").file_sha256 == digest
    monkeypatch.setattr(raw_folder, "SETTLED_NS", 2 * 10**9)
    path.write_bytes(path.read_bytes().replace(b",71,", b",72,"))
    handed.ingest()
    hashed.clear()
    handed.ingest()
    assert hashed == [path]  # written just before the scan: looked at once more
