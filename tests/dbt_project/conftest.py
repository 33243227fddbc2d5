"""A small made city, its standing view on disk, and the warehouse that dbt makes of it."""

import atexit
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from pipelines.feeds import load_contracts
from pipelines.quality.disclosure import SERVED
from pipelines.settings import Settings
from pipelines.warehouse import ONE_THREAD, READ, READY_DBT, write_ops
from tests.conftest import Once

PROJECT = Path(__file__).resolve().parents[2] / "dbt_project"
Row = dict[str, object]
CITY = "370400"
FEEDS = tuple(load_contracts())


@dataclass(frozen=True)
class City:
    """The feeds as frames, the warehouse built from them, and what dbt said."""

    feeds: dict[str, pd.DataFrame]
    warehouse: Path
    words: str = ""

    def table(self, name: str) -> pd.DataFrame:
        """All rows of a relation of the warehouse."""
        with duckdb.connect(str(self.warehouse), read_only=True) as connection:
            return connection.sql(f"select * from {name}").df()


def landed_columns(feed: str) -> dict[str, str]:
    """Columns and SQL types of a landed file of the feed, from its contract."""
    return load_contracts()[feed].landed


def write_standing(folder: Path, feeds: dict[str, pd.DataFrame]) -> None:
    """Writes the standing view: one file a feed and year, an empty typed one for no rows."""
    for feed in FEEDS:
        rows = feeds.get(feed, pd.DataFrame({"school_year": []}))
        columns = landed_columns(feed)
        chosen = ", ".join(
            f"cast({name if name in rows else 'null'} as {kind}) as {name}"
            for name, kind in columns.items()
        )
        parts = {str(year): part for year, part in rows.groupby("school_year")}
        for year, part in (parts or {"0000-0000": rows.astype(object)}).items():
            target = folder / feed / year / "part.parquet"
            target.parent.mkdir(parents=True)
            with duckdb.connect() as connection:
                connection.register("part", part)
                connection.execute(f"copy (select {chosen} from part) to '{target}'")


SUBMISSIONS = [
    {"submission_id": f"s{i}", "feed": feed, "school_year": "2024-2025", "state": state,
     "source_file": f"{feed}/2024-2025/{name}.csv", "return_workbook": f"{name}.s{i}.xlsx"}
    for i, (feed, state, name) in enumerate([
        ("monitoring_results", "returned", "3137000001"), ("monitoring_results", "landed", "all"),
        ("staff", "returned", "370402"), ("students", "awaiting_explanation", "two schools"),
        ("students", "returned", "nobody knows"),
    ])
]  # fmt: skip
OWED = [
    {"feed": "students", "school_year": "2024-2025", "wave_id": "", "level": "school",
     "unit_code": f"313700000{i}", "due_on": date(2024, 9, 30), "due_assumed": True,
     "state": state, "overdue": state == "not_submitted", "submission_id": submission,
     "file": "", "files": 1}
    for i, state, submission in (
        (0, "awaiting_explanation", "s3"), (2, "awaiting_explanation", "s3"),
        (4, "published", ""), (5, "not_submitted", ""),
    )
]  # fmt: skip
PROBLEMS = [
    {"submission_id": file["submission_id"], "feed": file["feed"], "severity": severity,
     "rule": "not_a_number", "sheet": "", "row_first": row, "row_last": row, "count": 1,
     "column": "", "open_query": severity == "query", "says_zh": "", "says_en": ""}
    for file in SUBMISSIONS
    for row, severity in enumerate(("note", "query" if file["feed"] == "students" else "error"), 2)
]  # fmt: skip
"""What the platform's own tables hold: files of one school, of a district, of two districts, and
of nobody who could be told."""

WHOLE = "fqn:*"
"""Selects every model."""


def home_in(folder: Path) -> Settings:
    """Settings of a home of one's own."""
    return Settings.load(
        home=folder / "home", raw=folder / "raw", pseudonym_key_file=folder / "key"
    )


def run_dbt(
    home: Path,
    feeds: dict[str, pd.DataFrame],
    select: str = WHOLE,
    tests: bool = True,
    served: Path | None = None,
    anew: bool = False,
) -> tuple[Path, str]:
    """Builds a warehouse from the feeds in a fresh process; answers its path and dbt's words.

    `select` names the models, as dbt does: `+path:models/marts/core` builds these and what they
    rest on. Without `tests` the models alone are built. `served` is the warehouse of a release
    before. With `anew` dbt reads its project for this build alone, and runs its unit tests, which
    have rows of their own and so end alike in any city.
    """
    write_standing(home / "standing", feeds)
    warehouse = home / "work.duckdb"
    write_ops(warehouse, "made_with", [])
    write_ops(warehouse, "metric", [])
    write_ops(warehouse, "owed", OWED)
    write_ops(warehouse, "problem", PROBLEMS)
    write_ops(warehouse, "submission", SUBMISSIONS)
    words = dbt_build(home, home / "standing", warehouse, select, tests, served, anew)
    return warehouse, words


def dbt_build(
    home: Path,
    standing: Path,
    warehouse: Path,
    select: str,
    tests: bool = True,
    served: Path | None = None,
    anew: bool = False,
) -> str:
    """Builds in a warehouse from the standing view; answers dbt's words.

    dbt reads the project once in a process of tests, or `anew`: then it says all it has to of it.
    """
    target = home / "target"
    target.mkdir(exist_ok=True)
    left_out = [*(() if tests else ("test",)), *(() if anew else ("unit_test",))]
    read = target / "read.msgpack" if anew else _read(os.environ.get("EQM_PLAN_SEEDS"))
    done = subprocess.run(
        [
            *(*READY_DBT, "--no-use-colors", "build"),
            *("--project-dir", PROJECT, "--profiles-dir", PROJECT, "--select", select),
            *("--indirect-selection", "buildable"),
            *(f"--exclude-resource-types={kind}" for kind in left_out),
        ],
        env=os.environ
        | ONE_THREAD
        | {
            READ: str(read),
            "EQM_STANDING": str(standing),
            "EQM_WAREHOUSE": str(warehouse),
            SERVED: str(served or ""),
            "DBT_TARGET_PATH": str(target),
            "DBT_LOG_PATH": str(home / "logs"),
        },
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@cache
def _read(seeds: str | None) -> Path:
    """The file for what dbt read of the project with these seeds; it goes with the process."""
    folder = Path(tempfile.mkdtemp(prefix="eqm-dbt-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder / "read.msgpack"


@pytest.fixture(scope="session")
def nothing(once: Once) -> City:
    """The warehouse of a city that has handed in nothing; every model."""

    def build(folder: Path) -> None:
        _, words = run_dbt(folder, {})
        (folder / "words.txt").write_text(words, encoding="utf-8")

    folder = once("nothing", build)
    words = (folder / "words.txt").read_text(encoding="utf-8")
    return City({}, folder / "work.duckdb", words)


def made_city() -> dict[str, pd.DataFrame]:
    """300 students in 9 schools and 2 districts: every status, moves, gaps and ties."""
    random = np.random.default_rng(20250901)
    years = ["2022-2023", "2023-2024", "2024-2025"]
    districts = [("370402", "市中区"), ("370481", "滕州市")]
    codes = [f"313700000{i}" for i in range(9)]
    stages = ["primary", "primary", "junior", "junior", "nine_year", "nine_year", "primary"]
    stages += ["senior", "primary"]
    locales = ["urban", "town", "rural"] * 3
    schools = pd.DataFrame(
        [
            {
                "school_code": code,
                "school_name": f"样例{i}校{year[:4]}",
                "district_code": districts[i % 2][0],
                "stage": stages[i],
                "locale": locales[(i + (year == years[2])) % 3] if i == 4 else locales[i],
                "ownership": "public",
                "closed_on": "2023-09-01" if i == 8 else None,
                "school_year": year,
            }
            for year in years
            for i, code in enumerate(codes)
            if not (i == 5 and year == years[2])  # left out of the newest register
        ]
    )
    students: list[Row] = []
    results: list[Row] = []
    waves: list[Row] = []
    plan = [
        ("A23", years[0], "annual_monitoring", "city", None, "2023-05-10"),
        ("A24", years[1], "annual_monitoring", "city", None, "2024-05-10"),
        ("A25", years[2], "annual_monitoring", "city", None, "2025-05-10"),
        ("D25", years[2], "unified_exam", "district", "370402", "2025-01-10"),
    ]
    subjects = {"chinese": 120, "mathematics": 120, "physics": 80}
    for wave, year, kind, level, district, day in plan:
        for grade in (5, 8):
            for subject, full in subjects.items():
                if subject == "physics" and grade == 5:
                    continue
                own = subject == "physics"
                waves.append(
                    {"wave_id": wave, "wave_name": wave, "level": level, "district_code": district}
                    | {"wave_kind": kind, "held_on": day, "grade": grade, "subject": subject}
                    | {"full_mark": full, "pass_mark": 47.5 if own else None, "school_year": year}
                )
    for i in range(300):
        key = f"{i:064x}"
        home = 6 if i < 7 else int(random.choice([0, 1, 2, 3, 4, 5]))
        grade = {"primary": 5, "junior": 8, "nine_year": 5 if i % 2 else 8}[stages[home]]
        gender, ability = ("male", "female")[i % 2], random.normal(0.66, 0.16)
        for year in years:
            if i % 37:
                students.append(
                    {"student_key": key, "school_code": codes[home], "grade": grade}
                    | {"class_no": str(1 + i % 2), "gender": gender, "school_year": year}
                )
        for (
            wave,
            year,
            *_,
        ) in plan:
            if (wave == "A23" and home != 0) or (wave == "D25" and home % 2):
                continue
            for subject, full in subjects.items():
                if subject == "physics" and (grade == 5 or home == 3):
                    continue
                if home == 6 and subject == "chinese" and wave != "A25":
                    continue
                share = np.clip(ability + random.normal(0.02 * (year > years[1]), 0.1), 0, 1)
                states = ["present", "absent", "deferred", "exempt", "misconduct", "transferred"]
                state = random.choice(states, p=[0.9, 0.03, 0.02, 0.02, 0.01, 0.02])
                moved = i % 29 == 0 and subject == "mathematics" and grade == 5
                results.append(
                    {"wave_id": wave, "student_key": key, "grade": grade, "subject": subject}
                    | {"school_code": codes[0 if moved else home], "status": state}
                    | {"class_no": None if i % 41 == 0 else str(1 + i % 2), "school_year": year}
                    | {"score": round(share * full * 2) / 2 if state == "present" else None}
                )
    return {
        "districts": pd.DataFrame(
            [
                {"district_code": c, "district_name": n, "district_kind": "county"}
                | {"school_year": y}
                for y in years
                for c, n in districts
            ]
        ),
        "schools": schools,
        "students": pd.DataFrame(students),
        "monitoring_waves": pd.DataFrame(waves),
        "monitoring_results": pd.DataFrame(results),
        **made_records(codes[0], years[2]),
    }


def made_records(school: str, year: str) -> dict[str, pd.DataFrame]:
    """A few rows of each feed that is about a school's work rather than its pupils' scores."""
    at, unit = {"school_code": school}, {"district_code": "370402"}
    paper = {"wave_id": "A25", "grade": 5, "subject": "mathematics"}
    lesson = {"observed_on": "2024-11-05", "observer_code": "E1", "teacher_code": "T1", **at}
    lesson |= {"grade": 5, "class_no": "1", "subject": "mathematics"}
    training = {"staff_code": "T1", "programme_code": "P1", "programme_kind": "grand_lecture"}
    training |= {"mode": "online", "started_on": "2024-10-01", "ended_on": "2024-10-02"}
    entry = {"kind": "sizheng_base", "holder_type": "school", "holder_code": school}
    finding = {**unit, "found_on": "2024-09-10", "due_on": "2024-10-10"}
    area = {**unit, "area_kind": "urban"}
    benchmark = {"kind": "provincial_mean", "year": 2024, "unit_code": CITY, "value": 71.25}
    rows: dict[str, list[Row]] = {
        "staff": [
            {"staff_code": "E1", "level": "city", "role": "researcher", "full_time": True},
            {"staff_code": "T1", **at, **unit, "level": "school", "role": "teacher"},
        ],
        "item_map": [
            {
                **paper,
                "item_no": item,
                "full_mark": 60,
                "competency": "运算",
                "content_domain": "数",
            }
            for item in ("1", "21(2)")
        ],
        "item_results": [
            {"wave_id": "A25", "student_key": f"{i:064x}", "subject": "mathematics"}
            | {"item_no": "21(2)", "score": None if i == 3 else i + 0.5}
            for i in range(5)
        ],
        "lesson_observations": [
            {**lesson, "period": "1", "score": 91.5, "standard_lesson": True},
            {**lesson, "period": "2", "lessons": 2, "inclass_tested": 40, "inclass_passed": 38},
            {**lesson, "period": None},
        ],
        "training_logs": [
            {**training, "session_no": "01", "level": "national", "hours": 7.5, "completed": True},
            {**training, "session_no": "2"},
        ],
        "programme_register": [
            {
                **entry,
                "title": "实践基地",
                "granted_on": "2024-12-01",
                "value": 3,
                "covers_all": False,
            },
            *(
                {"kind": "k", "holder_type": kind, "holder_code": code, "granted_on": day}
                | {"title": f"{kind}项目", "level": level, "subject": subject}
                for kind, code, day, level, subject in (
                    ("school", "3137000005", "2025-01-15", "national", "english"),
                    ("school", "3137000004", "2022-09-01", "city", None),
                    ("person", "T1", "2025-02-01", "province", None),
                    ("person", "E1", "2025-02-01", "district", None),
                    ("person", "T1", "2021-02-01", None, None),
                    ("district", "370481", "2025-03-01", None, None),
                    ("community", "3704020001", "2025-03-01", None, None),
                    ("student_group", "G1", "2025-03-01", None, None),
                    ("city", CITY, "2025-03-01", None, None),
                )
            ),
        ],
        "official_visits": [
            {"official_code": "E1", **at, "visited_on": "2024-09-12", "problems_solved": 2},
            {"official_code": "E1", "school_code": "3137000005", "visited_on": "2024-09-13"},
        ],
        "supervision_findings": [
            {**finding, "finding_id": "F1", **at, "closed_on": "2024-10-09"},
            {**finding, "finding_id": "F2"},
            {**finding, "finding_id": "F3", "closed_on": "2024-10-10"},
            {**finding, "finding_id": "F4", **at, "closed_on": "2024-10-31"},
            {**finding, "finding_id": "F5", "due_on": "2025-06-10", "topic": "食堂"},
            {**finding, "finding_id": "F6", "due_on": "2025-05-10"},
            {**finding, "finding_id": "F7", "due_on": "2025-05-09", "closed_on": "2205-05-08"},
            {**finding, "finding_id": "F8", "found_on": "2025-09-02", "due_on": "2025-10-02"},
        ],
        "residential_areas": [
            {**area, "area_code": "3704020001", "area_name": "样例社区", "capable": True}
        ],
        "school_resources": [
            {**at, "stage": "primary", "students": 820, "teaching_area_m2": 4100.125}
        ],
        "external_benchmarks": [{**benchmark, "subject": "mathematics"}, benchmark],
    }
    return {feed: pd.DataFrame(those).assign(school_year=year) for feed, those in rows.items()}


@pytest.fixture(scope="session")
def city(once: Once) -> City:
    """The made city, built once."""
    feeds = made_city()

    def build(home: Path) -> None:
        _, words = run_dbt(home, feeds, anew=True)
        (home / "words.txt").write_text(words, encoding="utf-8")

    home = once("made_city", build)
    return City(feeds, home / "work.duckdb", (home / "words.txt").read_text(encoding="utf-8"))
