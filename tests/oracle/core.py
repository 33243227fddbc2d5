"""Programmes and findings from the feeds, record by record."""

from datetime import date

import pandas as pd

from tests.oracle.classroom import Place, Row, rows, year_of


def programmes(feeds: dict[str, pd.DataFrame], city: str) -> pd.DataFrame:
    """Every entry of the register, with where its holder was on the day."""
    place = Place(feeds, city)
    out: list[Row] = []
    for row in rows(feeds, "programme_register"):
        holder, code, day = row["holder_type"], row["holder_code"], row["granted_on"]
        post = (place.post(code, day) if holder == "person" else None) or {}
        school = code if holder == "school" else post.get("school_code")
        district = {"district": code, "person": post.get("district_code")}.get(holder)
        if holder == "school":
            district = place.school(code, year_of(day)).get("district_code")
        out.append(
            {k: row.get(k) for k in ("kind", "holder_type", "holder_code", "title", "granted_on")}
            | {"school_year": year_of(day), "handed_in_year": row["school_year"]}
            | {"school_code": school, "district_code": district}
            | {"staff_code": code if holder == "person" else None}
            | {"community_code": code if holder == "community" else None}
            | {"holder_role": post.get("role")}
            | {k: row.get(k) for k in ("subject", "level", "value", "covers_all")}
        )
    return pd.DataFrame(out)


def findings(feeds: dict[str, pd.DataFrame], city: str) -> pd.DataFrame:
    """Every finding, looked at on the evening of the last day with evidence."""
    today = Place(feeds, city).last
    out: list[Row] = []
    for row in rows(feeds, "supervision_findings"):
        found, due, closed = row["found_on"], row["due_on"], row.get("closed_on")
        told: Row = dict.fromkeys(("status", "is_closed", "is_late", "days_open", "days_late"))
        if today is not None and found <= today:
            told = _judged(found, due, closed if closed and closed <= today else None, today)
        kept = ("finding_id", "district_code", "school_code", "found_on", "due_on", "topic")
        out.append(
            {k: row.get(k) for k in kept}
            | {"closed_on": closed, "school_year": year_of(found), "as_of": today, **told}
            | {"handed_in_year": row["school_year"]}
        )
    return pd.DataFrame(out)


def _judged(found: date, due: date, closed: date | None, today: date) -> Row:
    end = closed or today
    late = (end - due).days
    if closed:
        status = "closed_late" if late > 0 else "closed_in_time"
    else:
        # The due day is over when the day of counting is.
        status = "overdue" if late >= 0 else "open"
    days = (end - found).days
    return {
        "status": status, "is_closed": closed is not None,
        "is_late": status in ("closed_late", "overdue"),
        "days_open": days if days >= 0 else None, "days_late": max(late, 0),
    }  # fmt: skip
