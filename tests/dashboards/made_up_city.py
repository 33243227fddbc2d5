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
                own = [year, f"A{year[:4]}", day, grade, subject, level, code, *figures, mark]
                rows.append(own)
    return rows


def write_warehouse(path: Path, city: City) -> Path:
    """A DuckDB file with the published layer of a made-up city."""
    with duckdb.connect(str(path)) as connection:
        connection.execute(SCHEMA)
        for row in rows_of(city) if city.results else []:
            signs = ", ".join("?" * len(row))
            connection.execute(
                f"insert into published.pass_rate_trend ({', '.join(row)}) values ({signs})",
                list(row.values()),
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

    def page(self, lang: str = "zh") -> str:
        """The front page as text."""
        path = self.site / ("index.html" if lang == "zh" else "en/index.html")
        return path.read_text(encoding="utf-8")
