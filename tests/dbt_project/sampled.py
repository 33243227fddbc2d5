"""The sample's city as standing rows, and how often an interval may miss what was put in."""

import math

import numpy as np
import pandas as pd

from pipelines.sample.papers import STATUSES, Paper, Sitting, paper_table, wave_id
from pipelines.sample.people import Students

STATED, ERROR = 0.95, 1e-3
SCHOOL = ["school_code", "school_name", "district_code", "stage", "locale", "ownership"]
CODES = ["school_code", "district_code", "staff_code", "observer_code", "teacher_code"]
CODES += ["student_key"]


def waves_of(papers: list[Paper], year: int) -> pd.DataFrame:
    """A year's rows of `monitoring_waves`."""
    waves = paper_table(papers)[["grade", "subject", "full_mark", "pass_mark"]]
    waves = waves.assign(wave_id=wave_id(year), wave_kind="annual_monitoring", level="city")
    return waves.assign(held_on=f"{year + 1}-06-18")


def results_of(sitting: Sitting, panel: Students) -> pd.DataFrame:
    """Rows of `monitoring_results` of one grade."""
    n, subjects = len(sitting.rows), len(sitting.subjects)
    roll = panel.roll.iloc[sitting.rows]
    codes = panel.schools["school_code"].to_numpy()
    keys = roll["student"].map("{:063x}".format).to_numpy()
    status = sitting.status.reshape(-1)
    return pd.DataFrame(
        {
            "wave_id": wave_id(sitting.year),
            "student_key": np.repeat(keys, subjects),
            "school_code": np.repeat(codes[roll["school"]], subjects),
            "grade": sitting.grade,
            "class_no": np.repeat(roll["class_no"].astype(str).to_numpy(), subjects),
            "subject": sitting.subjects * n,
            "score": np.where(status == 0, sitting.halves.reshape(-1) / 2, np.nan),
            "status": np.array(STATUSES)[status],
        }
    )


def apart(frame: pd.DataFrame, mark: str, codes: list[str] = CODES) -> pd.DataFrame:
    """With every code marked by the draw, so that draws share nobody."""
    own = frame.copy()
    for column in own.columns.intersection(codes):
        own[column] = mark + own[column]
    return own


def band(trials: int) -> tuple[float, float]:
    """Shares between which all but `ERROR` of so many trials of the stated rate lie."""
    k = np.arange(trials + 1)
    logs = [math.lgamma(trials + 1) - math.lgamma(i + 1) - math.lgamma(trials - i + 1) for i in k]
    chance = np.exp(logs + k * math.log(STATED) + (trials - k) * math.log1p(-STATED))
    below = np.cumsum(chance)
    low, high = np.searchsorted(below, [ERROR / 2, 1 - ERROR / 2])
    return float(low / trials), float(high / trials)
