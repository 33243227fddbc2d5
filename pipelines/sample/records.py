"""What offices hand in beside rolls and results: what the city's plan counts, visits, findings,
communities, resources, and how the city stands beside others."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipelines.sample.city import DIGITS, DISTRICTS, PREFIXES
from pipelines.sample.files import word
from pipelines.sample.lessons import school_days
from pipelines.sample.papers import BASELINE, Paper

PLAN_DAY = np.datetime64("2024-03-11")
"""Day of the city's plan: what it counts from then on is granted on or after it."""
PROVINCE, CITY = "370000", "370400"
"""Codes of the province and of the city as a whole."""
PILOTS = ("370481", "370406")
"""Districts that began with reviews of teaching a year before the others."""
VISITS = 3
"""Visits a year that the plan asks of an education official."""
WEEKS = 36
"""Weeks of a school year in which societies may meet."""


@dataclass(frozen=True)
class Covered:
    """A kind that every one of its holders should have: a share has, which rises by the year."""

    kind: str
    holder: str
    title: str
    level: str
    share: float
    rise: float
    standing: bool = False
    """Granted once for good, in the first year whose share reaches the holder."""


@dataclass(frozen=True)
class Counted:
    """A kind that the city counts, up to `goal`; so many of it are granted each year."""

    kind: str
    holder: str
    title: str
    level: str
    goal: int
    every: int = 0
    """Granted anew every so many years; 0: added up from the plan's day."""


COVERED = [
    Covered("offcampus_practice_base", "school", "校外实践基地", "school", 0.70, 0.10, True),
    Covered("society_membership", "school", "学生社团参加人数", "school", 0.92, 0.03),
    Covered("society_activity", "school", "社团活动", "school", 0.90, 0.03),
    Covered("science_festival", "school", "科技节", "school", 0.75, 0.08),
    Covered("mental_health_screening", "school", "心理健康测评筛查", "school", 0.80, 0.07),
    Covered("curriculum_plan", "school", "达标课程规划方案", "district", 0.35, 0.25),
    Covered("teaching_review", "school", "教师教学述评", "school", 0.10, 0.45),
    Covered("learning_case", "teacher", "达标学历案", "school", 0.30, 0.22),
    Covered("unit_homework_design", "teacher", "单元达标作业设计", "school", 0.25, 0.22),
    Covered("half_day_research", "district", "半日教研", "district", 0.60, 0.20),
    Covered("annual_quality_report", "district", "教学质量年度述职", "city", 0.90, 0.05),
    Covered("community_activity", "community", "联研共同体活动", "city", 0.70, 0.12),
    Covered("parent_school_site", "area", "家长学校", "district", 0.45, 0.15, True),
    Covered("rural_school_link", "researcher", "联系乡村学校", "district", 0.60, 0.15),
]
COUNTED = [
    Counted("sizheng_model_lesson", "teacher", "思政大课堂精品课", "city", 100),
    Counted("sizheng_lesson_case", "teacher", "思政精品课例", "city", 1000),
    Counted("sizheng_school_course", "school", "思政校本课程", "city", 100),
    Counted("sizheng_practice_base", "school", "思政课教学实践基地", "city", 100),
    Counted("outstanding_society", "student_group", "优秀学生社团", "city", 100, every=2),
    Counted("society_model_school", "school", "社团建设示范校", "city", 30, every=2),
    Counted("model_subject_group", "school", "新课堂达标示范学科组", "city", 800),
    Counted("model_classroom_school", "school", "新课堂达标示范校", "city", 100),
    Counted("big_unit_school", "school", "大单元教学实验学校", "city", 30),
    Counted("research_base_school", "school", "市级教研基地校", "city", 50),
    Counted("outstanding_studio", "teacher", "优秀个人工作室", "city", 300),
    Counted("provincial_model_case", "school", "省级典型案例", "province", 5, every=1),
    Counted("national_teaching_achievement", "school", "国家级教学成果", "national", 4),
    Counted("master_teacher_candidate", "teacher", "枣庄名师人选", "city", 40, every=3),
    Counted("master_principal_candidate", "principal", "枣庄名校长人选", "city", 20, every=3),
    Counted("master_headteacher_candidate", "teacher", "枣庄名班主任人选", "city", 20, every=3),
    Counted("university_practice_school", "school", "教育实习基地和示范学校", "city", 10),
    Counted("provincial_award", "office", "省级教研奖励", "province", 12, every=1),
]
GRANTED = {2023: 0.15, 2024: 0.42, 2025: 0.38}
"""Share of a goal granted in each school year of the plan."""
HOLDER_TYPES = {
    "school": "school", "teacher": "person", "principal": "person", "researcher": "person",
    "district": "district", "community": "community", "area": "community",
    "student_group": "student_group", "office": "district",
}  # fmt: skip
SUBJECT_TITLED = {"model_subject_group", "learning_case", "unit_homework_design",
                  "sizheng_lesson_case", "sizheng_model_lesson"}  # fmt: skip
"""Kinds that name a subject."""

AREA_COLUMNS = ["area_code", "area_name", "district_code", "area_kind", "capable"]
REGISTER_COLUMNS = [
    "kind", "holder_type", "holder_code", "subject", "title", "level", "granted_on", "value",
    "covers_all", "district_code",
]  # fmt: skip


def _days(
    year: int, n: int, rng: np.random.Generator, after: np.datetime64 | None = None
) -> list[str]:
    days = school_days(year)
    days = days[days >= after] if after is not None else days
    return np.datetime_as_string(days[(rng.random(n) * len(days)).astype(int)]).tolist()


def make_areas(schools: int, seed: int) -> pd.DataFrame:
    """The residential communities of the city, the same every year: two and a half a school."""
    rng = np.random.default_rng([seed, 11])
    n = max(1, round(2.5 * schools))
    units = DISTRICTS[DISTRICTS["district_kind"] != "city_run"]
    share = units["share"].to_numpy()
    unit = np.sort(rng.choice(len(units), n, p=share / share.sum()))
    urban = rng.random(n) < 0.55
    names = [
        f"{PREFIXES[i % len(PREFIXES)]}{'社区' if u else '村社区'}{_digits(i // len(PREFIXES))}区"
        for i, u in zip(range(n), urban, strict=True)
    ]
    return pd.DataFrame(
        {
            "area_code": [f"SQ{i + 1:05d}" for i in range(n)],
            "area_name": names,
            "district_code": units["district_code"].to_numpy()[unit],
            "area_kind": np.where(urban, "urban", "rural"),
            "capable": urban | (rng.random(n) < 0.4),
        }
    )


def _digits(number: int) -> str:
    return "".join(DIGITS[int(d)] for d in str(number + 1))


def register_programmes(
    schools: pd.DataFrame,
    staff: pd.DataFrame,
    areas: pd.DataFrame,
    sizes: pd.Series,
    year: int,
    first: int,
    seed: int,
) -> pd.DataFrame:
    """The year's entries of every kind that the plan counts, with the district of the holder.

    Args:
        schools: those that teach in the year.
        staff: the year's staff.
        areas: the residential communities.
        sizes: students by school code.
        year: start of the school year.
        first: first year of the sample; what stood before is entered in it.
        seed: the city's seed.
    """
    rng = np.random.default_rng([seed, 12, year])
    pools = _pools(schools, staff, areas)
    parts = [_cover(entry, pools[entry.holder], year, first, seed, rng) for entry in COVERED]
    if year >= BASELINE:
        parts += [_count(entry, pools[entry.holder], year, rng) for entry in COUNTED]
    rows = pd.concat([part for part in parts if len(part)], ignore_index=True)
    members = rows["kind"] == "society_membership"
    enrolled = rows["holder_code"].map(sizes).fillna(0).to_numpy()
    joined = np.floor(enrolled * np.clip(rng.normal(0.93, 0.08, len(rows)), 0.2, 1)).astype(int)
    rows["value"] = np.where(members, joined.astype(str), "")
    festival = rows["kind"] == "science_festival"
    rows["covers_all"] = np.where(festival, rng.random(len(rows)) < 0.9, "")
    rows["covers_all"] = rows["covers_all"].astype(str)
    return rows[REGISTER_COLUMNS]


def _pools(
    schools: pd.DataFrame, staff: pd.DataFrame, areas: pd.DataFrame
) -> dict[str, pd.DataFrame]:
    """Who may hold an entry: code, district, subject, by kind of holder."""

    def pool(frame: pd.DataFrame, code: str) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "holder_code": frame[code].to_numpy(),
                "district_code": frame["district_code"].to_numpy(),
                "subject": frame.get("subject", pd.Series("", frame.index)).to_numpy(),
            }
        )

    own = schools[schools["community_code"] != ""].drop_duplicates("community_code")
    offices = DISTRICTS[DISTRICTS["district_kind"] != "city_run"]
    by_role = {
        role: pool(staff[staff["role"] == role], "staff_code")
        for role in ("teacher", "principal", "researcher")
    }
    groups = pool(schools, "school_code")
    groups = groups.loc[groups.index.repeat(4)].reset_index(drop=True)
    groups["holder_code"] += "-ST" + (groups.index % 4 + 1).astype(str).str.zfill(2)
    return {
        "school": pool(schools, "school_code"),
        "community": pool(own, "community_code"),
        "area": pool(areas[areas["capable"]], "area_code"),
        "district": pool(offices, "district_code"),
        "office": pool(offices, "district_code"),
        "student_group": groups,
        **by_role,
    }


def _cover(
    entry: Covered, pool: pd.DataFrame, year: int, first: int, seed: int, rng: np.random.Generator
) -> pd.DataFrame:
    share = np.full(len(pool), entry.share + entry.rise * (year - BASELINE))
    if entry.kind == "teaching_review":
        share += np.where(pool["district_code"].isin(PILOTS), 0.4, 0.0)
    if entry.standing:
        # A holder's place in the queue is its own, so that shares grow without anyone lost.
        place = _places(pool["holder_code"], entry.kind, seed)
        before = share - entry.rise if year > first else np.zeros(len(pool))
        got = (place < share) & (place >= before)
    else:
        got = rng.random(len(pool)) < share
    rows = pool[got].reset_index(drop=True)
    if entry.kind == "society_activity":
        return _weeks(rows, entry, year, rng)
    rows["granted_on"] = _days(year, len(rows), rng)
    return _entry(rows, entry.kind, entry.holder, entry.title, entry.level, year)


def _places(codes: pd.Series, kind: str, seed: int) -> np.ndarray:
    """A number from 0 to 1 for each code, the same in every year."""
    hashed = pd.util.hash_array((codes + kind + str(seed)).to_numpy(dtype=object))
    return hashed / float(2**64)


def _weeks(rows: pd.DataFrame, entry: Covered, year: int, rng: np.random.Generator) -> pd.DataFrame:
    """A row for each week in which a school's societies met."""
    days = school_days(year)
    mondays = days[np.linspace(0, len(days) - 6, WEEKS).astype(int)]
    met = rng.random((len(rows), WEEKS)) < 0.96
    at, week = np.nonzero(met)
    held = rows.iloc[at].reset_index(drop=True)
    held["granted_on"] = np.datetime_as_string(mondays[week])
    held = _entry(held, entry.kind, entry.holder, entry.title, entry.level, year)
    held["title"] = "第" + pd.Series(week + 1).astype(str) + "周" + entry.title
    return held


def _count(entry: Counted, pool: pd.DataFrame, year: int, rng: np.random.Generator) -> pd.DataFrame:
    if entry.every and (year - BASELINE) % entry.every:
        return pool.iloc[:0]
    share = 1.0 if entry.every else GRANTED.get(year, 0.05)
    wanted = rng.poisson(entry.goal * share)
    most = len(pool) * (3 if entry.kind == "model_subject_group" else 1)
    n = int(min(wanted, most))
    if not n:
        return pool.iloc[:0]
    order = rng.permutation(most)[:n]
    rows = pool.iloc[order % len(pool)].reset_index(drop=True)
    if entry.kind in ("model_subject_group", "provincial_award"):
        subjects = np.array(["chinese", "mathematics", "english"], dtype=object)
        rows["subject"] = subjects[order // len(pool) % 3]
    rows["granted_on"] = _days(year, n, rng, PLAN_DAY)
    told = _entry(rows, entry.kind, entry.holder, entry.title, entry.level, year)
    told["title"] += told["subject"].map(
        lambda code: f"（{word('subject', code)}）" if code else ""
    )
    return told


def _entry(
    rows: pd.DataFrame, kind: str, holder: str, title: str, level: str, year: int
) -> pd.DataFrame:
    numbered = f"{year}—{year + 1}学年{title}"
    keeps = kind in SUBJECT_TITLED or kind == "provincial_award"
    return rows.assign(
        kind=kind,
        holder_type=HOLDER_TYPES[holder],
        title=numbered,
        level=level,
        subject=rows["subject"] if keeps else "",
    )


def visit_schools(staff: pd.DataFrame, schools: pd.DataFrame, year: int, seed: int) -> pd.DataFrame:
    """Visits of education officials to their contact schools: three a year, some fewer."""
    rng = np.random.default_rng([seed, 16, year])
    officials = staff[staff["role"] == "education_official"].reset_index(drop=True)
    count = rng.integers(VISITS - 1, VISITS + 3, len(officials))
    codes = schools["school_code"].to_numpy()
    home = (rng.random(len(officials)) * len(codes)).astype(int)
    for i, unit in enumerate(officials["district_code"]):
        near = np.flatnonzero((schools["district_code"] == unit).to_numpy())
        if len(near):
            home[i] = near[home[i] % len(near)]
    rows = officials.loc[officials.index.repeat(count)]
    n = len(rows)
    topics = np.array(["课堂教学改革", "作业管理", "课后服务", "乡村教研", "质量监测运用"])
    visits = pd.DataFrame(
        {
            "official_code": rows["staff_code"].to_numpy(),
            "school_code": codes[home[rows.index]],
            "visited_on": pd.Series(_days(year, n, rng), dtype=object),
            "topic": topics[rng.integers(0, len(topics), n)],
            "problems_solved": rng.poisson(1.5, n),
            "district_code": rows["district_code"].to_numpy(),
        }
    )
    left = (rows["left_on"] != "").to_numpy() & (visits["visited_on"] >= f"{year + 1}-02-10")
    key = ["official_code", "school_code", "visited_on"]
    return visits[~left].drop_duplicates(key).sort_values(key, ignore_index=True)


def find_in_supervision(schools: pd.DataFrame, year: int, seed: int) -> pd.DataFrame:
    """Findings of supervision, most of them closed in time, a few late or still open."""
    rng = np.random.default_rng([seed, 17, year])
    n = max(1, rng.poisson(0.6 * len(schools)))
    at = rng.integers(0, len(schools), n)
    days = school_days(year)
    found = days[np.sort(rng.integers(0, len(days) - 60, n))]
    allowed = rng.choice([15, 30, 45], n)
    took = np.maximum(1, np.rint(rng.normal(0.75, 0.25, n) * allowed)).astype(int)
    due, closed = found + allowed, np.datetime_as_string(found + took).astype(object)
    topics = np.array(["开齐开足课程", "作业总量", "实验教学", "教学常规", "阳光体育", "课后服务"])
    whole_district = rng.random(n) < 0.15
    return pd.DataFrame(
        {
            "finding_id": [f"DD{year}-{i + 1:05d}" for i in range(n)],
            "district_code": schools["district_code"].to_numpy()[at],
            "school_code": np.where(whole_district, "", schools["school_code"].to_numpy()[at]),
            "found_on": np.datetime_as_string(found),
            "due_on": np.datetime_as_string(due),
            "closed_on": np.where(rng.random(n) < 0.05, "", closed),
            "topic": topics[rng.integers(0, len(topics), n)],
        }
    )


def count_resources(
    schools: pd.DataFrame, roll: pd.DataFrame, codes: np.ndarray, seed: int, year: int
) -> pd.DataFrame:
    """Resources of each school and stage of compulsory education that has students.

    Args:
        schools: those that teach in the year.
        roll: the year's students, with `school` as row number into `codes`.
        codes: the school code of every row number.
        seed: the city's seed.
        year: start of the school year.
    """
    rng = np.random.default_rng([seed, 18, year])
    stage = np.select([roll["grade"] <= 6, roll["grade"] <= 9], ["primary", "junior"], "senior")
    counts = (
        pd.DataFrame({"school_code": codes[roll["school"]], "stage": stage})
        .query("stage != 'senior'")
        .groupby(["school_code", "stage"], as_index=False)
        .size()
    )
    n, size = len(counts), counts["size"].to_numpy()
    junior = (counts["stage"] == "junior").to_numpy()
    # A school's own level of equipment stays with it over the years.
    own = _places(counts["school_code"], "resources", seed) - 0.5
    level = np.exp(0.5 * own + rng.normal(0, 0.03, n))
    teachers = np.maximum(1, np.rint(size / np.where(junior, 12.5, 16.0)))

    def some(share: float) -> np.ndarray:
        return rng.binomial(teachers.astype(int), np.clip(share * level, 0, 1))

    rows = pd.DataFrame(
        {
            "school_code": counts["school_code"],
            "stage": counts["stage"],
            "students": size,
            "teachers_above_required_degree": some(0.75),
            "key_teachers": some(0.12),
            "pe_art_teachers": some(0.14),
            "teaching_area_m2": np.round(size * np.where(junior, 6.2, 4.9) * level, 1),
            "sports_area_m2": np.round(size * np.where(junior, 10.8, 8.1) * level, 1),
            "equipment_value_yuan": np.rint(size * np.where(junior, 2700, 2150) * level),
            "multimedia_rooms": np.maximum(1, np.rint(size / 42 * level)).astype(int),
        }
    )
    rows["equipment_value_yuan"] = rows["equipment_value_yuan"].astype(int)
    unit = schools.set_index("school_code")["district_code"]
    return rows.assign(district_code=rows["school_code"].map(unit))


def compare_outside(papers: list[Paper], year: int, seed: int) -> pd.DataFrame:
    """How the city stands beside others in the calendar year in which the school year ends."""
    rng = np.random.default_rng([seed, 19, year])
    counties = DISTRICTS.loc[DISTRICTS["district_kind"] == "county", "district_code"].tolist()
    place = int(np.clip(9 - (year - BASELINE) + rng.integers(-1, 2), 1, 16))
    rows: list[tuple[str, str, str, str, str]] = [
        ("provincial_rank", CITY, "", str(place), "16"),
        *(
            ("provincial_rank", unit, "", str(int(rng.integers(20, 110))), "136")
            for unit in counties
        ),
    ]
    for subject in sorted({paper.subject for paper in papers}):
        rate = np.mean([p.typical_pass_rate for p in papers if p.subject == subject])
        mean = f"{100 * rate + rng.normal(-1, 1):.1f}"
        rows.append(("provincial_mean", PROVINCE, subject, mean, "100"))
    for subject in ("chinese", "mathematics", "science"):
        rows.append(("national_monitoring", CITY, subject, str(int(rng.normal(505, 8))), "1000"))
    frame = pd.DataFrame(rows, columns=["kind", "unit_code", "subject", "value", "out_of"])
    frame.insert(1, "year", str(year + 1))
    return frame
