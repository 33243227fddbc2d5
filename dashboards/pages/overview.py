"""Overview: what changed, and what needs a decision? The front page of every unit."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from dashboards.figures import spark
from dashboards.pages import plan
from dashboards.pages.base import Download, Level, Published, Row, Unit, View
from dashboards.pages.marks import absence, legend
from dashboards.pages.queries import reporting_state
from dashboards.pages.sentences import Teller
from dashboards.pages.staff import is_share_told
from pipelines.wording import (
    Lang,
    count,
    day,
    percent,
    percent_band,
    percent_interval,
    school_year,
)
from pipelines.wording.labels import progress_name, quantity, status_name

TREND = """
    select *
    from published.pass_rate_trend
    where level = ? and unit_code = ? and stage = 'all' and subject = 'all'
    order by school_year
"""
CHECKS = """
    select *
    from published.inclass_check
    where level = ? and unit_code = ?
    order by school_year
"""
DUTIES = """
    select *
    from published.observation_duty
    where level = ? and unit_code = ? and role = 'principal_or_secretary'
    order by school_year
"""
TRAINED = """
    select *
    from published.training_coverage
    where level = ? and unit_code = ? and population = 'teacher'
    order by as_of
"""

ADDED = """
    select school_year, band, count(*) as n
    from published.value_added
    where level = ? and unit_code = ? and effect is not null
        and school_year = (
            select max(school_year) from published.value_added where effect is not null
        )
    group by all
    order by all
"""
LEARNT = """
    select school_year, stands, count(*) as n
    from published.competency
    where level = ? and unit_code = ? and dimension_kind = 'competency' and stands is not null
        and school_year = (select max(school_year) from published.competency)
    group by all
    order by all
"""
OWED = """
    select school_year, progress, count(*) as n
    from published.submission_duty
    where level = ? and unit_code = ? and school_year = (
        select max(school_year) from published.submission_duty where level = 'school'
    )
    group by all
    order by all
"""
"""Of a school: how many of its results lie where, and how much of what it owes has come how far."""

BANDS = ("above", "as_expected", "below")
STANDS = ("above", "unclear", "below")
"""In the order of cards."""

SOON = timedelta(days=60)
"""A target whose line ends within so long after the last day with evidence is told to be due."""

COLUMNS = (
    "figure", "level", "unit_code", "as_of", "value", "ci_low", "ci_high", "change_points",
    "change_low", "change_high", "pace", "status", "mark",
)  # fmt: skip
FILES = {
    "city": "overview.csv",
    "district": "overview-{code}.csv",
    "school": "overview-school-{code}.csv",
}


@dataclass(frozen=True)
class Card:
    """One headline number."""

    name: str
    page: str
    """Page that tells more, beside this one; empty where there is none."""
    anchor: str
    """Where older addresses of this page led."""
    value: str
    mark: str
    lines: tuple[str, ...]
    """The interval, the change, of how many."""
    status: str
    pace: str
    line: str
    """Points of a small trend; empty without one."""


def build(published: Published, unit: Unit, lang: Lang) -> View:
    """The view of the page for the city, one district or one school, in one language."""
    if unit.level == "school":
        return _of_school(published, unit, lang)
    tell, level = Teller(lang), unit.level
    _ = tell.words.gettext
    of_unit = [level, unit.code]
    trend, checks, duties, trained = (
        published.rows(query, of_unit) for query in (TREND, CHECKS, DUTIES, TRAINED)
    )
    targets = [row for row in published.rows(plan.OWN, of_unit) if row["is_default"]]
    for row in targets:
        row["indicator"] = row[f"indicator_{lang}"]
    reporting = [
        row
        for row in reporting_state(published)
        if row["level"] == level and row["unit_code"] == unit.code
    ]
    cards = [
        _rate(tell, trend, "pass-rates.html" if level == "city" else ""),
        _targets(tell, targets),
        _checks(tell, checks, _target(targets, "inclass_school", "")),
        _duties(tell, duties, _target(targets, "observed_lessons", "duty_head")),
        _training(tell, trained, _target(targets, "training_completed", "teacher")),
    ]
    newest = trend[-1]["school_year"] if trend else None
    as_of = targets[0]["as_of"] if targets else None
    file = FILES[level].format(code=unit.code)
    context: dict[str, Any] = {
        "scope": unit.name(lang),
        "when": _("as of %(day)s") % {"day": day(as_of, lang)} if as_of else "",
        "headline": _headline(tell, trend, targets, unit),
        "cards": cards,
        "front_of_city": level == "district",
        "status_names": {
            status: status_name(status, tell.words)
            for status in (*plan.STATUSES, "not_distinguishable")
        },
        "due": _due(tell, targets),
        "behind": sum(row["status"] == "behind" for row in targets),
        "missing": [
            *tell.reporting(reporting, newest, level),
            *[
                _("The plan: no material has come in yet for %(target)s.")
                % {"target": row["indicator"]}
                for row in targets
                if row["status"] == "not_reported"
            ],
        ],
        "download": file,
        "marks": legend(tell.words).items(),
        "plans": True,
    }
    rows = _rows(level, unit, trend, targets, checks, duties, trained)
    return View(_("Overview"), context, {}, [Download(file, COLUMNS, rows)])


def _of_school(published: Published, unit: Unit, lang: Lang) -> View:
    """The view of a school: what is known of it, and what it has to do."""
    tell = Teller(lang)
    _ = tell.words.gettext
    of_unit = ["school", unit.code]
    trend, checks, added, learnt, owed = (
        published.rows(query, of_unit) for query in (TREND, CHECKS, ADDED, LEARNT, OWED)
    )
    waiting = [
        row for row in owed if row["progress"] in ("late", "returned", "awaiting_explanation")
    ]
    file = FILES["school"].format(code=unit.code)
    context: dict[str, Any] = {
        "scope": unit.name(lang),
        "when": "",
        "headline": tell.headline(trend[-1], unit.name(lang)) if trend else unit.name(lang),
        "cards": [
            _rate(tell, trend, ""),
            _counts(
                tell,
                _("Value added"),
                "value-added.html",
                _("above expected, of all results"),
                added,
                "band",
                BANDS,
            ),
            _counts(
                tell,
                _("Competencies"),
                "competencies.html",
                _("above the city, of all results"),
                learnt,
                "stands",
                STANDS,
            ),
            _checks(tell, checks, None, ""),
            _owed(tell, owed),
        ],
        "front_of_city": False,
        "status_names": {
            status: status_name(status, tell.words)
            for status in (*plan.STATUSES, "not_distinguishable")
        },
        "due": None,
        "behind": 0,
        "missing": [
            _("Submissions: %(n)s %(what)s.")
            % {"n": count(row["n"], lang), "what": progress_name(row["progress"], tell.words)}
            for row in waiting
        ],
        "download": file,
        "marks": legend(tell.words).items(),
        "plans": False,
    }
    rows = _rows("school", unit, trend, [], checks, [], [])
    empty: Row = dict.fromkeys(COLUMNS) | {"level": "school", "unit_code": unit.code}
    rows += [
        empty | {"figure": f"{name}_{row[column]}", "as_of": row["school_year"], "value": row["n"]}
        for name, column, own in (
            ("value_added", "band", added),
            ("competencies", "stands", learnt),
            ("submissions", "progress", owed),
        )
        for row in own
    ]
    downloads = [Download(file, COLUMNS, rows)] if rows else []
    return View(_("Overview"), context, {}, downloads)


def _counts(
    tell: Teller,
    name: str,
    page: str,
    what: str,
    rows: Sequence[Row],
    column: str,
    order: Sequence[str],
) -> Card:
    """The card of results that are told apart from what is expected, or from the city."""
    _ = tell.words.gettext
    if not rows:
        return Card(name, page, "", "", "z", (_("nothing can be told yet"),), "", "", "")
    counts = {row[column]: row["n"] for row in rows}
    said = {
        "above": _("%(n)s above"),
        "below": _("%(n)s below"),
        "as_expected": _("%(n)s as expected"),
        "unclear": _("%(n)s not clear"),
    }
    total = sum(counts.values())
    parts = [said[one] % {"n": count(counts[one], tell.lang)} for one in order if counts.get(one)]
    value = f"{count(counts.get('above', 0), tell.lang)} / {count(total, tell.lang)}"
    lines = (what, tell.listed(parts), tell.year(rows[0]))
    return Card(name, page, "", value, "", lines, "", "", "")


def _owed(tell: Teller, rows: Sequence[Row]) -> Card:
    """The card of what a school has handed in of what it owes."""
    _ = tell.words.gettext
    name, page = _("Submissions"), "submissions.html"
    if not rows:
        return Card(name, page, "", "", "z", (_("nothing is owed yet"),), "", "", "")
    counts = {row["progress"]: row["n"] for row in rows}
    value = f"{count(counts.get('in', 0), tell.lang)} / {count(sum(counts.values()), tell.lang)}"
    parts = [
        _("%(n)s %(progress)s") % {"n": counts[kind], "progress": progress_name(kind, tell.words)}
        for kind in ("late", "returned", "awaiting_explanation", "checking", "not_due")
        if counts.get(kind)
    ]
    lines = [_("taken in of what is owed"), *([tell.listed(parts)] if parts else [])]
    return Card(name, page, "", value, "", (*lines, tell.year(rows[0])), "", "", "")


def _headline(tell: Teller, trend: Sequence[Row], targets: Sequence[Row], unit: Unit) -> str:
    """The pass rate, if there is one; else where the plan stands; else that nothing is known."""
    if trend:
        return tell.headline(trend[-1], unit.name(tell.lang))
    if targets:
        return tell.targets(Counter(row["status"] for row in targets), plan.STATUSES)
    return tell.words.gettext("There are no figures yet: nothing has been handed in.")


def _target(targets: Sequence[Row], stream: str, population: str) -> Row | None:
    """The target of the plan that asks for a figure; none where the plan does not, or differently.

    A share of entities is not the figure of all of them together.
    """
    for row in targets:
        if row["stream"] == stream and population in ("", row["population_code"]):
            return row
    return None


def _judged(tell: Teller, target: Row | None) -> tuple[str, str]:
    """Status of a target, and what is due by now."""
    if target is None or not target["status"]:
        return "", ""
    return target["status"], plan.due_by_now(tell, target)


def _empty(tell: Teller, name: str, page: str, anchor: str, row: Row | None) -> Card:
    """The card of a number that is not known, or not shown."""
    _ = tell.words.gettext
    mark = absence(row) if row else "x"
    return Card(name, page, anchor, "", mark, (legend(tell.words)[mark],), "", "", "")


def _line(values: Sequence[float | None]) -> str:
    return " ".join(f"{x},{y}" for x, y in spark(values))


def _rate(tell: Teller, trend: Sequence[Row], page: str) -> Card:
    _ = tell.words.gettext
    name = _("Pass rate")
    row = trend[-1] if trend else None
    if row is not None and row["pass_band"]:
        band = percent_band(row["pass_band"])
        return Card(name, page, "trend", band, row["mark"] or "", (), "", "", "")
    if row is None or row["pass_rate"] is None:
        return _empty(tell, name, page, "trend", row)
    lines = [_("95%% interval %(interval)s") % {"interval": tell.rate_interval(row)}]
    if row["year_change_points"] is not None:
        lines.append(
            tell.change(
                row["year_change_points"],
                row["year_change_low"],
                row["year_change_high"],
                tell.previous(row),
            )
        )
    pace = ""
    if row["status"]:
        pace = _("pace line %(pace)s") % {"pace": tell.rate(row, "pace_rate")}
    return Card(
        name, page, "trend", tell.rate(row), row["mark"] or "", tuple(lines), row["status"] or "",
        pace, _line([one["pass_rate"] for one in trend]),
    )  # fmt: skip


def _targets(tell: Teller, targets: Sequence[Row]) -> Card:
    _ = tell.words.gettext
    name, page = _("Targets reached or on pace"), "plan.html"
    if not targets:
        return _empty(tell, name, page, "", None)
    counts = Counter(row["status"] for row in targets)
    good = counts["reached"] + counts["on_pace"]
    value = f"{count(good, tell.lang)} / {count(len(targets), tell.lang)}"
    said = [
        _("%(n)s %(status)s") % {"n": counts[status], "status": status_name(status, tell.words)}
        for status in plan.STATUSES
        if counts[status]
    ]
    if counts[None]:
        said.append(_("%(n)s not shown") % {"n": counts[None]})
    return Card(name, page, "", value, "", (tell.listed(said),), "", "", "")


def _checks(
    tell: Teller, checks: Sequence[Row], target: Row | None, page: str = "classrooms.html"
) -> Card:
    _ = tell.words.gettext
    name = _("In-class check")
    row = checks[-1] if checks else None
    if row is None or row["rate"] is None:
        return _empty(tell, name, page, "", row)
    n = row["tested"]
    interval = percent_interval(row["ci_low"], row["ci_high"], n, tell.lang)
    lines = [_("95%% interval %(interval)s") % {"interval": interval}]
    if row["year_change_points"] is not None:
        lines.append(
            tell.change(
                row["year_change_points"],
                row["year_change_low"],
                row["year_change_high"],
                tell.previous(row),
            )
        )
    if row["schools_checked"]:
        lines.append(tell.schools_reach(row))
    status, _pace = _judged(tell, target)
    return Card(
        name, page, "", percent(row["rate"], n, tell.lang), row["mark"] or "", tuple(lines), status,
        "", _line([one["rate"] for one in checks]),
    )  # fmt: skip


def _duties(tell: Teller, duties: Sequence[Row], target: Row | None) -> Card:
    _ = tell.words.gettext
    name, page = _("Principals and secretaries who observed what they owe"), "classrooms.html"
    row = duties[-1] if duties else None
    if row is None or not is_share_told(row) or row["is_silent"]:
        return _empty(tell, name, page, "", row)
    lines = [_of_how_many(tell, row, "met")]
    before = duties[-2] if len(duties) > 1 else None
    if before is not None and before["rate"] is not None:
        lines.append(
            _("%(year)s, the whole year: %(rate)s")
            % {
                "year": school_year(before["school_year"], tell.lang),
                "rate": percent(before["rate"], before["persons"], tell.lang),
            }
        )
    status, pace = _judged(tell, target)
    return Card(
        name, page, "", _share(tell, row), row["mark"] or "", tuple(lines), status, pace, ""
    )  # fmt: skip


def _training(tell: Teller, trained: Sequence[Row], target: Row | None) -> Card:
    _ = tell.words.gettext
    name, page = _("Teachers covered by training"), "training.html"
    row = next((one for one in trained if one["is_latest"]), None)
    if row is None or not is_share_told(row) or row["mark"] == "x":
        return _empty(tell, name, page, "", row)
    lines = [_of_how_many(tell, row, "covered")]
    # Where records do not reach back the whole window, years are not alike.
    whole = [one for one in trained if one["is_whole_window"]]
    if not row["is_whole_window"]:
        lines.append(_("records do not reach back the whole window"))
    earlier = [one for one in whole if one["as_of"] < row["as_of"] and one["rate"] is not None]
    if earlier and row["is_whole_window"]:
        lines.append(
            _("on %(day)s: %(rate)s")
            % {
                "day": day(earlier[-1]["as_of"], tell.lang),
                "rate": percent(earlier[-1]["rate"], earlier[-1]["persons"], tell.lang),
            }
        )
    status, pace = _judged(tell, target)
    return Card(
        name, page, "", _share(tell, row), row["mark"] or "", tuple(lines), status, pace,
        _line([one["rate"] for one in whole]),
    )  # fmt: skip


def _share(tell: Teller, row: Row) -> str:
    """The share of persons, or the band in its place."""
    if row["band"]:
        return percent_band(row["band"])
    return percent(row["rate"], row["persons"], tell.lang)


def _of_how_many(tell: Teller, row: Row, column: str) -> str:
    """Of how many persons; how many of them where that is told."""
    whole = quantity(row["persons"], count(row["persons"], tell.lang), "person", tell.words)
    if row[column] is None:
        return whole
    return tell.words.gettext("%(part)s of %(whole)s") % {
        "part": count(row[column], tell.lang),
        "whole": whole,
    }


def _due(tell: Teller, targets: Sequence[Row]) -> dict[str, Any] | None:
    """Targets that are past their day, or whose line ends soon, and that are not reached."""
    _, ngettext = tell.words.gettext, tell.words.ngettext
    due = [
        row
        for row in targets
        if row["status"] == "overdue"
        or (
            row["status"] in ("behind", "on_pace")
            and row["line_to"] is not None
            and row["as_of"] <= row["line_to"] <= row["as_of"] + SOON
        )
    ]
    if not due:
        return None
    due.sort(key=lambda row: (row["status"] != "overdue", row["line_to"], row["target_id"]))
    late = sum(row["status"] == "overdue" for row in due)
    parts = []
    if late:
        parts.append(
            ngettext("%(n)s target is overdue", "%(n)s targets are overdue", late) % {"n": late}
        )
    if len(due) > late:
        soon = len(due) - late
        parts.append(
            ngettext(
                "%(n)s more is due within %(days)s days and not reached",
                "%(n)s more are due within %(days)s days and not reached",
                soon,
            )
            % {"n": soon, "days": SOON.days}
            if late
            else ngettext(
                "%(n)s target is due within %(days)s days and not reached",
                "%(n)s targets are due within %(days)s days and not reached",
                soon,
            )
            % {"n": soon, "days": SOON.days}
        )
    return {
        "title": ("，" if tell.lang == "zh" else ", ").join(parts),
        "lines": [
            (
                row["indicator"],
                row["status"],
                status_name(row["status"], tell.words),
                plan.actual_of(tell, row),
                plan.gap_of(tell, row),
                day(row["line_to"] or row["deadline"], tell.lang),
            )
            for row in due
        ],
    }


def _rows(
    level: Level,
    unit: Unit,
    trend: Sequence[Row],
    targets: Sequence[Row],
    checks: Sequence[Row],
    duties: Sequence[Row],
    trained: Sequence[Row],
) -> list[Row]:
    """The headline numbers as a table: shares of 1, changes in percentage points."""
    empty: Row = dict.fromkeys(COLUMNS) | {"level": level, "unit_code": unit.code}
    rows = []
    for figure, own, value, low, high in (
        ("pass_rate", trend[-1:], "pass_rate", "pass_low", "pass_high"),
        ("inclass_rate", checks[-1:], "rate", "ci_low", "ci_high"),
    ):
        for row in own:
            rows.append(
                empty
                | {
                    "figure": figure,
                    "as_of": row["school_year"],
                    "value": row.get("pass_band") or row[value],
                    "ci_low": row[low],
                    "ci_high": row[high],
                    "change_points": row["year_change_points"],
                    "change_low": row["year_change_low"],
                    "change_high": row["year_change_high"],
                    "pace": row.get("pace_rate"),
                    "status": row.get("status"),
                    "mark": row["mark"],
                }
            )
    for row in duties[-1:]:
        rows.append(
            empty
            | {
                "figure": "duty_rate",
                "as_of": row["school_year"],
                "value": row["band"] or row["rate"],
                "mark": row["mark"],
            }
        )
    for row in trained:
        if row["is_latest"]:
            rows.append(
                empty
                | {
                    "figure": "training_rate",
                    "as_of": row["as_of"],
                    "value": row["band"] or row["rate"],
                    "mark": row["mark"],
                }
            )
    for status in (*plan.STATUSES, None):
        n = sum(row["status"] == status for row in targets)
        if n:
            figure = f"targets_{status or 'not_shown'}"
            rows.append(empty | {"figure": figure, "as_of": targets[0]["as_of"], "value": n})
    return rows
