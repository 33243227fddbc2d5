"""Training from the feeds: every day of counting and every person looked at one by one."""

from calendar import monthrange
from collections import defaultdict
from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from tests.oracle.classroom import DAY, Place, Row, interval, rows, year_of

WINDOWS: dict[str, tuple[int, str | None]] = {
    "teacher": (36, "concentrated"),
    "principal": (24, None),
}


def months_before(day: date, months: int) -> date:
    """The same day so many months before, or the last of a shorter month."""
    at = day.year * 12 + day.month - 1 - months
    year, month = divmod(at, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def attendances(place: Place) -> pd.DataFrame:
    """Every attendance with the post held on its last day."""
    out = []
    for row in rows(place.feeds, "training_logs"):
        post = place.post(row["staff_code"], row["ended_on"]) or {}
        line: Row = {**row, "school_year": year_of(row["ended_on"])}
        line["organiser_level"] = line.pop("level")
        line |= {k: post.get(k) for k in ("role", "school_code", "district_code")}
        out.append(line | {"is_counted": place.last is not None and row["ended_on"] <= place.last})
    return pd.DataFrame(out)


def counts(row: Mapping[Any, Any], population: str, as_of: date) -> bool:
    """Whether an attendance counts for the population on the day."""
    months, mode = WINDOWS[population]
    if not row["completed"] or (mode and row["mode"] != mode):
        return False
    return bool(months_before(as_of, months) < row["ended_on"] <= as_of)


def days_of_counting(place: Place) -> list[date]:
    """Every month's end up to the last day with evidence, and that day."""
    if place.first is None or place.last is None:
        return []
    span = (place.last - place.first).days + 1
    every = [place.first + i * DAY for i in range(span)]
    return [d for d in every if (d + DAY).month != d.month or d == place.last]


def coverage(place: Place, logs: pd.DataFrame) -> pd.DataFrame:
    """Persons in post on each day, and those covered."""
    counted = logs[logs["is_counted"]] if len(logs) else logs
    records = counted.replace({np.nan: None}).to_dict("records")
    begun = min((r["ended_on"] for r in records), default=None)
    own: dict[str, list[Any]] = defaultdict(list)
    for row in records:
        own[row["staff_code"]].append(row)
    out = []
    for as_of in days_of_counting(place):
        for population, (months, _) in WINDOWS.items():
            cells: dict[tuple[str, str], list[list[Any]]] = defaultdict(list)
            for person in place.posts:
                post = place.post(person, as_of)
                if post is None or post["role"] != population:
                    continue
                valid = [r for r in own[person] if counts(r, population, as_of)]
                for unit in place.units(post["district_code"], post["school_code"]):
                    cells[unit].append(valid)
            for (level, unit_code), persons in cells.items():
                line: Row = {"as_of": as_of, "population": population, "level": level}
                line |= {"unit_code": unit_code, "persons": len(persons)}
                line["is_whole_window"] = (
                    place.first is not None and months_before(as_of, months) >= place.first - DAY
                )
                if begun is not None and begun <= as_of:
                    covered = sum(bool(v) for v in persons)
                    valid = [r for v in persons for r in v]
                    hours = [float(r["hours"]) for r in valid if r["hours"] is not None]
                    rate, low, high = interval(covered, len(persons))
                    line |= {"covered": covered, "rate": rate, "ci_low": low, "ci_high": high}
                    line |= {"attendances": len(valid)}
                    line["hours"] = sum(hours) if hours or not valid else None
                out.append(line)
    return pd.DataFrame(out)


def lapses(place: Place, logs: pd.DataFrame) -> pd.DataFrame:
    """Persons in post on the last day, and until when their training counts."""
    out: list[Row] = []
    if place.last is None:
        return pd.DataFrame(out)
    records = logs[logs["is_counted"]].replace({np.nan: None}).to_dict("records")
    for person in place.posts:
        post = place.post(person, place.last)
        if post is None or post["role"] not in WINDOWS:
            continue
        population = post["role"]
        valid = [r for r in records if r["staff_code"] == person]
        valid = [r for r in valid if counts(r, population, r["ended_on"])]
        line: Row = {"population": population, "staff_code": person, "as_of": place.last}
        line |= {k: post[k] for k in ("district_code", "school_code", "subject")}
        if not valid:
            out.append(line | {"status": "never_trained" if records else "not_reported"})
            continue
        newest = max(r["ended_on"] for r in valid)
        same = [r for r in valid if r["ended_on"] == newest]
        last = min(same, key=lambda r: (r["programme_code"], r["session_no"]))
        day = newest
        while counts(last, population, day):
            day += DAY
        line |= {"last_programme_code": last["programme_code"], "last_ended_on": newest}
        line |= {"lapse_on": day, "days_left": (day - place.last).days}
        out.append(line | {"status": "covered" if day > place.last else "lapsed"})
    return pd.DataFrame(out)


def volume(place: Place, logs: pd.DataFrame) -> pd.DataFrame:
    """Persons, attendances and hours by unit and group."""
    cells: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for given in logs[logs["is_counted"]].replace({np.nan: None}).to_dict("records"):
        row: Row = {str(k): v for k, v in given.items()}
        for unit in place.units(row["district_code"], row["school_code"]):
            cells[row["school_year"], *unit, "all", "all"].append(row)
            for kind in ("organiser_level", "mode", "programme_kind", "role"):
                cells[row["school_year"], *unit, kind, row[kind] or "unknown"].append(row)
    out = []
    for (year, level, unit_code, kind, value), group in cells.items():
        hours = [float(r["hours"]) for r in group if r["hours"] is not None]
        line: Row = {"school_year": year, "level": level, "unit_code": unit_code}
        line |= {"group_kind": kind, "group_value": value, "attendances": len(group)}
        line |= {"persons": len({r["staff_code"] for r in group})}
        line |= {"completed": sum(bool(r["completed"]) for r in group)}
        line |= {"hours": sum(hours) if hours else None, "attendances_with_hours": len(hours)}
        out.append(line)
    return pd.DataFrame(out)


def beside_checks(place: Place, covered: pd.DataFrame, checks: pd.DataFrame) -> pd.DataFrame:
    """School by school, teachers covered at the year's end beside the in-class rate."""
    out = []
    for year in {year_of(d) for d in days_of_counting(place)}:
        as_of = max(d for d in days_of_counting(place) if year_of(d) == year)
        of_day = covered[covered["as_of"] == as_of]
        of_day = of_day[(of_day["level"] == "school") & (of_day["population"] == "teacher")]
        tested = checks[(checks["school_year"] == year) & (checks["level"] == "school")]
        for row in of_day.to_dict("records"):
            check = tested[tested["unit_code"] == row["unit_code"]]
            if len(check) and not pd.isna(row["covered"]):
                school = place.school(row["unit_code"], year)
                line: Row = {"school_year": year, "school_code": row["unit_code"], "as_of": as_of}
                line |= {k: school.get(k) for k in ("district_code", "stage")}
                line |= {"persons": row["persons"], "covered": row["covered"]}
                line |= {"training_rate": row["rate"], "tested": check["tested"].iloc[0]}
                line |= {"passed": check["passed"].iloc[0]}
                out.append(line | {"inclass_rate": check["rate"].iloc[0]})
    return pd.DataFrame(out)


def association(points: pd.DataFrame) -> pd.DataFrame:
    """Correlation over schools with Fisher's interval."""
    out = []
    both = pd.concat([points, points.assign(stage="all")])
    for (year, stage), cell in both.dropna(subset=["stage"]).groupby(["school_year", "stage"]):
        x, y = cell["training_rate"].astype(float), cell["inclass_rate"].astype(float)
        n, r, low, high = len(cell), np.nan, np.nan, np.nan
        if n > 2 and x.nunique() > 1 and y.nunique() > 1:
            r = float(np.corrcoef(x, y)[0, 1])
        if n > 3 and abs(r) < 1 - 1e-12:
            half = 1.959963984540054 / np.sqrt(n - 3)
            low, high = np.tanh(np.arctanh(r) - half), np.tanh(np.arctanh(r) + half)
        few = "association_only_few_schools" if n < 30 else "association_only"
        line: Row = {"school_year": year, "stage": stage, "outcome": "inclass_rate", "schools": n}
        out.append(line | {"correlation": r, "ci_low": low, "ci_high": high, "caution": few})
    return pd.DataFrame(out)
