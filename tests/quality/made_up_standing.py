"""A made-up standing view in which nothing is odd: 25 schools, two grades, four school years."""

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from pipelines.feeds import load_contracts
from pipelines.quality.rules import name

YEARS = ["2020-2021", "2021-2022", "2022-2023", "2023-2024"]
YEAR = YEARS[-1]
WAVE = f"W{YEAR}"
SCHOOLS, GRADES, ENROLLED, CLASS = 25, (7, 8), 80, 40
SUBJECTS = ("chinese", "mathematics")
ITEMS = 25
Frames = dict[str, pd.DataFrame]


def school(i: int) -> str:
    return f"{3137000000 + i}"


def city(seed: int) -> Frames:
    """The frames of each feed, with `school_year`, `source_file` and `source_row`."""
    rng = np.random.default_rng(seed)
    rolls, waves, results = [], [], []
    effect = rng.normal(0, 0.3, SCHOOLS)
    for year in YEARS:
        n = SCHOOLS * len(GRADES) * ENROLLED
        roll = pd.DataFrame(
            {
                "student_key": [f"{year}-{i}" for i in range(n)],
                "school_code": np.repeat([school(i) for i in range(SCHOOLS)], n // SCHOOLS),
                "grade": np.tile(np.repeat(GRADES, ENROLLED), SCHOOLS),
                "class_no": np.tile(np.repeat(["1", "2"], CLASS), SCHOOLS * len(GRADES)),
                "school_year": year,
                "source_file": f"students/{year}/all.csv",
                "source_row": np.arange(n) + 2,
            }
        )
        rolls.append(roll)
        true = np.repeat(effect + rng.normal(0, 0.08, SCHOOLS), n // SCHOOLS)
        ability = true + rng.normal(0, 0.7, n)
        for subject in SUBJECTS:
            waves += [
                {
                    "wave_id": f"W{year}", "level": "city", "wave_kind": "annual_monitoring",
                    "held_on": f"{year[5:]}-06-20", "grade": grade, "subject": subject,
                    "full_mark": 100, "school_year": year,
                    "source_file": f"monitoring_waves/{year}/w.csv", "source_row": 2,
                }
                for grade in GRADES
            ]  # fmt: skip
            score = 66 + rng.normal(0, 2) + 16 * (ability + rng.normal(0, 0.6, n))
            results.append(
                roll.assign(
                    wave_id=f"W{year}", subject=subject, status="present",
                    score=np.clip(np.round(score), 0, 100),
                    source_file=f"monitoring_results/{year}/" + roll["school_code"] + ".csv",
                    source_row=roll.groupby("school_code").cumcount() + 2,
                )
            )  # fmt: skip
    frames = {
        "students": pd.concat(rolls, ignore_index=True),
        "monitoring_waves": pd.DataFrame(waves),
        "monitoring_results": pd.concat(results, ignore_index=True),
    }
    return frames | _items(frames["monitoring_results"], rng) | _people(frames["students"])


def _items(results: pd.DataFrame, rng: np.random.Generator) -> Frames:
    """Items of 4 points whose sum is made the score of the last year's mathematics."""
    sat = results.query("school_year == @YEAR and subject == 'mathematics'")
    ability = (sat["score"].to_numpy() - 66) / 16
    right = rng.random((len(sat), ITEMS)) < 1 / (
        1 + np.exp(-(ability[:, None] + 0.5 - rng.normal(0, 1, ITEMS)))
    )
    results.loc[sat.index, "score"] = right.sum(axis=1) * 4.0
    long = sat.loc[sat.index.repeat(ITEMS), ["student_key", "subject", "wave_id", "school_year"]]
    long["item_no"] = np.tile([str(i) for i in range(1, ITEMS + 1)], len(sat))
    long["score"] = right.reshape(-1) * 4.0
    long["source_file"] = f"item_results/{YEAR}/mathematics.csv"
    long["source_row"] = np.repeat(np.arange(len(sat)) + 2, ITEMS)
    items = pd.DataFrame(
        {
            "wave_id": WAVE, "subject": "mathematics", "full_mark": 4, "competency": "c",
            "content_domain": "d", "school_year": YEAR, "source_file": f"item_map/{YEAR}/m.csv",
            "item_no": [str(i) for i in range(1, ITEMS + 1)] * 2,
            "grade": np.repeat(GRADES, ITEMS), "source_row": 2,
        }
    )  # fmt: skip
    return {"item_results": long.reset_index(drop=True), "item_map": items}


def _people(students: pd.DataFrame) -> Frames:
    at = {"school_year": YEAR, "source_row": 2}
    codes = [school(i) for i in range(SCHOOLS)]
    schools = pd.DataFrame(
        {"school_code": codes, "school_name": codes, "district_code": "370402", "stage": "junior"}
        | {"locale": "town", "ownership": "public", "source_file": f"schools/{YEAR}/s.csv"} | at
    )  # fmt: skip
    staff = pd.concat(
        pd.DataFrame(
            {
                "staff_code": [f"{prefix}{i}" for i in range(SCHOOLS)], "school_code": codes,
                "level": "school", "role": role, "started_on": "2019-08-20",
                "source_file": f"staff/{YEAR}/s.csv",
            } | at
        )
        for prefix, role in (("P", "principal"), ("T", "teacher"))
    )  # fmt: skip
    lessons = pd.DataFrame(
        {
            "observer_code": np.repeat([f"P{i}" for i in range(SCHOOLS)], 4),
            "teacher_code": np.repeat([f"T{i}" for i in range(SCHOOLS)], 4),
            "school_code": np.repeat(codes, 4), "class_no": "1", "grade": 7,
            "subject": "mathematics", "period": "3", "lessons": 2,
            "observed_on": ["2023-10-10", "2023-11-11", "2024-03-05", "2024-04-04"] * SCHOOLS,
            "source_file": f"lesson_observations/{YEAR}/l.csv",
        } | at
    )  # fmt: skip
    training = pd.DataFrame(
        {
            "staff_code": [f"T{i}" for i in range(SCHOOLS)] * 2,
            "programme_code": np.repeat(["A", "B"], SCHOOLS), "session_no": "1",
            "programme_kind": "subject_training", "mode": "concentrated", "hours": 18,
            "started_on": np.repeat(["2023-10-09", "2023-10-12"], SCHOOLS),
            "ended_on": np.repeat(["2023-10-12", "2023-10-14"], SCHOOLS),
            "source_file": f"training_logs/{YEAR}/t.csv",
        } | at
    )  # fmt: skip
    resources = (
        students.query("school_year == @YEAR").groupby("school_code").size().rename("students")
        .reset_index().assign(stage="junior", source_file=f"school_resources/{YEAR}/r.csv", **at)
    )  # fmt: skip
    visits = pd.DataFrame(
        {
            "official_code": ["P1"], "school_code": [codes[0]], "visited_on": ["2023-10-10"],
            "source_file": [f"official_visits/{YEAR}/v.csv"],
        } | at
    )  # fmt: skip
    return {
        "schools": schools, "staff": staff.reset_index(drop=True), "lesson_observations": lessons,
        "training_logs": training, "school_resources": resources, "official_visits": visits,
    }  # fmt: skip


def write(frames: Frames, standing: Path) -> Path:
    """The frames as landed Parquet, one file a feed and school year."""
    with duckdb.connect() as con:
        for feed, frame in frames.items():
            given = {"source_sheet": "", "file_sha256": "0" * 64}
            frame = frame.assign(**{k: v for k, v in given.items() if k not in frame})
            con.register("given", frame)
            columns = ", ".join(
                f"{name(c) if c in frame else 'null'}::{t} as {name(c)}"
                for c, t in load_contracts()[feed].landed.items()
            )
            for year in frame["school_year"].unique():
                folder = standing / feed / year
                folder.mkdir(parents=True, exist_ok=True)
                con.execute(
                    f"copy (select {columns} from given where school_year = '{year}') "
                    f"to '{folder / 'all.parquet'}' (format parquet)"
                )
            con.unregister("given")
    return standing
