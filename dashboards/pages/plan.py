"""The plan: where does each of its targets stand?"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from dashboards.figures import status_stacks
from dashboards.pages.base import Download, Level, Published, Row, Unit, View
from dashboards.pages.marks import NOT_APPLICABLE, NOT_REPORTED, WITHHELD, absence, legend
from dashboards.pages.sentences import Teller
from dashboards.pages.tables import Cell
from pipelines.wording import Lang, count, day, percent, percent_band, points, span
from pipelines.wording.labels import quantity, status_name

STATUSES = ("reached", "on_pace", "behind", "overdue", "not_reported", "not_due")
"""In the order of pages."""

COLUMNS = (
    "measure",
    "measure_name",
    "target_id",
    "reading",
    "is_default",
    "indicator",
    "as_of",
    "level",
    "unit_code",
    "unit_name",
    "actual",
    "band",
    "threshold",
    "unit",
    "gap",
    "pace",
    "status",
    "numerator",
    "denominator",
    "records",
    "records_apart",
    "entities_short",
    "entities_missing",
    "mark",
)

TARGETS = """
    select figures.*, targets.measure, targets.measure_zh, targets.measure_en,
        targets.indicator_zh, targets.indicator_en, targets.reading_zh, targets.reading_en,
        targets.reading_pending, targets.rule, targets.comparator, targets.target_value,
        targets.unit, targets.window_kind, targets.window_months, targets.deadline,
        targets.entity_type, targets.population_code, targets.stream, targets.selector,
        targets.policy_quote_zh, units.unit_name
    from published.plan_target as figures
    inner join published.dim_target as targets
        on figures.target_id = targets.target_id and figures.reading = targets.reading
    inner join published.unit as units
        on figures.level = units.level and figures.unit_code = units.unit_code
    where {whose}
    order by targets.measure, figures.target_id, figures.is_default desc, figures.reading,
        figures.unit_code
"""
OWN = TARGETS.format(whose="figures.level = ? and figures.unit_code = ?")
PARTS = TARGETS.format(whose="figures.level = 'district' and units.parent_code = ?")
WHOLE = TARGETS.format(
    whose="figures.level = 'city' and figures.unit_code = "
    "(select parent_code from published.unit where level = 'district' and unit_code = ?)"
)

RISE = """
    select change_low, change_high
    from published.pass_rate_trend
    where level = ? and unit_code = ? and stage = 'all' and subject = 'all'
        and change_low is not null
    order by school_year desc
    limit 1
"""
"""The interval of the rise of the pass rate that a target asks after, in percentage points."""

TABLES = ("plan_target", "dim_target")
FILES = {
    "city": ("plan-targets.csv", "plan-targets-districts.csv"),
    "district": ("plan-targets-{code}.csv", ""),
}
"""Names of the tables to take away, by the page's level: its own targets, those of its parts."""


@dataclass(frozen=True)
class Bar:
    """A target's way on a scale of 0 to 100."""

    done: float
    goal: float
    pace: float


@dataclass(frozen=True)
class Line:
    """A target by one reading, as the table shows it."""

    row: Row
    name: str
    reading: str
    actual: Cell
    threshold: Cell
    gap: Cell
    bar: Bar | None
    pace: str
    status: str
    doubt: bool
    beside: str
    evidence: Cell
    notes: tuple[str, ...]


def build(published: Published, unit: Unit, lang: Lang) -> View:
    """The view of the page for the city or for one district, in one language."""
    tell, level = Teller(lang), unit.level
    _ = tell.words.gettext
    rows = published.rows(OWN, [level, unit.code])
    others = published.rows(PARTS if level == "city" else WHOLE, [unit.code])
    rise = published.rows(RISE, [level, unit.code])
    title = _("The plan")
    if not rows:
        context: dict[str, Any] = {
            "scope": unit.name(lang),
            "when": "",
            "headline": _("There are no targets of the plan to show yet."),
            "sentences": [],
            "measures": [],
        }
        return View(title, context)
    for row in rows + others:
        row["indicator"] = row[f"indicator_{lang}"]
        row["measure_name"] = row[f"measure_{lang}"]
    judged = [row for row in rows if row["is_default"]]
    counts = Counter(row["status"] for row in judged)
    own, of_parts = (name.format(code=unit.code) for name in FILES[level])
    measures = _measures(tell, rows, others, level, rise[0] if rise else None)
    context = {
        "scope": unit.name(lang),
        "when": _("as of %(day)s") % {"day": day(rows[0]["as_of"], lang)},
        "headline": tell.targets(counts, STATUSES),
        "sentences": _sentences(tell, judged),
        "total": len(judged),
        "statuses": [
            (status or "", _status(tell, status), counts[status])
            for status in (*STATUSES, None)
            if counts[status]
        ],
        "summary": _summary(tell, judged),
        "summary_said": _summary_said(tell, judged),
        "measures": measures,
        "pending": sum(row["reading_pending"] for row in judged),
        "matrix": _matrix(tell, others) if others and level == "city" else None,
        "download": own,
        "districts_download": of_parts,
        "marks": legend(tell.words).items(),
    }
    figures = {"measures": _figure(tell, judged)}
    downloads = [Download(own, COLUMNS, rows, TABLES, _("Targets of the plan"))]
    if context["matrix"]:
        said = _("Value and status by district, in the order of codes")
        downloads.append(Download(of_parts, COLUMNS, others, TABLES, said))
    return View(title, context, figures, downloads)


def _sentences(tell: Teller, judged: Sequence[Row]) -> list[str]:
    """Which targets are late or without evidence, by name."""
    _ = tell.words.gettext
    said = []
    for status, pattern in (
        ("overdue", _("Overdue: %(targets)s.")),
        ("not_reported", _("No material has come in yet for: %(targets)s.")),
    ):
        own = [row for row in judged if row["status"] == status]
        if own:
            names = []
            for row in own:
                lacking = _lacking(tell, row) if status == "overdue" else ""
                names.append(tell.noted(row["indicator"], lacking))
            said.append(pattern % {"targets": tell.listed(names)})
    return said


def _summary(tell: Teller, judged: Sequence[Row]) -> dict[str, Any]:
    """How many targets of each measure have which status."""
    used = [status for status in STATUSES if any(row["status"] == status for row in judged)]
    if any(row["status"] is None for row in judged):
        used.append("")
    lines = []
    for measure, own in groupby(judged, key=lambda row: row["measure"]):
        group = list(own)
        found = Counter(row["status"] or "" for row in group)
        lines.append((measure, group[0]["measure_name"], [found[status] for status in used]))
    return {"statuses": [_status(tell, status) for status in used], "lines": lines}


def _summary_said(tell: Teller, judged: Sequence[Row]) -> str:
    """The figure of the measures in words."""
    said = []
    for _measure_no, own in groupby(judged, key=lambda row: row["measure"]):
        group = list(own)
        found = Counter(row["status"] or "" for row in group)
        parts = [f"{_status(tell, s)} {found[s]}" for s in (*STATUSES, "") if found[s]]
        said.append(tell.headed(_measure(group[0]), tell.listed(parts)))
    return tell.joined(said)


def _figure(tell: Teller, judged: Sequence[Row]) -> go.Figure:
    counted = Counter((_measure(row), row["status"] or "") for row in judged)
    frame = pd.DataFrame.from_records(
        [{"name": name, "status": status, "n": n} for (name, status), n in counted.items()]
    )
    names = list(dict.fromkeys(_measure(row) for row in judged))
    return status_stacks(frame, names, {s: _status(tell, s) for s in (*STATUSES, "")})


def _measure(row: Row) -> str:
    return f"{row['measure']} {row['measure_name']}"


def _status(tell: Teller, status: str | None) -> str:
    return status_name(status, tell.words) if status else tell.words.gettext("not shown")


def _measures(
    tell: Teller,
    rows: Sequence[Row],
    others: Sequence[Row],
    level: Level,
    rise: Row | None,
) -> list[dict[str, Any]]:
    """The targets by measure of the plan, each with its readings."""
    measures = []
    for measure, of_measure in groupby(rows, key=lambda row: row["measure"]):
        targets = []
        for target_id, readings in groupby(of_measure, key=lambda row: row["target_id"]):
            own = list(readings)
            same = [row for row in others if row["target_id"] == target_id]
            lines = [_line(tell, row, same, level, rise) for row in own]
            targets.append((target_id, own[0]["status"] or "", lines))
        name = rows[[row["measure"] for row in rows].index(measure)]["measure_name"]
        measures.append({"number": measure, "name": name, "targets": targets})
    return measures


def _line(tell: Teller, row: Row, same: Sequence[Row], level: Level, rise: Row | None) -> Line:
    _ = tell.words.gettext
    kind = _kind(row)
    low = high = None
    if rise and kind == "points" and row["stream"] == "trend" and row["actual"] is not None:
        low, high = rise["change_low"], rise["change_high"]
    return Line(
        row=row,
        name=row["indicator"],
        reading=row[f"reading_{tell.lang}"] if row["reading_pending"] else "",
        actual=actual_of(tell, row, low, high),
        threshold=_threshold(tell, row),
        gap=gap_of(tell, row),
        bar=bar_of(row),
        pace=due_by_now(tell, row),
        status=_status(tell, row["status"]) if row["status"] else "",
        doubt=low is not None and high is not None and low <= row["pace"] <= high,
        beside=_beside(tell, row, same) if level == "city" else _above(tell, row, same),
        evidence=_evidence(tell, row),
        notes=_notes(tell, row),
    )


def _kind(row: Row) -> str:
    """What the figures of a target are: share, rate, points, percent, rank or count."""
    if row["is_share"]:
        return "share"
    if row["rule"] == "growth":
        return "percent" if row["selector"] == "percent" else "points"
    if row["rule"] == "rank":
        return "rank"
    return "rate" if row["rule"] == "rate_threshold" or row["unit"] == "percent" else "count"


def _entity(row: Row) -> str:
    """What the denominator of a share counts."""
    return "student" if row["population_code"] == "student" else str(row["entity_type"])


def _whole(tell: Teller, value: float) -> str:
    """A count; half things do not occur."""
    return count(round(value), tell.lang)


def _said(tell: Teller, row: Row, value: float, *, signed: bool = True) -> str:
    """A value in the unit of a target; a change with its sign, unless it is one to be reached."""
    _ = tell.words.gettext
    kind = _kind(row)
    if kind in ("share", "rate"):
        return percent(value / 100, row["denominator"] or 1, tell.lang)
    if kind in ("points", "percent"):
        text = points(value, tell.lang, signed=signed)
        if not signed:
            text = text.removesuffix(".0")
        if kind == "points":
            return _("%(points)s points") % {"points": text}
        return _("%(percent)s (relative)") % {"percent": f"{text}%"}
    if kind == "rank":
        return _("top %(percent)s") % {"percent": percent(value / 100, 1, tell.lang)}
    return quantity(value, _whole(tell, value), row["unit"], tell.words)


def actual_of(tell: Teller, row: Row, low: float | None = None, high: float | None = None) -> Cell:
    """What stands, of how many, and the interval of a rise."""
    _ = tell.words.gettext
    if row["band"]:
        return Cell(percent_band(row["band"]), "", row["mark"] or "")
    if row["actual"] is None:
        return Cell(mark=absence(row))
    below = ""
    if _kind(row) == "share":
        whole = quantity(
            row["denominator"], count(row["denominator"], tell.lang), _entity(row), tell.words
        )
        below = _("%(part)s of %(whole)s") % {
            "part": count(row["numerator"], tell.lang),
            "whole": whole,
        }
    elif low is not None and high is not None:
        below = _("95%% interval %(interval)s") % {"interval": tell.points_between(low, high)}
    mark = row["mark"] if row["mark"] not in (NOT_REPORTED, NOT_APPLICABLE) else ""
    return Cell(_said(tell, row, row["actual"]), below, mark or "")


def _threshold(tell: Teller, row: Row) -> Cell:
    _ = tell.words.gettext
    text = _said(tell, row | {"denominator": 1}, row["threshold"], signed=False)
    below = ""
    if row["is_share"] and row["rule"] == "per_entity_minimum":
        each = row["target_value"]
        said = _whole(tell, each)
        # Where the plan speaks of percent, a reading may ask for a number that has no name.
        if row["unit"] != "percent":
            said = quantity(each, said, row["unit"], tell.words)
        below = _("each at least %(value)s") % {"value": said}
    elif row["is_share"] and row["rule"] == "rate_threshold":
        below = _("each at least %(value)s") % {
            "value": percent(row["target_value"] / 100, 1, tell.lang)
        }
    return Cell(text, below)


def gap_of(tell: Teller, row: Row) -> Cell:
    """What is lacking, or why that is not said."""
    if row["actual"] is None:
        return Cell(mark=WITHHELD if row["band"] else absence(row))
    return Cell(_lacking(tell, row) or "—")


def _lacking(tell: Teller, row: Row) -> str:
    """What is still lacking; empty where nothing is, or it is not shown."""
    _ = tell.words.gettext
    if row["actual"] is None or row["status"] == "reached":
        return ""
    kind = _kind(row)
    if kind == "share":
        rest = row["denominator"] - row["numerator"]
        said = quantity(rest, count(rest, tell.lang), _entity(row), tell.words)
    elif kind == "count":
        rest = row["threshold"] - row["actual"]
        said = quantity(rest, _whole(tell, rest), row["unit"], tell.words)
    else:
        said = _said(tell, row, abs(row["gap"]), signed=False)
    return _("%(rest)s to go") % {"rest": said}


def bar_of(row: Row) -> Bar | None:
    """Where a target that grows towards its threshold stands; none where nothing can be drawn."""
    if row["actual"] is None or row["comparator"] == "<=" or row["threshold"] <= 0:
        return None
    end = max(row["threshold"], row["actual"])
    scale = [
        round(100 * min(1, max(0, value / end)), 1)
        for value in (row["actual"], row["threshold"], row["pace"])
    ]
    return Bar(*scale)


def due_by_now(tell: Teller, row: Row) -> str:
    """What should stand by now; empty where there is no line, or the day is past."""
    _ = tell.words.gettext
    if row["line_from"] is None or row["pace"] >= row["threshold"] or row["threshold"] <= 0:
        return ""
    if _kind(row) == "count":
        return _("due by now: %(value)s") % {"value": points(row["pace"], tell.lang, signed=False)}
    if _kind(row) in ("share", "rate"):
        return _("due by now: %(value)s") % {"value": percent(row["pace"] / 100, 100, tell.lang)}
    return _("due by now: %(value)s") % {"value": _said(tell, row, row["pace"], signed=False)}


def _beside(tell: Teller, row: Row, parts: Sequence[Row]) -> str:
    """How many districts have reached it; empty where the plan does not ask it of them."""
    shown = [one for one in parts if one["is_default"] and one["status"]]
    if not shown or not row["is_default"]:
        return ""
    return tell.words.gettext("districts reached: %(part)s of %(whole)s") % {
        "part": sum(one["status"] == "reached" for one in shown),
        "whole": len(shown),
    }


def _above(tell: Teller, row: Row, above: Sequence[Row]) -> str:
    """Where the city stands by the same reading."""
    own = next((one for one in above if one["reading"] == row["reading"]), None)
    if own is None or (own["actual"] is None and not own["band"]):
        return ""
    value = percent_band(own["band"]) if own["band"] else _said(tell, own, own["actual"])
    return tell.words.gettext("the city: %(value)s") % {"value": value}


def _evidence(tell: Teller, row: Row) -> Cell:
    """How many records count, how many do not, and of whom nothing or too little has come in."""
    _, ngettext = tell.words.gettext, tell.words.ngettext
    if row["actual"] is None and not row["band"]:
        return Cell(mark=absence(row))
    if row["band"]:
        return Cell(mark=WITHHELD)
    n = row["denominator"]
    if row["rule"] == "growth":
        return Cell(ngettext("%(n)s score", "%(n)s scores", n) % {"n": count(n, tell.lang)})
    if row["rule"] == "rank":
        return Cell(
            ngettext("%(n)s city compared", "%(n)s cities compared", n) % {"n": count(n, tell.lang)}
        )
    counted = row["records"] or 0
    text = ngettext("%(n)s record counts", "%(n)s records count", counted) % {
        "n": count(counted, tell.lang)
    }
    parts = []
    for column, pattern in (
        ("entities_missing", _("%(what)s without material")),
        ("entities_short", _("%(what)s below what is asked")),
    ):
        if row[column]:
            what = quantity(
                row[column], count(row[column], tell.lang), row["entity_type"], tell.words
            )
            parts.append(pattern % {"what": what})
    if row["records_apart"]:
        parts.append(
            ngettext("%(n)s not counted", "%(n)s not counted", row["records_apart"])
            % {"n": count(row["records_apart"], tell.lang)}
        )
    return Cell(text, tell.joined(parts))


def _notes(tell: Teller, row: Row) -> tuple[str, ...]:
    """How a target is counted: its window and the day that the plan names."""
    _ = tell.words.gettext
    windows = {
        "cumulative": _("counted from the start on"),
        "standing": _("has to hold at all times"),
        "school_year": _("each school year"),
        "calendar_year": _("each calendar year"),
        "cycle": _("each %(n)s months") % {"n": row["window_months"]},
        "rolling": _("within the last %(n)s months") % {"n": row["window_months"]},
    }
    notes = [windows.get(row["window_kind"], str(row["window_kind"]))]
    if row["line_from"] and row["line_to"]:
        notes.append(
            _("pace line %(days)s") % {"days": span(row["line_from"], row["line_to"], tell.lang)}
        )
    if row["deadline"]:
        notes.append(_("deadline %(day)s") % {"day": day(row["deadline"], tell.lang)})
    return tuple(notes)


def _matrix(tell: Teller, parts: Sequence[Row]) -> dict[str, Any]:
    """The districts beside one another: a line a target, a column a district, in codes' order."""
    _ = tell.words.gettext
    parts = [row for row in parts if row["is_default"]]
    codes = sorted({row["unit_code"] for row in parts})
    names = {row["unit_code"]: row["unit_name"] for row in parts}
    lines = []
    for target_id, own in groupby(parts, key=lambda row: row["target_id"]):
        cells = {row["unit_code"]: row for row in own}
        first = next(iter(cells.values()))
        unit = _("percentage points") if _kind(first) == "points" else ""
        told = [_part(tell, cells.get(code)) for code in codes]
        lines.append((target_id, first["indicator"], unit, told))
    reached = sum(row["status"] == "reached" for row in parts)
    shown = sum(row["status"] is not None for row in parts)
    return {
        "title": _("Of %(shown)s results of districts %(reached)s are reached")
        % {"shown": shown, "reached": reached},
        "codes": [(code, names[code]) for code in codes],
        "lines": lines,
    }


def _part(tell: Teller, row: Row | None) -> tuple[str, str, str, str]:
    """A district's cell: status, its name, the value, the mark."""
    if row is None:
        return "", "", "", NOT_APPLICABLE
    if row["status"] is None or row["status"] in ("not_reported", "not_due"):
        return row["status"] or "", _status(tell, row["status"]), "", absence(row)
    value = percent_band(row["band"]) if row["band"] else _said(tell, row, row["actual"])
    if _kind(row) == "points":
        value = points(row["actual"], tell.lang)
    return row["status"], _status(tell, row["status"]), value, row["mark"] or ""
