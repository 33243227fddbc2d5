"""Papers of the yearly wave, and the scores that students get on them.

score = paper mean + paper spread x (school + district + locale + value added + gender + ability +
error), rounded to what the paper gives out and kept within 0 and the full mark.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import NormalDist

import numpy as np
import pandas as pd

from pipelines.sample.city import DISTRICT_SD, LOCALES, SCHOOL_SD, USUAL, YEAR_SD, Differences
from pipelines.sample.people import Students

BASELINE = 2023
"""The school year, by its start, from which the city's plan counts."""

STAGES = {4: "primary", 6: "primary", 8: "junior", 9: "junior", 11: "senior"}
FULL_MARKS = {
    4: {"chinese": 100, "mathematics": 100, "science": 100},
    6: {"chinese": 100, "mathematics": 100, "english": 100},
    8: {"chinese": 120, "mathematics": 120, "english": 120, "physics": 100, "geography": 100},
    9: {
        "chinese": 120,
        "mathematics": 120,
        "english": 120,
        "physics": 100,
        "chemistry": 100,
        "politics": 100,
    },
    11: {"chinese": 150, "mathematics": 150, "english": 150},
}
"""Tested grade -> subject -> full mark."""

RATES = {
    ("primary", "chinese"): (0.85, 0.012),
    ("primary", "mathematics"): (0.83, 0.020),
    ("primary", "english"): (0.79, 0.034),
    ("primary", "science"): (0.84, 0.006),
    ("junior", "chinese"): (0.71, 0.030),
    ("junior", "mathematics"): (0.61, 0.038),
    ("junior", "english"): (0.60, 0.016),
    ("junior", "physics"): (0.63, 0.034),
    ("junior", "chemistry"): (0.66, 0.012),
    ("junior", "geography"): (0.69, 0.022),
    ("junior", "politics"): (0.70, 0.026),
    ("senior", "chinese"): (0.72, 0.016),
    ("senior", "mathematics"): (0.65, 0.036),
    ("senior", "english"): (0.66, 0.010),
}
"""Stage and subject -> pass rate of a typical student in the baseline year, and its rise a year."""

BEFORE = 0.3
"""Share of the rise that each year before the baseline brought."""
WOBBLE = 0.004
RELIABILITY = {"primary": 0.85, "junior": 0.90, "senior": 0.88}
SPREAD = {"primary": 0.14, "junior": 0.165, "senior": 0.15}
"""Standard deviation of scores among like students, as a share of the full mark."""

PASS = 0.6
OWN_PASS = {(11, "english"): 85.0}
"""Pass marks that are not 60 % of the full mark."""

GENERAL = 0.85
"""Correlation of a subject's true score with general ability."""
LOCALE_EFFECTS = {"urban": 0.14, "town": 0.0, "rural": -0.26}
LOCALE_CLOSING = 0.03
"""How far the rural and the urban effect move towards each other a year, shared equally."""
GENDER = {"chinese": -0.10, "english": -0.10, "mathematics": 0.03, "physics": 0.05}
"""Half of what boys have ahead of girls."""

STATUSES = ["present", "absent", "deferred", "exempt", "misconduct", "transferred"]
AWAY = [1, 1, 1, 1, 1, 1, 1, 2, 2, 3]
"""Statuses of those who miss a paper, with their frequencies."""
MISS_ALL = 0.014
MISS_ONE = 0.006
MISCONDUCT = 0.0003


CELL_COLUMNS = [
    "school_year", "grade", "subject", "level", "unit_code", "candidates", "exempt", "n", "passes",
    "mean_score", "expected_pass_rate",
]  # fmt: skip

Levels = Mapping[tuple[int, str], np.ndarray]
"""Grade and subject -> what schools add to scores there, one number a school, in standard
deviations of students."""


def wave_id(year: int) -> str:
    """The wave of the school year that starts in `year`."""
    return f"{year + 1}-06-annual"


def locale_effects(year: int, differences: Differences = USUAL) -> dict[str, float]:
    """Effects of locale in a year; town is the zero."""
    moved = LOCALE_CLOSING / 2 * (year - BASELINE)
    return {
        "urban": differences.level * (LOCALE_EFFECTS["urban"] - moved),
        "town": 0.0,
        "rural": differences.level * (LOCALE_EFFECTS["rural"] + moved),
    }


@dataclass(frozen=True)
class Paper:
    """One paper: its marks in points, and how hard and how reliable it is.

    `typical_pass_rate` is that of students in a town school without effects of school and
    district.
    """

    grade: int
    subject: str
    stage: str
    full_mark: int
    pass_mark: float
    step: float
    typical_pass_rate: float
    mean: float
    spread: float
    reliability: float


def make_papers(year: int, seed: int) -> list[Paper]:
    """The papers of a year, by grade."""
    rng = np.random.default_rng([seed, 4, year])
    since = year - BASELINE
    papers = []
    for grade, subjects in FULL_MARKS.items():
        stage = STAGES[grade]
        step = 1.0 if stage == "primary" else 0.5
        for subject, full in subjects.items():
            start, rise = RATES[stage, subject]
            rate = start + rise * (since if since >= 0 else BEFORE * since)
            rate = float(np.clip(rate + rng.normal(0, WOBBLE), 0.3, 0.98))
            line = OWN_PASS.get((grade, subject), PASS * full)
            spread = SPREAD[stage] * full
            among_like = spread / math.sqrt(RELIABILITY[stage])
            mean = line - step / 2 + NormalDist().inv_cdf(rate) * among_like
            papers.append(
                Paper(
                    grade, subject, stage, full, line, step, rate, mean, spread, RELIABILITY[stage]
                )
            )
    return papers


def paper_table(papers: list[Paper]) -> pd.DataFrame:
    """Papers as a frame, one row a grade and subject."""
    return pd.DataFrame([asdict(paper) for paper in papers])


_erf = np.frompyfunc(math.erf, 1, 1)


def _normal_cdf(values: np.ndarray) -> np.ndarray:
    return 0.5 + 0.5 * np.asarray(_erf(values / math.sqrt(2)), dtype=float)


def expected_score(paper: Paper, level: np.ndarray) -> np.ndarray:
    """Mean score, in points, of students of a level: normal but for what the paper cuts off."""
    spread = paper.spread / math.sqrt(paper.reliability)
    mean = paper.mean + paper.spread * level
    below, above = -mean / spread, (paper.full_mark - mean) / spread
    none, some = _normal_cdf(below), _normal_cdf(above)
    edges = (np.exp(-(below**2) / 2) - np.exp(-(above**2) / 2)) / math.sqrt(2 * math.pi)
    return mean * (some - none) + spread * edges + paper.full_mark * (1 - some)


@dataclass
class Sitting:
    """One grade in one wave: students in the roll's order, a column a subject."""

    year: int
    grade: int
    subjects: list[str]
    rows: np.ndarray
    """Rows of the roll."""
    halves: np.ndarray
    """Scores in half points."""
    status: np.ndarray
    """Index into `STATUSES`; the score counts where it is 0."""
    expected: np.ndarray
    """Points that students of the same school and gender reach on average."""


def school_effects(
    schools: pd.DataFrame, year: int, seed: int, differences: Differences = USUAL
) -> pd.DataFrame:
    """What adds to all scores of a school in a year, in standard deviations of students."""
    rng = np.random.default_rng([seed, 5, year])
    effects = schools[["school_code", "school_effect", "district_effect"]].copy()
    effects["year_effect"] = differences.level * rng.normal(0, YEAR_SD, len(schools))
    effects["locale_effect"] = schools["locale"].map(locale_effects(year, differences))
    effects["total"] = effects.drop(columns="school_code").sum(axis=1)
    return effects


def value_added(schools: int, seed: int, differences: Differences = USUAL) -> Levels:
    """What each school adds of its own between one tested grade and the next.

    It is a school's strength in a subject over these years of its teaching: the same every year,
    whoever is taught, and no other in the grades tested before or after.
    """
    rng = np.random.default_rng([seed, 21])
    return {
        (grade, subject): rng.normal(0, differences.value_added, schools)
        for grade, subjects in FULL_MARKS.items()
        for subject in subjects
    }


def levels_of(effects: pd.DataFrame, added: Levels) -> Levels:
    """All that schools add to the scores of a year: `school_effects` and `value_added`."""
    total = effects["total"].to_numpy()
    return {paper: total + own for paper, own in added.items()}


def sit(
    panel: Students, papers: list[Paper], levels: Levels, year: int, seed: int
) -> tuple[list[Sitting], pd.DataFrame]:
    """The results of a year, and the truth about them, one row a paper and school."""
    sittings, cells = [], []
    school = panel.roll["school"].to_numpy()
    male = panel.register["male"].to_numpy()[panel.roll["student"].to_numpy()]
    ability = panel.roll["ability"].to_numpy()
    left = panel.roll["left"].to_numpy()
    for grade in FULL_MARKS:
        of_grade = [paper for paper in papers if paper.grade == grade]
        rng = np.random.default_rng([seed, 6, year, grade])
        rows = np.flatnonzero(panel.roll["grade"].to_numpy() == grade)
        n = len(rows)
        if not n:
            continue
        shape = (n, len(of_grade))
        halves, status = np.zeros(shape, dtype=np.int16), np.zeros(shape, dtype=np.int8)
        expected = np.zeros(shape, dtype=np.float32)
        misses = rng.random(n) < MISS_ALL
        reason = np.where(misses, np.array(AWAY)[rng.integers(0, len(AWAY), n)], 0)
        at, boy = school[rows], male[rows]
        for i, paper in enumerate(of_grade):
            level = levels[grade, paper.subject]
            gender = GENDER.get(paper.subject, 0.0)
            known = level[at] + np.where(boy, gender, -gender)
            both = expected_score(paper, level[:, None] + np.array([-gender, gender]))
            expected[:, i] = both[at, boy.astype(int)]
            true = GENERAL * ability[rows] + math.sqrt(1 - GENERAL**2) * rng.normal(0, 1, n)
            error = rng.normal(0, math.sqrt((1 - paper.reliability) / paper.reliability), n)
            points = paper.mean + paper.spread * (known + true + error)
            points = np.clip(np.rint(points / paper.step) * paper.step, 0, paper.full_mark)
            miss = rng.random(n)
            one = np.where(miss < MISCONDUCT, 4, np.where(miss < MISCONDUCT + MISS_ONE, 1, 0))
            status[:, i] = np.where(left[rows], 5, np.where(misses, reason, one))
            halves[:, i] = np.where(status[:, i] == 0, points * 2, 0)
            cells.append(_cells(paper, at, boy, halves[:, i], status[:, i], level))
        subjects = [paper.subject for paper in of_grade]
        sittings.append(Sitting(year, grade, subjects, rows, halves, status, expected))
    return sittings, pd.concat(cells, ignore_index=True) if cells else pd.DataFrame()


def _cells(
    paper: Paper, school: np.ndarray, male: np.ndarray, halves: np.ndarray, status: np.ndarray,
    level: np.ndarray,
) -> pd.DataFrame:  # fmt: skip
    gender = GENDER.get(paper.subject, 0.0)
    limit = (paper.pass_mark - paper.step / 2 - paper.mean) / paper.spread
    chance = _normal_cdf(
        (level[:, None] + np.array([-gender, gender]) - limit) * math.sqrt(paper.reliability)
    )
    present = status == 0

    def count(weights: np.ndarray) -> np.ndarray:
        return np.bincount(school, weights, minlength=len(level))

    cells = pd.DataFrame(
        {
            "grade": paper.grade,
            "subject": paper.subject,
            "school": np.arange(len(level)),
            "candidates": count(status != 5),
            "exempt": count(status == 3),
            "n": count(present),
            "passes": count(present & (halves >= 2 * paper.pass_mark)),
            "halves": count(halves),
            "expected_passes": count(present * chance[school, male.astype(int)]),
        }
    )
    return cells[cells["candidates"] > 0]


def sum_cells(cells: pd.DataFrame, schools: pd.DataFrame, year: str, city: str) -> pd.DataFrame:
    """Cells of the schools, summed for districts and the city as well."""
    if cells.empty:
        return pd.DataFrame(columns=CELL_COLUMNS)
    own = schools.iloc[cells["school"].to_numpy()]
    units = {
        "city": np.full(len(own), city),
        "district": own["district_code"].to_numpy(),
        "school": own["school_code"].to_numpy(),
    }
    levels = []
    for level, unit in units.items():
        keyed = cells.drop(columns="school").assign(level=level, unit_code=unit)
        levels.append(
            keyed.groupby(["grade", "subject", "level", "unit_code"], as_index=False).sum()
        )
    summed = pd.concat(levels, ignore_index=True)
    present = summed["n"].where(summed["n"] > 0)
    summed["mean_score"] = summed["halves"] / 2 / present
    summed["expected_pass_rate"] = summed["expected_passes"] / present
    whole = ["candidates", "exempt", "n", "passes"]
    summed[whole] = summed[whole].astype(int)
    summed.insert(0, "school_year", year)
    return summed[CELL_COLUMNS]


def parameters(differences: Differences = USUAL) -> dict[str, object]:
    """The constants of the model, for the truth."""
    return {
        "baseline_school_year": f"{BASELINE}-{BASELINE + 1}",
        "pass_rate_and_rise_by_stage_and_subject": {f"{s}/{x}": r for (s, x), r in RATES.items()},
        "share_of_rise_before_baseline": BEFORE,
        "paper_wobble_sd": WOBBLE,
        "reliability": RELIABILITY,
        "spread_as_share_of_full_mark": SPREAD,
        "subject_with_general_ability_correlation": GENERAL,
        "school_sd": differences.level * SCHOOL_SD,
        "school_year_sd": differences.level * YEAR_SD,
        "district_sd": differences.level * DISTRICT_SD,
        "value_added_sd": differences.value_added,
        "locale_effects_in_baseline_year": {
            name: differences.level * LOCALE_EFFECTS[name] for name in LOCALES
        },
        "locale_gap_closing_a_year": differences.level * LOCALE_CLOSING,
        "half_gender_gap_boys_over_girls": GENDER,
        "missing_all_papers": MISS_ALL,
        "missing_one_paper": MISS_ONE,
    }
