"""Pass rates: is the rate rising, and where not?"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from dashboards.figures import share_range, trend_panel, unit_dots
from dashboards.pages.base import Download, Published, Row, Unit, View
from dashboards.pages.marks import absence, legend
from dashboards.pages.queries import TREND_COLUMNS, city_trend, district_rates, reporting_state
from dashboards.pages.sentences import Teller, follows, year_label
from dashboards.pages.tables import (
    Line,
    baseline_cells,
    count_cell,
    rate_cell,
    year_change_cell,
)
from dashboards.pages.value_added import section
from pipelines.wording import Lang, percent_band, school_year
from pipelines.wording.labels import stage_name, subject_name

TREND_TABLE, DISTRICT_TABLE = "pass-rate-trend.csv", "pass-rate-districts.csv"
DISTRICT_COLUMNS = ("level", "unit_code", "unit_name", *TREND_COLUMNS[2:])


@dataclass(frozen=True)
class Panel:
    """One small chart: its heading, its figure, the same in words, and as lines of a table."""

    subject: str
    figure: str
    heading: str
    alternative: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Stage:
    """The panels of one stage."""

    code: str
    name: str
    panels: tuple[Panel, ...]


def build(published: Published, unit: Unit, lang: Lang) -> View:
    """The view of the page for the city, in one language."""
    tell = Teller(lang)
    _ = tell.words.gettext
    city, reporting = city_trend(published, unit), reporting_state(published)
    newest = max((row["school_year"] for row in city), default=None)
    title = _("Pass-rate trends")
    context: dict[str, Any] = {
        "scope": unit.name(lang),
        "when": "",
        "sentences": [],
        "reporting": tell.reporting(reporting, newest),
        "stages": [],
        "districts": None,
        "added": None,
        "marks": legend(tell.words).items(),
    }
    if newest is None:
        context["headline"] = (
            _(
                "There are no pass rates yet: the monitoring wave is registered, "
                "its results have not been handed in."
            )
            if reporting
            else _("There are no pass rates yet: no monitoring results have been handed in.")
        )
        return View(title, context)

    whole = [row for row in city if row["stage"] == "all" and row["subject"] == "all"]
    front = next((row for row in whole if row["school_year"] == newest), None)
    if front is None:
        context["headline"] = _("Pass rates of %(unit)s by stage and subject") % {
            "unit": unit.name(lang)
        }
    else:
        baseline_year = next(
            (row["school_year"] for row in whole if row["comparability"] == "baseline_year"), ""
        )
        said = [tell.against_baseline(front, baseline_year), tell.small_sample(front)]
        context |= {
            "headline": tell.headline(front, unit.name(lang)),
            "scope": tell.scope(front, unit.name(lang)),
            "sentences": [sentence for sentence in said if sentence],
        }

    if len({row["stage"] for row in city} - {"all"}) == 1:
        # The only stage and all stages are the same figures: they are shown once.
        city = [row for row in city if row["stage"] != "all"]
    figures: dict[str, go.Figure] = {}
    context |= trend_section(tell, city, newest, figures)
    downloads = [
        Download(TREND_TABLE, TREND_COLUMNS, city, ("pass_rate_trend",), context["trend_title"])
    ]
    districts = district_rates(published, reporting, newest)
    if districts:
        context["districts"] = district_section(tell, districts, front, newest, figures, unit)
        measure = str(context["districts"]["subtitle"])
        downloads.append(
            Download(DISTRICT_TABLE, DISTRICT_COLUMNS, districts, ("pass_rate_trend",), measure)
        )
    context["added"] = section(tell, published, unit, figures, downloads)
    return View(title, context, figures, downloads)


def trend_section(
    tell: Teller, city: Sequence[Row], newest: str, figures: dict[str, go.Figure]
) -> dict[str, object]:
    """The small multiples of the trend with their tables; adds their figures to `figures`."""
    years = [year_label(year) for year in sorted({row["school_year"] for row in city})]
    axis = share_range(
        row[column] for row in city for column in ("pass_low", "pass_high", "pace_rate")
    )
    stages = []
    for stage, stage_rows in groupby(city, key=lambda row: row["stage"]):
        panels = []
        for subject, group in groupby(stage_rows, key=lambda row: row["subject"]):
            rows = list(group)
            name = f"trend-{stage}-{subject}"
            figures[name] = trend_panel(trend_frame(tell, rows), years, axis)
            lines = tuple(
                Line(
                    tell.year(row),
                    (
                        rate_cell(tell, row),
                        year_change_cell(tell, row),
                        *baseline_cells(tell, row),
                        count_cell(tell, row, "students"),
                        count_cell(tell, row, "n"),
                    ),
                )
                for row in rows
            )
            heading = subject_name(subject, tell.words)
            panels.append(Panel(subject, name, heading, _panel_said(tell, rows), lines))
        stages.append(Stage(stage, stage_name(stage, tell.words), tuple(panels)))
    return {
        "trend_title": trend_title(tell, city, newest),
        "stages": stages,
        "choices": _choices(tell, stages),
        "paced": any(row["pace_rate"] is not None for row in city),
        "axis_start": tell.axis_start(axis),
        "trend_download": TREND_TABLE,
    }


def _panel_said(tell: Teller, rows: Sequence[Row]) -> str:
    """A panel in words: what the newest year says, then every point."""
    newest = rows[-1]
    stage, subject = newest["stage"], newest["subject"]
    said = [tell.point(row, tell.year(row)) for row in rows]
    if newest["year_change_points"] is not None:
        ends = newest["year_change_low"], newest["year_change_high"]
        change = tell.change(newest["year_change_points"], *ends, tell.previous(newest))
        said.insert(0, change)
    heading = f"{stage_name(stage, tell.words)} {subject_name(subject, tell.words)}"
    return tell.headed(heading, tell.joined(said))


def _choices(tell: Teller, stages: Sequence[Stage]) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """What the charts can be narrowed to: name in the address, heading, values with their words."""
    _ = tell.words.gettext
    subjects = {panel.subject: panel.heading for stage in stages for panel in stage.panels}
    offered = [
        ("stage", _("Stage"), [(stage.code, stage.name) for stage in stages]),
        ("subject", _("Subject"), list(subjects.items())),
    ]
    return [one for one in offered if len(one[2]) > 1]


def drawn(tell: Teller, row: Row, head: str) -> dict[str, object]:
    """What figures draw of a row's pass rate: shares of 1, the mark, and the label."""
    columns = ("pass_rate", "pass_low", "pass_high", "mark")
    return {column: row[column] for column in columns} | {"hover": tell.hover(row, head)}


def trend_frame(tell: Teller, rows: Sequence[Row]) -> pd.DataFrame:
    """What a trend panel draws; in the baseline year the pace line starts at the rate itself."""
    records = []
    for row in rows:
        pace = row["pace_rate"]
        if pace is None and row["comparability"] == "baseline_year":
            pace = row["pass_rate"]
        records.append(
            drawn(tell, row, tell.year(row))
            | {"year": year_label(row["school_year"]), "pace_rate": pace}
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


def district_section(
    tell: Teller,
    districts: Sequence[Row],
    front: Row | None,
    newest: str,
    figures: dict[str, go.Figure],
    unit: Unit,
) -> dict[str, object]:
    """The districts of the newest year as dots, with their table; adds its figure to `figures`."""
    _ = tell.words.gettext
    meanings = legend(tell.words)
    frame = pd.DataFrame.from_records(
        [
            drawn(tell, row, row["label"])
            | {
                "name": row["label"],
                "note": percent_band(row["pass_band"])
                if row["pass_band"]
                else meanings[absence(row)],
            }
            for row in districts
        ]
    )
    shown = [row for row in districts if row["pass_rate"] is not None]
    axis = share_range(row[column] for row in shown for column in ("pass_low", "pass_high"))
    across: dict[str, Any] = {}
    if front and front["pass_rate"] is not None:
        across = {
            "reference": float(front["pass_rate"]),
            "reference_label": f"{unit.name(tell.lang)} {tell.rate(front)}",
        }
    figures["districts"] = unit_dots(frame, axis, **across)
    return {
        "title": district_title(tell, shown, len(districts)),
        "subtitle": _("Pass rate with 95%% interval, all stages and subjects pooled, %(year)s")
        % {"year": school_year(newest, tell.lang)},
        "alternative": tell.joined([tell.point(row, row["label"]) for row in districts]),
        "axis_start": tell.axis_start(axis),
        "lines": [
            (
                row["unit_name"],
                row["unit_code"],
                (
                    rate_cell(tell, row),
                    year_change_cell(tell, row),
                    count_cell(tell, row, "students"),
                    count_cell(tell, row, "n"),
                ),
            )
            for row in districts
        ],
        "download": DISTRICT_TABLE,
    }


def district_title(tell: Teller, shown: Sequence[Row], total: int) -> str:
    """The span of the districts' rates, without an order among them."""
    _ = tell.words.gettext
    if not shown:
        return _("No district has a figure to show")
    if len(shown) == 1:
        return _("One district has a figure: %(unit)s, %(rate)s") % {
            "unit": shown[0]["unit_name"],
            "rate": tell.rate(shown[0]),
        }
    low = min(shown, key=lambda row: row["pass_rate"])
    high = max(shown, key=lambda row: row["pass_rate"])
    return _("%(n)s of %(total)s districts have a figure: pass rates from %(low)s to %(high)s") % {
        "n": len(shown),
        "total": total,
        "low": tell.rate(low),
        "high": tell.rate(high),
    }
