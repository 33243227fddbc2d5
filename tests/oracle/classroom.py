"""Observed lessons and duties from the feeds, record by record and day by day.

Written from the methods, not from the models: a person's year is walked through a day at a time,
means and deviations are NumPy's, intervals the roots of the score equation.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from tests.oracle.attainment import wilson

Row = dict[str, Any]
DAY = timedelta(days=1)
LESSONS = {"principal": 40, "secretary": 40, "school_leader": 80, "education_official": 10}
VISITS = {"education_official": 3}
PARTS = ["score", "design_score", "process_score", "effect_score", "literacy_score"]


def first_day(year: str) -> date:
    """1 August in which the school year starts."""
    return date(int(year[:4]), 8, 1)


def after(year: str) -> date:
    """First day of the next school year."""
    return date(int(year[:4]) + 1, 8, 1)


def year_of(day: date) -> str:
    """School year of a day."""
    start = day.year if day.month >= 8 else day.year - 1
    return f"{start}-{start + 1}"


def rows(feeds: dict[str, pd.DataFrame], feed: str) -> list[Row]:
    """Rows of a feed with days as dates and None for nothing."""
    out = []
    for given in feeds.get(feed, pd.DataFrame()).to_dict("records"):
        row: Row = {str(k): None if pd.isna(v) else v for k, v in given.items()}
        for name, value in row.items():
            if name.endswith("_on") and value is not None:
                row[name] = date.fromisoformat(str(value)[:10])
        out.append(row)
    return out


class Place:
    """Schools and posts of a city, and the day to which its evidence reaches."""

    def __init__(self, feeds: dict[str, pd.DataFrame], city: str) -> None:
        self.feeds, self.city = feeds, city
        self.schools = {(r["school_code"], r["school_year"]): r for r in rows(feeds, "schools")}
        self.staff = rows(feeds, "staff")
        dated = [("lesson_observations", "observed_on"), ("training_logs", "ended_on")]
        dated += [("official_visits", "visited_on"), ("programme_register", "granted_on")]
        dated += [("supervision_findings", "found_on"), ("supervision_findings", "closed_on")]
        self.first = min((first_day(y) for _, y in self.schools), default=None)
        told = [(r, r[d]) for f, d in dated for r in rows(feeds, f)]
        sat = {r["wave_id"] for r in rows(feeds, "monitoring_results")}
        waves = rows(feeds, "monitoring_waves")
        told += [(r, r["held_on"]) for r in waves if r["wave_id"] in sat]
        days = [d for r, d in told if d is not None and d < after(r["school_year"])]
        self.last = max((d for d in days if self.first and d >= self.first), default=None)
        self.posts: dict[str, dict[date, Row]] = self._walk()

    def school(self, code: str | None, year: str) -> Row:
        """The school as its newest register up to the year has it; nothing if none does."""
        known = [y for c, y in self.schools if c == code and y <= year]
        return self.schools[code, max(known)] if known else {}

    def units(self, district: str | None, school: str | None) -> Iterator[tuple[str, str]]:
        """City, district and school to which a row belongs."""
        yield "city", self.city
        if district is not None:
            yield "district", district
        if school is not None:
            yield "school", school

    def years(self) -> list[str]:
        """School years for which posts are known."""
        registers = {str(r["school_year"]) for r in self.staff}
        if not registers:
            return []
        end = max([*registers, *([year_of(self.last)] if self.last else [])])
        start = int(min(registers)[:4])
        every = [f"{y}-{y + 1}" for y in range(start, int(end[:4]) + 1)]
        return every if self.last else sorted(registers)

    def _walk(self) -> dict[str, dict[date, Row]]:
        by_person: dict[str, list[Row]] = defaultdict(list)
        for row in self.staff:
            by_person[row["staff_code"]].append(row)
        newest = max((r["school_year"] for r in self.staff), default="")
        years = self.years()
        out: dict[str, dict[date, Row]] = {}
        for person, registers in by_person.items():
            registers.sort(key=lambda r: r["school_year"])
            posts: list[Row] = []
            for row in registers:
                start, before = first_day(row["school_year"]), None
                if posts:
                    before = posts[-1]
                    if all(before[k] == row[k] for k in ("role", "school_code")):
                        before |= {"left_on": row["left_on"], "end": row["school_year"]}
                        before["district_code"] = row["district_code"]
                        before |= {"level": row["level"], "subject": row["subject"]}
                        continue
                begun = row["started_on"] or start
                if before is not None and begun < first_day(before["end"]):
                    begun = start
                if before is None and begun < date(start.year - 1, 8, 1):
                    begun = start
                posts.append({**row, "begun": begun, "end": row["school_year"]})
            days: dict[date, Row] = {}
            for i, post in enumerate(posts):
                following = posts[i + 1]["begun"] - DAY if i + 1 < len(posts) else None
                ends = [d for d in (post["left_on"], following) if d is not None]
                last = min(ends) if ends else None
                if last is None:
                    open_end = post["end"] == newest
                    last = after(years[-1] if open_end else post["end"]) - DAY
                day = max(post["begun"], first_day(years[0]))
                while day <= last and year_of(day) <= years[-1]:
                    days.setdefault(day, post)
                    day += DAY
            out[person] = days
        return out

    def post(self, person: str, day: date) -> Row | None:
        """The post with school and district of that year, if any."""
        held = self.posts.get(person, {}).get(day)
        if held is None:
            return None
        school = self.school(held["school_code"], year_of(day))
        district = school.get("district_code", held["district_code"])
        return {**held, "district_code": None if district == self.city else district}

    def held(self, roles: Iterable[str]) -> dict[tuple[str, str], list[tuple[date, Row]]]:
        """School year and person -> each day in one of the posts, in order."""
        wanted = set(roles)
        out: dict[tuple[str, str], list[tuple[date, Row]]] = defaultdict(list)
        for person, days in self.posts.items():
            for day in sorted(days):
                if days[day]["role"] in wanted:
                    out[year_of(day), person].append((day, days[day]))
        return out


def observations(place: Place) -> pd.DataFrame:
    """Every record with the observer's post and whether it counts."""
    found = rows(place.feeds, "lesson_observations")
    for row in found:
        row["lessons"] = 1 if row["lessons"] is None else int(row["lessons"])
    out: list[Row] = []
    for row in sorted(found, key=lambda r: (r["observer_code"], str(r["class_no"]))):
        day, year = row["observed_on"], year_of(row["observed_on"])
        post = place.post(row["observer_code"], day) or {}
        fits = day < after(row["school_year"])
        reason = None
        if not fits:
            reason = "dated_after_year"
        elif not 1 <= row["lessons"] <= 4:
            reason = "lessons_out_of_range"
        elif not post:
            reason = "no_post"
        elif post["role"] not in LESSONS:
            reason = "no_duty"
        hour = ("observer_code", "observed_on", "teacher_code", "period")
        if reason is None and row["period"] is not None:
            seen = [o for o in out if o["not_counted_reason"] is None]
            if any(all(o[k] == row[k] for k in hour) for o in seen):
                reason = "duplicate"
        tested, passed = row["inclass_tested"], row["inclass_passed"]
        unchecked = None
        if not fits:
            unchecked = "dated_after_year"
        elif not tested:
            unchecked = "nobody_tested"
        elif passed is None or not 0 <= passed <= tested:
            unchecked = "passed_out_of_range"
        told = ("teacher_code", "observed_on", "school_code", "grade", "class_no", "period")
        told += ("inclass_tested", "inclass_passed")
        twice = any(o["has_check"] and all(o[k] == row[k] for k in told) for o in out)
        if unchecked is None and row["period"] is not None and twice:
            unchecked = "told_twice"
        same = [r for r in found if r["observer_code"] == row["observer_code"]]
        same = [r for r in same if r["observed_on"] == day]
        lessons = sum(r["lessons"] for r in same)
        at_once = {r["school_code"] for r in same if r["period"] == row["period"]}
        label = f"{row['school_code']}-{row['grade']}-{row['class_no']}"
        out.append(
            {
                **row,
                "handed_in_year": row["school_year"],
                "school_year": year,
                "district_code": place.school(row["school_code"], year).get("district_code"),
                "class_code": label,
                "observer_role": post.get("role"),
                "observer_school_code": post.get("school_code"),
                "observer_district_code": post.get("district_code"),
                "is_dated": fits,
                "is_counted": reason is None,
                "not_counted_reason": reason,
                "has_check": unchecked is None,
                "unchecked_reason": unchecked,
                "lessons_that_day": lessons,
                "is_crowded_day": lessons > 8,
                "two_schools_at_once": row["period"] is not None and len(at_once) > 1,
                "is_weekend": day.weekday() > 4,
            }
        )
    return pd.DataFrame(out)


def visits(place: Place) -> pd.DataFrame:
    """Every visit with the official's post and whether it counts."""
    out = []
    for row in rows(place.feeds, "official_visits"):
        day = row["visited_on"]
        post = place.post(row["official_code"], day) or {}
        fits = day < after(row["school_year"])
        reason = None
        if not fits:
            reason = "dated_after_year"
        elif not post:
            reason = "no_post"
        elif post["role"] not in VISITS:
            reason = "no_duty"
        school = place.school(row["school_code"], year_of(day))
        line: Row = {**row, "handed_in_year": row["school_year"], "school_year": year_of(day)}
        line |= {"district_code": school.get("district_code"), "official_role": post.get("role")}
        line |= {"official_district_code": post.get("district_code"), "is_dated": fits}
        out.append(line | {"is_counted": reason is None, "not_counted_reason": reason})
    return pd.DataFrame(out)


def _status(done: int | None, owed: int, due: float | None, begun: bool | None) -> str:
    if done is not None and done >= owed:
        return "reached"
    if begun is False:
        return "not_due"
    if done is None or due is None:
        return "not_reported"
    return "on_pace" if done >= due - 1e-9 else "behind"


def duty(place: Place, lessons: pd.DataFrame, trips: pd.DataFrame) -> pd.DataFrame:
    """What each person owes and has done in each school year."""
    here = lessons[lessons["is_dated"] & lessons["observer_role"].notna()]
    gone = trips[trips["is_dated"] & trips["official_role"].notna()]
    out = []
    for (year, person), days in place.held(LESSONS).items():
        last_day = days[-1][0]
        post = place.post(person, last_day) or {}
        length = (after(year) - first_day(year)).days
        past = [p for d, p in days if place.last is not None and d <= place.last]
        as_of = None if place.last is None else min(place.last, after(year) - DAY)
        line: Row = {"school_year": year, "staff_code": person, "role": post["role"]}
        line |= {k: post[k] for k in ("level", "district_code", "school_code")}
        line |= {"posts": len({id(p) for _, p in days})}
        line |= {"from_day": days[0][0], "to_day": last_day}
        line |= {"days": len(days), "days_in_year": length, "as_of": as_of}
        for kind, owes, seen, who, unit in (
            ("", LESSONS, here, "observer_code", "observer"),
            ("visits_", VISITS, gone, "official_code", "official"),
        ):
            year_days = sum(owes.get(p["role"], 0) for _, p in days)
            if kind and not year_days:
                line |= {"visits_owed": None, "visits_done": None, "visits_gap": None}
                line |= {"visits_pace": None, "visit_status": None}
                continue
            owed = -(-year_days // length)
            due = sum(owes.get(p["role"], 0) for p in past) / length if place.last else None
            of_year = seen[seen["school_year"] == year]
            if post["school_code"] is not None:
                reported = (
                    not kind and (of_year["observer_school_code"] == post["school_code"]).any()
                )
            elif post["district_code"] is not None:
                reported = (of_year[f"{unit}_district_code"] == post["district_code"]).any()
            else:
                reported = len(of_year) > 0
            own = of_year[of_year[who] == person]
            done = None
            if reported or len(own):
                counted = own[own["is_counted"]]
                done = len(counted) if kind else int(counted["lessons"].sum())
            begun = None if place.last is None else len(past) > 0
            gap = None if done is None else done - owed
            line |= {f"{kind}owed": owed, f"{kind}done": done, f"{kind}gap": gap}
            line |= {f"{kind}pace": due}
            line["visit_status" if kind else "lesson_status"] = _status(done, owed, due, begun)
        both = {line["lesson_status"], line["visit_status"]}
        order = ["behind", "not_reported", "not_due", "on_pace", "reached"]
        out.append(line | {"status": next(s for s in order if s in both)})
    return pd.DataFrame(out)


def interval(passed: float, n: float) -> tuple[float, float, float]:
    """Rate with its interval; nothing on nobody."""
    if not n:
        return np.nan, np.nan, np.nan
    return passed / n, *wilson(passed / n, n)


def duty_units(place: Place, persons: pd.DataFrame) -> pd.DataFrame:
    """Persons by unit and post."""
    cells: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in persons.replace({np.nan: None}).to_dict("records"):
        roles = [row["role"]]
        if row["role"] in ("principal", "secretary"):
            roles.append("principal_or_secretary")
        for unit in place.units(row["district_code"], row["school_code"]):
            for role in roles:
                cells[row["school_year"], *unit, role].append(dict(row))
    out = []
    for (year, level, unit, role), group in cells.items():
        number = {s: sum(r["status"] == s for r in group) for s in
                  ("reached", "on_pace", "behind", "not_reported", "not_due")}  # fmt: skip
        judged = number["reached"] + number["on_pace"] + number["behind"]
        rate, low, high = interval(number["reached"], judged)
        told = [r for r in group if r["done"] is not None]
        trips = [r for r in group if r["visits_done"] is not None]
        out.append(
            {"school_year": year, "level": level, "unit_code": unit, "role": role}
            | {"persons": len(group), "judged": judged, "met": number.pop("reached"), **number}
            | {"rate": rate, "ci_low": low, "ci_high": high}
            | {"lessons_met": sum(r["lesson_status"] == "reached" for r in group)}
            | {"visits_met": sum(r["visit_status"] == "reached" for r in group)}
            | {"owed_by_all": sum(r["owed"] for r in group)}
            | {"owed": sum(r["owed"] for r in told) if told else None}
            | {"done": sum(r["done"] for r in told) if told else None}
            | {"visits_owed": sum(r["visits_owed"] for r in trips) if trips else None}
            | {"visits_done": sum(r["visits_done"] for r in trips) if trips else None}
        )
    return pd.DataFrame(out)


def _by_unit(place: Place, lessons: pd.DataFrame) -> dict[tuple[str, str, str], pd.DataFrame]:
    cells: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for i, row in enumerate(lessons.to_dict("records")):
        district = None if pd.isna(row["district_code"]) else row["district_code"]
        for unit in place.units(district, row["school_code"]):
            cells[row["school_year"], *unit].append(i)
    return {key: lessons.iloc[index] for key, index in cells.items()}


def quality(place: Place, lessons: pd.DataFrame) -> pd.DataFrame:
    """Scores of lessons by unit and subject."""
    out = []
    for (year, level, unit), cell in _by_unit(place, lessons[lessons["is_dated"]]).items():
        groups = [("all", cell), *((str(s), g) for s, g in cell.groupby("subject"))]
        for subject, group in groups:
            line: Row = {"school_year": year, "level": level, "unit_code": unit}
            line |= {"subject": subject, "records": len(group), "lessons": group["lessons"].sum()}
            line["teachers"] = group["teacher_code"].nunique()
            for part in PARTS:
                values = pd.to_numeric(group[part]).dropna().to_numpy(dtype=float)
                line[f"{part}_n"] = len(values)
                line[f"mean_{part}"] = values.mean() if len(values) else np.nan
                line[f"sd_{part}"] = values.std(ddof=1) if len(values) > 1 else np.nan
            judged = group["standard_lesson"].dropna()
            up = int(judged.astype(bool).sum())
            rate, low, high = interval(up, len(judged))
            line |= {"judged": len(judged), "standard": up, "standard_rate": rate}
            out.append(line | {"standard_low": low, "standard_high": high})
    return pd.DataFrame(out)


def inclass(place: Place, lessons: pd.DataFrame) -> pd.DataFrame:
    """In-class checks by unit."""
    checks = lessons[lessons["has_check"]]
    cells = _by_unit(place, checks)
    out = []
    for (year, level, unit), cell in cells.items():
        tested, passed = cell["inclass_tested"].sum(), cell["inclass_passed"].sum()
        rate, low, high = interval(passed, tested)
        line: Row = {"school_year": year, "level": level, "unit_code": unit, "tested": tested}
        line |= {"passed": passed, "rate": rate, "ci_low": low, "ci_high": high}
        line |= {"lessons": cell["lessons"].sum(), "checks": len(cell)}
        if level == "school":
            out.append(line | {"meets": bool(rate >= 0.8)})
            continue
        checked = set(cell["school_code"])
        every = set(checked)
        for (code, of_year), school in place.schools.items():
            closed = school["closed_on"]
            if of_year != year or (closed is not None and closed <= first_day(year)):
                continue
            if level == "city" or school["district_code"] == unit:
                every.add(code)
        sums = {c: cells[year, "school", c] for c in checked}
        met = [c for c, s in sums.items()
               if s["inclass_passed"].sum() / s["inclass_tested"].sum() >= 0.8]  # fmt: skip
        meets = False if len(met) < len(checked) else True if checked == every else None
        line |= {"schools": len(every), "schools_checked": len(checked), "meets": meets}
        line |= {"schools_met": len(met), "schools_met_rate": len(met) / len(checked)}
        out.append(line)
    return pd.DataFrame(out)


def teachers(place: Place) -> dict[tuple[str, str], Row]:
    """School year and teacher -> the post held last, its first and last day, and its days."""
    out = {}
    for (year, person), days in place.held(["teacher"]).items():
        first, last = days[0][0], days[-1][0]
        post = place.post(person, last) or {}
        out[year, person] = {**post, "from_day": first, "to_day": last, "days": len(days)}
    return out


def coverage(place: Place, lessons: pd.DataFrame) -> pd.DataFrame:
    """Classes and teachers with a standard lesson."""
    judged = lessons[lessons["is_dated"] & lessons["standard_lesson"].notna()]
    up = judged[judged["standard_lesson"].astype(bool)]
    members = []
    for row in rows(place.feeds, "students"):
        label = f"{row['school_code']}-{row['grade']}-{row['class_no']}"
        school = place.schools.get((row["school_code"], row["school_year"]), {})
        place_of = (school.get("district_code"), row["school_code"])
        members.append((row["school_year"], "class", label, *place_of))
    for (year, person), post in teachers(place).items():
        members.append((year, "teacher", person, post["district_code"], post["school_code"]))
    known = set(_by_unit(place, judged))
    cells: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for year, kind, member, district, school in members:
        for unit in place.units(district, school):
            cells[year, *unit, kind].add(member)
    out = []
    for (year, level, unit, kind), group in cells.items():
        column = "class_code" if kind == "class" else "teacher_code"
        covered = len(group & set(up.loc[up["school_year"] == year, column]))
        told = (year, level, unit) in known or covered > 0
        line: Row = {"school_year": year, "level": level, "unit_code": unit, "population": kind}
        line |= {"total": len(group), "covered": covered if told else None}
        line["not_covered"] = len(group) - covered if told else None
        out.append(line | {"rate": covered / len(group) if told else None})
    return pd.DataFrame(out)


def unseen(place: Place, lessons: pd.DataFrame) -> pd.DataFrame:
    """Teachers of whom no lesson was observed."""
    lessons = lessons[lessons["is_dated"]]
    out = []
    for (year, person), post in teachers(place).items():
        own = lessons[lessons["teacher_code"] == person]
        if (own["school_year"] == year).any():
            continue
        before = own.loc[own["school_year"] < year, "observed_on"]
        at = lessons[lessons["school_year"] == year]
        told = (at["school_code"] == post["school_code"]).any()
        line: Row = {"school_year": year, "staff_code": person}
        names = ("district_code", "school_code", "subject", "from_day", "to_day", "days")
        line |= {k: post[k] for k in names}
        line["last_observed_on"] = before.max() if len(before) else None
        out.append(line | {"status": "not_observed" if told else "not_reported"})
    return pd.DataFrame(out)


def network(place: Place, lessons: pd.DataFrame) -> pd.DataFrame:
    """Lessons observed across schools."""
    away = lessons[lessons["is_dated"] & lessons["observer_school_code"].notna()]
    away = away[away["observer_school_code"] != away["school_code"]]
    out = []
    keys = ["school_year", "observer_school_code", "school_code"]
    for (year, one, other), cell in away.groupby(keys):
        a, b = place.school(str(one), str(year)), place.school(str(other), str(year))
        line: Row = {"school_year": year, "observer_school_code": one}
        line |= {"observed_school_code": other, "records": len(cell)}
        line |= {"lessons": cell["lessons"].sum(), "observers": cell["observer_code"].nunique()}
        line["teachers"] = cell["teacher_code"].nunique()
        for name in ("district_code", "locale", "community_code"):
            line |= {f"observer_{name}": a.get(name), f"observed_{name}": b.get(name)}
        shared = a.get("community_code")
        line["same_community"] = shared is not None and shared == b.get("community_code")
        rural = [x.get("locale") == "rural" for x in (a, b)] if a and b else None
        out.append(line | {"is_rural_link": None if rural is None else rural[0] != rural[1]})
    return pd.DataFrame(out)
