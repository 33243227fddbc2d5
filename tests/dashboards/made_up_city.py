"""A warehouse with the published layer only, filled with figures made up by a seed."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from dashboards.pages import Page
from dashboards.site import RenderReport

SCHEMA = """
create schema published;
create table published.pass_rate_trend (
    level varchar, unit_code varchar, stage varchar, subject varchar, school_year varchar,
    students bigint, n bigint, pass_rate double, pass_band varchar, pass_low double,
    pass_high double, baseline_rate double, change_points double, change_low double,
    change_high double,
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
    reliability double, band varchar, match_rate double, match_band varchar,
    is_low_match boolean, mark varchar
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
create table published.submission_duty (
    feed varchar, school_year varchar, wave_id varchar default '', level varchar,
    unit_code varchar, due_on date, due_assumed boolean, state varchar, progress varchar,
    file varchar, files bigint default 1
);
create table published.submission_problem (
    submission_id varchar, place bigint, feed varchar, school_year varchar, level varchar,
    unit_code varchar, state varchar, file varchar, return_workbook varchar, severity varchar,
    rule varchar, title_zh varchar, title_en varchar, sheet varchar, row_first bigint,
    row_last bigint, cells bigint, column_name varchar, says_zh varchar, says_en varchar
);
create table published.dictionary (
    table_name varchar, place integer, column_name varchar, data_type varchar, words varchar
);
create table published.metric (
    place bigint, name varchar, zh varchar, en varchar, formula varchar, unit varchar,
    better varchar, table_name varchar, column_name varchar, method_source varchar
);
create table published.protection (
    table_name varchar, fate varchar, cell_share double, student_share double
);
create table published.made_with (kind varchar, name varchar, value varchar);
create table published.equity (
    school_year varchar, wave_id varchar, grade integer, subject varchar, measure varchar,
    dimension varchar, level varchar, unit_code varchar, group_a varchar, group_b varchar,
    value double, ci_low double, ci_high double, stands varchar, reason varchar, mark varchar
);
create table published.community_gap (
    stage varchar, subject varchar, measure varchar, school_year varchar, value double,
    ci_low double, ci_high double, communities bigint, closing bigint, opening bigint,
    reason varchar, mark varchar
);
create table published.resource_equity (
    school_year varchar, stage varchar, indicator varchar, level varchar, unit_code varchar,
    value double, ci_low double, ci_high double, schools bigint, highest double,
    is_within boolean, reason varchar, mark varchar
);
create table published.competency (
    school_year varchar, wave_id varchar, grade integer, subject varchar, dimension_kind varchar,
    dimension_value varchar, level varchar, unit_code varchar, items bigint, is_few_items boolean,
    score_ratio double, difference_points double, difference_low double, difference_high double,
    stands varchar, mark varchar, difference_mark varchar
);
create table published.item_quality (
    school_year varchar, wave_id varchar, grade integer, subject varchar, item_no varchar,
    full_mark decimal(9, 3), competency varchar, content_domain varchar, cognitive_level varchar,
    item_difficulty double, discrimination double, item_rest_correlation double,
    difficulty_word varchar, look_at varchar, mark varchar
);
create table published.paper_quality (
    school_year varchar, wave_id varchar, grade integer, subject varchar, evidence varchar,
    full_mark decimal(9, 3), items bigint, mapped_items bigint, mean_difficulty double,
    mean_discrimination double, cronbach_alpha double, measurement_error double,
    sum_agrees_share double, mark varchar
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


def place_of(page: Page) -> str:
    """Where a page lies, or that of the district or the school that tests open."""
    return page.path.format(code={"district": "370402", "school": "3137000003"}.get(page.level, ""))


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
                "pass_band": None,
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
                    *(0.8, band, 0.95, None, False),
                ]
                if mark in ("c", "z"):
                    figures = [None] * 9
                elif level == "district" and subject == "english":
                    figures[1:6] = [0.0, None, None, None, "as_expected"]
                elif level == "district" and i == 1:
                    # Told without the number, which a withheld school would be taken from.
                    figures[0] = figures[6] = None
                elif i == 17:
                    # A school in which hardly anybody lacks a starting point.
                    figures[0] = figures[4] = figures[6] = None
                    figures[7] = ">=90"
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


def submission_rows(city: City) -> dict[str, list[dict[str, Any]]]:
    """Table → rows of submissions: every progress, and files of a school, a district, the city."""
    year, before = city.years[-1], "2022-2023"
    assumed = {"due_on": "2026-09-30", "due_assumed": True}
    states = {
        "in": "published", "returned": "returned", "awaiting_explanation": "awaiting_explanation",
        "late": "not_submitted", "not_due": "not_submitted", "checking": "checking",
    }  # fmt: skip
    owed = []
    for i, (code, _name, district) in enumerate(SCHOOLS):
        for at, feed in enumerate(("staff", "students", "monitoring_results")):
            progress = list(states)[(i + at) % 6] if i < 6 else "in"
            # The roll of staff is one file of the whole district.
            file = f"{feed}/{year}/{district if feed == 'staff' else code}.csv"
            own = {"feed": feed, "school_year": year, "level": "school", "unit_code": code}
            own |= assumed | {"state": states[progress], "progress": progress}
            owed.append(own | {"file": None if progress in ("late", "not_due") else file})
    owed.append(owed[-1] | {"school_year": before, "state": "not_submitted", "progress": "late",
                            "file": None})  # fmt: skip
    for code in city.districts:
        owed.append(owed[-1] | {"feed": "official_visits", "school_year": year,
                                "level": "district", "unit_code": code})  # fmt: skip
    owed.append(
        owed[-1] | {"feed": "schools", "level": "city", "unit_code": city.code,
                    "state": "published", "progress": "in", "file": "schools.csv"}
    )  # fmt: skip
    of = {row["unit_code"]: row for row in owed if row["progress"] == "returned"}
    problems: list[dict[str, Any]] = []
    for i, (code, row) in enumerate(of.items()):
        if row["feed"] == "staff":
            level, code = "district", SCHOOLS[0][2]
        else:
            level = "school"
        problems += [
            {"submission_id": f"s{i}", "place": place, "feed": row["feed"], "school_year": year,
             "level": level, "unit_code": code, "state": "returned", "file": row["file"],
             "return_workbook": f"{code}.{i:016x}.xlsx", "severity": "error",
             "rule": "above_full_mark", "title_zh": "高于满分", "title_en": "Above the full mark",
             "sheet": "七年级", "row_first": 3, "row_last": 3 + place, "cells": 1 + place,
             "column_name": "数学", "says_zh": "读到 …，满分为 120。请核对成绩。",
             "says_en": "found …, the full mark is 120. Check the score."}
            for place in range(50 if i else 2)
        ]  # fmt: skip
    return {"submission_duty": owed, "submission_problem": problems}


def method_rows() -> dict[str, list[dict[str, Any]]]:
    """Table → rows of what the platform says of itself."""
    columns = [
        ("attainment", 0, "", "", "One row per paper. 学业质量（发布层）. As pages show it."),
        ("attainment", 1, "pass_rate", "double", "合格率 · Share of n at or above the pass mark."),
        ("attainment", 2, "n", "bigint", "实考人数 · Students whom nobody has put into Chinese."),
        ("value_added", 0, "", "", "One row per unit. 增值评价（发布层）. Rounded last."),
    ]
    names = ("table_name", "place", "column_name", "data_type", "words")
    metric = {"name": "pass_rate", "zh": "合格率", "en": "pass rate", "unit": "share",
              "formula": "Share of n at or above the pass mark.", "better": "higher",
              "method_source": "Interval of Wilson 1927"}  # fmt: skip
    fates = {"shown": (0.82, 0.94), "few": (0.06, 0.01), "partner": (0.12, 0.05)}
    return {
        "dictionary": [dict(zip(names, column, strict=True)) for column in columns],
        "metric": [
            metric | {"place": 1, "table_name": "attainment", "column_name": "pass_rate"},
            metric | {"place": 2, "table_name": "attainment", "column_name": "not_published"},
        ],
        "protection": [
            {"table_name": table, "fate": fate, "cell_share": cells, "student_share": students}
            for table in ("attainment", "value_added")
            for fate, (cells, students) in fates.items()
        ],
        "made_with": [
            {"kind": "software", "name": "duckdb", "value": "2.0.0"},
            {"kind": "setting", "name": "pass_share", "value": "0.6"},
            {"kind": "setting", "name": "plan_baseline_year", "value": '"2023-2024"'},
            {"kind": "setting", "name": "not_told", "value": '{"a": 1}'},
        ],
    }


def equity_rows(city: City) -> dict[str, list[dict[str, Any]]]:
    """Table → rows of equity: gaps of every kind and mark, spreads, resources, communities."""
    rows: list[dict[str, Any]] = []
    papers = [(6, "chinese"), (6, "mathematics"), (9, "mathematics")]
    units = [("city", city.code), *(("district", code) for code in city.districts)]

    def add(value: float, half: float, **keys: Any) -> None:
        low, high = round(value - half, 2), round(value + half, 2)
        stands = "above" if low > 0 else "below" if high < 0 else "unclear"
        rows.append(
            keys | {"value": value, "ci_low": low, "ci_high": high, "stands": stands, "mark": None}
        )

    for at, year in enumerate(city.years[-2:]):
        for grade, subject in papers:
            for i, (level, code) in enumerate(units):
                own = {"school_year": year, "wave_id": f"A{year[:4]}", "grade": grade,
                       "subject": subject, "level": level, "unit_code": code}  # fmt: skip
                of = own | {"measure": "gap_d"}
                low = -0.4 if grade == 6 else -0.05
                # In Chinese the gap has closed since the year before.
                low += 0.3 * at if subject == "chinese" else 0
                add(low, 0.08, **of, dimension="locale_rural", group_a="rural", group_b="urban")
                add(0.2, 0.05, **of, dimension="gender", group_a="female", group_b="male")
                empty = of | {"dimension": "migrant", "group_a": "yes", "group_b": "no"}
                rows.append(empty | {"mark": "c" if i else "z", "reason": "too_few_schools"})
                spread = {"coefficient_of_variation": 0.09, "gini": 0.05, "theil": 0.004}
                if level == "city":
                    spread |= {"theil_between": 0.001, "theil_within": 0.003}
                else:
                    add(0.1 * (i - 3), 0.15, **of, dimension="district", group_a=code,
                        group_b="others")  # fmt: skip
                for measure, value in spread.items():
                    hidden = i == 2
                    row = own | {"measure": measure, "dimension": "school"}
                    row |= {"mark": "c"} if hidden else {
                        "value": value, "ci_low": value / 2, "ci_high": 2 * value,
                        "stands": "above",
                    }  # fmt: skip
                    rows.append(row)
    resources: list[dict[str, Any]] = []
    for stage, highest in (("primary", 0.5), ("junior", 0.45)):
        for i, (level, code) in enumerate(units):
            for value, indicator in ((0.19, "teaching_area_m2"), (0.71, "key_teachers")):
                own = {"school_year": city.years[-1], "stage": stage, "indicator": indicator,
                       "level": level, "unit_code": code, "highest": highest}  # fmt: skip
                told = {"value": value, "ci_low": value - 0.1, "ci_high": value + 0.1,
                        "schools": 12, "is_within": value < highest}  # fmt: skip
                few = {"schools": 3, "reason": "too_few_schools", "mark": "z"}
                resources.append(own | (told if i < 3 else few))
    moved = {"communities": 12, "closing": 5, "opening": 1}
    communities: list[dict[str, Any]] = []
    for subject, change in (("chinese", -0.06), ("mathematics", -0.01)):
        own = {"stage": "junior", "subject": subject}
        for at, year in enumerate(city.years[-2:]):
            gap = round(0.5 + change * at, 2)
            communities.append(
                own | {"measure": "gap", "school_year": year, "value": gap,
                       "ci_low": gap - 0.1, "ci_high": gap + 0.1}
            )  # fmt: skip
        communities.append(
            own | moved | {"measure": "change", "school_year": "", "value": change,
                           "ci_low": change - 0.03, "ci_high": change + 0.03}
        )  # fmt: skip
    return {"equity": rows, "resource_equity": resources, "community_gap": communities}


def competency_rows(city: City) -> dict[str, list[dict[str, Any]]]:
    """Table → rows of competencies of one paper, its items and its quality, in two years."""
    units = [("city", city.code), *(("district", code) for code in city.districts)]
    units += [("school", code) for code, _, _ in SCHOOLS]
    dimensions = [
        ("competency", "数感与运算能力", 5), ("competency", "几何直观", 2),
        ("content_domain", "图形与几何", 6), ("cognitive_level", "运用", 9),
    ]  # fmt: skip
    rows: list[dict[str, Any]] = []
    for year in city.years[-2:]:
        for i, (level, code) in enumerate(units):
            for at, (kind, value, items) in enumerate(dimensions):
                own = {"school_year": year, "wave_id": f"A{year[:4]}", "grade": 9,
                       "subject": "mathematics", "dimension_kind": kind,
                       "dimension_value": value, "level": level, "unit_code": code,
                       "items": items, "is_few_items": items < 3}  # fmt: skip
                if level == "city":
                    rows.append(own | {"score_ratio": 0.704, "difference_mark": "z"})
                    continue
                if level == "school" and i % 4 == 0:
                    rows.append(own | {"mark": "c", "difference_mark": "c"})
                    continue
                step, half = float((i + at) % 3 - 1) * 4, 3.0
                if level == "district":
                    step, half = step + 0.5, 2.2
                rows.append(
                    own | {"score_ratio": round(0.7 + step / 100, 2 if level == "school" else 3),
                           "difference_points": step, "difference_low": step - half,
                           "difference_high": step + half,
                           "stands": "above" if step > half else
                           "below" if step < -half else "unclear",
                           "mark": "u" if level == "school" and i % 4 == 1 else None}
                )  # fmt: skip
    paper = {"school_year": city.years[-1], "wave_id": "A2026", "grade": 9,
             "subject": "mathematics"}  # fmt: skip
    numbers = ("1", "2", "10", "13(2)")
    flags = (None, "too_easy,weak,lowers_alpha", "lowers_alpha", None)
    items = [
        paper | {"item_no": number, "full_mark": 4, "competency": "几何直观",
                 "item_difficulty": 0.6 + 0.1 * at, "discrimination": 0.45 - 0.1 * at,
                 "item_rest_correlation": 0.4, "look_at": flag}
        for at, (number, flag) in enumerate(zip(numbers, flags, strict=True))
    ]  # fmt: skip
    items[3] |= {"item_difficulty": None, "discrimination": None, "item_rest_correlation": None,
                 "mark": "x"}  # fmt: skip
    quality = [
        paper | {"evidence": "items_and_map", "items": 4, "mapped_items": 4,
                 "mean_difficulty": 0.7, "mean_discrimination": 0.35, "cronbach_alpha": 0.87,
                 "measurement_error": 5.3, "sum_agrees_share": 1.0},
        paper | {"subject": "english", "evidence": "none", "mark": "x"},
    ]  # fmt: skip
    return {"competency": rows, "item_quality": items, "paper_quality": quality}


def insert(con: duckdb.DuckDBPyConnection, table: str, rows: Sequence[dict[str, Any]]) -> None:
    """Rows into a table of the published layer; those that name the same columns at once."""
    alike: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        alike.setdefault(tuple(row), []).append(row)
    for names, own in alike.items():
        line = f"({', '.join('?' * len(names))})"
        con.execute(
            f"insert into published.{table} ({', '.join(names)}) "
            f"values {', '.join([line] * len(own))}",
            [row[name] for row in own for name in names],
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
        for table, rows in equity_rows(city).items() if city.results else ():
            insert(connection, table, rows)
        for table, rows in competency_rows(city).items() if city.results else ():
            insert(connection, table, rows)
        for table, rows in method_rows().items() if city.registered else ():
            insert(connection, table, rows)
        for table, rows in submission_rows(city).items() if city.registered else ():
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
