"""The plan's targets, looked at day by day and entity by entity, in plain pandas and Python.

Written from the methods and the plan's file, not from the models: on every as-of day the population
is listed anew and every record of the feed is asked again whether it counts. Posts, duties and
which lessons count are worked out by the oracle of the classroom; the history of schools
(`dim_school`) and the trend of the pass rate are taken as given.
"""

import math
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pandas as pd

from tests.oracle import classroom, training

KEY = ["target_id", "reading", "as_of", "level", "unit_code"]
SUBJECTS = [
    "chinese",
    "mathematics",
    "english",
    "politics",
    "history",
    "geography",
    "physics",
    "chemistry",
    "biology",
    "science",
    "music",
    "art",
    "pe",
    "it",
    "labour",
]
STATUSES = ["reached", "on_pace", "behind", "overdue", "not_reported", "not_due"]
FOREVER = pd.Timestamp("2200-01-01")
DAY = timedelta(days=1)
Row = dict[str, Any]


@dataclass(frozen=True)
class Record:
    """What may count: of whom, from when to when, how much."""

    entity: str
    day: pd.Timestamp
    until: pd.Timestamp
    value: float
    tested: float = 0.0
    distinct: str = ""
    listed: bool = True
    """False for a register that only says that it was handed in."""


@dataclass
class Member:
    """Whom the target is about on a day."""

    district: str | None
    school: str | None
    weight: int = 1
    minimum: float | None = None


def year_of(day: pd.Timestamp, month: int = 8) -> str:
    """School year in which a day lies."""
    first = day.year - (day.month < month)
    return f"{first}-{first + 1}"


def begins(school_year: str, month: int = 8) -> pd.Timestamp:
    """First day of a school year."""
    return pd.Timestamp(int(school_year[:4]), month, 1)


def ends(school_year: str, month: int = 8) -> pd.Timestamp:
    """Last day of a school year."""
    return pd.Timestamp(int(school_year[:4]) + 1, month, 1) - DAY


@dataclass
class City:
    """The feeds with days as timestamps, and what the core says of schools and posts."""

    feeds: dict[str, pd.DataFrame]
    schools: pd.DataFrame
    trend: pd.DataFrame
    code: str = "370400"
    days: list[pd.Timestamp] = field(default_factory=list)
    _kept: dict[str, list[Row]] = field(default_factory=dict)
    _populations: dict[tuple[str, ...], dict[str, Member]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, rows in self.feeds.items():
            days = [c for c in rows if c.endswith("_on") or c == "held_on"]
            self.feeds[name] = rows.assign(**{c: pd.to_datetime(rows[c]) for c in days})
        rows = self.schools
        for column in ("valid_from", "valid_to"):
            rows = rows.assign(**{column: pd.to_datetime(rows[column])})
        self.schools = rows.assign(valid_to=rows["valid_to"].fillna(FOREVER))
        self.place = classroom.Place(self.feeds, self.code)
        self.lessons = _records(classroom.observations(self.place))
        self.trips = _records(classroom.visits(self.place))
        self.logs = _records(training.attendances(self.place))
        self.teachers = classroom.teachers(self.place)
        self.duties = self.place.held(classroom.LESSONS)
        self.lines: dict[str, list[Row]] = defaultdict(list)
        for line in sorted(self.place.staff, key=lambda r: str(r["school_year"])):
            self.lines[line["staff_code"]].append(line)

    def rows(self, feed: str) -> list[Row]:
        """The rows of a feed; what is empty is None."""
        if feed not in self._kept:
            frame = self.feeds.get(feed, pd.DataFrame())
            self._kept[feed] = [
                {k: None if pd.isna(v) else v for k, v in row.items()}
                for row in frame.to_dict("records")
            ]
        return self._kept[feed]

    def posts(self, day: pd.Timestamp) -> list[Row]:
        """Everybody in post on a day, with what the register that holds says of the person."""
        key = f"posts {day}"
        if key not in self._kept:
            out = []
            for person in self.place.posts:
                post = self.place.post(person, day.date())
                if post is None:
                    continue
                own = [
                    r for r in self.lines[person]
                    if post["school_year"] <= r["school_year"] <= post["end"]
                ]  # fmt: skip
                begun = [r for r in own if r["school_year"] <= year_of(day)]
                line = begun[-1] if begun else own[0]
                out.append({**line, "district_code": post["district_code"]})
            self._kept[key] = out
        return self._kept[key]

    def as_of_days(self, first: pd.Timestamp) -> list[pd.Timestamp]:
        """Month ends from the plan's first day on, and the last day with evidence."""
        register = self.feeds.get("schools")
        if register is None or register.empty:
            return []
        floor = begins(min(register["school_year"]))
        results = {r["wave_id"] for r in self.rows("monitoring_results")}
        days = []
        for feed, columns in {
            "monitoring_waves": ["held_on"], "lesson_observations": ["observed_on"],
            "training_logs": ["ended_on"], "programme_register": ["granted_on"],
            "official_visits": ["visited_on"], "supervision_findings": ["found_on", "closed_on"],
        }.items():  # fmt: skip
            for row in self.rows(feed):
                if feed == "monitoring_waves" and row["wave_id"] not in results:
                    continue
                days += [
                    row[c] for c in columns
                    if row[c] is not None and floor <= row[c] <= ends(row["school_year"])
                ]  # fmt: skip
        if not days:
            return []
        last = max(days)
        all_days = pd.date_range(floor, last)
        return [d for d in all_days if d == last or (d.is_month_end and d >= first)]

    def districts(self, day: pd.Timestamp) -> list[str]:
        """Districts in being on a day; the unit of schools run by the city is none."""
        years = sorted({r["school_year"] for r in self.rows("districts")})
        own = defaultdict(list)
        for row in self.rows("districts"):
            own[row["district_code"]].append(row)
        out = []
        for code, rows in own.items():
            rows.sort(key=lambda r: r["school_year"])
            for i, row in enumerate(rows):
                if row["school_year"] == years[-1]:
                    end = FOREVER
                else:
                    after = rows[i + 1]["school_year"] if i + 1 < len(rows) else years[-1]
                    end = begins(after) - DAY
                inside = begins(row["school_year"]) <= day <= end
                if inside and row["district_kind"] != "city_run":
                    out.append(code)
        return out

    def staff_year(self, day: pd.Timestamp) -> str | None:
        """The register of staff that holds on a day."""
        years = {r["school_year"] for r in self.rows("staff")}
        begun = [y for y in years if begins(y) <= day]
        return max(begun) if begun else None

    def open_schools(self, day: pd.Timestamp) -> pd.DataFrame:
        """Rows of the registers of schools that hold on a day."""
        return self.schools[(self.schools["valid_from"] <= day) & (day <= self.schools["valid_to"])]

    # Populations --------------------------------------------------------------------------------

    def population(self, target: Row, day: pd.Timestamp) -> dict[str, Member]:
        """Everybody whom a target is about on a day."""
        parts = ("population_code", "target_value", "selector")
        key = (*(target[part] for part in parts), str(day))
        if key not in self._populations:
            self._populations[key] = self._everybody(target, day)
        everybody = self._populations[key]
        only = target["population_districts"].split()
        return {k: m for k, m in everybody.items() if not only or m.district in only}

    def _everybody(self, target: Row, day: pd.Timestamp) -> dict[str, Member]:
        code = target["population_code"]
        here = self.open_schools(day).to_dict("records")
        school = {r["school_code"]: Member(r["district_code"], r["school_code"]) for r in here}
        if code == "city":
            return {self.code: Member(None, None)}
        if code == "school":
            return school
        if code == "unit":
            offices = {self.code: Member(None, None)}
            return offices | {d: Member(d, None) for d in self.districts(day)} | school
        if code == "institution":
            return {self.code: Member(None, None)} | {
                d: Member(d, None) for d in self.districts(day)
            }
        if code == "district":
            return {d: Member(d, None) for d in self.districts(day)}
        if code in ("primary_school", "rural_school"):
            kinds = ("primary", "nine_year", "twelve_year")
            return {
                r["school_code"]: school[r["school_code"]] for r in here
                if (r["stage"] in kinds if code == "primary_school" else r["locale"] == "rural")
            }  # fmt: skip
        if code in ("student", "class"):
            return self._of_rolls(code, year_of(day))
        if code == "school_week":
            out = {}
            for (year, week), first in self._weeks(target["selector"]).items():
                if year == year_of(day) and first <= day:
                    for row in self.open_schools(first).to_dict("records"):
                        key = f"{row['school_code']}/{week.date()}"
                        out[key] = Member(row["district_code"], row["school_code"])
            return out
        if code == "residential_area":
            return {
                r["area_code"]: Member(r["district_code"], None)
                for r in self.rows("residential_areas")
                if r["area_kind"] == "urban" or r["capable"]
            }
        if code == "finding":
            out = {}
            for row in self.rows("supervision_findings"):
                known = self._outcome(row)[0]
                if known <= day <= ends(year_of(known)):
                    out[row["finding_id"]] = Member(row["district_code"], row["school_code"])
            return out
        if code.startswith("duty"):
            return self._duties(code, float(target["target_value"]), day)
        if code in ("subject_taught", "subject_all", "subject"):
            return self._subjects(code, day)
        if code == "school_of_year":
            return self._schools_of_year(day)
        if code == "teacher_of_year":
            return {
                person: Member(post["district_code"], post["school_code"])
                for (year, person), post in self.teachers.items()
                if year == year_of(day) and pd.Timestamp(post["from_day"]) <= day
            }
        if code == "researcher_key_teacher":
            return {
                p["staff_code"]: Member(p["district_code"], p["school_code"])
                for p in self.posts(day)
                if p["role"] == "researcher" or (p["role"] == "teacher" and p["key_teacher"])
            }
        return {
            p["staff_code"]: Member(p["district_code"], p["school_code"])
            for p in self.posts(day)
            if p["role"] == code
        }

    def _schools_of_year(self, day: pd.Timestamp) -> dict[str, Member]:
        years = [y for y in self.schools["school_year"].unique() if y <= year_of(day)]
        rows = self.schools[(self.schools["school_year"] == max(years, default=""))]
        rows = rows[rows["is_open"]]
        out = {
            r["school_code"]: Member(r["district_code"], r["school_code"])
            for r in rows.to_dict("records") if r["valid_from"] <= day
        }  # fmt: skip
        for row in self.lessons:
            begun = pd.Timestamp(row["observed_on"]) <= day
            here = row["has_check"] and begun and row["school_year"] == year_of(day)
            if here and row["school_code"] not in set(rows["school_code"]):
                out[row["school_code"]] = Member(row["district_code"], row["school_code"])
        return out

    def _of_rolls(self, code: str, year: str) -> dict[str, Member]:
        where = {
            r["school_code"]: r["district_code"]
            for r in self.schools.to_dict("records") if r["school_year"] == year
        }  # fmt: skip
        out: dict[str, Member] = {}
        for row in self.rows("students"):
            if row["school_year"] != year:
                continue
            school = row["school_code"]
            key = school
            if code == "class":
                if row["class_no"] is None:
                    continue
                key = f"{school}-{int(row['grade'])}-{row['class_no']}"
            member = out.setdefault(key, Member(where.get(school), school, 0))
            member.weight = member.weight + 1 if code == "student" else 1
        return out

    def _weeks(self, kind: str) -> dict[tuple[str, pd.Timestamp], pd.Timestamp]:
        weeks: dict[tuple[str, pd.Timestamp], pd.Timestamp] = {}
        for row in self.rows("programme_register"):
            if row["kind"] == kind:
                day = row["granted_on"]
                key = (year_of(day), day - pd.Timedelta(days=day.weekday()))
                weeks[key] = min(day, weeks.get(key, day))
        return weeks

    @staticmethod
    def _outcome(row: Row) -> tuple[pd.Timestamp, bool]:
        closed, due = row["closed_on"], row["due_on"]
        return (closed, True) if closed is not None and closed <= due else (due, False)

    def _duties(self, code: str, asked: float, day: pd.Timestamp) -> dict[str, Member]:
        kinds = {"principal": "head", "secretary": "head", "school_leader": "leader"}
        wanted = {"duty_head": "head", "duty_leader": "leader"}.get(code, "education_official")
        elsewhere = classroom.VISITS if code == "duty_visitor" else classroom.LESSONS
        length = (ends(year_of(day)) - begins(year_of(day))).days + 1
        out = {}
        for (year, person), days in self.duties.items():
            last, post = days[-1]
            held = [kinds.get(p["role"], p["role"]) for _, p in days]
            if year != year_of(day) or held[-1] != wanted or pd.Timestamp(days[0][0]) > day:
                continue
            owed = sum(
                asked if kind == wanted else elsewhere.get(p["role"], 0)
                for kind, (_, p) in zip(held, days, strict=True)
            )
            unit = self.place.post(person, last) or {}
            out[person] = Member(
                unit["district_code"], post["school_code"], 1, math.ceil(owed / length)
            )
        return out

    def _subjects(self, code: str, day: pd.Timestamp) -> dict[str, Member]:
        offices = [(self.code, None), *((d, d) for d in self.districts(day))]
        if code == "subject_all":
            return {f"{o}/{s}": Member(d, None) for o, d in offices for s in SUBJECTS}
        year = self.staff_year(day)
        taught = {
            (r["district_code"], r["subject"]) for r in self.rows("staff")
            if r["school_year"] == year and r["role"] == "teacher" and r["subject"]
        }  # fmt: skip
        if code == "subject":
            return {s: Member(None, None) for _, s in taught}
        return {
            f"{o}/{s}": Member(d, None)
            for o, d in offices for unit, s in taught if d is None or unit == d
        }  # fmt: skip

    # Records ------------------------------------------------------------------------------------

    def records(self, target: Row) -> list[Record]:
        """Everything that a target may count, whenever it was."""
        stream, selector = target["stream"], target["selector"]
        if stream.startswith("register") or stream == "community_school":
            return self._of_register(target)
        out: list[Record] = []
        if stream in ("standard_lesson_teacher", "standard_lesson_class", "inclass_school"):
            for i, row in enumerate(self.lessons):
                day = pd.Timestamp(row["observed_on"])
                if stream == "inclass_school":
                    if row["has_check"]:
                        out.append(
                            Record(
                                row["school_code"], day, FOREVER,
                                row["inclass_passed"], row["inclass_tested"], str(i),
                            )
                        )  # fmt: skip
                elif row["is_dated"] and row["standard_lesson"] is not None:
                    who = row["teacher_code" if stream.endswith("teacher") else "class_code"]
                    out.append(Record(who, day, FOREVER, int(row["standard_lesson"]), 0, str(i)))
        elif stream == "observed_lessons":
            for i, row in enumerate(self.lessons):
                days = self.duties.get((row["school_year"], row["observer_code"]))
                if row["is_counted"] and days and days[-1][1]["role"] in selector.split():
                    day = pd.Timestamp(row["observed_on"])
                    out.append(
                        Record(row["observer_code"], day, FOREVER, row["lessons"], 0, str(i))
                    )
        elif stream == "training_session":
            sessions: dict[str, pd.Timestamp] = {}
            for row in self.logs:
                if row["programme_kind"] == selector and row["is_counted"]:
                    key = f"{row['programme_code']}/{row['session_no']}"
                    ended = pd.Timestamp(row["ended_on"])
                    sessions[key] = min(ended, sessions.get(key, ended))
            out = [Record(self.code, day, FOREVER, 1, 0, key) for key, day in sessions.items()]
        elif stream == "training_completed":
            months = int(target["window_months"] or 0)
            for i, row in enumerate(self.logs):
                if row["completed"] and row["is_counted"] and selector in ("", row["mode"]):
                    last = row["ended_on"]
                    # The last day of which the day so many months before lies before it.
                    for ahead in range(31 * months + 2):
                        day = row["ended_on"] + ahead * DAY
                        if training.months_before(day, months) < row["ended_on"]:
                            last = day
                    ended = pd.Timestamp(row["ended_on"])
                    out.append(Record(row["staff_code"], ended, pd.Timestamp(last), 1, 0, str(i)))
        elif stream == "wave_held":
            for wave, row in self._waves().items():
                if row["level"] == "city" and row["wave_kind"] == selector:
                    out.append(Record(self.code, row["held_on"], FOREVER, 1, 0, wave))
        elif stream == "wave_own":
            for wave, row in self._waves().items():
                unit = {
                    "city": self.code, "district": row["district_code"],
                    "school": row["school_code"],
                }.get(row["level"])  # fmt: skip
                if unit:
                    out.append(Record(unit, row["held_on"], FOREVER, 1, 0, wave))
        elif stream == "visit":
            for i, row in enumerate(r for r in self.trips if r["is_counted"]):
                day = pd.Timestamp(row["visited_on"])
                out.append(Record(row["official_code"], day, FOREVER, 1, 0, str(i)))
        elif stream == "finding":
            for row in self.rows("supervision_findings"):
                known, in_time = self._outcome(row)
                out.append(Record(row["finding_id"], known, FOREVER, int(in_time)))
        elif stream.startswith("post") or stream == "pairing":
            return self._of_rosters(stream, selector)
        else:
            raise ValueError(stream)
        return out

    def _waves(self) -> dict[str, Row]:
        waves: dict[str, Row] = {}
        for row in self.rows("monitoring_waves"):
            known = waves.setdefault(row["wave_id"], dict(row))
            known["held_on"] = min(known["held_on"], row["held_on"])
        return waves

    def _of_register(self, target: Row) -> list[Record]:
        stream = target["stream"]
        rows = [r for r in self.rows("programme_register") if r["kind"] == target["selector"]]
        rows.sort(key=lambda r: (r["granted_on"], r["title"]))
        out = []
        for i, row in enumerate(rows):
            day, holder = row["granted_on"], row["holder_code"]
            week = (day - pd.Timedelta(days=day.weekday())).date()
            if stream == "community_school":
                schools = self.open_schools(day)
                for code in schools.loc[schools["community_code"] == holder, "school_code"]:
                    out.append(Record(self.code, day, FOREVER, 1, 0, code))
                continue
            if stream == "register_covering" and not row["covers_all"]:
                continue
            if stream == "register_value":
                if row["value"] is None:
                    continue
                later = [
                    r["granted_on"] for r in rows[i + 1 :]
                    if r["holder_code"] == holder and r["value"] is not None
                ]  # fmt: skip
                until = min(later) - DAY if later else FOREVER
                if until >= day:
                    out.append(Record(holder, day, until, row["value"], 0, str(i)))
                continue
            entity = {
                "register_subject": row["subject"], "register_week": f"{holder}/{week}",
            }.get(stream, holder)  # fmt: skip
            if target["entity_type"] == "city":
                entity = self.code
            distinct = {
                "holder": holder, "holder_subject": f"{holder}/{row['subject']}",
                "holder_week": f"{holder}/{week}",
            }.get(target["distinct_by"], str(i))  # fmt: skip
            if entity:
                out.append(Record(entity, day, FOREVER, 1, 0, distinct))
        return out

    def _of_rosters(self, stream: str, selector: str) -> list[Record]:
        out = []
        years = sorted({r["school_year"] for r in self.rows("staff")})
        spans = {
            y: (begins(y), begins(years[i + 1]) - DAY if i + 1 < len(years) else FOREVER)
            for i, y in enumerate(years)
        }
        if stream in ("post_role", "post_stem_master"):
            for school, year in {(r["school_code"], r["school_year"]) for r in self.rows("staff")}:
                if school:
                    out.append(Record(school, *spans[year], 0, listed=False))
            for day in self.days:
                for p in self.posts(day):
                    trained = p["degree"] in ("master", "doctor") and p["degree_field"] == "stem"
                    fits = p["role"] if stream == "post_role" else trained and p["subject"]
                    if fits == selector and p["school_code"]:
                        out.append(Record(p["school_code"], day, day, 1, 0, p["staff_code"]))
        elif stream == "post_subject":
            for year in years:
                units = {r["district_code"] for r in self.rows("staff") if r["school_year"] == year}
                for unit in {self.code, *units} - {None}:
                    for subject in SUBJECTS:
                        out.append(Record(f"{unit}/{subject}", *spans[year], 0, listed=False))
            for day in self.days:
                for p in self.posts(day):
                    office = self.code if p["level"] == "city" else p["district_code"]
                    fits = p["role"] == selector and p["full_time"] and p["level"] != "school"
                    if fits and office and p["subject"]:
                        entity = f"{office}/{p['subject']}"
                        out.append(Record(entity, day, day, 1, 0, p["staff_code"]))
        else:
            rows = self.schools.to_dict("records")
            for i, a in enumerate(rows):
                if a["locale"] != "rural":
                    continue
                out.append(
                    Record(a["school_code"], a["valid_from"], a["valid_to"], 0, listed=False)
                )
                for j, b in enumerate(rows):
                    start = max(a["valid_from"], b["valid_from"])
                    end = min(a["valid_to"], b["valid_to"])
                    shared = a["community_code"] == b["community_code"] and a["community_code"]
                    if b["locale"] != "rural" and shared and start <= end:
                        out.append(Record(a["school_code"], start, end, 1, 0, f"{i}/{j}"))
        return out

    # Figures of others --------------------------------------------------------------------------

    def measured(self, target: Row, day: pd.Timestamp) -> dict[tuple[str, str], tuple[Any, Any]]:
        """(level, unit) → (figure or None, denominator), as known on a day."""
        out: dict[tuple[str, str], tuple[Any, Any]] = {}
        if target["stream"] == "benchmark":
            places = [
                r for r in self.rows("external_benchmarks")
                if r["kind"] == target["selector"] and r["unit_code"] == self.code
                and r["subject"] is None and pd.Timestamp(int(r["year"]), 1, 1) <= day
            ]  # fmt: skip
            if places:
                newest = max(places, key=lambda r: r["year"])
                figure = 100 * newest["value"] / newest["out_of"] if newest["out_of"] else None
                out["city", self.code] = (figure, newest["out_of"])
            return out
        if target["stream"] == "trend":
            days = {
                r["school_year"]: r["held_on"] for r in self._waves().values()
                if r["wave_kind"] == "annual_monitoring" and r["level"] == "city"
            }  # fmt: skip
            column = f"change_{target['selector']}"
            known = self.trend[
                (self.trend["stage"] == "all") & (self.trend["subject"] == "all")
                & (pd.to_datetime(self.trend["school_year"].map(days)) <= day)
            ].sort_values("school_year")  # fmt: skip
            for row in known.to_dict("records"):
                figure = None if pd.isna(row[column]) else row[column]
                out[row["level"], row["unit_code"]] = (figure, row["n"])
            return out
        return self._exams(target["selector"], day)

    def _exams(self, kind: str, day: pd.Timestamp) -> dict[tuple[str, str], tuple[Any, Any]]:
        papers = {
            (r["wave_id"], r["grade"], r["subject"]): r for r in self.rows("monitoring_waves")
            if r["wave_kind"] == kind
        }  # fmt: skip
        where = {
            (r["school_code"], r["school_year"]): r["district_code"]
            for r in self.schools.to_dict("records")
        }
        sums: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0])
        held: dict[str, pd.Timestamp] = {}
        for paper in papers.values():
            year = paper["school_year"]
            held[year] = min(paper["held_on"], held.get(year, paper["held_on"]))
        for row in self.rows("monitoring_results"):
            paper = papers.get((row["wave_id"], row["grade"], row["subject"]))
            if paper is None or row["status"] != "present" or row["score"] is None:
                continue
            year = paper["school_year"]
            mark = paper["pass_mark"] or 0.6 * paper["full_mark"]
            district = where.get((row["school_code"], year))
            for level, unit in (
                ("city", self.code), ("district", district), ("school", row["school_code"])
            ):  # fmt: skip
                if unit:
                    cell = sums[level, unit, year]
                    cell[0] += 1
                    cell[1] += row["score"] >= mark
        out: dict[tuple[str, str], tuple[Any, Any]] = {}
        for (level, unit, year), (n, passed) in sums.items():
            if year == year_of(day) and held[year] <= day:
                earlier = [y for lv, u, y in sums if (lv, u) == (level, unit) and y < year]
                figure = None
                if earlier:
                    old_n, old_passed = sums[level, unit, max(earlier)]
                    figure = 100 * (passed / n - old_passed / old_n)
                out[level, unit] = (figure, n)
        return out


def _records(frame: pd.DataFrame) -> list[Row]:
    return [
        {str(k): None if pd.isna(v) else v for k, v in row.items()}
        for row in frame.astype(object).to_dict("records")
    ]


def window(target: Row, day: pd.Timestamp) -> tuple[pd.Timestamp, pd.Timestamp] | None:
    """First and last day of the window in which a day lies; None outside every window."""
    start, kind = pd.Timestamp(target["window_start"]), target["window_kind"]
    if kind == "school_year":
        return begins(year_of(day)), ends(year_of(day))
    if kind == "calendar_year":
        return pd.Timestamp(day.year, 1, 1), pd.Timestamp(day.year, 12, 31)
    if kind == "cycle":
        if day < start:
            return None
        months = int(target["window_months"])
        at = start
        while at + pd.DateOffset(months=months) <= day:
            at += pd.DateOffset(months=months)
        return at, at + pd.DateOffset(months=months) - DAY
    if kind == "cumulative":
        return start, FOREVER
    return pd.Timestamp("1900-01-01"), FOREVER


def line(target: Row, day: pd.Timestamp) -> tuple[pd.Timestamp, pd.Timestamp] | None:
    """The days over which the threshold is to be reached; None if all is due at once."""
    start, kind = pd.Timestamp(target["window_start"]), target["window_kind"]
    if target["rule"] == "rank":
        return None
    if target["deadline"]:
        return start, pd.Timestamp(target["deadline"])
    if kind in ("school_year", "calendar_year", "cycle"):
        return window(target, day)
    if kind == "rolling":
        return start, start + pd.DateOffset(months=int(target["window_months"])) - DAY
    if kind == "cumulative" and target["pace_end"]:
        return start, pd.Timestamp(target["pace_end"])
    return None


def plan(city: City, targets: list[Row]) -> pd.DataFrame:
    """Every target in every reading on every as-of day for every unit."""
    first = min(pd.Timestamp(t["window_start"]) for t in targets)
    days = city.days = city.as_of_days(first)
    out: list[Row] = []
    for target in targets:
        worked_out = target["rule"] in ("growth", "rank")
        records = [] if worked_out else sorted(city.records(target), key=lambda r: r.day)
        for day in days:
            span = line(target, day)
            elapsed = 1.0
            if span and day < span[1]:
                elapsed = max(0, (day - span[0]).days + 1) / ((span[1] - span[0]).days + 1)
            lines = (
                _worked_out(city, target, day) if worked_out
                else _counted(city, target, records, day)
            )  # fmt: skip
            for row in lines:
                told, actual = row.pop("told"), row["actual"]
                row["gap"] = None if actual is None else actual - row["threshold"]
                row["pace"] = row["threshold"] * elapsed
                row["status"] = _status(target, day, told, actual, row["threshold"], row["pace"])
                out.append(
                    {"target_id": target["target_id"], "reading": target["reading"], "as_of": day}
                    | {"is_default": target["is_default"] == "true"} | row
                )  # fmt: skip
    columns = [*KEY, "is_default", "actual", "threshold", "gap", "pace", "status", "numerator"]
    frame = pd.DataFrame(out, columns=[*columns, "denominator", "reported", "is_share"])
    numbers = ["actual", "threshold", "gap", "pace", "numerator", "denominator", "reported"]
    return frame.astype(dict.fromkeys(numbers, float))


def _status(
    target: Row, day: pd.Timestamp, told: bool, actual: Any, threshold: float, pace: float
) -> str:
    if day < pd.Timestamp(target["window_start"]):
        return "not_due"
    if not told:
        return "not_reported"
    if actual is None:
        return "not_due"
    smaller = target["comparator"] == "<="
    if actual <= threshold if smaller else actual >= threshold:
        return "reached"
    if target["deadline"] and day > pd.Timestamp(target["deadline"]):
        return "overdue"
    return "on_pace" if not smaller and actual >= pace else "behind"


def _worked_out(city: City, target: Row, day: pd.Timestamp) -> list[Row]:
    found = {("city", city.code): (None, None)} | city.measured(target, day)
    known = city.measured(target, day)
    return [
        {
            "level": level, "unit_code": unit, "actual": actual, "denominator": n,
            "threshold": float(target["target_value"]), "is_share": False,
            "told": (level, unit) in known,
        }
        for (level, unit), (actual, n) in found.items()
    ]  # fmt: skip


def _seen(target: Row, records: list[Record], day: pd.Timestamp) -> list[tuple[Record, bool]]:
    """Records of the window that hold on a day, and whether one like it came before."""
    span = window(target, day)
    out = []
    before: set[tuple[str, str]] = set()
    for record in records:
        if span and span[0] <= record.day <= day <= record.until and record.day <= span[1]:
            again = False
            if record.listed and record.distinct:
                again = (record.entity, record.distinct) in before
                before.add((record.entity, record.distinct))
            out.append((record, again))
    return out


def _sums(seen: list[tuple[Record, bool]]) -> dict[str, list[float]]:
    """Entity → value and tested."""
    sums: dict[str, list[float]] = {}
    for record, again in seen:
        one = sums.setdefault(record.entity, [0.0, 0.0])
        if not again:
            one[0] += record.value
            one[1] += record.tested
    return sums


def _asked(target: Row, member: Member) -> float:
    """What is asked of one entity."""
    if member.minimum is not None:
        return member.minimum
    if target["population_code"] == "student":
        return member.weight
    return 1.0 if target["rule"] == "coverage" else float(target["target_value"])


def _met(target: Row, member: Member, own: list[float] | None) -> bool:
    if own is None:
        return False
    value, tested = own
    if target["rule"] == "rate_threshold":
        return tested > 0 and 100 * value >= float(target["target_value"]) * tested
    return value >= _asked(target, member)


def evidence(city: City, targets: list[Row], figures: pd.DataFrame) -> pd.DataFrame:
    """On the last day: every record with what became of it, and every entity that lacks some."""
    day = city.days[-1] if city.days else None
    out: list[Row] = []
    for target in targets if day is not None else []:
        key = {"target_id": target["target_id"], "reading": target["reading"]}
        if target["rule"] in ("growth", "rank"):
            own = figures[
                (figures["target_id"] == target["target_id"]) & (figures["as_of"] == day)
                & (figures["reading"] == target["reading"]) & figures["actual"].notna()
            ]  # fmt: skip
            for row in own.to_dict("records"):
                reason = "counts" if row["status"] == "reached" else "short"
                line: Row = {**key, "entity_code": row["unit_code"], "reason": reason, "day": None}
                line |= {"value": round(row["actual"], 3), "tested": row["denominator"]}
                out.append(line | {"minimum": float(target["target_value"])})
            continue
        everybody = city.population(target, day)
        seen = _seen(target, sorted(city.records(target), key=lambda r: r.day), day)
        for record, again in seen:
            if not record.listed:
                continue
            reason = "counts"
            if record.entity not in everybody:
                reason = "outside"
            elif again:
                reason = "repeated"
            elif not record.value and not record.tested:
                reason = "not_met"
            line = {**key, "entity_code": record.entity, "reason": reason, "minimum": None}
            # A post is asked for day by day here, so that its first day is not known.
            line["day"] = None if target["stream"].startswith("post") else record.day
            parts = target["rule"] == "rate_threshold"
            line |= {"value": record.value, "tested": record.tested if parts else None}
            out.append(line)
        sums = _sums(seen)
        for entity, member in everybody.items():
            own = sums.get(entity)
            if target["rule"] in ("count", "count_cycle") or _met(target, member, own):
                continue
            line = {**key, "entity_code": entity, "reason": "short" if own else "missing"}
            line |= {"day": None, "value": own[0] if own else None}
            line |= {"tested": own[1] if own else None, "minimum": _asked(target, member)}
            out.append(line)
    columns = ["target_id", "reading", "entity_code", "reason", "day", "value", "tested", "minimum"]
    return pd.DataFrame(out, columns=columns)


def summary(figures: pd.DataFrame, targets: list[Row]) -> pd.DataFrame:
    """How many targets of a measure have each status, on each day."""
    measures = {t["target_id"]: int(t["measure"]) for t in targets}
    city = figures[(figures["level"] == "city") & figures["is_default"]]
    city = city.assign(measure=city["target_id"].map(measures))
    out = []
    for (day, measure), cell in city.groupby(["as_of", "measure"]):
        for i, status in enumerate(STATUSES):
            n = int((cell["status"] == status).sum())
            line: Row = {"as_of": day, "measure": measure, "status": status}
            out.append(line | {"sort_order": i + 1, "targets": n})
    return pd.DataFrame(out)


def _counted(city: City, target: Row, records: list[Record], day: pd.Timestamp) -> list[Row]:
    sums = _sums(_seen(target, records, day))
    rule, asked = target["rule"], float(target["target_value"])
    counts = rule in ("count", "count_cycle")
    units: dict[tuple[str, str], list[float]] = {("city", city.code): [0] * 5}
    for entity, member in city.population(target, day).items():
        value, tested = sums.get(entity, [0.0, 0.0])
        if target["population_code"] == "student":
            covered = min(value, member.weight)
        else:
            covered = float(_met(target, member, sums.get(entity)))
        own = {"city": city.code, "district": member.district, "school": member.school}
        for level in target["levels"].split():
            if own[level]:
                cell = units.setdefault((level, str(own[level])), [0] * 5)
                for i, part in enumerate((member.weight, covered, value, tested, entity in sums)):
                    cell[i] += part
    out = []
    for (level, unit), (size, covered, value, tested, reported) in units.items():
        share = rule == "coverage" or (
            rule in ("per_entity_minimum", "rate_threshold")
            and target["entity_type"] not in (level, "unit")
        )  # fmt: skip
        if not reported:
            actual = None
        elif share:
            actual = 100 * covered / size
        else:
            actual = 100 * value / tested if rule == "rate_threshold" else value
        out.append(
            {
                "level": level, "unit_code": unit, "actual": actual, "is_share": share,
                "threshold": 100.0 if share and rule != "coverage" else asked,
                "numerator": covered if share and reported else None,
                "denominator": None if counts else tested if (
                    rule == "rate_threshold" and not share
                ) else size,
                "reported": None if counts else reported,
                "told": bool(reported),
            }
        )  # fmt: skip
    return out
