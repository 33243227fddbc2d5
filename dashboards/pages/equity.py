"""Equity: how far apart do groups, schools and districts stand, and is it closing?"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from dashboards.figures import effect_dots, effect_range, gap_trend, measure_dots
from dashboards.pages.base import Published, Row, Unit, View, to_take, unit_labels
from dashboards.pages.marks import NOT_APPLICABLE, WITHHELD, absence, legend
from dashboards.pages.papers import Paper, band_of, in_order, main_papers, paper_name, paper_of
from dashboards.pages.sentences import Teller, year_label
from dashboards.pages.tables import Cell
from dashboards.pages.wholes import in_parts
from pipelines.wording import Lang, count, measured, percent, school_year
from pipelines.wording.labels import (
    DIMENSION_ORDER,
    INDICATOR_ORDER,
    STAGE_ORDER,
    SUBJECT_ORDER,
    dimension_name,
    indicator_name,
    rank,
    stage_name,
    subject_name,
)

OWN = """
    select *
    from published.equity
    where level = ? and unit_code = ?
    order by school_year, grade, subject, measure, dimension
"""
DISTRICTS = """
    select figures.*, units.unit_name
    from published.equity as figures
    inner join published.unit as units
        on figures.level = units.level and figures.unit_code = units.unit_code
    where figures.level = 'district' and units.parent_code = ?
        and figures.measure = 'gap_d' and figures.dimension = 'district'
    order by figures.school_year, figures.grade, figures.subject, figures.unit_code
"""
RESOURCES = """
    select figures.*, units.unit_name
    from published.resource_equity as figures
    inner join published.unit as units
        on figures.level = units.level and figures.unit_code = units.unit_code
    where (figures.level = ? and figures.unit_code = ?)
        or (units.level = 'district' and units.parent_code = ?)
    order by figures.school_year, figures.stage, figures.indicator, figures.level,
        figures.unit_code
"""
COMMUNITIES = """
    select *
    from published.community_gap
    order by stage, subject, measure, school_year
"""

EQUITY_COLUMNS = (
    "school_year", "wave_id", "grade", "subject", "measure", "dimension", "level", "unit_code",
    "group_a", "group_b", "value", "ci_low", "ci_high", "stands", "reason", "mark",
)  # fmt: skip
RESOURCE_COLUMNS = (
    "school_year", "stage", "indicator", "level", "unit_code", "unit_name", "value", "ci_low",
    "ci_high", "schools", "highest", "is_within", "reason", "mark",
)  # fmt: skip
COMMUNITY_COLUMNS = (
    "stage", "subject", "measure", "school_year", "value", "ci_low", "ci_high", "communities",
    "closing", "opening", "reason", "mark",
)  # fmt: skip
FILES = {
    "city": ("equity.csv", "equity-districts.csv", "equity-resources.csv", "communities.csv"),
    "district": ("equity-{code}.csv", "", "equity-resources-{code}.csv", ""),
}
"""Names of the tables to take away, by the page's level."""

PARTS = {"between": ("orange", "on-strong"), "within": ("blue-wash", "ink")}
"""Part of the differences between schools → the names of its fill and of words on it."""


def build(published: Published, unit: Unit, lang: Lang) -> View:
    """The view of the page for the city or for one district, in one language."""
    tell, level = Teller(lang), unit.level
    _ = tell.words.gettext
    own = published.rows(OWN, [level, unit.code])
    districts = published.rows(DISTRICTS, [unit.code]) if level == "city" else []
    resources = published.rows(RESOURCES, [level, unit.code, unit.code])
    communities = published.rows(COMMUNITIES) if level == "city" else []
    figures: dict[str, go.Figure] = {}
    year = max((row["school_year"] for row in own), default=None)
    newest = [row for row in own if row["school_year"] == year]
    gaps = [row for row in own if row["measure"] == "gap_d" and row["dimension"] != "district"]
    files = [name.format(code=unit.code) for name in FILES[level]]
    headline, sentences = _told(tell, gaps, year)
    context: dict[str, Any] = {
        "scope": unit.name(lang),
        "level": level,
        "when": school_year(year, lang) if year else "",
        "headline": headline or _fallback(tell, unit, newest, resources),
        "sentences": sentences,
        "gaps": _gaps(tell, gaps, year, figures),
        "trends": _trends(tell, gaps, figures),
        "spread": _spread(tell, newest, figures),
        "parts": _parts(tell, newest, figures) if level == "city" else None,
        "districts": _districts(tell, districts, year, figures)
        if level == "city"
        else _own_gap(tell, newest, figures),
        "resources": _resources(tell, unit, resources, figures),
        "communities": _communities(tell, communities),
        "files": files,
        "marks": legend(tell.words).items(),
    }
    tables = (
        (EQUITY_COLUMNS, own, "equity", ""),
        (EQUITY_COLUMNS, districts, "equity", _("each district against the others")),
        (RESOURCE_COLUMNS, resources, "resource_equity", _("Resources of schools")),
        (COMMUNITY_COLUMNS, communities, "community_gap", _("Joint-research communities")),
    )
    return View(_("Equity"), context, figures, to_take(files, tables))


def _said(tell: Teller, row: Row) -> str:
    """A figure with its interval, in no more digits than that warrants."""
    if row["value"] is None:
        return legend(tell.words)[absence(row)]
    if row["ci_low"] is None:
        return f"{row['value']:.2f}".replace("-", "−")
    most = 3 if row.get("measure", "").startswith("theil") else 2
    return measured(row["value"], row["ci_low"], row["ci_high"], tell.lang, most=most)


def _cell(tell: Teller, row: Row | None) -> Cell:
    """The cell of a figure."""
    if row is None:
        return Cell(mark=NOT_APPLICABLE)
    if row["value"] is None:
        return Cell(mark=absence(row))
    return Cell(_said(tell, row), "", row["mark"] or "")


def _counted(rows: Sequence[Row]) -> Counter[str]:
    """In how many papers an interval lies above 0, below it, or holds it."""
    return Counter(row["stands"] for row in rows if row["stands"])


def _told(tell: Teller, gaps: Sequence[Row], year: str | None) -> tuple[str, list[str]]:
    """The headline, of the first gap that there is, and a sentence on each of the others.

    A gap is said to be there only where the interval leaves out 0; whether it changed, only where
    the change does.
    """
    told = []
    for dimension in sorted({r["dimension"] for r in gaps}, key=lambda d: rank(d, DIMENSION_ORDER)):
        rows = [row for row in gaps if row["dimension"] == dimension]
        said = _dimension_said(tell, dimension, [r for r in rows if r["school_year"] == year])
        if said:
            told.append((said, _change_said(tell, rows, year)))
    if not told:
        return "", []
    end = "。" if tell.lang == "zh" else "."
    (headline, change), *others = told
    return headline, [*([change] if change else []), *(f"{said}{end}" for said, _c in others[:3])]


def _dimension_said(tell: Teller, dimension: str, rows: Sequence[Row]) -> str:
    """In how many papers which of two groups stands higher; empty where nothing is told."""
    _ = tell.words.gettext
    counts = _counted(rows)
    if not counts:
        return ""
    name = dimension_name(dimension, tell.words)
    values = {
        "name": name,
        "all": count(counts.total(), tell.lang),
        "lower": count(counts["below"], tell.lang),
        "higher": count(counts["above"], tell.lang),
        "unclear": count(counts["unclear"], tell.lang),
    }
    if counts["unclear"] == counts.total():
        return _("%(name)s: of %(all)s papers none shows a clear difference") % values
    parts = []
    if counts["below"]:
        parts.append(_("the former lower in %(lower)s") % values)
    if counts["above"]:
        parts.append(_("the former higher in %(higher)s") % values)
    if counts["unclear"]:
        parts.append(_("not clear in %(unclear)s") % values)
    said = _("%(name)s: of %(all)s papers, %(parts)s")
    return said % (values | {"parts": tell.listed(parts)})


def changed(now: Row, before: Row) -> int:
    """Whether a gap moved from one year to another: 1 or -1 beyond chance, 0 not clearly.

    The two years are taken as independent. The same schools make them alike, so what is said to
    have moved has; some that moved are not seen to.
    """
    ends = [row[name] for row in (now, before) for name in ("value", "ci_low", "ci_high")]
    if any(end is None for end in ends):
        return 0
    widths = [row["ci_high"] - row["ci_low"] for row in (now, before)]
    half = math.hypot(*widths) / 2
    step = now["value"] - before["value"]
    return 0 if abs(step) <= half else 1 if step > 0 else -1


def _change_said(tell: Teller, rows: Sequence[Row], year: str | None) -> str:
    """In how many papers a gap became smaller or larger than the year before."""
    _ = tell.words.gettext
    years = sorted({row["school_year"] for row in rows})
    if len(years) < 2 or years[-1] != year:
        return ""
    before = {paper_of(row): row for row in rows if row["school_year"] == years[-2]}
    pairs = [
        (row, before[paper_of(row)])
        for row in rows
        if row["school_year"] == year and paper_of(row) in before
    ]
    pairs = [(a, b) for a, b in pairs if a["value"] is not None and b["value"] is not None]
    if not pairs:
        return ""
    moved = [(a, b) for a, b in pairs if changed(a, b)]
    smaller = sum(abs(a["value"]) < abs(b["value"]) for a, b in moved)
    values = {
        "year": school_year(years[-2], tell.lang),
        "all": count(len(pairs), tell.lang),
        "smaller": count(smaller, tell.lang),
        "larger": count(len(moved) - smaller, tell.lang),
    }
    parts = []
    if smaller:
        parts.append(_("clearly smaller in %(smaller)s") % values)
    if len(moved) > smaller:
        parts.append(_("clearly larger in %(larger)s") % values)
    if not parts:
        said = _("Against %(year)s the gap has not clearly changed in any of %(all)s papers.")
        return said % values
    if len(moved) < len(pairs):
        parts.append(_("not clearly changed in %(rest)s") % {"rest": len(pairs) - len(moved)})
    said = _("Against %(year)s: of %(all)s papers the gap is %(parts)s.")
    return said % (values | {"parts": tell.listed(parts)})


def _fallback(tell: Teller, unit: Unit, newest: Sequence[Row], resources: Sequence[Row]) -> str:
    """The headline where no gap may be told."""
    _ = tell.words.gettext
    if newest or resources:
        return _("Equity of %(unit)s: no gap between groups can be told") % {
            "unit": unit.name(tell.lang)
        }
    return _("There is nothing to compare yet: neither results nor resources have come in.")


def _points(tell: Teller, rows: Sequence[tuple[str, Row]]) -> pd.DataFrame:
    """Rows of a figure of gaps: their names, and what they are."""
    return pd.DataFrame.from_records(
        [
            {
                "name": name,
                "effect": row["value"],
                "ci_low": row["ci_low"],
                "ci_high": row["ci_high"],
                "band": band_of(row),
                "mark": row["mark"],
                "hover": f"{name}<br>{_said(tell, row)}",
                "note": absence(row),
            }
            for name, row in rows
        ]
    )


def _alternative(tell: Teller, rows: Sequence[tuple[str, Row]]) -> str:
    return tell.joined([tell.headed(name, _said(tell, row)) for name, row in rows])


def _axis(rows: Sequence[Row]) -> tuple[float, float]:
    """One axis for all panels; what lies far out is cut, so that the others can be read."""
    shown = [row for row in rows if row["value"] is not None]
    ends = sorted(max(abs(row["ci_low"]), abs(row["ci_high"])) for row in shown)
    return effect_range(ends[: math.ceil(0.98 * len(ends))])


def _gaps(
    tell: Teller, gaps: Sequence[Row], year: str | None, figures: dict[str, go.Figure]
) -> dict[str, Any] | None:
    """Each pair of groups: all papers of the newest year, and a table of all years."""
    newest = [row for row in gaps if row["school_year"] == year]
    told = {row["dimension"] for row in newest if row["value"] is not None}
    if not told:
        return None
    axis = _axis(newest)
    panels = []
    for dimension in sorted(told, key=lambda d: rank(d, DIMENSION_ORDER)):
        rows = [row for row in gaps if row["dimension"] == dimension]
        papers = in_order(paper_of(row) for row in rows)
        years = sorted({row["school_year"] for row in rows})
        by = {(paper_of(row), row["school_year"]): row for row in rows}
        shown = [
            (paper_name(tell, p), by[p, year])
            for p in papers
            if year and (p, year) in by and by[p, year]["mark"] != NOT_APPLICABLE
        ]
        name = f"gap-{dimension}"
        figures[name] = effect_dots(_points(tell, shown), axis)
        panels.append(
            {
                "name": name,
                "title": dimension_name(dimension, tell.words),
                "alternative": _alternative(tell, shown),
                "years": [school_year(one, tell.lang) for one in years],
                "lines": [
                    (paper_name(tell, p), [_cell(tell, by.get((p, one))) for one in years])
                    for p in papers
                ],
            }
        )
    return {"panels": panels}


def _trends(
    tell: Teller, gaps: Sequence[Row], figures: dict[str, go.Figure]
) -> list[dict[str, Any]]:
    """Of one paper a stage how each gap went; nothing in a city's first year."""
    years = sorted({row["school_year"] for row in gaps})
    if len(years) < 2:
        return []
    found = []
    labels = [year_label(year) for year in years]
    shown = main_papers(paper_of(row) for row in gaps if row["value"] is not None)
    drawn = [row for row in gaps if paper_of(row) in shown and row["value"] is not None]
    axis = effect_range(row[end] for row in drawn for end in ("ci_low", "ci_high"))
    for paper in shown:
        rows = [row for row in gaps if paper_of(row) == paper]
        panels = []
        for dimension in sorted(
            {r["dimension"] for r in rows}, key=lambda d: rank(d, DIMENSION_ORDER)
        ):
            own = [row for row in rows if row["dimension"] == dimension]
            if sum(row["value"] is not None for row in own) < 2:
                continue
            name = f"trend-{paper[0]}-{paper[1]}-{dimension}"
            frame = pd.DataFrame.from_records(
                [
                    {
                        "year": year_label(row["school_year"]),
                        **{c: row[c] for c in ("value", "ci_low", "ci_high", "mark")},
                        "hover": f"{tell.year(row)}<br>{_said(tell, row)}",
                    }
                    for row in own
                ]
            )
            figures[name] = gap_trend(frame, labels, axis)
            points = [(tell.year(row), row) for row in own]
            panels.append((name, dimension_name(dimension, tell.words), _alternative(tell, points)))
        if panels:
            found.append({"name": paper_name(tell, paper), "panels": panels})
    return found


def _measures(rows: Sequence[Row], measure: str, dimension: str = "school") -> dict[Paper, Row]:
    """Paper → its row of a measure."""
    return {
        paper_of(row): row
        for row in rows
        if row["measure"] == measure and row["dimension"] == dimension
    }


def _spread(
    tell: Teller, newest: Sequence[Row], figures: dict[str, go.Figure]
) -> dict[str, Any] | None:
    """How far schools lie apart, by paper: coefficient of variation, with other measures beside."""
    _ = tell.words.gettext
    found = {
        name: _measures(newest, measure)
        for name, measure in (
            (_("Coefficient of variation"), "coefficient_of_variation"),
            (_("Gini"), "gini"),
            (_("Theil"), "theil"),
            (_("Share between schools"), "between_share"),
        )
    }
    varied = found[_("Coefficient of variation")]
    papers = in_order(varied)
    shown = [row for row in varied.values() if row["value"] is not None]
    if not papers:
        return None
    if shown:
        frame = pd.DataFrame.from_records(
            [
                {
                    "name": paper_name(tell, paper),
                    **{c: varied[paper][c] for c in ("value", "ci_low", "ci_high")},
                    "beyond": False,
                    "hover": f"{paper_name(tell, paper)}<br>{_said(tell, varied[paper])}",
                    "note": absence(varied[paper]),
                }
                for paper in papers
            ]
        )
        figures["spread"] = measure_dots(frame, _end(shown))
    heads = [name for name, own in found.items() if own]
    widest = max(shown, key=lambda row: row["value"]) if shown else None
    least = min(shown, key=lambda row: row["value"]) if shown else None
    return {
        "title": _(
            "Between schools: coefficient of variation from %(least)s (%(at)s) to %(most)s (%(to)s)"
        )
        % {
            "least": f"{least['value']:.2f}",
            "at": paper_name(tell, paper_of(least)),
            "most": f"{widest['value']:.2f}",
            "to": paper_name(tell, paper_of(widest)),
        }
        if widest and least and widest is not least
        else _("How far schools lie apart"),
        "drawn": bool(shown),
        "alternative": _alternative(tell, [(paper_name(tell, p), varied[p]) for p in papers]),
        "heads": heads,
        "lines": [
            (paper_name(tell, paper), [_cell(tell, found[head].get(paper)) for head in heads])
            for paper in papers
        ],
    }


def _end(rows: Sequence[Row]) -> float:
    """Where an axis from 0 ends that holds every interval."""
    most = max(float(row["ci_high"] or row["value"]) for row in rows)
    return math.ceil(most * 20 + 0.2) / 20


def _parts(
    tell: Teller, newest: Sequence[Row], figures: dict[str, go.Figure]
) -> dict[str, Any] | None:
    """Of the differences between schools, which part lies between districts."""
    _ = tell.words.gettext
    between, within = _measures(newest, "theil_between"), _measures(newest, "theil_within")
    papers = [
        paper
        for paper in in_order(between)
        if between[paper]["value"] is not None
        and paper in within
        and within[paper]["value"] is not None
        and between[paper]["value"] + within[paper]["value"] > 0
    ]
    if not papers:
        return None
    names = {"between": _("between districts"), "within": _("within districts")}
    wholes, shares = {}, []
    for paper in papers:
        values = {"between": between[paper]["value"], "within": within[paper]["value"]}
        share = values["between"] / sum(values.values())
        shares.append(share)
        said = {"between": percent(share, 1, tell.lang), "within": percent(1 - share, 1, tell.lang)}
        wholes[paper_name(tell, paper)] = {kind: (n, said[kind]) for kind, n in values.items()}
    low, high = (percent(end, 1, tell.lang) for end in (min(shares), max(shares)))
    title = _("Of the differences between schools %(low)s to %(high)s lie between districts")
    if low == high:
        title = _("Of the differences between schools %(low)s lie between districts")
    return {
        "title": title % {"low": low, "high": high},
        **in_parts(tell, "parts", wholes, names, PARTS, figures),
    }


def _districts(
    tell: Teller, rows: Sequence[Row], year: str | None, figures: dict[str, go.Figure]
) -> dict[str, Any] | None:
    """Each district against the others: of one paper a stage as figures, of all as a table."""
    _ = tell.words.gettext
    newest = [row for row in rows if row["school_year"] == year]
    told = [row for row in newest if row["value"] is not None]
    if not told:
        return None
    labels = unit_labels({row["unit_code"]: row["unit_name"] for row in newest})
    axis = _axis(newest)
    panels = []
    for paper in main_papers(paper_of(row) for row in told):
        own = [
            (labels[row["unit_code"]], row)
            for row in newest
            if paper_of(row) == paper and row["mark"] != NOT_APPLICABLE
        ]
        name = f"district-{paper[0]}-{paper[1]}"
        figures[name] = effect_dots(_points(tell, own), axis)
        panels.append((name, paper_name(tell, paper), _alternative(tell, own)))
    counts = _counted(told)
    papers = in_order(paper_of(row) for row in newest)
    by = {(row["unit_code"], paper_of(row)): row for row in newest}
    return {
        "title": _(
            "Districts against the others: of %(all)s results %(higher)s higher, %(lower)s lower, "
            "%(unclear)s not clear"
        )
        % {
            "all": count(counts.total(), tell.lang),
            "higher": count(counts["above"], tell.lang),
            "lower": count(counts["below"], tell.lang),
            "unclear": count(counts["unclear"], tell.lang),
        },
        "panels": panels,
        "heads": list(labels.values()),
        "lines": [
            (paper_name(tell, p), [_cell(tell, by.get((code, p))) for code in labels])
            for p in papers
        ],
    }


def _own_gap(
    tell: Teller, newest: Sequence[Row], figures: dict[str, go.Figure]
) -> dict[str, Any] | None:
    """A district against all others, by paper."""
    found = _measures([r for r in newest if r["measure"] == "gap_d"], "gap_d", "district")
    told = [row for row in found.values() if row["value"] is not None]
    if not told:
        return None
    shown = [
        (paper_name(tell, paper), found[paper])
        for paper in in_order(found)
        if found[paper]["mark"] != NOT_APPLICABLE
    ]
    name = dimension_name("district", tell.words)
    figures["district"] = effect_dots(_points(tell, shown), _axis(told))
    return {
        "title": _dimension_said(tell, "district", told),
        "panels": [("district", name, _alternative(tell, shown))],
        "heads": [name],
        "lines": [(said, [_cell(tell, row)]) for said, row in shown],
    }


def _resources(
    tell: Teller, unit: Unit, rows: Sequence[Row], figures: dict[str, go.Figure]
) -> dict[str, Any] | None:
    """The indicators of each stage against their limit, and in how many districts each holds."""
    _ = tell.words.gettext
    year = max((row["school_year"] for row in rows), default=None)
    newest = [row for row in rows if row["school_year"] == year]
    own = [r for r in newest if r["level"] == unit.level and r["unit_code"] == unit.code]
    told = [row for row in own if row["value"] is not None]
    if not own or year is None:
        return None
    stages = []
    end = _end(told) if told else 1.0
    for stage in sorted({row["stage"] for row in own}, key=lambda s: rank(s, STAGE_ORDER)):
        of_stage = sorted(
            (row for row in own if row["stage"] == stage),
            key=lambda row: rank(row["indicator"], INDICATOR_ORDER),
        )
        limit = next((r["highest"] for r in of_stage if r["highest"] is not None), None)
        name = f"resources-{stage}"
        drawn = any(row["value"] is not None for row in of_stage)
        named = [(indicator_name(row["indicator"], tell.words), row) for row in of_stage]
        if drawn:
            frame = pd.DataFrame.from_records(
                [
                    {
                        "name": said,
                        **{c: row[c] for c in ("value", "ci_low", "ci_high")},
                        "beyond": row["is_within"] is False,
                        "hover": f"{said}<br>{_said(tell, row)}",
                        "note": absence(row),
                    }
                    for said, row in named
                ]
            )
            label = _("limit %(limit)s") % {"limit": f"{limit:.2f}"} if limit is not None else ""
            figures[name] = measure_dots(
                frame, max(end, (limit or 0) * 1.1), limit=limit, limit_label=label
            )
        parts = Counter(
            (row["indicator"], bool(row["is_within"]))
            for row in newest
            if row["level"] == "district" and row["stage"] == stage and row["is_within"] is not None
        )
        stages.append(
            {
                "name": name,
                "title": stage_name(stage, tell.words),
                "drawn": drawn,
                "alternative": _alternative(tell, named),
                "lines": [
                    (
                        said,
                        [
                            _cell(tell, row),
                            Cell(mark=absence(row))
                            if row["is_within"] is None
                            else Cell(_("within") if row["is_within"] else _("beyond")),
                            *(
                                [_of_districts(tell, parts, row["indicator"])]
                                if unit.level == "city"
                                else []
                            ),
                        ],
                    )
                    for said, row in named
                ],
            }
        )
    within = sum(bool(row["is_within"]) for row in told)
    title = _("Resources of schools: %(within)s of %(all)s coefficients are within the limit") % {
        "within": count(within, tell.lang),
        "all": count(len(told), tell.lang),
    }
    return {
        "title": title if told else _("Resources of schools: too few schools to compare"),
        "year": school_year(year, tell.lang),
        "stages": stages,
    }


def _of_districts(tell: Teller, parts: Counter[tuple[str, bool]], indicator: str) -> Cell:
    """In how many districts an indicator is within its limit."""
    within, beyond = parts[indicator, True], parts[indicator, False]
    if not within + beyond:
        return Cell(mark=NOT_APPLICABLE)
    return Cell(f"{count(within, tell.lang)} / {count(within + beyond, tell.lang)}")


def _communities(tell: Teller, rows: Sequence[Row]) -> dict[str, Any] | None:
    """How the gap within communities of schools moved; said, too, where they are too few."""
    _ = tell.words.gettext
    changes = sorted(
        (row for row in rows if row["measure"] == "change"),
        key=lambda row: (rank(row["stage"], STAGE_ORDER), rank(row["subject"], SUBJECT_ORDER)),
    )
    if not changes:
        return None
    told = [row for row in changes if row["value"] is not None]
    # The newest of each, since they come by year.
    gaps = {(row["stage"], row["subject"]): row for row in rows if row["measure"] == "gap"}
    shrinking = sum(row["ci_high"] < 0 for row in told)
    growing = sum(row["ci_low"] > 0 for row in told)
    if not told:
        few = _("Communities of town and country: too few to tell whether they come together")
        withheld = any(absence(row) == WITHHELD for row in changes)
        untold = _("Communities of town and country: nothing can be told here")
        return {"title": untold if withheld else few, "lines": []}
    return {
        "title": _(
            "Communities of town and country: of %(all)s stages and subjects the gap closes in "
            "%(closing)s, widens in %(opening)s, and is not clear in %(unclear)s"
        )
        % {
            "all": len(told),
            "closing": shrinking,
            "opening": growing,
            "unclear": len(told) - shrinking - growing,
        },
        "lines": [
            (
                " ".join(
                    [
                        stage_name(row["stage"], tell.words),
                        subject_name(row["subject"], tell.words),
                    ]
                ),
                [
                    _cell(tell, gaps.get((row["stage"], row["subject"]))),
                    _cell(tell, row),
                    Cell(count(row["communities"], tell.lang)),
                    *(
                        Cell(count(row[way], tell.lang))
                        if row[way] is not None
                        else Cell(mark=absence(row))
                        for way in ("closing", "opening")
                    ),
                ],
            )
            for row in changes
        ],
    }
