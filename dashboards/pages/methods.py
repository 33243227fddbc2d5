"""Methods and data: how was it computed, what does each mark mean, may I have it?"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import plotly.graph_objects as go

from dashboards.figures import FATE_FILLS
from dashboards.pages.base import Published, Row, Unit, View, to_take
from dashboards.pages.dictionary import WORDS, Dictionary, dictionary
from dashboards.pages.marks import legend
from dashboards.pages.sentences import Teller
from dashboards.pages.wholes import in_parts
from pipelines.wording import Lang, percent
from pipelines.wording.labels import fate_name, rank, unit_name

METRICS = """
    select metrics.*
    from published.metric as metrics
    inner join published.dictionary as columns
        on metrics.table_name = columns.table_name and metrics.column_name = columns.column_name
    order by metrics.place
"""
"""The figures that a published table holds."""
PROTECTION = """
    select table_name, fate, cell_share, student_share
    from published.protection
    order by table_name, fate
"""
MADE_WITH = """
    select kind, name, value
    from published.made_with
    order by kind, name
"""

TOLD = ("shown", "band", "share", "total")
FATES = (*TOLD, "few", "partner", "nobody")
"""What becomes of a number, in the order of pages; of those first something is told, if not the
number itself."""
LISTED = 3
"""Of more tables than these a headline names the least and the most."""
FILES = ("dictionary.csv", "metrics.csv", "protection.csv")
"""Names of the tables to take away."""

DICTIONARY_COLUMNS = ("table_name", "place", "column_name", "data_type", "words")
METRIC_COLUMNS = (
    "name", "zh", "en", "formula", "unit", "better", "table_name", "column_name", "method_source",
)  # fmt: skip
PROTECTION_COLUMNS = ("table_name", "fate", "cell_share", "student_share")


def _(msgid: str) -> str:
    """Marks a name for the catalogue; it is translated where it is shown."""
    return msgid


SETTINGS = {
    "plan_baseline_year": _("Baseline year of the plan"),
    "plan_rise_points": _("Rise asked for, in percentage points"),
    "plan_years": _("Years in which it is asked for"),
    "pass_share": _("Pass mark where a paper names none, share of the full mark"),
    "good_share": _("Good mark, likewise"),
    "excellent_share": _("Excellent mark, likewise"),
    "low_share": _("Low mark, likewise"),
    "inclass_share": _("In-class check asked of each school"),
    "lessons_a_record": _("Most lessons of one record of observation"),
    "lessons_a_day": _("Most lessons of one observer in a day"),
    "value_added_students": _("Fewest matched students of a value added"),
    "value_added_match": _("Match rate below which a value added is marked"),
    "growth_students": _("Fewest students that growth percentiles are fitted to"),
    "growth_priors": _("Most earlier waves that growth percentiles look at"),
    "school_year_start_month": _("Month in which the school year begins"),
}
"""The settings that are told, those of one number each."""


@dataclass(frozen=True)
class Table:
    """A published table and its columns: name, code, type, meaning."""

    name: str
    code: str
    meaning: str
    columns: tuple[tuple[str, str, str, str], ...]


def build(published: Published, unit: Unit, lang: Lang) -> View:
    """The view of the page, which is the same for everybody, in one language."""
    tell = Teller(lang)
    _ = tell.words.gettext
    words, metrics = published.rows(WORDS), published.rows(METRICS)
    protection, made_with = published.rows(PROTECTION), published.rows(MADE_WITH)
    figures: dict[str, go.Figure] = {}
    tables = _tables(tell, dictionary(published))
    context: dict[str, Any] = {
        "scope": _("For everybody who signs in"),
        "when": "",
        "headline": _("How the figures are made, and how to read them"),
        "sentences": [],
        "marks": legend(tell.words).items(),
        "metrics": [_metric(tell, row) for row in metrics],
        "tables": tables,
        "protection": _protection(tell, protection, {t.code: t.name for t in tables}, figures),
        "settings": _settings(tell, made_with),
        "software": [(row["name"], row["value"]) for row in made_with if row["kind"] == "software"],
        "files": FILES,
    }
    given = (
        (DICTIONARY_COLUMNS, words, "dictionary", _("Dictionary of the published tables")),
        (METRIC_COLUMNS, metrics, "metric", _("How each figure is worked out")),
        (PROTECTION_COLUMNS, protection, "protection", _("What is withheld, and what that costs")),
    )
    return View(_("Methods and data"), context, figures, to_take(FILES, given))


def _metric(tell: Teller, row: Row) -> tuple[str, str, str, str, str]:
    """What a figure is called, how it is worked out, its unit, its source, where it stands."""
    formula = row["formula"]
    return (
        row[tell.lang],
        tell.words.gettext(formula),
        unit_name(row["unit"], tell.words),
        row["method_source"] or "",
        f"{row['table_name']}.{row['column_name']}",
    )


def _tables(tell: Teller, tables: Dictionary) -> list[Table]:
    """The dictionary by table; a meaning is translated as far as the catalogue has it."""
    _ = tell.words.gettext
    zh = tell.lang == "zh"
    return [
        Table(
            table.zh if zh and table.zh else code.replace("_", " ").capitalize(),
            code,
            _(table.en) if table.en else "",
            tuple((one.zh if zh else "", one.name, one.type, _(one.en) if one.en else "")
                  for one in table.columns),
        )
        for code, table in tables.items()
    ]  # fmt: skip


def _protection(
    tell: Teller,
    rows: Sequence[Row],
    names: Mapping[str, str],
    figures: dict[str, go.Figure],
) -> dict[str, Any] | None:
    """Which share of each table is withheld by which rule; none where nothing is known."""
    if not rows:
        return None
    _ = tell.words.gettext
    fates = sorted({row["fate"] for row in rows}, key=lambda fate: rank(fate, FATES))
    said = {fate: fate_name(fate, tell.words) for fate in fates}
    kinds = {"cell_share": _("numbers"), "student_share": _("persons counted")}
    wholes = {}
    for table, group in groupby(rows, key=lambda row: str(row["table_name"])):
        own = {row["fate"]: row for row in group}
        for column, kind in kinds.items():
            shares = {fate: float(own[fate][column] or 0) if fate in own else 0.0 for fate in fates}
            wholes[tell.noted(names.get(table, table), kind)] = {
                fate: (share, percent(share, 1, tell.lang)) for fate, share in shares.items()
            }
    told = dict.fromkeys(sorted({row["table_name"] for row in rows}), 0.0)
    for row in rows:
        told[row["table_name"]] += float(row["student_share"] or 0) * (row["fate"] in TOLD)
    ranked = sorted(told, key=told.__getitem__)
    said_of = {
        table: _("%(table)s %(rate)s")
        % {"table": names.get(table, table), "rate": percent(min(share, 1), 1, tell.lang)}
        for table, share in told.items()
    }
    if len(told) > LISTED:
        title = _(
            "Of the persons in each table so many stand in figures that are told: from %(least)s to"
            " %(most)s"
        ) % {"least": said_of[ranked[0]], "most": said_of[ranked[-1]]}
    else:
        title = _("Of the persons in the tables so many stand in figures that are told: %(n)s") % {
            "n": tell.listed(list(said_of.values()))
        }
    return {
        "title": title,
        **in_parts(tell, "protection", wholes, said, FATE_FILLS, figures),
    }


def _settings(tell: Teller, made_with: Sequence[Row]) -> list[tuple[str, str, str]]:
    """What each setting is, its value, its name."""
    values = {
        row["name"]: json.loads(row["value"]) for row in made_with if row["kind"] == "setting"
    }
    return [
        (tell.words.gettext(said), str(values[name]), name)
        for name, said in SETTINGS.items()
        if name in values
    ]
