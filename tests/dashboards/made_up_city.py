"""A warehouse with the published layer only, filled with figures made up by a seed."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from dashboards.site import RenderReport

SCHEMA = """
create schema published;
create table published.pass_rate_trend (
    level varchar, unit_code varchar, stage varchar, subject varchar, school_year varchar,
    students bigint, n bigint, pass_rate double, pass_low double, pass_high double,
    baseline_rate double, change_points double, change_low double, change_high double,
    change_percent double, previous_year varchar, year_change_points double,
    year_change_low double, year_change_high double, pace_rate double, status varchar,
    comparability varchar, mark varchar
);
create table published.unit (
    level varchar, unit_code varchar, unit_name varchar, parent_code varchar
);
create table published.value_added (
    school_year varchar, wave_id varchar, held_on date, grade integer, subject varchar,
    level varchar, unit_code varchar, n bigint, effect double, ci_low double, ci_high double,
    reliability double, band varchar, match_rate double, is_low_match boolean, mark varchar
);
create table published.reporting (
    school_year varchar, wave_id varchar, level varchar, unit_code varchar,
    schools_expected bigint, schools_reported bigint, schools_not_reported bigint,
    files_returned bigint
);
create table published.dim_target (
    target_id varchar, reading varchar, is_default boolean, reading_pending boolean,
    reading_zh varchar, reading_en varchar, measure integer, measure_zh varchar,
    measure_en varchar, level varchar, indicator_zh varchar, indicator_en varchar, rule varchar,
    comparator varchar, target_value decimal(18, 3), unit varchar, window_kind varchar,
    window_start date, window_months integer, deadline date, entity_type varchar,
    population_code varchar, stream varchar, selector varchar, policy_quote_zh varchar
);
create table published.plan_target (
    target_id varchar, reading varchar, is_default boolean, as_of date, level varchar,
    unit_code varchar, actual double, band varchar, threshold double, gap double, pace double,
    status varchar, numerator bigint, denominator bigint, is_share boolean, line_from date,
    line_to date, records bigint, records_apart bigint, entities_short bigint,
    entities_missing bigint, mark varchar
);
create table published.inclass_check (
    school_year varchar, level varchar, unit_code varchar, tested bigint, rate double,
    ci_low double, ci_high double, lessons bigint, previous_year varchar, previous_rate double,
    year_change_points double, year_change_low double, year_change_high double, schools bigint,
    schools_checked bigint, schools_met bigint, asked_rate double default 0.8, meets boolean,
    mark varchar
);
create table published.observation_duty (
    school_year varchar, level varchar, unit_code varchar, role varchar, persons bigint,
    met bigint, rate double, band varchar, is_silent boolean, owed bigint, done bigint,
    mark varchar
);
create table published.training_coverage (
    as_of date, is_latest boolean, population varchar, level varchar, unit_code varchar,
    persons bigint, covered bigint, rate double, band varchar, attendances bigint, hours bigint,
    is_whole_window boolean, mark varchar
);
create table published.training_lapse (
    population varchar, as_of date, within_days integer, level varchar, unit_code varchar,
    persons bigint, lapsing bigint, rate double, band varchar, mark varchar
);
create table published.never_observed (
    school_year varchar, level varchar, unit_code varchar, teachers bigint, observed bigint,
    never bigint, rate double, band varchar, silent bigint, mark varchar
);
create table published.attainment (level varchar);
create schema marts;
create table marts.pass_rate_trend (secret varchar);
"""

DISTRICTS = {
    "370402": "市中区",
    "370403": "薛城区",
    "370404": "峄城区",
    "370405": "台儿庄区",
    "370406": "山亭区",
    "370481": "滕州市",
}

SUBJECTS = {
    "primary": ("chinese", "mathematics", "english"),
    "junior": ("chinese", "mathematics", "english", "physics"),
    "senior": ("chinese", "mathematics"),
}

SCHOOLS = [
    (f"31370000{i:02}", f"第{i}实验学校", "370402" if i < 7 else "370403") for i in range(1, 13)
]
"""Code, name and district; the effects that they have lie in `added_rows`."""

YEARS = ("2023-2024", "2024-2025", "2025-2026", "2026-2027")


@dataclass
class City:
    """What a made-up published layer holds."""

    code: str = "370400"
    years: Sequence[str] = YEARS
    baseline: str = "2023-2024"
    districts: dict[str, str] = field(default_factory=lambda: dict(DISTRICTS))
    not_reported: int = 3
    returned: int = 1
    results: bool = True
    registered: bool = True
    rise: float = 1.2
    size: int = 5000
    edit: Callable[[dict[str, Any]], None] | None = None


def rows_of(city: City) -> list[dict[str, Any]]:
    """Rows of the trend; the figures need only look right."""
    chance = random.Random(7)
    chains: list[tuple[str, str, str, str, int]] = [
        ("city", city.code, "all", "all", 12 * city.size)
    ]
    taken = sorted({s for subjects in SUBJECTS.values() for s in subjects})
    chains += [("city", city.code, "all", s, 4 * city.size) for s in taken]
    for stage, subjects in SUBJECTS.items():
        chains.append(("city", city.code, stage, "all", 3 * city.size))
        chains += [("city", city.code, stage, s, city.size) for s in subjects]
    chains += [("district", code, "all", "all", 2 * city.size) for code in city.districts]
    rows = []
    for level, unit, stage, subject, n in chains:
        rate, previous = chance.uniform(0.70, 0.84), None
        start = rate
        for at, year in enumerate(city.years):
            half = 1.3 / n**0.5
            change = 100 * (rate - start)
            step = None if previous is None else round(100 * (rate - previous), 1)
            has_baseline = city.baseline in city.years
            compared = has_baseline and year > city.baseline
            pace = 100 * 0.1 * min(1, at / 3)
            row = {
                "level": level,
                "unit_code": unit,
                "stage": stage,
                "subject": subject,
                "school_year": year,
                "students": n // 3 if subject == "all" else n,
                "n": n,
                "pass_rate": round(rate, 3),
                "pass_low": round(rate - half, 3),
                "pass_high": round(rate + half, 3),
                "baseline_rate": round(start, 3) if has_baseline else None,
                "change_points": round(change, 1) if compared else None,
                "change_low": round(change - 140 * half, 1) if compared else None,
                "change_high": round(change + 140 * half, 1) if compared else None,
                "change_percent": round(change / start, 1) if compared else None,
                "previous_year": None if previous is None else city.years[at - 1],
                "year_change_points": step,
                "year_change_low": None if step is None else round(step - 140 * half, 1),
                "year_change_high": None if step is None else round(step + 140 * half, 1),
                "pace_rate": round(start + pace / 100, 3) if has_baseline else None,
                "status": "not_distinguishable" if compared else None,
                "comparability": "compared"
                if compared
                else "baseline_year"
                if has_baseline
                else "no_baseline",
                "mark": None,
            }
            if city.edit:
                city.edit(row)
            if row["mark"] == "c":
                kept = "level unit_code stage subject school_year previous_year comparability mark"
                row = {k: v if k in kept.split() else None for k, v in row.items()}
            rows.append(row)
            previous = rate
            rate = min(0.97, rate + chance.gauss(city.rise, 0.6) / 100)
    return rows


def added_rows(city: City) -> list[list[Any]]:
    """Value added of two waves: every band and mark; where no district differs, no interval."""
    chance = random.Random(11)
    rows: list[list[Any]] = []
    units = [("district", code) for code in city.districts]
    units += [("school", code) for code, _, _ in SCHOOLS]
    for year, day in (("2025-2026", "2026-06-10"), ("2026-2027", "2027-06-10")):
        for grade, subject in [(6, "chinese"), (6, "mathematics"), (9, "english")]:
            for i, (level, code) in enumerate(units):
                n = (600, 24, 7, 0)[i % 4] if level == "school" else 900
                effect, half = chance.gauss(0, 0.2), 0.12 if n > 100 else 0.3
                mark = {24: "u", 7: "c", 0: "z"}.get(n)
                band = "above" if effect > half else "below" if effect < -half else "as_expected"
                figures: list[Any] = [
                    *(n, round(effect, 2), round(effect - half, 2), round(effect + half, 2)),
                    *(0.8, band, 0.95, False),
                ]
                if mark in ("c", "z"):
                    figures = [None] * 8
                elif level == "district" and subject == "english":
                    figures[1:6] = [0.0, None, None, None, "as_expected"]
                elif level == "district" and i == 1:
                    # Told without the number, which a withheld school would be taken from.
                    figures[0] = figures[6] = None
                own = [year, f"A{year[:4]}", day, grade, subject, level, code, *figures, mark]
                rows.append(own)
    return rows


def targets() -> list[dict[str, Any]]:
    """A plan with a target of every rule, and one whose words allow two readings."""
    plain = {
        "reading": "only", "is_default": True, "reading_pending": False, "reading_zh": "唯一口径",
        "reading_en": "The only reading", "comparator": ">=", "window_kind": "school_year",
        "window_start": "2024-03-11", "window_months": None, "deadline": None, "selector": "",
    }  # fmt: skip
    one, two = {"measure": 1, "measure_zh": "实践育人", "measure_en": "Learning by doing"}, {
        "measure": 2, "measure_zh": "教师队伍", "measure_en": "Staff",
    }  # fmt: skip
    count = {"level": "city", "entity_type": "city", "population_code": "city", "rule": "count"}
    share = {"level": "school", "entity_type": "school", "population_code": "school"}
    staff = {"level": "person", "entity_type": "person", "population_code": "duty_head"}
    rise = {"level": "city", "entity_type": "unit", "population_code": "unit", "rule": "growth"}
    shown = [
        one | count | {"target_id": "A1", "indicator_zh": "精品课", "indicator_en": "Model lessons",
                       "target_value": 100, "unit": "lesson", "stream": "register"},
        one | count | {"target_id": "A2", "indicator_zh": "基地校", "indicator_en": "Base schools",
                       "target_value": 50, "unit": "school", "stream": "register",
                       "deadline": "2024-12-31"},
        one | share | {"target_id": "A3", "indicator_zh": "实践基地", "indicator_en": "Bases",
                       "rule": "per_entity_minimum", "target_value": 1, "unit": "base",
                       "stream": "register"},
        one | rise | {"target_id": "A4", "indicator_zh": "合格率提升", "indicator_en": "Rise",
                      "target_value": 10, "unit": "percentage point", "stream": "trend",
                      "reading": "points", "selector": "points", "reading_pending": True,
                      "reading_zh": "百分点", "reading_en": "Percentage points"},
        one | rise | {"target_id": "A4", "indicator_zh": "合格率提升", "indicator_en": "Rise",
                      "target_value": 10, "unit": "percentage point", "stream": "trend",
                      "reading": "percent", "selector": "percent", "reading_pending": True,
                      "is_default": False, "reading_zh": "相对值", "reading_en": "Percent"},
        two | staff | {"target_id": "B1", "indicator_zh": "校长听课", "indicator_en": "Observing",
                       "rule": "per_entity_minimum", "target_value": 40, "unit": "lesson",
                       "stream": "observed_lessons"},
        two | count | {"target_id": "B2", "indicator_zh": "位次", "indicator_en": "Place",
                       "rule": "rank", "comparator": "<=", "target_value": 50,
                       "unit": "percentile from the top", "stream": "benchmark"},
        two | count | {"target_id": "B3", "indicator_zh": "成果", "indicator_en": "Achievements",
                       "target_value": 3, "unit": "achievement", "stream": "register"},
        two | staff | {"target_id": "B4", "indicator_zh": "校长轮训", "indicator_en": "Training",
                       "rule": "coverage", "target_value": 100, "unit": "percent",
                       "stream": "training_completed"},
    ]  # fmt: skip
    return [plain | row | {"policy_quote_zh": f"{row['indicator_zh']}若干"} for row in shown]


def plan_rows(city: City) -> list[dict[str, Any]]:
    """Figures of every status and mark: of the city, and of districts where the plan asks them."""
    empty = dict.fromkeys(
        ("actual", "band", "gap", "status", "numerator", "denominator", "line_from", "line_to",
         "records", "records_apart", "entities_short", "entities_missing", "mark")
    )  # fmt: skip
    empty |= {"reading": "only", "is_default": True, "as_of": "2027-06-26", "is_share": False}
    line = {"line_from": "2024-03-11", "line_to": "2027-03-11"}
    of_all = {"threshold": 100.0, "pace": 90.4, "is_share": True}
    own: list[dict[str, Any]] = [
        line | {"target_id": "A1", "actual": 104, "threshold": 100, "gap": 4, "pace": 76.5,
                "status": "reached", "records": 104, "records_apart": 0},
        line | {"target_id": "A2", "actual": 37, "threshold": 50, "gap": -13, "pace": 50,
                "status": "overdue", "records": 37, "records_apart": 14},
        of_all | {"target_id": "A3", "actual": 88.0, "gap": -12.0, "status": "behind",
                  "numerator": 53, "denominator": 60, "records": 53, "records_apart": 0,
                  "entities_short": 2, "entities_missing": 5},
        line | {"target_id": "A4", "reading": "points", "actual": 5.5, "threshold": 10,
                "gap": -4.5, "pace": 5.0, "status": "on_pace", "denominator": 60000},
        line | {"target_id": "A4", "reading": "percent", "is_default": False, "actual": 7.4,
                "threshold": 10, "gap": -2.6, "pace": 5.0, "status": "on_pace",
                "denominator": 60000},
        of_all | {"target_id": "B1", "actual": 59.0, "gap": -41.0, "status": "behind",
                  "numerator": 57, "denominator": 97, "records": 3643, "records_apart": 1,
                  "entities_short": 40, "entities_missing": 0},
        {"target_id": "B2", "threshold": 50, "pace": 50, "status": "not_due", "mark": "z"},
        {"target_id": "B3", "threshold": 3, "pace": 2.4, "status": "not_reported", "mark": "x"},
        of_all | {"target_id": "B4", "band": ">=95", "status": "behind", "denominator": 58},
    ]  # fmt: skip
    rows = [empty | {"level": "city", "unit_code": city.code} | row for row in own]
    for i, code in enumerate(city.districts):
        at = empty | of_all | {"level": "district", "unit_code": code}
        rows.append(
            at | {"target_id": "A3", "actual": 100.0, "gap": 0.0, "status": "reached",
                  "numerator": 10, "denominator": 10, "records": 10, "records_apart": 0,
                  "entities_short": 0, "entities_missing": 0}
        )  # fmt: skip
        rows.append(at | {"target_id": "B1", "mark": "c"})
        rest = {"mark": "c"} if i else {"band": ">=90", "status": "reached", "denominator": 21,
                                        "mark": "u"}  # fmt: skip
        rows.append(at | {"target_id": "B4"} | rest)
    return rows


def classroom_rows(city: City) -> dict[str, list[dict[str, Any]]]:
    """Table → rows of classrooms and training: of the city, of districts, and of schools."""
    units = [("city", city.code), *(("district", code) for code in city.districts)]
    checks, duties, trained, observed, lapse = [], [], [], [], []
    for at, year in enumerate(city.years[-2:]):
        for i, (level, code) in enumerate(units):
            own = {"school_year": year, "level": level, "unit_code": code}
            checks.append(
                own | {"tested": 40000, "rate": 0.829, "ci_low": 0.826, "ci_high": 0.833,
                       "lessons": 1700, "schools": 12, "schools_checked": 11, "schools_met": 9,
                       "meets": False}
                | ({"previous_year": city.years[-2], "previous_rate": 0.83,
                    "year_change_points": -0.1, "year_change_low": -0.6,
                    "year_change_high": 0.4} if at else {})
            )  # fmt: skip
            for role in ("principal_or_secretary", "school_leader"):
                few: dict[str, Any] = {"mark": "c"}
                many = {"persons": 97, "met": 57, "rate": 0.59, "is_silent": False,
                        "owed": 3880, "done": 3643}  # fmt: skip
                one = {"persons": 21, "band": ">=90", "is_silent": False, "owed": 840,
                       "done": 850, "mark": "u"}  # fmt: skip
                duties.append(own | {"role": role} | (many, one, few)[min(i, 2)])
            all_of = {"teachers": 772, "observed": 759, "never": 13, "rate": 0.983, "silent": 0}
            part = {"teachers": 120, "band": ">=98", "silent": 0}
            observed.append(own | (part if i else all_of))
    for code, _name, _district in SCHOOLS:
        checks.append(
            {"school_year": city.years[-1], "level": "school", "unit_code": code}
            | {"tested": 3000, "rate": 0.79 if code.endswith("3") else 0.84, "ci_low": 0.77,
               "ci_high": 0.86, "lessons": 100, "meets": not code.endswith("3")}
        )  # fmt: skip
    for day, latest in (("2026-07-31", False), ("2027-06-26", True)):
        for i, (level, code) in enumerate(units):
            own = {"as_of": day, "is_latest": latest, "level": level, "unit_code": code,
                   "is_whole_window": True}  # fmt: skip
            rate = {"persons": 760, "covered": 602, "rate": 0.792, "attendances": 1027,
                    "hours": 13976}  # fmt: skip
            trained.append(own | {"population": "teacher"} | rate)
            head: dict[str, Any] = {"mark": "c"} if i else {"persons": 58, "band": ">=95"}
            trained.append(own | {"population": "principal"} | head)
    for level, code in units:
        own = {"as_of": "2027-06-26", "within_days": 180, "level": level, "unit_code": code}
        soon = {"persons": 760, "lapsing": 33, "rate": 0.043}
        lapse.append(own | {"population": "teacher"} | soon)
        lapse.append(own | {"population": "principal", "mark": "c"})
    return {
        "training_lapse": lapse,
        "inclass_check": checks,
        "observation_duty": duties,
        "training_coverage": trained,
        "never_observed": observed,
    }


def insert(con: duckdb.DuckDBPyConnection, table: str, rows: Sequence[dict[str, Any]]) -> None:
    """Rows into a table of the published layer."""
    for row in rows:
        signs = ", ".join("?" * len(row))
        con.execute(
            f"insert into published.{table} ({', '.join(row)}) values ({signs})",
            list(row.values()),
        )


def write_warehouse(path: Path, city: City) -> Path:
    """A DuckDB file with the published layer of a made-up city."""
    with duckdb.connect(str(path)) as connection:
        connection.execute(SCHEMA)
        insert(connection, "pass_rate_trend", rows_of(city) if city.results else [])
        insert(connection, "dim_target", targets() if city.registered else [])
        insert(connection, "plan_target", plan_rows(city) if city.registered else [])
        for table, rows in classroom_rows(city).items() if city.registered else ():
            insert(connection, table, rows)
        if city.registered:
            connection.execute(
                "insert into published.unit values ('city', ?, '全市', null)", [city.code]
            )
        for code, name in city.districts.items() if city.registered else ():
            connection.execute(
                "insert into published.unit values ('district', ?, ?, ?)", [code, name, city.code]
            )
        for row in added_rows(city) if city.results else []:
            signs = ", ".join("?" * len(row))
            connection.execute(f"insert into published.value_added values ({signs})", row)
        for code, name, district in SCHOOLS if city.registered else ():
            connection.execute(
                "insert into published.unit values ('school', ?, ?, ?)", [code, name, district]
            )
        if city.registered:
            year = city.years[-1]
            for level, unit in [("city", city.code), *(("district", d) for d in city.districts)]:
                late = city.not_reported if level == "city" else 0
                returned = city.returned if level == "city" else 0
                connection.execute(
                    "insert into published.reporting values (?, 'W1', ?, ?, 60, ?, ?, ?)",
                    [year, level, unit, 60 - late, late, returned],
                )
    return path


@dataclass(frozen=True)
class Rendered:
    """A rendered site on disk."""

    folder: Path
    report: RenderReport

    @property
    def site(self) -> Path:
        """The folder of pages."""
        return self.folder / "site"

    def page(self, lang: str = "zh", place: str = "pass-rates.html") -> str:
        """A page as text: that of the pass rates, if none is named."""
        path = self.site / ("" if lang == "zh" else "en") / place
        return path.read_text(encoding="utf-8")
