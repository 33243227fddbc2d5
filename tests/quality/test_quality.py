"""The checks of the standing rows: sound feeds pass, each fault is named, nothing hides."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.feeds import Contract, load_contracts
from pipelines.feeds import rules as problem_rules
from pipelines.quality import TOLD_ONLY, CheckResult, validate, validate_feed
from pipelines.quality.rules import Rule, name, rules_of
from pipelines.quality.validate import Judge, check, connection

KEY = "a" * 64
ORIGIN = {
    "key_id": None,
    "school_year": "2023-2024",
    "source_file": "f.csv",
    "source_sheet": "",
    "source_row": 2,
    "file_sha256": "0" * 64,
    "loaded_at": "2024-01-01 00:00:00",
}
ROWS: dict[str, dict[str, Any]] = {
    "districts": {"district_code": "3704GX", "district_name": "d", "district_kind": "zone"},
    "schools": {
        "school_code": "3137000001", "school_name": "s", "district_code": "3704GX",
        "stage": "junior", "locale": "town", "ownership": "public", "opened_on": "1958-09-01",
    },
    "staff": {"staff_code": "t1", "level": "school", "role": "teacher", "full_time": True},
    "students": {
        "student_key": KEY, "school_code": "3137000001", "grade": 7, "class_no": "1",
        "gender": "female", "birth_date": "2011-04", "boarding": False,
    },
    "monitoring_waves": {
        "wave_id": "w", "level": "city", "wave_kind": "annual_monitoring",
        "held_on": "2024-06-20", "grade": 7, "subject": "mathematics", "full_mark": 120,
    },
    "monitoring_results": {
        "wave_id": "w", "student_key": KEY, "school_code": "3137000001", "grade": 7,
        "subject": "mathematics", "score": 88.5, "status": "present",
    },
    "item_map": {
        "wave_id": "w", "grade": 7, "subject": "mathematics", "item_no": "21(2)", "full_mark": 4,
        "competency": "运算能力", "content_domain": "数与代数", "cognitive_level": "应用",
    },
    "item_results": {
        "wave_id": "w", "student_key": KEY, "subject": "mathematics", "item_no": "21(2)",
        "score": 3.5,
    },
    "lesson_observations": {
        "observed_on": "2024-03-05", "observer_code": "t1", "teacher_code": "t1",
        "school_code": "3137000001", "grade": 7, "class_no": "1", "subject": "mathematics",
        "period": "3", "lessons": 4, "score": 75, "design_score": 25, "process_score": 0,
        "effect_score": 25, "literacy_score": 25, "standard_lesson": True, "inclass_tested": 40,
        "inclass_passed": 36,
    },
    "training_logs": {
        "staff_code": "t1", "programme_code": "p", "programme_kind": "grand_lecture",
        "session_no": "1", "level": "city", "mode": "concentrated", "started_on": "2023-10-09",
        "ended_on": "2023-10-12", "hours": 18, "completed": True,
    },
    "programme_register": {
        "kind": "k", "holder_type": "school", "holder_code": "3137000001", "subject": "it",
        "title": "t", "level": "national", "granted_on": "2024-05-01", "value": -1,
        "covers_all": False,
    },
    "official_visits": {
        "official_code": "t1", "school_code": "3137000001", "visited_on": "2024-03-05",
        "topic": "t", "problems_solved": 0,
    },
    "supervision_findings": {
        "finding_id": "f", "district_code": "3704GX", "school_code": "3137000001",
        "found_on": "2024-03-05", "due_on": "2024-04-05", "closed_on": "2024-04-01",
    },
    "residential_areas": {
        "area_code": "a", "area_name": "n", "district_code": "3704GX", "area_kind": "urban",
        "capable": True,
    },
    "school_resources": {
        "school_code": "3137000001", "stage": "junior", "students": 0, "key_teachers": 3,
        "teaching_area_m2": 1200.5, "equipment_value_yuan": 0,
    },
    "external_benchmarks": {
        "kind": "provincial_rank", "year": 2024, "unit_code": "370400", "subject": "mathematics",
        "value": 7, "out_of": 16,
    },
}  # fmt: skip
ROWED = list(load_contracts())


def put(
    standing: Path, contract: Contract, rows: list[dict[str, Any]], types: dict[str, str] | None
) -> None:
    """One Parquet file of these rows, typed as landed."""
    columns = contract.landed | (types or {})
    folder = standing / contract.feed / "2023-2024"
    folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as con:
        typed = ", ".join(f"{name(c)} {t}" for c, t in columns.items())
        con.execute(f"create table t ({typed})")
        if rows:
            marks = ", ".join("?" for _ in columns)
            con.executemany(
                f"insert into t values ({marks})",
                [[{**ORIGIN, **row}.get(c) for c in columns] for row in rows],
            )
        con.execute(f"copy t to '{folder / 'part.parquet'}' (format parquet)")


@pytest.fixture
def standing(tmp_path: Path) -> Path:
    for feed in ROWED:
        put(tmp_path, load_contracts()[feed], [ROWS[feed]], None)
    return tmp_path


def failures(results: list[CheckResult]) -> list[tuple[str, str, int]]:
    return [(r.rule, r.column, r.failed_rows) for r in results if not r.passed]


def test_sound_feeds_pass_and_every_feed_is_checked(standing: Path) -> None:
    results = validate(standing, ROWED)
    assert failures(results) == []
    assert {r.feed for r in results} == set(ROWED)
    assert all(r.rows == 1 and r.detail == "" for r in results)
    assert {"columns", "not_null", "in_set", "in_range", "pattern", "unique_key", "refers"} <= {
        r.rule for r in results
    }


def test_empty_feeds_pass(tmp_path: Path) -> None:
    for feed in ROWED:
        put(tmp_path, load_contracts()[feed], [], None)
    results = validate(tmp_path, ROWED)
    assert failures(results) == []
    assert all(r.rows == 0 for r in results)


FAULTS: list[tuple[str, dict[str, Any], str, str]] = [
    ("districts", {"district_code": "3704G"}, "pattern", "district_code"),
    ("districts", {"district_code": "3704GY\n"}, "pattern", "district_code"),
    ("schools", {"school_code": "3137000002", "locale": "城区"}, "in_set", "locale"),
    ("schools", {"school_code": "3137000002", "district_code": "370481"}, "refers",
     "district_code"),
    ("schools", {"school_code": "3137000002", "opened_on": "0058-09-01"}, "in_range",
     "opened_on"),
    ("schools", {"school_code": "3137000002", "opened_on": "infinity"}, "in_range", "opened_on"),
    ("students", {"student_key": "b" * 64, "grade": 13}, "in_set", "grade"),
    ("students", {"student_key": "b" * 64, "birth_date": "2011-13"}, "pattern", "birth_date"),
    ("students", {"student_key": "G370402201104011234"}, "pattern", "student_key"),
    ("students", {"student_key": "b" * 64, "class_no": None}, "not_null", "class_no"),
    ("students", {"student_key": "b" * 64, "source_file": None}, "not_null", "source_file"),
    ("monitoring_waves", {"wave_id": "v", "full_mark": 0.999}, "in_range", "full_mark"),
    ("monitoring_results", {"subject": "english", "score": -0.001}, "in_range", "score"),
    ("monitoring_results", {"subject": "english", "wave_id": "x"}, "refers", "wave_id"),
    ("monitoring_results", {"subject": "english", "status": "absent"}, "score_only_if_present",
     "score"),
    ("monitoring_results", {"subject": "english", "status": None}, "score_only_if_present",
     "score"),
    ("item_map", {"item_no": "1", "wave_id": "x"}, "refers", "wave_id"),
    ("item_results", {"item_no": "1", "score": -1}, "in_range", "score"),
    ("lesson_observations", {"period": "4", "lessons": 5}, "in_range", "lessons"),
    ("lesson_observations", {"period": "4", "design_score": 25.001}, "in_range", "design_score"),
    ("lesson_observations", {"period": "4", "observer_code": "t2"}, "refers", "observer_code"),
    ("training_logs", {"session_no": "2", "mode": "集中"}, "in_set", "mode"),
    ("programme_register", {"title": "u", "level": "county"}, "in_set", "level"),
    ("official_visits", {"visited_on": "2100-01-01"}, "in_range", "visited_on"),
    ("supervision_findings", {"finding_id": "g", "due_on": None}, "not_null", "due_on"),
    ("residential_areas", {"area_code": "b", "area_kind": "town"}, "in_set", "area_kind"),
    ("school_resources", {"stage": "primary", "students": -1}, "in_range", "students"),
    ("external_benchmarks", {"year": 1979}, "in_range", "year"),
    ("schools", {"school_code": "3137000002", "closed_on": "1950-01-01"}, "dates_in_order",
     "opened_on, closed_on"),
    ("staff", {"staff_code": "t2", "started_on": "2020-01-02", "left_on": "2020-01-01"},
     "dates_in_order", "started_on, left_on"),
    ("training_logs", {"session_no": "2", "ended_on": "2023-10-08"}, "dates_in_order",
     "started_on, ended_on"),
    ("supervision_findings", {"finding_id": "g", "due_on": "2024-03-04"}, "dates_in_order",
     "found_on, due_on"),
    ("supervision_findings", {"finding_id": "g", "closed_on": "2024-03-04"}, "dates_in_order",
     "found_on, closed_on"),
    ("lesson_observations", {"period": "4", "inclass_passed": 41}, "part_within_whole",
     "inclass_passed, inclass_tested"),
    ("lesson_observations", {"period": "4", "score": 75.011}, "parts_make_whole",
     "score, design_score, process_score, effect_score, literacy_score"),
    ("monitoring_waves", {"wave_id": "v", "pass_mark": 80, "good_mark": 70}, "marks_in_order",
     "low_mark, pass_mark, good_mark, excellent_mark, full_mark"),
    ("monitoring_waves", {"wave_id": "v", "low_mark": 121}, "marks_in_order",
     "low_mark, pass_mark, good_mark, excellent_mark, full_mark"),
]  # fmt: skip


@pytest.mark.parametrize(("feed", "fault", "rule", "column"), FAULTS)
def test_one_bad_row_fails_its_rule_alone(
    standing: Path, feed: str, fault: dict[str, Any], rule: str, column: str
) -> None:
    put(standing, load_contracts()[feed], [ROWS[feed], {**ROWS[feed], **fault}], None)
    results = validate_feed(standing, feed)
    assert failures(results) == [(rule, column, 1)]
    failed = next(r for r in results if not r.passed)
    assert failed.rows == 2
    assert failed.detail.startswith("1 rows")
    assert "G3704" not in failed.detail  # a number that got in is not spread further


def test_every_rule_of_a_row_is_checked_again_and_a_query_holds_nothing_back() -> None:
    contracts = load_contracts()
    for feed, contract in contracts.items():
        checked = {r.needs: r.name for r in rules_of(contract, contracts) if r.kind == "count"}
        for rule in contract.rules:
            asked = problem_rules()[rule.rule].severity == "query"
            assert asked == (checked[tuple(rule.columns)] in TOLD_ONLY), feed


def test_parts_that_make_their_whole_within_the_rounding_pass(standing: Path) -> None:
    row = ROWS["lesson_observations"]
    others = [{"score": 75.01}, {"score": 74.99}, {"literacy_score": None}, {"score": None}]
    rows = [row, *({**row, "period": str(4 + at), **own} for at, own in enumerate(others))]
    put(standing, load_contracts()["lesson_observations"], rows, None)
    assert failures(validate_feed(standing, "lesson_observations")) == []


def test_equal_keys_are_counted(standing: Path) -> None:
    row = ROWS["monitoring_results"]
    put(standing, load_contracts()["monitoring_results"], [row, row, row], None)
    assert failures(validate_feed(standing, "monitoring_results")) == [
        ("unique_key", "wave_id, student_key, subject", 3)
    ]


def test_what_does_not_fit_into_the_memory_given_is_written_to_disk() -> None:
    """Three million keys want some 250 MB where there are 60."""
    with connection(60) as con:
        query = (
            "select count(*) from (select md5(range::varchar) as k from range(3000000) group by k)"
        )
        assert con.execute(query).fetchall() == [(3_000_000,)]
        (memory,) = con.execute(
            "select value from duckdb_settings() where name = 'memory_limit'"
        ).fetchall()[0]
    assert memory == "57.2 MiB"


def test_a_column_of_another_type_fails_all_that_needs_it(standing: Path) -> None:
    contract = load_contracts()["monitoring_results"]
    put(standing, contract, [ROWS["monitoring_results"]], {"score": "varchar"})
    results = validate_feed(standing, "monitoring_results")
    assert {rule for rule, _, _ in failures(results)} == {
        "columns", "in_range", "score_only_if_present",
    }  # fmt: skip
    details = {r.rule: r.detail for r in results if not r.passed}
    assert details["in_range"] == "not checked: score is VARCHAR, not DECIMAL(9,3)"


def test_a_feed_without_files_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="districts"):
        validate_feed(tmp_path, "districts")


def test_what_could_not_be_judged_does_not_pass() -> None:
    rule = Rule("in_range", "a", "range", ("a",), "", low=0, high=1)
    absent = Rule("in_range", "b", "range", ("b",), "", low=0, high=1)
    verdicts = Judge()("f", pd.DataFrame({"a": ["text"]}), [rule, absent])
    assert [passed for passed, _ in verdicts.values()] == [False, False]
    assert all(error.startswith("not judged: ") for _, error in verdicts.values())


SMALL = Contract.model_validate(
    {
        "feed": "f",
        "title": "t",
        "description": "d",
        "key": ["k"],
        "columns": [
            {"name": n, "header": n.upper(), "description": "d", **rest}
            for n, rest in {
                "k": {"type": "text", "required": True, "pattern": "[0-9]{1,2}"},
                "c": {"type": "code", "codes": "locale"},
                "g": {"type": "grade", "required": True},
                "s": {"type": "score", "min": 0, "max": 100},
                "d": {"type": "date"},
                "m": {"type": "month", "required": True},
            }.items()
        ],
    }
)
DIRECT: dict[tuple[str, str], Callable[[pd.Series], pd.Series]] = {
    ("not_null", "k"): lambda x: x.isna(),
    ("pattern", "k"): lambda x: ~x.dropna().str.fullmatch("[0-9]{1,2}"),
    ("in_set", "c"): lambda x: ~x.dropna().isin(["urban", "town", "rural"]),
    ("not_null", "g"): lambda x: x.isna(),
    ("in_set", "g"): lambda x: ~x.dropna().isin(range(1, 13)),
    ("in_range", "s"): lambda x: ~x.dropna().astype(float).between(0, 100),
    ("in_range", "d"): lambda x: ~x.dropna().between("1850-01-01", "2099-12-31"),
    ("not_null", "m"): lambda x: x.isna(),
    ("pattern", "m"): lambda x: ~x.dropna().str.fullmatch(
        "(?:19|20)[0-9]{2}-(?:0[1-9]|1[0-2])"
    ),
    ("unique_key", "k"): lambda x: x.duplicated(keep=False),
}  # fmt: skip
NOTHING = st.none()
FEEDS = st.lists(
    st.fixed_dictionaries(
        {
            "k": st.text("0123x\n١", max_size=3) | NOTHING,
            "c": st.sampled_from(["urban", "town", "rural", "城区", ""]) | NOTHING,
            "g": st.integers(0, 13) | NOTHING,
            "s": st.decimals(-1, 101, places=3) | NOTHING,
            "d": st.dates().map(str) | st.just("2024-02-29") | NOTHING,
            "m": st.sampled_from(["2011-04", "2011-13", "1811-01", "2011-04\n", "x"]) | NOTHING,
        }
    ),
    max_size=12,
)


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge()


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=FEEDS)
def test_a_rule_holds_on_the_witnesses_if_and_only_if_it_holds_on_the_feed(
    tmp_path: Path, judge: Judge, rows: list[dict[str, Any]]
) -> None:
    put(tmp_path, SMALL, rows, None)
    with duckdb.connect() as con:
        results = {(r.rule, r.column): r for r in check(con, judge, tmp_path, SMALL, [])}
    frame = pd.DataFrame(rows, columns=list("kcgsdm"), dtype=object)
    for (rule, column), breaks in DIRECT.items():
        expected = int(breaks(frame[column]).astype(bool).sum()) if rows else 0
        result = results[rule, column]
        assert (result.passed, result.failed_rows) == (expected == 0, expected), result
        assert "disagree" not in result.detail
    assert all(r.passed for key, r in results.items() if key not in DIRECT)
