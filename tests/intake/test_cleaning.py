"""Text cells to typed values: forms people write, and what is reported where none fits."""

import datetime
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from pipelines.feeds import load_contracts
from pipelines.intake.clean import Known, begin, clean, unfold

USUAL = "[GJL][0-9A-Z]{18}"
NUMBER = "G370499201001011237"
GOOD = {
    "wave_id": "W",
    "student_no": NUMBER,
    "school_code": "1",
    "grade": "初一",
    "subject": "数学",
}


def cleaned(feed: str, wide: bool = False, **cells: str) -> tuple[dict[str, Any], set[Any]]:
    contract = load_contracts()[feed]
    names = [c.name for c in contract.columns if c.type != "dropped"]
    table: dict[str, Any] = {
        "file_no": pa.array([0], pa.int32()),
        "part": pa.array([0], pa.int32()),
        "row": pa.array([2], pa.int32()),
        "id": pa.array([0], pa.int64()),
        "_total": pa.array([None], pa.string()),
    }
    unfolded = None
    if contract.wide and wide:
        own = {n: [cells.pop(n)] for n in (contract.wide.names, contract.wide.values)}
        unfolded = pa.table({"id": [0], "seat": pa.array([0], pa.int32()), **own})
    table |= {name: pa.array([cells.get(name)], pa.string()) for name in names}
    with duckdb.connect() as con:
        known = Known()
        begin(con)
        clean(con, contract, pa.table(table), USUAL, known, unfolded)
        unfold(con, contract, known, wide=unfolded is not None)
        frame = con.execute("select * from typed")
        columns = [d[0] for d in frame.description]
        row = dict(zip(columns, frame.fetchall()[0], strict=True))
        found = con.execute("select col, rule, found from found").fetchall()
    return row, set(found)


@pytest.mark.parametrize(
    "written", ["2024/3/5", "2024.3.5", "20240305", "2024年3月5日", "45356", "２０２４-３-５"]
)
def test_a_day_in_every_listed_form(written: str) -> None:
    assert cleaned("schools", opened_on=written)[0]["opened_on"] == datetime.date(2024, 3, 5)


@pytest.mark.parametrize(
    ("score", "status", "value", "word"),
    [
        ("86.5", None, Decimal("86.5"), "present"),
        ("８６", "正常", Decimal(86), "present"),
        ("缺 考", None, None, "absent"),
        ("absent", None, None, "absent"),
        (None, "缓考", None, "deferred"),
        (None, None, None, None),
    ],
)
def test_scores_and_status_words(
    score: str | None, status: str | None, value: Decimal | None, word: str | None
) -> None:
    given = {k: v for k, v in {"score": score, "status": status}.items() if v}
    row, found = cleaned("monitoring_results", **GOOD, **given)
    assert (row["score"], row["status"], row["grade"], row["subject"]) == (
        value, word, 7, "mathematics",
    )  # fmt: skip
    assert found == set()


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        ({"score": "8O"}, ("成绩", "bad_score", "8O")),
        ({"score": "80", "status": "缺考"}, ("成绩", "score_without_presence", "缺考")),
        ({"status": "病了"}, ("状态", "bad_code", "病了")),
        ({"score": "-1"}, ("成绩", "below_min", "-1")),
        ({"grade": "十三年级"}, ("年级", "bad_grade", "十三年级")),
        ({"wave_id": "－"}, ("监测批次", "required", "")),
        ({"student_no": "3.70E+17"}, ("学籍号", "truncated_number", "3.70E+17")),
        ({"student_no": "370499201001011000"}, ("学籍号", "truncated_number", "…1000")),
        ({"student_no": "A1234567"}, ("学籍号", "unusual_number", "…4567")),
        ({"student_no": "3.70490201504E+17"}, ("学籍号", "truncated_number", "3.70E+17")),
        ({"score": "8,5"}, ("成绩", "bad_score", "8,5")),
        ({"score": "8，5"}, ("成绩", "bad_score", "8,5")),
        ({"score": "7,,8"}, ("成绩", "bad_score", "7,,8")),
        ({"class_no": NUMBER}, ("班级", "misplaced_number", NUMBER)),
    ],
)
def test_what_does_not_fit_is_found(cells: dict[str, str], problem: tuple[str, ...]) -> None:
    assert cleaned("monitoring_results", **{**GOOD, **cells})[1] == {problem}


@pytest.mark.parametrize("written", ["0203-08-25", "2204/1/1", "1849-12-31", "9999-12-31"])
def test_a_day_that_no_school_has_is_a_slip_of_the_pen(written: str) -> None:
    """Landed, it would break the rule of the whole feed, and so stop everybody's release."""
    assert cleaned("schools", opened_on=written)[1] >= {("建校日期", "bad_date", written)}
    assert ("出生日期", "bad_date", written) in cleaned("students", birth_date=written)[1]


def test_commas_part_thousands() -> None:
    assert cleaned("monitoring_results", **GOOD, score="1,234.5")[0]["score"] == Decimal("1234.5")


def test_a_wide_score_is_named_by_its_subject() -> None:
    assert cleaned("monitoring_results", wide=True, **GOOD, score="?")[1] == {
        ("数学", "bad_score", "?")
    }
