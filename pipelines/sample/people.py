"""Students who move through the grades, and the staff of schools and offices."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipelines.sample.city import DISTRICTS, open_in

CLASS_SIZE = 45
SENIOR_SHARE = 0.65
"""Share of grade 9 that goes on to grade 10; the others leave for vocational schools."""
GRADE_WEIGHT = np.array([1.0] * 9 + [SENIOR_SHARE] * 3)
LEAVE = 0.010
MOVE = 0.02
MOVE_FAR = 0.3
REPEAT = 0.004
ABILITY_CORRELATION = 0.92
"""Between a student's ability in one year and the next."""
BANDS = ((1, 6), (7, 9), (10, 12))

REGIONS = 370_490
"""First of ten region codes that no real place has; identity-like numbers start with them."""
EPOCH = np.datetime64("1995-01-01")
WEIGHTS = np.array([7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2])
CHECKS = np.frombuffer(b"10X98765432", dtype=np.uint8)
STUDENTS_PER_STAFF = 14
STAFF_TURNOVER = 0.05


GIVEN = ["云", "山", "禾", "舟", "小山", "小雨", "星河", "一鸣", "知秋", "若溪"]
SHORT_NAMED = 40
"""One in so many people has a name of two or three characters, as real ones have."""


def names(prefix: str, serial: np.ndarray) -> list[str]:
    """Names that are plainly invented: 虚生123, and now and then 虚云 or 虚小山."""
    return [
        f"虚{GIVEN[i // SHORT_NAMED % len(GIVEN)]}" if i % SHORT_NAMED == 7 else f"{prefix}{i}"
        for i in serial.tolist()
    ]


def student_numbers(days: np.ndarray, serial: np.ndarray) -> np.ndarray:
    """`G` and an identity-like number: region, date of birth, serial, MOD 11-2 check character.

    Raises:
        ValueError: more serials for one day than ten region codes hold.
    """
    if len(serial) and serial.max() >= 10_000:
        raise ValueError("too many students for the student numbers of one day of birth")
    dates = pd.DatetimeIndex(EPOCH + days)
    day = np.asarray(dates.year * 10_000 + dates.month * 100 + dates.day, dtype=np.int64)
    body = (REGIONS + serial // 1000) * 10**11 + day * 1000 + serial % 1000
    digits = body[:, None] // 10 ** np.arange(16, -1, -1) % 10
    text = np.empty((len(body), 19), dtype=np.uint8)
    text[:, 0] = ord("G")
    text[:, 1:18] = digits + ord("0")
    text[:, 18] = CHECKS[digits @ WEIGHTS % 11]
    return text.reshape(-1).view("S19")


@dataclass
class Students:
    """The panel: `register` keeps what never changes, `roll` the current year's students."""

    schools: pd.DataFrame
    target: int
    seed: int
    numbers: np.ndarray
    register: pd.DataFrame
    roll: pd.DataFrame
    used: np.ndarray
    """Serials given out, by day of birth and gender."""

    @classmethod
    def start(
        cls, schools: pd.DataFrame, target: int, year: int, years: int, seed: int
    ) -> "Students":
        """The students of the first year."""
        register = pd.DataFrame({"day": [], "male": []}).astype({"day": "int32", "male": bool})
        panel = cls(
            schools,
            target,
            seed,
            np.empty(0, dtype="S19"),
            register,
            pd.DataFrame(),
            np.zeros((13_000, 2), dtype=np.int64),
        )
        rng = np.random.default_rng([seed, 2, year])
        quota = target * GRADE_WEIGHT / GRADE_WEIGHT.sum()
        counts = np.floor(quota).astype(int)
        # The rest goes first to the grades that will be tested while the panel lasts.
        first = max(1, 9 - years)
        order = np.argsort((np.arange(1, 13) - first) % 12)
        counts[order[: target - counts.sum()]] += 1
        panel.roll = panel._enrol(np.repeat(np.arange(1, 13), counts), year, rng)
        panel._settle(year, rng)
        return panel

    def advance(self, year: int) -> None:
        """Promote, repeat, move, merge, leave; then fill grade 1 up to the target."""
        rng = np.random.default_rng([self.seed, 2, year])
        old = self.roll
        n = len(old)
        grade = old["grade"].to_numpy()
        repeats = rng.random(n) < REPEAT
        ends = (grade == 12) | ((grade == 9) & (rng.random(n) >= SENIOR_SHARE))
        stays = ~old["leaving"].to_numpy() & (~ends | repeats)
        roll = old[stays].reset_index(drop=True)
        n = len(roll)
        grade = roll["grade"].to_numpy() + ~repeats[stays]
        school = roll["school"].to_numpy()
        merged = self.schools["merged_into"].to_numpy()
        closed = self.schools["last"].to_numpy() < year
        school = np.where(closed[school], merged[school], school)
        district = self.schools["district"].to_numpy()[school]
        far = rng.random(n) < MOVE * MOVE_FAR
        share = DISTRICTS["share"].to_numpy()
        district = np.where(far, rng.choice(len(share), n, p=share / share.sum()), district)
        moves = far | (rng.random(n) < MOVE) | (self.schools["high"].to_numpy()[school] < grade)
        school[moves] = self._choose(grade[moves], district[moves], year, rng)
        noise = rng.normal(0, np.sqrt(1 - ABILITY_CORRELATION**2), n)
        roll["ability"] = ABILITY_CORRELATION * roll["ability"].to_numpy() + noise
        roll["grade"], roll["school"] = grade, school
        entering = max(0, self.target - n)
        new = self._enrol(np.ones(entering, dtype=int), year, rng)
        self.roll = pd.concat([roll, new], ignore_index=True) if n else new
        self._settle(year, rng)

    def _choose(
        self, grade: np.ndarray, district: np.ndarray | None, year: int, rng: np.random.Generator
    ) -> np.ndarray:
        """An open school for each student, by size; in the district where it has one."""
        chosen = np.full(len(grade), -1)
        draw = rng.random(len(grade))
        is_open = open_in(self.schools, year)
        for low, high in BANDS:
            fits = is_open & (self.schools["low"] <= low) & (self.schools["high"] >= high)
            for unit in range(len(DISTRICTS)) if district is not None else [None]:
                rows = (grade >= low) & (grade <= high)
                here = fits
                if unit is not None:
                    rows &= district == unit
                    near = fits & (self.schools["district"] == unit)
                    here = near if near.any() else fits
                at = np.flatnonzero(here)
                share = np.cumsum(self.schools["size"].to_numpy()[at])
                if rows.any():
                    chosen[rows] = at[np.searchsorted(share / share[-1], draw[rows], side="right")]
        return chosen

    def _enrol(self, grade: np.ndarray, year: int, rng: np.random.Generator) -> pd.DataFrame:
        n = len(grade)
        born = (year - 6 - grade - 1970).astype("datetime64[Y]")  # the cohort starts in September
        start = (born.astype("datetime64[M]") + 8).astype("datetime64[D]")
        day = (start - EPOCH).astype(int) + rng.integers(0, 365, n)
        male = rng.random(n) < 0.52
        # Serials are odd for boys; a stable sort gives each its rank within day and gender.
        kind = day * 2 + male
        order = np.argsort(kind, kind="stable")
        counts = np.bincount(kind, minlength=self.used.size)
        rank = np.empty(n, dtype=np.int64)
        rank[order] = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)
        serial = 2 * (self.used.reshape(-1)[kind] + rank) + male
        self.used += counts.reshape(self.used.shape)
        first = len(self.numbers)
        self.numbers = np.concatenate([self.numbers, student_numbers(day, serial)])
        new = pd.DataFrame({"day": day.astype("int32"), "male": male})
        for flag in ("boarding", "left_behind", "migrant", "subsidised", "rural_household"):
            new[flag] = rng.random(n, dtype=np.float32)
        self.register = pd.concat([self.register, new], ignore_index=True) if first else new
        return pd.DataFrame(
            {
                "student": np.arange(first, first + n),
                "grade": grade,
                "school": self._choose(grade, None, year, rng),
                "ability": rng.normal(0, 1, n),
            }
        )

    def _settle(self, year: int, rng: np.random.Generator) -> None:
        """Sort by school and grade, make classes, say who will leave during or after the year."""
        roll = self.roll.sort_values(["school", "grade", "student"], ignore_index=True)
        n = len(roll)
        group = roll["school"].to_numpy() * 13 + roll["grade"].to_numpy()
        counts = np.bincount(group, minlength=1)
        rank = np.arange(n) - (np.cumsum(counts) - counts)[group]
        roll["class_no"] = rank % np.ceil(counts[group] / CLASS_SIZE).astype(int) + 1
        draw = rng.random(n)
        roll["leaving"] = draw < LEAVE
        roll["left"] = draw < LEAVE * 0.4  # gone before the test
        self.roll = roll

    def flags(self) -> pd.DataFrame:
        """Boarding and the other yes/no columns of the roll, by stage and locale."""
        drawn = self.register.iloc[self.roll["student"].to_numpy()].reset_index(drop=True)
        locale = self.schools["locale"].to_numpy()[self.roll["school"].to_numpy()]
        away = np.select([locale == "urban", locale == "town"], [0.2, 0.7], 1.0)
        stage = np.searchsorted([7, 10], self.roll["grade"].to_numpy(), side="right")
        rural = drawn["rural_household"] < 0.25 + 0.6 * away
        return pd.DataFrame(
            {
                "boarding": drawn["boarding"] < np.array([0.03, 0.3, 0.8])[stage] * (0.4 + away),
                "left_behind": rural & (drawn["left_behind"] < 0.16),
                "migrant": drawn["migrant"] < 0.12 * (1.1 - away),
                "subsidised": drawn["subsidised"] < 0.04 + 0.08 * away,
                "rural_household": rural,
            }
        )


SUBJECTS = {
    "primary": ["chinese", "mathematics", "english", "science", "politics", "music", "art", "pe"],
    "other": [
        "chinese", "mathematics", "english", "physics", "chemistry", "biology", "politics",
        "history", "geography", "pe", "it",
    ],
}  # fmt: skip


def make_staff(schools: pd.DataFrame, students: int, seed: int) -> pd.DataFrame:
    """The posts of all schools and offices with their first holders, one row a post."""
    rng = np.random.default_rng([seed, 3])
    total = max(len(schools), round(students / STUDENTS_PER_STAFF))
    offices = max(2, round(total * 0.012))
    grades = (schools["high"] - schools["low"] + 1) * np.where(schools["low"] == 1, 1.0, 1.4)
    weight = (schools["size"] * grades).to_numpy()
    spare = total - offices - len(schools)
    posts = 1 + rng.multinomial(max(0, spare), weight / weight.sum())
    school = np.repeat(np.arange(len(schools)), posts)
    rank = np.arange(len(school)) - np.repeat(np.cumsum(posts) - posts, posts)
    size = posts[school]
    role = np.select(
        [
            rank == 0,
            (rank == 1) & (size >= 8),
            (rank == 2) & (size >= 8) | (rank > 2) & (rank % 40 == 3),
            (rank == 4) & (rng.random(len(school)) < 0.85),
        ],
        ["principal", "secretary", "school_leader", "science_counsellor"],
        "teacher",
    )
    primary = (schools["high"] == 6).to_numpy()[school]
    staff = pd.DataFrame({"school": school, "level": "school", "role": role})
    staff["district"] = schools["district"].to_numpy()[school]
    draw = rng.random(len(school))
    staff["subject"] = np.where(
        primary,
        np.array(SUBJECTS["primary"])[(draw**1.4 * len(SUBJECTS["primary"])).astype(int)],
        np.array(SUBJECTS["other"])[(draw**1.2 * len(SUBJECTS["other"])).astype(int)],
    )
    staff.loc[staff["role"] == "science_counsellor", "subject"] = "science"
    district = rng.choice(len(DISTRICTS), offices, p=DISTRICTS["share"] / DISTRICTS["share"].sum())
    city = DISTRICTS["district_kind"].to_numpy()[district] == "city_run"
    office = pd.DataFrame(
        {
            "school": -1,
            "level": np.where(city, "city", "district"),
            "role": np.where(rng.random(offices) < 0.7, "researcher", "education_official"),
            "district": district,
            "subject": rng.choice(SUBJECTS["other"][:9], offices),
        }
    )
    office.loc[:1, "role"] = ["researcher", "education_official"]  # no city is without either
    office.loc[office["role"] == "education_official", "subject"] = ""
    staff = pd.concat([staff, office], ignore_index=True)
    staff["full_time"] = (staff["role"] != "science_counsellor") & (rng.random(len(staff)) < 0.98)
    staff["key_teacher"] = rng.random(len(staff)) < 0.12
    hold_posts(staff, np.ones(len(staff), dtype=bool), 0, rng)
    began = rng.integers(1990, 2016, len(staff)).astype(str).astype(object)
    staff["started_on"] = began + "-08-25"
    staff["left_on"] = ""
    return staff


def hold_posts(
    staff: pd.DataFrame, rows: np.ndarray, first_serial: int, rng: np.random.Generator
) -> None:
    """Give the posts in `rows` to new people, numbered from `first_serial`."""
    n = int(rows.sum())
    degrees = np.array(["associate", "bachelor", "master", "doctor"], dtype=object)
    staff.loc[rows, "serial"] = np.arange(first_serial, first_serial + n)
    staff.loc[rows, "degree"] = degrees[rng.choice(4, n, p=[0.15, 0.72, 0.125, 0.005])]
    stem = staff.loc[rows, "subject"].isin(
        ["mathematics", "science", "physics", "chemistry", "biology", "it"]
    )
    staff.loc[rows, "degree_field"] = np.where(
        stem.to_numpy() ^ (rng.random(n) < 0.1), "stem", "other"
    )


def renew_staff(staff: pd.DataFrame, year: int, seed: int, first: bool) -> pd.DataFrame:
    """The staff of a year: last year's leavers are replaced, some of this year's will leave."""
    rng = np.random.default_rng([seed, 3, year])
    staff = staff.copy()
    if not first:
        gone = (staff["left_on"] != "").to_numpy() | (rng.random(len(staff)) < STAFF_TURNOVER)
        hold_posts(staff, gone, int(staff["serial"].max()) + 1, rng)
        staff.loc[gone, "started_on"] = f"{year}-08-25"
    staff["left_on"] = np.where(rng.random(len(staff)) < 0.01, f"{year + 1}-02-10", "")
    return staff
