"""Observed lessons and attended training of a year's staff."""

import numpy as np
import pandas as pd

OBSERVED = 0.6
"""Share of teachers who are observed."""
PROGRAMMES = pd.DataFrame(
    [
        ("PX01", "校长办学能力提升班", "principal_course", "city", "concentrated", 40),
        ("PX02", "教育大讲堂", "grand_lecture", "city", "online", 4),
        ("PX03", "名师进枣庄", "master_visit", "city", "concentrated", 8),
        ("PX04", "学科素养培训", "subject_training", "district", "online", 24),
        ("PX05", "校本研修", "other", "school", "school_based", 16),
    ],
    columns=["programme_code", "programme_name", "programme_kind", "level", "mode", "hours"],
)


def observe_lessons(
    staff: pd.DataFrame, schools: pd.DataFrame, roll: pd.DataFrame, year: int, seed: int
) -> pd.DataFrame:
    """Lessons of teachers, each observed once by the head of the school in one of its classes."""
    rng = np.random.default_rng([seed, 8, year])
    classes = roll.groupby(["school", "grade", "class_no"], as_index=False).size()
    codes = schools["school_code"].to_numpy()[classes["school"]]
    first = pd.Series(np.arange(len(codes)), index=codes).groupby(level=0).agg(["first", "size"])
    heads = staff[staff["role"] == "principal"].set_index("school_code")["staff_code"]
    taught = staff[
        (staff["role"] == "teacher")
        & (staff["left_on"] == "")
        & staff["school_code"].isin(first.index)
        & (rng.random(len(staff)) < OBSERVED)
    ].reset_index(drop=True)
    n = len(taught)
    own = first.loc[taught["school_code"]].to_numpy()
    lesson = classes.iloc[own[:, 0] + (rng.random(n) * own[:, 1]).astype(int)]
    # One of the school's days from September to June.
    day = np.datetime64(f"{year}-09-01") + rng.integers(0, 270, n)
    quality = rng.normal(0, 1, n)
    spread = np.array([0.9, 0.9, 1.0, 1.1])
    parts = np.clip(
        np.rint(21.3 + spread * (quality[:, None] + rng.normal(0, 1, (n, 4)))), 0, 25
    ).astype(int)
    score = parts.sum(axis=1)
    tested = rng.binomial(lesson["size"].to_numpy(), 0.97)
    lessons = pd.DataFrame(
        {
            "observed_on": np.datetime_as_string(day.astype("datetime64[D]")),
            "observer_code": heads.loc[taught["school_code"]].to_numpy(),
            "teacher_code": taught["staff_code"],
            "school_code": taught["school_code"],
            "grade": lesson["grade"].to_numpy().astype(str),
            "class_no": lesson["class_no"].to_numpy(),
            "subject": taught["subject"],
            "period": rng.integers(1, 8, n),
            "lessons": 1,
            "score": score,
        }
    )
    for i, name in enumerate(["design_score", "process_score", "effect_score", "literacy_score"]):
        lessons[name] = parts[:, i]
    lessons["standard_lesson"] = score >= 80
    lessons["inclass_tested"] = tested
    lessons["inclass_passed"] = rng.binomial(tested, np.clip(0.83 + 0.03 * quality, 0, 1))
    return lessons.assign(district_code=taught["district_code"])


def attend_training(staff: pd.DataFrame, year: int, seed: int) -> pd.DataFrame:
    """One session of one programme for most of the staff; the course for heads is theirs."""
    rng = np.random.default_rng([seed, 9, year])
    head = staff["role"].isin(["principal", "secretary", "school_leader"]).to_numpy()
    went = np.where(head, rng.random(len(staff)) < 0.7, rng.random(len(staff)) < 0.85)
    rows, head = staff[went], head[went]
    n = len(rows)
    programme = np.where(head & (rng.random(n) < 0.6), 0, rng.integers(1, len(PROGRAMMES), n))
    session = rng.integers(1, 4, n)
    starts = np.array([f"{year}-10-13", f"{year + 1}-03-09", f"{year + 1}-05-11"])
    ends = np.array([f"{year}-10-17", f"{year + 1}-03-13", f"{year + 1}-05-15"])
    logs = pd.DataFrame({"staff_code": rows["staff_code"].to_numpy()})
    attended = PROGRAMMES.iloc[programme].reset_index(drop=True)
    logs = logs.join(attended[["programme_code", "programme_name", "programme_kind"]])
    logs["session_no"] = session
    logs["level"], logs["mode"] = attended["level"], attended["mode"]
    logs["started_on"], logs["ended_on"] = starts[session - 1], ends[session - 1]
    logs["hours"] = attended["hours"]
    logs["completed"] = rng.random(n) < 0.96
    return logs.assign(district_code=rows["district_code"].to_numpy())
