"""A small made city, its standing view on disk, and the warehouse that dbt makes of it."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from pipelines.feeds import load_contracts

PROJECT = Path(__file__).resolve().parents[2] / "dbt_project"
Row = dict[str, object]
CITY = "370400"
FEEDS = ("districts", "schools", "staff", "students", "monitoring_waves", "monitoring_results")


@dataclass(frozen=True)
class City:
    """The feeds as frames, and the warehouse built from them."""

    feeds: dict[str, pd.DataFrame]
    warehouse: Path

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


def run_dbt(home: Path, feeds: dict[str, pd.DataFrame]) -> tuple[Path, str]:
    """Builds a warehouse from the feeds in a fresh process; answers its path and dbt's words."""
    write_standing(home / "standing", feeds)
    warehouse = home / "warehouse.duckdb"
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("create schema ops")
        connection.execute(
            "create table ops.submission (submission_id varchar, feed varchar,"
            " school_year varchar, source_file varchar, state varchar, rows bigint,"
            " problems bigint, received_at timestamp)"
        )
        connection.execute(
            "insert into ops.submission (feed, school_year, state) values"
            " ('monitoring_results', '2024-2025', 'returned'),"
            " ('monitoring_results', '2024-2025', 'landed'), ('staff', '2024-2025', 'returned')"
        )
    done = subprocess.run(
        [
            *(Path(sys.executable).with_name("dbt"), "--no-use-colors", "build"),
            *("--project-dir", PROJECT, "--profiles-dir", PROJECT),
        ],
        env=os.environ
        | {
            "EQM_STANDING": str(home / "standing"),
            "EQM_WAREHOUSE": str(warehouse),
            "DBT_TARGET_PATH": str(home / "target"),
            "DBT_LOG_PATH": str(home / "logs"),
        },
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return warehouse, done.stdout


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
    }


@pytest.fixture(scope="session")
def city(tmp_path_factory: pytest.TempPathFactory) -> City:
    """The made city, built once a session."""
    feeds = made_city()
    warehouse, words = run_dbt(tmp_path_factory.mktemp("city"), feeds)
    assert "WARNING" not in words and "WARN=0" in words, words
    return City(feeds, warehouse)
