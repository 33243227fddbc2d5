"""Observed lessons and attended training of a year's staff."""

import numpy as np
import pandas as pd

from pipelines.sample.people import SUBJECTS

LESSONS = {
    "principal": 42,
    "secretary": 41,
    "school_leader": 82,
    "education_official": 11,
    "researcher": 20,
}
"""Role → lessons that its holders observe a year on average; the plan asks for 40, 80 and 10 of
the first four. Each person's own number is spread around it, so that some stay below."""
LESSONS_SPREAD = 0.15
DOUBLE = 0.25
"""Share of observations that are of two lessons in a row."""
INCLASS, INCLASS_SD = 0.83, 0.03
"""Share of the in-class check that is passed in a usual lesson, and its spread among lessons."""

PROGRAMMES = pd.DataFrame(
    [
        ("01", "校长办学能力提升班", "principal_course", "city", "concentrated", 40, 2, 5),
        ("02", "教育大讲堂", "grand_lecture", "city", "online", 4, 10, 1),
        ("03", "名师进枣庄", "master_visit", "city", "concentrated", 8, 4, 1),
        ("04", "学科素养培训", "subject_training", "district", "online", 24, 3, 10),
        ("05", "学科教学集中研训", "subject_training", "district", "concentrated", 16, 3, 3),
        ("06", "校本研修", "other", "school", "school_based", 16, 2, 60),
    ],
    columns=[
        "number", "programme_name", "programme_kind", "level", "mode", "hours", "sessions", "days",
    ],
)  # fmt: skip
"""The programmes of every year; each year's have codes of their own."""
ATTEND_HEADS = np.array([0.6, 0.5, 0.1, 0.05, 0.1, 0.2])
ATTEND_OTHERS = np.array([0.0, 0.35, 0.15, 0.4, 0.35, 0.5])
"""Chances that heads and others attend each of the programmes in a year."""
COMPLETED = 0.96


def school_days(year: int) -> np.ndarray:
    """Days on which lessons are held in the school year that starts in `year`."""
    days = np.arange(f"{year}-09-02", f"{year + 1}-06-29", dtype="datetime64[D]")
    winter = np.arange(f"{year + 1}-01-20", f"{year + 1}-02-21", dtype="datetime64[D]")
    return days[np.is_busday(days) & ~np.isin(days, winter)]


def observe_lessons(
    staff: pd.DataFrame, schools: pd.DataFrame, roll: pd.DataFrame, year: int, seed: int
) -> pd.DataFrame:
    """Lessons that heads observe at their schools, and officials and researchers anywhere.

    One row an observation; nobody sits in two rooms at once, and who leaves during the year
    observes only before. `chance` is that of each pupil tested to pass the check of this lesson;
    nobody hands it in.
    """
    rng = np.random.default_rng([seed, 8, year])
    classes = roll.groupby(["school", "grade", "class_no"], as_index=False).size()
    at = classes["school"].to_numpy()
    codes = schools["school_code"].to_numpy()
    teachers = staff[(staff["role"] == "teacher") & (staff["left_on"] == "")]
    teachers = teachers[teachers["school_code"].isin(codes[np.unique(at)])]
    teachers = teachers.sort_values("school_code", kind="stable", ignore_index=True)
    observers = staff[staff["role"].isin(list(LESSONS))]
    has_teachers = observers["school_code"].isin(teachers["school_code"])
    observers = observers[has_teachers | (observers["school_code"] == "")]
    usual = observers["role"].map(LESSONS).to_numpy(dtype=float)
    wanted = np.maximum(1, np.rint(rng.normal(usual, LESSONS_SPREAD * usual))).astype(int)
    if not len(teachers):
        wanted[:] = 0
    # A double lesson counts as two: fewer rows give the number wanted.
    rows = np.ceil(wanted / (1 + DOUBLE)).astype(int)
    seen = observers.loc[observers.index.repeat(rows)].reset_index(drop=True)
    n = len(seen)
    own = teachers.groupby("school_code").size()
    start = pd.Series(np.cumsum(own.to_numpy()) - own.to_numpy(), index=own.index)
    away = (seen["school_code"] == "").to_numpy()
    first = np.where(away, 0, seen["school_code"].map(start).fillna(0)).astype(int)
    among = np.where(away, len(teachers), seen["school_code"].map(own).fillna(1)).astype(int)
    taught = teachers.iloc[first + (rng.random(n) * among).astype(int)].reset_index(drop=True)
    lesson = classes.iloc[_class_of(taught, classes, codes, rng)].reset_index(drop=True)
    days = school_days(year)
    before = np.searchsorted(days, np.datetime64(f"{year + 1}-02-10"))
    last = np.where(seen["left_on"] == "", len(days), before)
    day = days[(rng.random(n) * last).astype(int)]
    quality = rng.normal(0, 1, n)
    spread = np.array([0.9, 0.9, 1.0, 1.1])
    parts = np.clip(
        np.rint(21.3 + spread * (quality[:, None] + rng.normal(0, 1, (n, 4)))), 0, 25
    ).astype(int)
    score = parts.sum(axis=1)
    tested = rng.binomial(lesson["size"].to_numpy(), 0.97)
    lessons = pd.DataFrame(
        {
            "observed_on": np.datetime_as_string(day),
            "observer_code": seen["staff_code"],
            "teacher_code": taught["staff_code"],
            "school_code": taught["school_code"],
            "grade": lesson["grade"].to_numpy().astype(str),
            "class_no": lesson["class_no"].to_numpy(),
            "subject": taught["subject"],
            "period": 2 * rng.integers(0, 4, n) + 1,
            "lessons": 1 + (rng.random(n) < DOUBLE),
            "score": score,
        }
    )
    for i, name in enumerate(["design_score", "process_score", "effect_score", "literacy_score"]):
        lessons[name] = parts[:, i]
    lessons["standard_lesson"] = score >= 80
    lessons["inclass_tested"] = tested
    lessons["chance"] = np.clip(INCLASS + INCLASS_SD * quality, 0, 1)
    lessons["inclass_passed"] = rng.binomial(tested, lessons["chance"])
    lessons["district_code"] = taught["district_code"]
    once = ~lessons.duplicated(["observer_code", "observed_on", "period"])
    # Two observers may sit in one lesson; of a teacher's one hour there is one lesson.
    hour = ["teacher_code", "observed_on", "period"]
    once &= ~lessons.duplicated(hour)
    return lessons[once].sort_values(["observed_on", "observer_code", "period"], ignore_index=True)


def sum_checks(lessons: pd.DataFrame) -> pd.DataFrame:
    """In-class checks of each school, with the share that was to be expected of these lessons."""
    rows = lessons[lessons["inclass_tested"] > 0]
    rows = rows.assign(expected=rows["chance"] * rows["inclass_tested"])
    sums = rows.groupby("school_code", as_index=False).agg(
        checks=("chance", "size"),
        tested=("inclass_tested", "sum"),
        passed=("inclass_passed", "sum"),
        expected=("expected", "sum"),
    )
    sums["expected_rate"] = sums.pop("expected") / sums["tested"]
    return sums


def _class_of(
    taught: pd.DataFrame, classes: pd.DataFrame, codes: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """A class of the school for each lesson, past grade 6 if primary schools lack the subject."""
    at = classes["school"].to_numpy()
    first = pd.Series(np.arange(len(at)), index=codes[at]).groupby(level=0).agg(["first", "size"])
    young = pd.Series(classes["grade"].to_numpy() < 7, index=codes[at]).groupby(level=0).sum()
    own = first.loc[taught["school_code"]].to_numpy()
    skip = young.loc[taught["school_code"]].to_numpy()
    later = ~taught["subject"].isin(SUBJECTS["primary"]).to_numpy()
    skip = np.where(later & (skip < own[:, 1]), skip, 0)
    return own[:, 0] + skip + (rng.random(len(taught)) * (own[:, 1] - skip)).astype(int)


def attend_training(staff: pd.DataFrame, year: int, seed: int) -> pd.DataFrame:
    """Who attended which session of the year's programmes, one row a person and programme."""
    rng = np.random.default_rng([seed, 9, year])
    head = staff["role"].isin(["principal", "secretary", "school_leader"]).to_numpy()
    chance = np.where(head[:, None], ATTEND_HEADS, ATTEND_OTHERS)
    person, programme = np.nonzero(rng.random(chance.shape) < chance)
    n = len(person)
    attended = PROGRAMMES.iloc[programme].reset_index(drop=True)
    sessions = attended["sessions"].to_numpy()
    session = (rng.random(n) * sessions).astype(int)
    # Sessions are spread evenly over the school's days; who has left attends none any more.
    left = (staff["left_on"] != "").to_numpy()[person]
    session = np.where(left, 0, session)
    days = school_days(year)
    start = days[((session + 0.4) / sessions * len(days)).astype(int)]
    end = np.minimum(start + attended["days"].to_numpy() - 1, days[-1])
    rows = staff.iloc[person]
    logs = pd.DataFrame(
        {
            "staff_code": rows["staff_code"].to_numpy(),
            "programme_code": f"PX{year}" + attended["number"],
            "programme_name": attended["programme_name"],
            "programme_kind": attended["programme_kind"],
            "session_no": session + 1,
            "level": attended["level"],
            "mode": attended["mode"],
            "started_on": np.datetime_as_string(start),
            "ended_on": np.datetime_as_string(end),
            "hours": attended["hours"],
            "completed": rng.random(n) < COMPLETED,
            "district_code": rows["district_code"].to_numpy(),
        }
    )
    return logs[~(left & (logs["ended_on"] >= f"{year + 1}-02-10"))].reset_index(drop=True)
