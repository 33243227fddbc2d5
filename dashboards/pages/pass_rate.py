"""Pass rates: is the rate rising, and where not? The front page."""

from collections.abc import Sequence
from dataclasses import dataclass
from gettext import NullTranslations
from itertools import groupby

import pandas as pd
import plotly.graph_objects as go

from dashboards.figures import share_range, trend_panel, unit_dots
from dashboards.pages.base import Download, Published, Row, Unit, View
from pipelines.wording import (
    Lang,
    count,
    percent,
    percent_change,
    percent_interval,
    points,
    points_interval,
    school_year,
    translator,
)
from pipelines.wording.labels import (
    STAGE_ORDER,
    SUBJECT_ORDER,
    rank,
    stage_name,
    status_name,
    subject_name,
)

COLUMNS = (
    "level",
    "unit_code",
    "stage",
    "subject",
    "school_year",
    "students",
    "n",
    "pass_rate",
    "pass_low",
    "pass_high",
    "previous_year",
    "year_change_points",
    "year_change_low",
    "year_change_high",
    "baseline_rate",
    "change_points",
    "change_low",
    "change_high",
    "change_percent",
    "pace_rate",
    "status",
    "comparability",
    "mark",
)

CITY = f"""
    select {", ".join(COLUMNS)}
    from published.pass_rate_trend
    where level = 'city' and unit_code = ?
    order by stage, subject, school_year
"""

DISTRICTS = f"""
    select {", ".join(COLUMNS)}
    from published.pass_rate_trend
    where level = 'district' and stage = 'all' and subject = 'all' and school_year = ?
    order by unit_code
"""

UNITS = """
    select unit_code, unit_name
    from published.unit
    where level = 'district'
    order by unit_code
"""

REPORTING = """
    select school_year, wave_id, level, unit_code,
        schools_expected, schools_reported, schools_not_reported, files_returned
    from published.reporting
    where school_year = (select max(school_year) from published.reporting)
    order by wave_id, level, unit_code
"""

WITHHELD, SMALL, NOT_REPORTED, NOT_APPLICABLE = "c", "u", "x", "z"


@dataclass(frozen=True)
class Cell:
    """A cell of a table: its text, a second line, a mark instead of or after the text."""

    text: str = ""
    below: str = ""
    mark: str = ""


@dataclass(frozen=True)
class Panel:
    """One small chart: its heading, its figure, and the same in words."""

    figure: str
    heading: str
    alternative: str


@dataclass(frozen=True)
class Line:
    """One row of a table, in its group."""

    head: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Group:
    """Rows of a table that share their first cell."""

    head: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Stage:
    """The panels and the table of one stage."""

    name: str
    panels: tuple[Panel, ...]
    groups: tuple[Group, ...]


class Teller:
    """Says the figures of a row in a language."""

    def __init__(self, lang: Lang) -> None:
        self.lang: Lang = lang
        self.words: NullTranslations = translator(lang)

    def rate(self, row: Row, column: str = "pass_rate") -> str:
        """A rate of a row, with as many digits as its n warrants."""
        return percent(row[column], row["n"], self.lang)

    def rate_interval(self, row: Row) -> str:
        """The interval of a row's pass rate."""
        return percent_interval(row["pass_low"], row["pass_high"], row["n"], self.lang)

    def year(self, row: Row) -> str:
        """A row's school year."""
        return school_year(row["school_year"], self.lang)

    def previous(self, row: Row) -> str:
        """The earlier year that a row is compared with, as it follows `than` or `from`."""
        _ = self.words.gettext
        if follows(row["previous_year"], row["school_year"]):
            return _("the year before")
        return _("in %(year)s") % {"year": school_year(row["previous_year"], self.lang)}

    def headline(self, row: Row, unit: str) -> str:
        """What happened to the pass rate, and no more than the interval allows."""
        _ = self.words.gettext
        if row["pass_rate"] is None:
            return _("Pass rate of %(unit)s in %(year)s: not shown, to protect personal data") % {
                "unit": unit,
                "year": self.year(row),
            }
        values = {"unit": unit, "rate": self.rate(row)}
        if row["year_change_points"] is None or row["previous_year"] is None:
            values |= {"interval": self.rate_interval(row)}
            return (
                _(
                    "Pass rate of %(unit)s: %(rate)s (95%% interval %(interval)s); "
                    "no comparable earlier year"
                )
                % values
            )
        change = row["year_change_points"]
        low, high = row["year_change_low"], row["year_change_high"]
        values |= {
            "previous": self.previous(row),
            "points": points(abs(change), self.lang, signed=False),
            "interval": points_interval(low, high, self.lang),
        }
        if low > 0:
            return (
                _(
                    "Pass rate of %(unit)s: %(rate)s, %(points)s percentage points higher than "
                    "%(previous)s (95%% interval %(interval)s)"
                )
                % values
            )
        if high < 0:
            return (
                _(
                    "Pass rate of %(unit)s: %(rate)s, %(points)s percentage points lower than "
                    "%(previous)s (change: 95%% interval %(interval)s)"
                )
                % values
            )
        values |= {"points": points(change, self.lang)}
        return (
            _(
                "Pass rate of %(unit)s: %(rate)s; the difference from %(previous)s is not clear "
                "(%(points)s percentage points, 95%% interval %(interval)s)"
            )
            % values
        )

    def against_baseline(self, row: Row, baseline_year: str) -> str:
        """A row against the plan's baseline, in both readings, with the pace."""
        _ = self.words.gettext
        year = {"year": self.year(row)}
        match row["comparability"]:
            case "baseline_year":
                return _("%(year)s is the baseline; later years are compared with it.") % year
            case "before_baseline":
                return _("%(year)s lies before the baseline year and is not compared.") % year
            case "no_baseline":
                return _("There are no figures of the baseline year to compare with.")
        if row["change_points"] is None or row["pass_rate"] is None:
            return _("The comparison with the baseline is not shown, to protect personal data.")
        values = {
            "year": school_year(baseline_year, self.lang),
            "points": points(abs(row["change_points"]), self.lang, signed=False),
            "signed": points(row["change_points"], self.lang),
            "interval": points_interval(row["change_low"], row["change_high"], self.lang),
            "relative": percent_change(row["change_percent"], self.lang),
            "baseline": percent(row["baseline_rate"], row["n"], self.lang),
            "pace": percent(row["pace_rate"], row["n"], self.lang),
            "status": status_name(row["status"], self.words),
        }
        if row["change_low"] > 0:
            sentence = _(
                "%(points)s percentage points above the %(baseline)s of the baseline %(year)s "
                "(95%% interval %(interval)s; relative %(relative)s); "
                "the pace line stands at %(pace)s: %(status)s."
            )
        elif row["change_high"] < 0:
            sentence = _(
                "%(points)s percentage points below the %(baseline)s of the baseline %(year)s "
                "(change: 95%% interval %(interval)s; relative %(relative)s); "
                "the pace line stands at %(pace)s: %(status)s."
            )
        else:
            sentence = _(
                "The difference from the %(baseline)s of the baseline %(year)s is not clear "
                "(%(signed)s percentage points, 95%% interval %(interval)s; "
                "relative %(relative)s); the pace line stands at %(pace)s: %(status)s."
            )
        return sentence % values

    def small_sample(self, row: Row) -> str:
        """The caution that a small sample asks for; empty where none is due."""
        _ = self.words.gettext
        if row["mark"] != SMALL:
            return ""
        return _("Small sample (%(n)s students): please read with care.") % {
            "n": count(row["students"], self.lang)
        }

    def hover(self, row: Row, head: str) -> str:
        """The label of a point."""
        _ = self.words.gettext
        text = _("%(head)s<br>%(rate)s (95%% interval %(interval)s)<br>%(n)s students") % {
            "head": head,
            "rate": self.rate(row),
            "interval": self.rate_interval(row),
            "n": count(row["students"], self.lang),
        }
        if row["pace_rate"] is not None:
            text += _("<br>pace line %(pace)s") % {"pace": self.rate(row, "pace_rate")}
        return text

    def point(self, row: Row, head: str) -> str:
        """A point in words, for the text alternative of a figure."""
        _ = self.words.gettext
        if row["pass_rate"] is None:
            absent = self.mark_meaning(row["mark"] or NOT_APPLICABLE)
            return _("%(head)s: %(meaning)s") % {"head": head, "meaning": absent}
        return _("%(head)s: %(rate)s (%(interval)s)") % {
            "head": head,
            "rate": self.rate(row),
            "interval": self.rate_interval(row),
        }

    def joined(self, parts: Sequence[str]) -> str:
        """Parts of an enumeration in one sentence."""
        return ("；" if self.lang == "zh" else "; ").join(parts)

    def mark_meaning(self, mark: str) -> str:
        """What a mark stands for."""
        _ = self.words.gettext
        return {
            WITHHELD: _("not shown, to protect personal data"),
            SMALL: _("small sample, please read with care"),
            NOT_REPORTED: _("not reported yet"),
            NOT_APPLICABLE: _("not applicable"),
        }[mark]

    def number(self, row: Row, column: str) -> Cell:
        """The cell of a count: students, or their scores."""
        if row[column] is None:
            return Cell(mark=absence(row))
        return Cell(count(row[column], self.lang))

    def share(self, row: Row) -> Cell:
        """The cell of the pass rate with its interval and its mark."""
        if row["pass_rate"] is None:
            return Cell(mark=absence(row))
        return Cell(self.rate(row), self.rate_interval(row), row["mark"] or "")

    def year_change(self, row: Row) -> Cell:
        """The cell of the change against the earlier year."""
        if row["pass_rate"] is None:
            return Cell(mark=absence(row))
        if row["year_change_points"] is None:
            return Cell(mark=WITHHELD if row["previous_year"] else NOT_APPLICABLE)
        return self._change(row, "year_change")

    def baseline_cells(self, row: Row) -> tuple[Cell, Cell, Cell, Cell]:
        """The cells of change in points, relative change, pace line and status."""
        if row["pass_rate"] is None:
            missing = Cell(mark=absence(row))
            return missing, missing, missing, missing
        pace = Cell(mark=NOT_APPLICABLE)
        if row["pace_rate"] is not None:
            pace = Cell(self.rate(row, "pace_rate"))
        if row["change_points"] is None:
            hidden = row["comparability"] == "compared"
            missing = Cell(mark=WITHHELD if hidden else NOT_APPLICABLE)
            return missing, missing, pace if pace.text else missing, missing
        return (
            self._change(row, "change"),
            Cell(percent_change(row["change_percent"], self.lang)),
            pace,
            Cell(status_name(row["status"] or "", self.words)),
        )

    def _change(self, row: Row, prefix: str) -> Cell:
        low, high = row[f"{prefix}_low"], row[f"{prefix}_high"]
        return Cell(
            points(row[f"{prefix}_points"], self.lang), points_interval(low, high, self.lang)
        )


def follows(earlier: str, later: str) -> bool:
    """Whether one school year (`2023-2024`) directly follows another."""
    head, _, tail = earlier.partition("-")
    return bool(tail) and later.partition("-")[0] == tail and tail.isdigit() and head.isdigit()


def absence(row: Row) -> str:
    """The mark of a row without figures."""
    return str(row["mark"] or NOT_APPLICABLE)


def build(published: Published, unit: Unit, lang: Lang) -> View:
    """The view of the page for the city, in one language."""
    tell = Teller(lang)
    _ = tell.words.gettext
    city = published.rows(CITY, [unit.code])
    city.sort(
        key=lambda row: (
            rank(row["stage"], STAGE_ORDER),
            rank(row["subject"], SUBJECT_ORDER),
            row["school_year"],
        )
    )
    reporting = published.rows(REPORTING)
    newest = newest_year(city)
    context: dict[str, object] = {
        "headline": _("There are no pass rates yet: no monitoring results have been handed in."),
        "scope": unit.name(lang),
        "sentences": [],
        "reporting": reporting_lines(tell, reporting, newest),
        "stages": [],
        "districts": None,
        "marks": [
            (mark, tell.mark_meaning(mark))
            for mark in (WITHHELD, SMALL, NOT_REPORTED, NOT_APPLICABLE)
        ],
    }
    title = _("Pass-rate trends")
    if newest is None:
        if reporting:
            context["headline"] = _(
                "There are no pass rates yet: the monitoring wave is registered, "
                "its results have not been handed in."
            )
        return View(title, context)

    figures: dict[str, go.Figure] = {}
    whole = [row for row in city if row["stage"] == "all" and row["subject"] == "all"]
    front = next((row for row in reversed(whole) if row["school_year"] == newest), None)
    if front is None:
        context["headline"] = _("Pass rates of %(unit)s by stage and subject") % {
            "unit": unit.name(lang)
        }
    else:
        context["headline"] = tell.headline(front, unit.name(lang))
        baseline_year = next(
            (row["school_year"] for row in whole if row["comparability"] == "baseline_year"), ""
        )
        context["scope"] = scope(tell, front, unit)
        sentences = [tell.against_baseline(front, baseline_year), tell.small_sample(front)]
        context["sentences"] = [sentence for sentence in sentences if sentence]

    if len({row["stage"] for row in city} - {"all"}) == 1:
        # The only stage and all stages are the same figures: they are shown once.
        city = [row for row in city if row["stage"] != "all"]
    downloads = [Download("pass-rate-trend.csv", COLUMNS, city)]
    context |= trend_section(tell, city, newest, figures)
    districts = district_rows(published, reporting, newest)
    if districts:
        context["districts"] = district_section(tell, districts, front, newest, figures, unit)
        columns = ("level", "unit_code", "unit_name", *COLUMNS[2:])
        downloads.append(Download("pass-rate-districts.csv", columns, districts))
    return View(title, context, figures, downloads)


def newest_year(city: Sequence[Row]) -> str | None:
    """The newest school year of the city's rows."""
    return max((row["school_year"] for row in city), default=None)


def scope(tell: Teller, row: Row, unit: Unit) -> str:
    """What a headline speaks of: unit, stages and subjects, year, n."""
    _ = tell.words.gettext
    parts = [unit.name(tell.lang), _("all stages and subjects pooled"), tell.year(row)]
    if row["n"] is not None:
        parts.append(
            _("%(students)s students, %(n)s scores")
            % {"students": count(row["students"], tell.lang), "n": count(row["n"], tell.lang)}
        )
    text = " · ".join(parts)
    return text[:1].upper() + text[1:]


def reporting_lines(tell: Teller, reporting: Sequence[Row], newest: str | None) -> list[str]:
    """What has not been reported or was returned, one sentence a fact; empty when all is in."""
    lines = []
    city = [row for row in reporting if row["level"] == "city"]
    for row in city:
        wave = row["wave_id"]
        if len(city) == 1:
            _ = tell.words.gettext
            wave = _("This wave")
            if row["school_year"] != newest:
                wave = _("The wave of %(year)s") % {"year": tell.year(row)}
        late, returned = row["schools_not_reported"] or 0, row["files_returned"] or 0
        ngettext = tell.words.ngettext
        if late:
            sentence = ngettext(
                "%(wave)s: %(n)s school has not reported yet.",
                "%(wave)s: %(n)s schools have not reported yet.",
                late,
            )
            lines.append(sentence % {"wave": wave, "n": count(late, tell.lang)})
        if returned:
            sentence = ngettext(
                "%(wave)s: %(n)s file was returned to be corrected and is not counted.",
                "%(wave)s: %(n)s files were returned to be corrected and are not counted.",
                returned,
            )
            lines.append(sentence % {"wave": wave, "n": count(returned, tell.lang)})
    return lines


def trend_section(
    tell: Teller, city: Sequence[Row], newest: str, figures: dict[str, go.Figure]
) -> dict[str, object]:
    """The small multiples of the trend with their tables."""
    _ = tell.words.gettext
    years = sorted({row["school_year"] for row in city})
    labels = {year: year_label(year) for year in years}
    axis = share_range(
        value
        for row in city
        for value in (row["pass_low"], row["pass_high"], row["pace_rate"])
        if value is not None
    )
    stages = []
    for stage, stage_rows in groupby(city, key=lambda row: row["stage"]):
        panels, groups = [], []
        for subject, group in groupby(stage_rows, key=lambda row: row["subject"]):
            rows = list(group)
            name = f"trend-{stage}-{subject}"
            heading = subject_name(subject, tell.words)
            figures[name] = trend_panel(
                trend_frame(tell, rows, labels), list(labels.values()), axis
            )
            said = tell.joined([tell.point(row, tell.year(row)) for row in rows])
            title = f"{stage_name(stage, tell.words)} {heading}"
            alternative = _("%(head)s: %(meaning)s") % {"head": title, "meaning": said}
            panels.append(Panel(name, heading, alternative))
            lines = [
                Line(
                    tell.year(row),
                    (
                        tell.share(row),
                        tell.year_change(row),
                        *tell.baseline_cells(row),
                        tell.number(row, "students"),
                        tell.number(row, "n"),
                    ),
                )
                for row in rows
            ]
            groups.append(Group(heading, tuple(lines)))
        stages.append(Stage(stage_name(stage, tell.words), tuple(panels), tuple(groups)))
    return {
        "trend_title": trend_title(tell, city, newest),
        "stages": stages,
        "paced": any(row["pace_rate"] is not None for row in city),
        "axis_start": percent(axis[0], 1, tell.lang) if axis[0] > 0 else "",
        "trend_download": "pass-rate-trend.csv",
    }


def year_label(year: str) -> str:
    """A school year as short as an axis needs it: `2023–24`."""
    first, _, second = year.partition("-")
    return f"{first}–{second[-2:]}" if len(first) == len(second) == 4 else year


def trend_frame(tell: Teller, rows: Sequence[Row], labels: dict[str, str]) -> pd.DataFrame:
    """What a trend panel draws; in the baseline year the pace line starts at the rate itself."""
    records = []
    for row in rows:
        pace = row["pace_rate"]
        if pace is None and row["comparability"] == "baseline_year":
            pace = row["pass_rate"]
        hover = "" if row["pass_rate"] is None else tell.hover(row, tell.year(row))
        records.append(
            {
                "year": labels[row["school_year"]],
                "pass_rate": row["pass_rate"],
                "pass_low": row["pass_low"],
                "pass_high": row["pass_high"],
                "pace_rate": pace,
                "mark": row["mark"],
                "hover": hover,
            }
        )
    return pd.DataFrame.from_records(records)


def trend_title(tell: Teller, city: Sequence[Row], newest: str) -> str:
    """How many stages and subjects rose, fell, or cannot be told apart from the year before."""
    _ = tell.words.gettext
    compared = [
        row
        for row in city
        if row["school_year"] == newest
        and row["stage"] != "all"
        and row["subject"] != "all"
        and row["year_change_points"] is not None
    ]
    if not compared:
        return _("Pass rate by stage and subject")
    higher = sum(row["year_change_low"] > 0 for row in compared)
    lower = sum(row["year_change_high"] < 0 for row in compared)
    adjacent = all(follows(row["previous_year"], newest) for row in compared)
    previous = _("the year before") if adjacent else _("the wave before")
    parts = [
        (higher, _("%(n)s higher than %(previous)s")),
        (lower, _("%(n)s lower than %(previous)s")),
        (len(compared) - higher - lower, _("%(n)s not clearly different from %(previous)s")),
    ]
    said = [text % {"n": n, "previous": previous} for n, text in parts if n]
    return _("Of %(all)s stage and subject pairs: %(parts)s") % {
        "all": len(compared),
        "parts": ("，" if tell.lang == "zh" else ", ").join(said),
    }


def district_rows(published: Published, reporting: Sequence[Row], newest: str) -> list[Row]:
    """Every district in the order of codes, also those without a figure."""
    names = {row["unit_code"]: row["unit_name"] for row in published.rows(UNITS)}
    known = {row["unit_code"]: row for row in published.rows(DISTRICTS, [newest])}
    silent = {
        row["unit_code"]
        for row in reporting
        if row["level"] == "district"
        and row["school_year"] == newest
        and row["schools_not_reported"]
        and not row["schools_reported"]
    }
    rows = []
    for code in sorted(names | known):
        empty: Row = dict.fromkeys(COLUMNS) | {
            "level": "district",
            "unit_code": code,
            "stage": "all",
            "subject": "all",
            "school_year": newest,
            "mark": NOT_REPORTED if code in silent else NOT_APPLICABLE,
        }
        rows.append({**known.get(code, empty), "unit_name": names.get(code, code)})
    return rows


def district_section(
    tell: Teller,
    districts: Sequence[Row],
    front: Row | None,
    newest: str,
    figures: dict[str, go.Figure],
    unit: Unit,
) -> dict[str, object]:
    """The districts of the newest year as dots, with their table."""
    _ = tell.words.gettext
    names = [row["unit_name"] for row in districts]
    labels = [
        row["unit_name"]
        if names.count(row["unit_name"]) == 1
        else f"{row['unit_name']} {row['unit_code']}"
        for row in districts
    ]
    drawn = [row for row in districts if row["pass_rate"] is not None]
    axis = share_range(value for row in drawn for value in (row["pass_low"], row["pass_high"]))
    reference = front["pass_rate"] if front else None
    frame = pd.DataFrame.from_records(
        [
            {
                "name": label,
                "pass_rate": row["pass_rate"],
                "pass_low": row["pass_low"],
                "pass_high": row["pass_high"],
                "mark": row["mark"],
                "hover": "" if row["pass_rate"] is None else tell.hover(row, label),
                "note": tell.mark_meaning(absence(row)),
            }
            for row, label in zip(districts, labels, strict=True)
        ]
    )
    figures["districts"] = unit_dots(
        frame,
        axis,
        reference=None if reference is None else float(reference),
        reference_label=""
        if front is None or reference is None
        else f"{unit.name(tell.lang)} {tell.rate(front)}",
    )
    points_said = [tell.point(row, label) for row, label in zip(districts, labels, strict=True)]
    return {
        "title": district_title(tell, drawn, len(districts)),
        "subtitle": _("Pass rate with 95%% interval, all stages and subjects pooled, %(year)s")
        % {"year": school_year(newest, tell.lang)},
        "alternative": tell.joined(points_said),
        "axis_start": percent(axis[0], 1, tell.lang) if axis[0] > 0 else "",
        "lines": [
            (
                row["unit_name"],
                row["unit_code"],
                (
                    tell.share(row),
                    tell.year_change(row),
                    tell.number(row, "students"),
                    tell.number(row, "n"),
                ),
            )
            for row in districts
        ],
        "download": "pass-rate-districts.csv",
    }


def district_title(tell: Teller, drawn: Sequence[Row], total: int) -> str:
    """The span of the districts' rates, without an order among them."""
    _ = tell.words.gettext
    if not drawn:
        return _("No district has a figure to show")
    if len(drawn) == 1:
        return _("One district has a figure: %(unit)s, %(rate)s") % {
            "unit": drawn[0]["unit_name"],
            "rate": tell.rate(drawn[0]),
        }
    low = min(drawn, key=lambda row: row["pass_rate"])
    high = max(drawn, key=lambda row: row["pass_rate"])
    return _("%(n)s of %(total)s districts have a figure: pass rates from %(low)s to %(high)s") % {
        "n": len(drawn),
        "total": total,
        "low": tell.rate(low),
        "high": tell.rate(high),
    }
