"""Districts and schools: where they lie, what they teach, when they open and close, how good
they are."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

DISTRICTS = pd.DataFrame(
    [
        ("370402", "市中区", "county", 0.14),
        ("370403", "薛城区", "county", 0.12),
        ("370404", "峄城区", "county", 0.10),
        ("370405", "台儿庄区", "county", 0.08),
        ("370406", "山亭区", "county", 0.11),
        ("370481", "滕州市", "county", 0.38),
        ("3704GX", "枣庄高新区", "zone", 0.04),
        ("3704SZ", "市直学校", "city_run", 0.03),
    ],
    columns=["district_code", "district_name", "district_kind", "share"],
)
"""The units that manage schools, and their shares of the schools."""

LOCALES = ["urban", "town", "rural"]
LOCALE_SHARES = {"primary": [0.3, 0.35, 0.35], "junior": [0.4, 0.45, 0.15]}
SENIOR_LOCALE_SHARES = [0.7, 0.3, 0.0]
LOCALE_SIZE = np.array([1.5, 1.0, 0.55])

GRADES = {
    "primary": (1, 6),
    "junior": (7, 9),
    "senior": (10, 12),
    "nine_year": (1, 9),
    "secondary": (7, 12),
    "twelve_year": (1, 12),
}
"""First and last grade of each kind of school."""

STAGE_SHARES = {
    "senior": 0.10,
    "junior": 0.20,
    "nine_year": 0.08,
    "secondary": 0.03,
    "twelve_year": 0.015,
}
CATEGORY = dict(zip(GRADES, ["21", "31", "34", "32", "33", "35"], strict=True))
SUFFIX = {
    "primary": "小学",
    "junior": "初级中学",
    "senior": "高级中学",
    "nine_year": "九年一贯制学校",
    "secondary": "完全中学",
    "twelve_year": "十二年一贯制学校",
}
PREFIXES = [
    "青禾", "云朵", "星河", "彩虹", "月光", "小溪", "麦浪", "晨露", "松涛", "竹影", "萤火", "海螺",
    "风铃", "向阳花", "蒲公英", "白鹭", "银杏", "石榴籽", "纸鸢", "木棉", "鹿鸣", "雨燕", "琥珀",
    "橡果", "北斗",
]  # fmt: skip
TOWNS = {
    "urban": ["云朵街道", "星河街道", "彩虹街道", "月光街道"],
    "town": ["青石镇", "白杨镇", "红枫镇", "风铃镇", "鹿鸣镇"],
    "rural": ["麦浪镇", "小溪镇", "橡果镇", "松涛镇", "纸鸢镇"],
}
DIGITS = "零一二三四五六七八九"

SHARED_NAME = "实验小学"
SHARED_FROM = 12
"""Primary schools from which on two share a name."""

SCHOOL_SD = 0.30
DISTRICT_SD = 0.12
YEAR_SD = 0.05
"""Spread of a school's own ups and downs from year to year, in student standard deviations."""


@dataclass(frozen=True)
class Differences:
    """How far schools differ."""

    level: float = 1.0
    """What a school, its district, its locale and a year add to all its scores: how many times the
    usual spread of it."""
    value_added: float = 0.15
    """Standard deviation of what a school adds beside that in a subject on the way to a tested
    grade, in standard deviations of students."""


USUAL = Differences()
ALIKE = Differences(level=0.0, value_added=0.0)
"""Nothing but chance tells schools apart."""


def count_schools(students: int) -> int:
    """Schools of a city: 60 at 15,000 students, 1,500 at 700,000, never fewer than one."""
    power = math.log(1500 / 60) / math.log(700_000 / 15_000)
    return max(1, round(60 * (students / 15_000) ** power))


def numeral(number: int) -> str:
    """A number below 100 in Chinese."""
    tens, ones = divmod(number, 10)
    ten = "" if tens == 0 else "十" if tens == 1 else DIGITS[tens] + "十"
    return ten + (DIGITS[ones] if ones or not tens else "")


def _names(stages: pd.Series) -> list[str]:
    at = stages.groupby(stages).cumcount()
    return [
        f"{PREFIXES[i % len(PREFIXES)]}第{numeral(i // len(PREFIXES) + 1)}{SUFFIX[stage]}"
        for i, stage in zip(at, stages, strict=True)
    ]


def _share_a_name(schools: pd.DataFrame, district: np.ndarray) -> None:
    """Two primary schools of different districts have one name, as happens in every city."""
    primary = np.flatnonzero((schools["stage"] == "primary").to_numpy())
    if len(primary) < SHARED_FROM:
        return
    one = primary[1]
    others = primary[district[primary] != district[one]]
    if len(others):
        schools.loc[[one, others[-1]], "school_name"] = SHARED_NAME


def _spread(count: int, shares: np.ndarray, least: int = 0) -> np.ndarray:
    """`count` places dealt out by shares, each kind evenly spread over the whole row."""
    quota = least + (count - least * len(shares)) * shares / shares.sum()
    whole = np.floor(quota).astype(int)
    whole[np.argsort(whole - quota, kind="stable")[: count - whole.sum()]] += 1
    kind = np.repeat(np.arange(len(shares)), whole)
    place = np.concatenate([(np.arange(n) + 0.5) / n for n in whole if n])
    return kind[np.argsort(place, kind="stable")]


def _stages(count: int) -> list[str]:
    if count == 1:
        return ["twelve_year"]
    if count == 2:
        return ["nine_year", "senior"]
    some = {stage: round(count * share) for stage, share in STAGE_SHARES.items()}
    some |= {stage: max(1, some[stage]) for stage in ("senior", "junior")}
    some["primary"] = count - sum(some.values())
    return [stage for stage in GRADES for _ in range(some[stage])]


def make_schools(
    students: int, first_year: int, years: int, seed: int, differences: Differences = USUAL
) -> pd.DataFrame:
    """Every school that exists in one of the years, one row a school.

    `first` and `last` are the first and last school year (by the year in which it starts) with
    students; `merged_into` is the row of the school that takes over, -1 where none does. Effects
    are in standard deviations of students.
    """
    rng = np.random.default_rng([seed, 1])
    count = count_schools(students)
    stages = _stages(count)
    n_primary = stages.count("primary")
    changes = max(1, round(0.03 * n_primary)) if years > 1 and n_primary > len(DISTRICTS) else 0
    stages += ["primary"] * changes  # these close
    n = len(stages)
    schools = pd.DataFrame({"stage": stages})
    shares = DISTRICTS["share"].to_numpy()
    district = np.concatenate(
        [
            _spread(count, shares, int(count >= len(shares))),
            rng.choice(6, changes, p=_p(shares[:6])),
        ]
    ).astype(int)
    locale = np.zeros(n, dtype=int)
    for stage in GRADES:
        rows = np.flatnonzero(schools["stage"] == stage)
        if len(rows):
            share = np.array(LOCALE_SHARES.get(stage, SENIOR_LOCALE_SHARES))
            locale[rows] = rng.permutation(_spread(len(rows), share))
    locale[count:] = 2
    locale[DISTRICTS["district_kind"].to_numpy()[district] == "city_run"] = 0
    schools["district"] = district
    schools["locale"] = np.array(LOCALES)[locale]
    schools["low"] = [GRADES[stage][0] for stage in stages]
    schools["high"] = [GRADES[stage][1] for stage in stages]
    schools["size"] = LOCALE_SIZE[locale] * rng.lognormal(0, 0.3, n)
    schools.loc[count:, "size"] *= 0.5
    order = schools.groupby("stage").cumcount()
    schools["school_code"] = [
        f"{CATEGORY[stage]}37{900_001 + i}" for stage, i in zip(stages, order, strict=True)
    ]
    schools["school_name"] = _names(schools["stage"])
    _share_a_name(schools, district)
    schools["district_code"] = DISTRICTS["district_code"].to_numpy()[district]
    town = rng.integers(0, 60, n)
    schools["town"] = [
        TOWNS[name][i % len(TOWNS[name])] for name, i in zip(schools["locale"], town, strict=True)
    ]
    private = (rng.random(n) < 0.08) & (schools["locale"] != "rural").to_numpy()
    schools["ownership"] = np.where(private, "private", "public")
    community = [f"LY{i // 12 + 1:03d}" for i in range(n)]
    schools["community_code"] = np.where(rng.random(n) < 0.6, community, "")
    _open_and_close(schools, count, changes, first_year, years, rng)
    schools["school_effect"] = differences.level * rng.normal(0, SCHOOL_SD, n)
    effects = differences.level * rng.normal(0, DISTRICT_SD, len(DISTRICTS))
    schools["district_effect"] = (effects - effects.mean())[district]
    return schools


def _open_and_close(
    schools: pd.DataFrame,
    count: int,
    changes: int,
    first_year: int,
    years: int,
    rng: np.random.Generator,
) -> None:
    n = len(schools)
    schools["first"], schools["last"], schools["merged_into"] = 0, 9999, -1
    built = pd.Series(rng.integers(1951, first_year - 1, n)).astype(str) + "-09-01"
    schools["opened_on"], schools["closed_on"] = built, ""
    if not changes:
        return
    primary = (schools["stage"] == "primary") & (schools.index < count)
    # The first primary school of a district is never new, so that every district has one.
    order = schools[primary].groupby("district").cumcount()
    new = rng.choice(order.index[order > 0].to_numpy(), changes, replace=False)
    starts = first_year + 1 + np.arange(changes) % (years - 1)
    schools.loc[new, "first"] = starts
    schools.loc[new, "opened_on"] = [f"{year}-08-20" for year in starts]
    schools.loc[count:, "last"] = starts - 1
    schools.loc[count:, "closed_on"] = [f"{year}-07-20" for year in starts]
    old = schools[primary & ~schools.index.isin(new)]
    districts, sizes = schools["district"].to_numpy(), old["size"].to_numpy()
    for row in range(count, n):
        near = (old["district"] == districts[row]).to_numpy()
        largest = np.argmax(np.where(near, sizes, -1.0) if near.any() else sizes)
        schools.loc[schools.index[row], "merged_into"] = int(old.index.to_numpy()[largest])


def _p(shares: np.ndarray) -> np.ndarray:
    return shares / shares.sum()


def open_in(schools: pd.DataFrame, year: int) -> np.ndarray:
    """Which schools teach in the school year that starts in `year`."""
    return ((schools["first"] <= year) & (schools["last"] >= year)).to_numpy()
