"""Submissions: what is missing, and what must be mended?"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import plotly.graph_objects as go

from dashboards.figures import PROGRESS_FILLS
from dashboards.pages.base import Published, Row, Unit, View, to_take, unit_labels
from dashboards.pages.sentences import Teller
from dashboards.pages.tables import Cell
from dashboards.pages.wholes import in_parts
from pipelines.wording import Lang, count, day, percent, school_year
from pipelines.wording.labels import (
    FEED_ORDER,
    feed_name,
    progress_name,
    rank,
    submission_state,
)

PROGRESS = ("in", "checking", "returned", "awaiting_explanation", "late", "not_due")
"""How far something owed has come, in the order of pages."""
WAITING = ("returned", "awaiting_explanation", "late")
"""What asks for something to be done."""
MOST_LINES = 40
"""So many problems of a file are written out; the workbook has all."""
MANY_SCHOOLS = 60
"""Of more, those with something to do stand open and all of them are folded away."""
MOST_CAUSES = 12
"""So many kinds of problems stand open; the others are folded away."""

OF_UNIT = """
    select owed.*, units.unit_name, units.parent_code
    from published.submission_duty as owed
    inner join (
        select level, unit_code, unit_name, parent_code
        from published.unit
        where (level = ? and unit_code = ?) or parent_code = ?
    ) as units
        on owed.level = units.level and owed.unit_code = units.unit_code
    order by owed.level, owed.unit_code, owed.school_year, owed.due_on, owed.feed, owed.wave_id
"""
"""What a unit owes, and what those right below it owe."""
COUNTED = """
    select
        owed.school_year, owed.feed, owed.progress,
        case owed.level
            when 'city' then '' when 'district' then owed.unit_code
            else coalesce(units.parent_code, '')
        end as unit_code,
        count(*) as n
    from published.submission_duty as owed
    inner join published.unit as units
        on owed.level = units.level and owed.unit_code = units.unit_code
    group by all
    order by all
"""
"""Of the whole city how much has come how far, by feed and district; of itself, without a code."""
SCHOOL_YEAR = """
    select max(school_year) as school_year
    from published.submission_duty
    where level = 'school'
"""
"""The newest school year in which schools owe something."""
PROBLEMS = """
    select problems.*, units.unit_name
    from published.submission_problem as problems
    inner join published.unit as units
        on problems.level = units.level and problems.unit_code = units.unit_code
    where (problems.level = ? and problems.unit_code = ?) or units.parent_code = ?
    order by problems.level, problems.unit_code, problems.file, problems.submission_id,
        problems.place
"""
CAUSES = """
    select problems.rule, any_value(problems.title_zh) as title_zh,
        any_value(problems.title_en) as title_en, problems.severity,
        case problems.level
            when 'city' then '' when 'district' then problems.unit_code
            else coalesce(units.parent_code, '')
        end as unit_code,
        problems.submission_id,
        sum(problems.cells) as cells
    from published.submission_problem as problems
    inner join published.unit as units
        on problems.level = units.level and problems.unit_code = units.unit_code
    group by all
    order by problems.rule, unit_code, problems.submission_id
"""
DISTRICTS = """
    select unit_code, unit_name
    from published.unit
    where level = 'district'
    order by unit_code
"""

COUNT_COLUMNS = ("school_year", "feed", "unit_code", *PROGRESS)
CAUSE_COLUMNS = ("rule", "severity", "title_zh", "title_en", "unit_code", "files", "cells")
DUTY_COLUMNS = (
    "school_year", "wave_id", "feed", "level", "unit_code", "unit_name", "due_on", "due_assumed",
    "progress", "state", "file", "files",
)  # fmt: skip
PROBLEM_COLUMNS = (
    "school_year", "feed", "level", "unit_code", "unit_name", "file", "return_workbook", "state",
    "severity", "rule", "sheet", "row_first", "row_last", "cells", "column_name", "says_zh",
    "says_en",
)  # fmt: skip
FILES = {
    "city": ("submissions.csv", "submission-problems.csv"),
    "district": ("submissions-{code}.csv", "submission-problems-{code}.csv"),
    "school": ("submissions-school-{code}.csv", "submission-problems-school-{code}.csv"),
}
"""Names of the tables to take away, by the page's level."""


@dataclass(frozen=True)
class Waiting:
    """A file that holds something up, and what is the matter with it."""

    unit: str
    code: str
    feed: str
    file: str
    workbook: str
    state: str
    said: str
    causes: str
    """Titles of what is wrong, with how often."""
    lines: tuple[tuple[str, str], ...]
    """Where, and what to do."""
    more: int
    """Problems that are not written out."""


@dataclass(frozen=True)
class Duty:
    """One line of what a unit owes."""

    feed: str
    due: str
    assumed: bool
    progress: str
    said: str
    state: str
    file: str
    step: str


def build(published: Published, unit: Unit, lang: Lang) -> View:
    """The view of the page for the city, one district or one school, in one language."""
    tell = Teller(lang)
    _ = tell.words.gettext
    year = published.rows(SCHOOL_YEAR)[0]["school_year"]
    figures: dict[str, go.Figure] = {}
    files = [name.format(code=unit.code) for name in FILES[unit.level]]
    context: dict[str, Any] = {
        "scope": unit.name(lang),
        "level": unit.level,
        "when": school_year(year, lang) if year else "",
        "files": files,
        "board": None,
        "parts": None,
        "matrix": None,
        "duties": (),
        "earlier": (),
        "causes": (),
        "most": MOST_CAUSES,
        "waiting": (),
        "sentences": [],
        "headline": _("Nothing is owed yet: no list of schools has come in."),
    }
    title, matter = _("Submissions"), _("What has to be mended or explained most often")
    own = [unit.level, unit.code, unit.code if unit.level != "school" else ""]
    problems = published.rows(PROBLEMS, own)
    if unit.level == "city":
        counted = published.rows(COUNTED)
        if not counted:
            return View(title, context)
        causes = published.rows(CAUSES)
        context |= _city(tell, published, unit, year, counted, causes, figures)
        mine = [row for row in problems if row["level"] == "city"]
        context["waiting"] = _waiting(tell, mine)
        counts = (
            (COUNT_COLUMNS, _counts(counted), "submission_duty", ""),
            (CAUSE_COLUMNS, _cause_rows(causes), "submission_problem", matter),
        )
        return View(title, context, figures, to_take(files, counts))
    owed = published.rows(OF_UNIT, own)
    if not owed:
        return View(title, context)
    if unit.level == "district":
        context |= _district(tell, unit, year, owed, problems, figures)
    else:
        context |= _school(tell, unit, year, owed, {row["file"] for row in problems})
    context["waiting"] = _waiting(tell, problems)
    tables = (
        (DUTY_COLUMNS, owed, "submission_duty", ""),
        (PROBLEM_COLUMNS, problems, "submission_problem", matter),
    )
    return View(title, context, figures, to_take(files, tables))


def _city(
    tell: Teller,
    published: Published,
    unit: Unit,
    year: str | None,
    counted: Sequence[Row],
    causes: Sequence[Row],
    figures: dict[str, go.Figure],
) -> dict[str, Any]:
    """By feed, by district, by cause: nobody's file by name but the city's own."""
    _ = tell.words.gettext
    newest = [row for row in counted if row["school_year"] == year]
    by_feed, by_district = _tally(newest, "feed"), _tally(newest, "unit_code")
    names = {row["unit_code"]: row["unit_name"] for row in published.rows(DISTRICTS)}
    labels = {"": _("City office"), **unit_labels(names)}
    districts = {labels.get(c, c): counts for c, counts in by_district.items()}
    return {
        "headline": _headline(tell, unit, year, [r for r in newest for _n in range(r["n"])]),
        "sentences": _earlier_said(tell, year, counted),
        "board": _board(tell, "feeds", _("What is owed"), _feeds(tell, by_feed), figures),
        "parts": _board(
            tell, "districts", _("District"), districts, figures,
            {labels.get(code, code): code for code in by_district if code in names},
        ),
        "causes": _causes(tell, causes),
    }  # fmt: skip


def _district(
    tell: Teller,
    unit: Unit,
    year: str | None,
    owed: Sequence[Row],
    problems: Sequence[Row],
    figures: dict[str, go.Figure],
) -> dict[str, Any]:
    """By feed; each school by each feed; the files of its schools that wait."""
    _ = tell.words.gettext
    newest = [row for row in owed if row["school_year"] == year]
    by_feed = _tally([row | {"n": 1} for row in newest], "feed")
    return {
        "headline": _headline(tell, unit, year, newest),
        "sentences": _earlier_said(tell, year, [row | {"n": 1} for row in owed]),
        "board": _board(tell, "feeds", _("What is owed"), _feeds(tell, by_feed), figures),
        "matrix": _matrix(tell, newest),
        "causes": _causes(tell, problems),
    }


def _school(
    tell: Teller, unit: Unit, year: str | None, owed: Sequence[Row], own: Collection[str]
) -> dict[str, Any]:
    """The list of a school: what it owes this school year, and what is open of other ones.

    Files that wait and are not its `own` are its district's to mend.
    """
    newest = [row for row in owed if row["school_year"] == year]
    open_before = [row for row in owed if row["school_year"] != year and row["progress"] in WAITING]
    return {
        "headline": _headline(tell, unit, year, newest),
        "duties": _duties(tell, newest, own),
        "earlier": [
            (school_year(before, tell.lang), _duties(tell, list(rows), own))
            for before, rows in groupby(
                sorted(open_before, key=lambda row: row["school_year"], reverse=True),
                lambda row: str(row["school_year"]),
            )
        ],
    }


def _tally(rows: Iterable[Row], by: str) -> dict[str, Counter[str]]:
    """How much of each has come how far; `n` of each row counts."""
    found: dict[str, Counter[str]] = {}
    for row in rows:
        found.setdefault(row[by], Counter())[row["progress"]] += row["n"]
    return found


def _feeds(tell: Teller, tally: Mapping[str, Counter[str]]) -> dict[str, Counter[str]]:
    """By the names of feeds, in their order."""
    order = sorted(tally, key=lambda feed: rank(feed, FEED_ORDER))
    return {feed_name(feed, tell.words): tally[feed] for feed in order}


def _headline(tell: Teller, unit: Unit, year: str | None, rows: Sequence[Row]) -> str:
    """How much of what is owed is in, and what is not."""
    _ = tell.words.gettext
    if not rows or not year:
        return _("Submissions of %(unit)s") % {"unit": unit.name(tell.lang)}
    counts = Counter(row["progress"] for row in rows)
    values = {"year": school_year(year, tell.lang), "owed": count(len(rows), tell.lang)}
    if counts["in"] == len(rows):
        return _("%(year)s: everything that is owed is in (%(owed)s)") % values
    values["got"] = count(counts["in"], tell.lang)
    values["rate"] = percent(counts["in"] / len(rows), len(rows), tell.lang)
    said = [_("%(year)s: of %(owed)s owed %(got)s are in (%(rate)s)") % values]
    said += [
        _("%(n)s %(progress)s")
        % {"n": count(counts[kind], tell.lang), "progress": progress_name(kind, tell.words)}
        for kind in ("late", "returned", "awaiting_explanation", "checking", "not_due")
        if counts[kind]
    ]
    if len(said) == 1:
        return said[0]
    return f"{said[0]}{'；' if tell.lang == 'zh' else '; '}{tell.listed(said[1:])}"


def _earlier_said(tell: Teller, year: str | None, rows: Sequence[Row]) -> list[str]:
    """What is still open of other school years, in one sentence; none where nothing is."""
    late: Counter[str] = Counter()
    for row in rows:
        if row["school_year"] != year and row["progress"] in WAITING:
            late[row["school_year"]] += row["n"]
    if not late:
        return []
    told = [
        f"{school_year(before, tell.lang)}{'' if tell.lang == 'zh' else ':'} {count(n, tell.lang)}"
        for before, n in sorted(late.items(), reverse=True)
    ]
    said = tell.words.gettext("Of other school years, late or waiting: %(years)s.")
    return [said % {"years": tell.listed(told)}]


def _board(
    tell: Teller,
    name: str,
    head: str,
    tally: Mapping[str, Counter[str]],
    figures: dict[str, go.Figure],
    codes: Mapping[str, str] | None = None,
) -> dict[str, Any] | None:
    """A figure of shares and its table; none where nothing is owed."""
    if not tally:
        return None
    kinds = [kind for kind in PROGRESS if any(own[kind] for own in tally.values())]
    names = {kind: progress_name(kind, tell.words) for kind in kinds}
    wholes = {
        group: {kind: (own[kind], count(own[kind], tell.lang)) for kind in kinds if own[kind]}
        for group, own in tally.items()
    }
    return {
        "name": name,
        "head": head,
        **in_parts(tell, name, wholes, names, PROGRESS_FILLS, figures),
        "heads": [tell.words.gettext("Owed"), *names.values()],
        "lines": [
            (
                group,
                (codes or {}).get(group, ""),
                [Cell(count(own.total(), tell.lang))]
                + [Cell(count(own[kind], tell.lang)) for kind in kinds],
            )
            for group, own in tally.items()
        ],
    }


def _matrix(tell: Teller, rows: Sequence[Row]) -> dict[str, Any] | None:
    """Schools down, what they owe across; in each cell how far it has come."""
    owed = [row for row in rows if row["level"] == "school"]
    if not owed:
        return None
    columns = sorted(
        {(row["feed"], row["wave_id"]) for row in owed},
        key=lambda key: (rank(key[0], FEED_ORDER), key[1]),
    )
    of_feed = Counter(feed for feed, _wave in columns)
    names = {row["unit_code"]: row["unit_name"] for row in owed}
    by = {(row["unit_code"], row["feed"], row["wave_id"]): row["progress"] for row in owed}
    lines = []
    for code, name in names.items():
        kinds = [by.get((code, *column), "") for column in columns]
        waits = any(kind in WAITING for kind in kinds)
        cells = [(kind, progress_name(kind, tell.words) if kind else "") for kind in kinds]
        lines.append((name, code, waits, cells))
    return {
        "heads": [
            (feed_name(feed, tell.words), wave if of_feed[feed] > 1 else "")
            for feed, wave in columns
        ],
        "lines": lines,
        "waiting": sum(waits for _name, _code, waits, _cells in lines),
        "many": len(lines) > MANY_SCHOOLS,
        "all": len(lines),
    }


def _step(tell: Teller, row: Row, own: Collection[str]) -> str:
    """What is to be done about something owed, by the unit whose `own` files are given."""
    _ = tell.words.gettext
    if row["progress"] in ("returned", "awaiting_explanation") and row["file"] not in own:
        return _("Nothing to do here: the file holds other schools too, and whoever sent it mends.")
    return {
        "returned": _("Please mend the file by its return workbook and hand in the whole again."),
        "awaiting_explanation": _("Please explain the queries, or mend and hand in again."),
        "late": _("Please hand it in; the day has passed."),
        "checking": _("Nothing to do: it is being checked."),
        "not_due": _("Please hand it in by the day."),
        "in": "",
    }[row["progress"]]


def _duties(tell: Teller, rows: Sequence[Row], own: Collection[str]) -> tuple[Duty, ...]:
    """Lines of what is owed, in the order of feeds."""
    ordered = sorted(rows, key=lambda row: (rank(row["feed"], FEED_ORDER), row["due_on"]))
    waves = Counter(row["feed"] for row in rows)
    return tuple(
        Duty(
            feed=tell.noted(
                feed_name(row["feed"], tell.words), row["wave_id"] if waves[row["feed"]] > 1 else ""
            ),
            due=day(row["due_on"], tell.lang),
            assumed=row["due_assumed"],
            progress=row["progress"],
            said=progress_name(row["progress"], tell.words),
            state=submission_state(row["state"], tell.words),
            file=_file(row["file"]),
            step=_step(tell, row, own),
        )
        for row in ordered
    )


def _file(path: str | None) -> str:
    """The name of a file, without the folders it lies in."""
    return (path or "").rpartition("/")[2]


def _waiting(tell: Teller, problems: Sequence[Row]) -> list[Waiting]:
    """The files that wait, with what is the matter, in the order of units and files."""
    found = []
    for _id, group in groupby(problems, key=lambda row: row["submission_id"]):
        rows = list(group)
        first = rows[0]
        titles = Counter(row[f"title_{tell.lang}"] or row["rule"] for row in rows)
        found.append(
            Waiting(
                unit=first["unit_name"],
                code=first["unit_code"],
                feed=feed_name(first["feed"], tell.words),
                file=_file(first["file"]),
                workbook=first["return_workbook"] or "",
                state=first["state"],
                said=submission_state(first["state"], tell.words),
                causes=tell.listed(
                    [title if n == 1 else f"{title} ×{n}" for title, n in titles.most_common()]
                ),
                lines=tuple(
                    (_where(tell, row), row[f"says_{tell.lang}"]) for row in rows[:MOST_LINES]
                ),
                more=max(0, len(rows) - MOST_LINES),
            )
        )
    return found


def _where(tell: Teller, row: Row) -> str:
    """Sheet, rows and column of a problem."""
    _ = tell.words.gettext
    where = [row["sheet"]] if row["sheet"] else []
    if row["row_first"] is not None:
        if row["row_last"] in (None, row["row_first"]):
            where.append(_("row %(row)s") % {"row": row["row_first"]})
        else:
            where.append(
                _("rows %(first)s–%(last)s, %(n)s in all")
                % {"first": row["row_first"], "last": row["row_last"], "n": row["cells"]}
            )
    if row["column_name"]:
        where.append(row["column_name"])
    return ("｜" if tell.lang == "zh" else " | ").join(where) or _("whole file")


def _causes(tell: Teller, rows: Sequence[Row]) -> list[tuple[str, str, str, str]]:
    """What is wrong, by rule: in how many files and places; the most frequent first."""
    severities = {"error": tell.words.gettext("Error"), "query": tell.words.gettext("Query")}
    files: dict[str, set[str]] = {}
    places: Counter[str] = Counter()
    said: dict[str, Row] = {}
    for row in rows:
        files.setdefault(row["rule"], set()).add(row["submission_id"])
        places[row["rule"]] += int(row["cells"])
        said[row["rule"]] = row
    ordered = sorted(files.items(), key=lambda item: (-len(item[1]), item[0]))
    return [
        (
            said[rule][f"title_{tell.lang}"] or rule,
            severities[said[rule]["severity"]],
            count(len(own), tell.lang),
            count(places[rule], tell.lang),
        )
        for rule, own in ordered
    ]


def _counts(counted: Sequence[Row]) -> list[Row]:
    """As a table: one row a school year, feed and district."""
    found: dict[tuple[str, str, str], Row] = {}
    for row in counted:
        key = (row["school_year"], row["feed"], row["unit_code"])
        names = dict(zip(("school_year", "feed", "unit_code"), key, strict=True))
        own = found.setdefault(key, names | dict.fromkeys(PROGRESS, 0))
        own[row["progress"]] += row["n"]
    return [found[key] for key in sorted(found)]


def _cause_rows(causes: Sequence[Row]) -> list[Row]:
    """As a table: one row a rule and district."""
    keys = ("rule", "severity", "title_zh", "title_en", "unit_code")
    found: dict[tuple[Any, ...], Row] = {}
    for row in causes:
        key = tuple(row[name] for name in keys)
        own = found.setdefault(key, {name: row[name] for name in keys} | {"files": 0, "cells": 0})
        own["files"] += 1
        own["cells"] += int(row["cells"])
    return list(found.values())
