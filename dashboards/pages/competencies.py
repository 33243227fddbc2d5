"""Competencies: what is learnt and what not, and was it asked well?"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from dashboards.figures import difference_dots
from dashboards.figures.items import heat_map, item_plot
from dashboards.pages.base import Published, Row, Unit, View, to_take, unit_labels
from dashboards.pages.marks import NOT_APPLICABLE, absence, legend
from dashboards.pages.papers import Paper, band_of, in_order, paper_name, paper_of
from dashboards.pages.sentences import Teller
from dashboards.pages.tables import Cell
from pipelines.wording import Lang, count, percent, points, points_interval, school_year
from pipelines.wording.labels import dimension_kind_name, look_at_name, rank

KINDS = ("competency", "content_domain", "cognitive_level")
"""Kinds of dimensions, in the order of pages."""
WEAK = 0.2
"""The discrimination that an item should reach (Ebel 1965)."""
SIGNS = {"above": "▲ ", "below": "▼ "}
LABEL, WRAP = 14, 4
"""Longest name of a unit in a figure; so many characters of a column's stand on one line."""

RESULTS = """
    select parts.*, units.unit_name, units.parent_code
    from published.competency as parts
    inner join (
        select level, unit_code, unit_name, parent_code
        from published.unit
        where level = 'city' or (level = ? and unit_code = ?) or (level = ? and parent_code = ?)
    ) as units
        on parts.level = units.level and parts.unit_code = units.unit_code
    qualify parts.school_year = max(parts.school_year) over ()
    order by parts.grade, parts.subject, parts.dimension_kind, parts.dimension_value,
        parts.level, parts.unit_code
"""
"""Of the newest school year with items: the city, the unit, and those right below it."""
ITEMS = """
    select *
    from published.item_quality
    qualify school_year = max(school_year) over ()
    order by grade, subject, item_no
"""
PAPERS = """
    select *
    from published.paper_quality
    where evidence <> 'none'
    order by school_year desc, grade, subject
"""

RESULT_COLUMNS = (
    "school_year", "wave_id", "grade", "subject", "dimension_kind", "dimension_value", "level",
    "unit_code", "unit_name", "items", "is_few_items", "score_ratio", "difference_points",
    "difference_low", "difference_high", "stands", "mark", "difference_mark",
)  # fmt: skip
ITEM_COLUMNS = (
    "school_year", "wave_id", "grade", "subject", "item_no", "full_mark", "competency",
    "content_domain", "cognitive_level", "item_difficulty", "difficulty_word", "discrimination",
    "item_rest_correlation", "look_at", "mark",
)  # fmt: skip
PAPER_COLUMNS = (
    "school_year", "wave_id", "grade", "subject", "evidence", "full_mark", "items",
    "mapped_items", "mean_difficulty", "mean_discrimination", "cronbach_alpha",
    "measurement_error", "sum_agrees_share", "mark",
)  # fmt: skip
FILES = {
    "city": ("competencies.csv", "items.csv", "papers.csv"),
    "district": ("competencies-{code}.csv", "", ""),
    "school": ("competencies-school-{code}.csv", "", ""),
}
"""Names of the tables to take away, by the page's level."""


def build(published: Published, unit: Unit, lang: Lang) -> View:
    """The view of the page for the city, one district or one school, in one language."""
    tell, level = Teller(lang), unit.level
    _ = tell.words.gettext
    below = {"city": "district", "district": "school"}.get(level, "")
    rows = published.rows(RESULTS, [level, unit.code, below, unit.code])
    items = published.rows(ITEMS) if level == "city" else []
    quality = published.rows(PAPERS) if level == "city" else []
    figures: dict[str, go.Figure] = {}
    own = [row for row in rows if row["level"] == level and row["unit_code"] == unit.code]
    parts = [row for row in rows if row["level"] == below]
    city = [row for row in rows if row["level"] == "city"]
    files = [name.format(code=unit.code) for name in FILES[level]]
    known = [*(own if level != "city" else []), *parts]
    year = rows[0]["school_year"] if rows else None
    told = known if level == "city" else own
    context: dict[str, Any] = {
        "scope": unit.name(lang),
        "level": level,
        "when": school_year(year, lang) if year else "",
        "headline": _headline(tell, level, told, bool(rows)),
        "sentences": _extremes(tell, own) if level != "city" else [],
        "heat": _heat(tell, parts, figures) if parts else [],
        "head": _("District") if below == "district" else _("School"),
        "own": _own(tell, own, city, figures) if level != "city" else [],
        "levels": _levels(tell, city) if level == "city" else [],
        "items": _items(tell, items, figures),
        "quality": _quality(tell, quality),
        "files": files,
        "marks": legend(tell.words).items(),
    }
    shown = rows if level == "city" else [row for row in rows if row["level"] != "city"]
    tables = (
        (RESULT_COLUMNS, shown, "competency", ""),
        (ITEM_COLUMNS, items, "item_quality", _("Items")),
        (PAPER_COLUMNS, quality, "paper_quality", _("How well the papers measure")),
    )
    return View(_("Competencies"), context, figures, to_take(files, tables))


def _headline(tell: Teller, level: str, rows: Sequence[Row], known: bool) -> str:
    """How many results lie above and below the city beyond chance."""
    _ = tell.words.gettext
    if not known:
        return _("No results of single items have come in yet, so nothing is known of competencies")
    counts = Counter(r["stands"] for r in rows if r["stands"] and r["dimension_kind"] == KINDS[0])
    if not counts:
        return _("Competencies: nothing can be told here")
    parts = [
        said % {"n": count(counts[stands], tell.lang)}
        for stands, said in (
            ("above", _("%(n)s above the city")),
            ("below", _("%(n)s below the city")),
            ("unclear", _("%(n)s not clear")),
        )
        if counts[stands]
    ]
    said = _("Of %(all)s competencies: %(parts)s")
    if level == "city":
        said = _("Competencies in the districts, of %(all)s results: %(parts)s")
    return said % {"all": count(counts.total(), tell.lang), "parts": tell.listed(parts)}


def _extremes(tell: Teller, own: Sequence[Row]) -> list[str]:
    """Where a unit stands furthest from the city, beyond chance."""
    _ = tell.words.gettext
    said = []
    for stands, sentence in (
        ("below", _("Furthest below the city, in percentage points: %(what)s.")),
        ("above", _("Furthest above the city, in percentage points: %(what)s.")),
    ):
        rows = [r for r in own if r["stands"] == stands and r["dimension_kind"] == KINDS[0]]
        rows.sort(key=lambda row: -abs(row["difference_points"]))
        if rows:
            what = [
                f"{paper_name(tell, paper_of(row))} {row['dimension_value']} "
                f"{_difference(tell, row)}"
                for row in rows[:1]
            ]
            said.append(sentence % {"what": tell.joined(what)})
    return said


def _whole(row: Row) -> bool:
    """Whether a row's differences are told in whole points."""
    ends = (row["difference_points"], row["difference_low"], row["difference_high"])
    return all(end is None or end == round(end) for end in ends)


def _points(value: float, lang: Lang, whole: bool, *, signed: bool = True) -> str:
    """A difference in percentage points, in the digits that it was published in."""
    said = points(value, lang, signed=signed)
    return said.removesuffix(".0") if whole else said


def _difference(tell: Teller, row: Row) -> str:
    """A difference with its interval."""
    whole = _whole(row)
    value = _points(row["difference_points"], tell.lang, whole)
    if row["difference_low"] is None:
        return value
    if whole:
        low, high = (
            _points(row[end], tell.lang, whole, signed=False)
            for end in ("difference_low", "difference_high")
        )
        return tell.noted(value, f"{low}～{high}" if tell.lang == "zh" else f"{low} to {high}")
    return tell.noted(
        value, points_interval(row["difference_low"], row["difference_high"], tell.lang)
    )


def _ratio(row: Row, lang: Lang) -> str:
    """A score ratio in the digits that it was published in."""
    two = round(row["score_ratio"], 2) == row["score_ratio"] and _whole(row)
    return percent(row["score_ratio"], 1 if two else 100, lang)


def _wrapped(name: str) -> str:
    """A name of Han characters on lines short enough for a column."""
    if len(name) <= WRAP + 1 or name.isascii():
        return name.replace(" ", "<br>")
    return "<br>".join(name[at : at + WRAP] for at in range(0, len(name), WRAP))


def _short(name: str) -> str:
    """A unit's name as long as a figure has room for."""
    return name if len(name) <= LABEL else f"{name[: LABEL - 1]}…"


def _heat(tell: Teller, rows: Sequence[Row], figures: dict[str, go.Figure]) -> list[dict[str, Any]]:
    """Of each paper the parts of a unit by competency: a heat map and its table."""
    found = []
    shown = [row for row in rows if row["dimension_kind"] == KINDS[0]]
    far = sorted(abs(r["difference_points"]) for r in shown if r["difference_points"] is not None)
    end = max(3.0, far[int(0.95 * (len(far) - 1))]) if far else 3.0
    for paper in in_order(paper_of(row) for row in shown):
        own = [row for row in shown if paper_of(row) == paper]
        columns = list(dict.fromkeys(row["dimension_value"] for row in own))
        few = {row["dimension_value"] for row in own if row["is_few_items"]}
        names = {row["unit_code"]: row["unit_name"] for row in own}
        labels = unit_labels({code: _short(name) for code, name in names.items()})
        by = {(row["unit_code"], row["dimension_value"]): row for row in own}
        name = f"heat-{paper[0]}-{paper[1]}"
        frame = pd.DataFrame.from_records(
            [
                {
                    "name": labels[row["unit_code"]],
                    "column": _wrapped(row["dimension_value"]),
                    "value": row["difference_points"],
                    "text": _heat_text(tell, row),
                    "hover": f"{row['unit_name']}<br>{row['dimension_value']}<br>"
                    f"{_said(tell, row)}",
                }
                for row in own
            ]
        )
        figures[name] = heat_map(
            frame, list(labels.values()), [_wrapped(column) for column in columns], end
        )
        found.append(
            {
                "name": name,
                "title": paper_name(tell, paper),
                "alternative": tell.joined(
                    [
                        tell.headed(
                            names[code],
                            tell.listed(
                                [
                                    f"{column} {_said(tell, by[code, column])}"
                                    for column in columns
                                    if (code, column) in by
                                ]
                            ),
                        )
                        for code in names
                    ]
                ),
                "heads": [
                    (column, tell.words.gettext("few items")) if column in few else column
                    for column in columns
                ],
                "lines": [
                    (names[code], code, [_cell(tell, by.get((code, c))) for c in columns])
                    for code in names
                ],
            }
        )
    return found


def _heat_text(tell: Teller, row: Row) -> str:
    if row["difference_points"] is None:
        return str(row["difference_mark"])
    value = _points(row["difference_points"], tell.lang, _whole(row))
    return f"{SIGNS.get(row['stands'] or '', '').strip()}{value}"


def _said(tell: Teller, row: Row) -> str:
    """A result in words, for labels and text alternatives."""
    if row["difference_points"] is None:
        return legend(tell.words)[row["difference_mark"]]
    return f"{SIGNS.get(row['stands'] or '', '')}{_difference(tell, row)}"


def _cell(tell: Teller, row: Row | None) -> Cell:
    """The cell of a difference: the ratio above, the difference with its interval below."""
    if row is None:
        return Cell(mark=NOT_APPLICABLE)
    if row["score_ratio"] is None:
        return Cell(mark=absence(row))
    below = _said(tell, row) if row["difference_points"] is not None else ""
    return Cell(_ratio(row, tell.lang), below, row["mark"] or "")


def _own(
    tell: Teller, own: Sequence[Row], city: Sequence[Row], figures: dict[str, go.Figure]
) -> list[dict[str, Any]]:
    """Of each paper all dimensions of one unit against the city."""
    of_city = {(*paper_of(row), row["dimension_kind"], row["dimension_value"]): row for row in city}
    ends = [
        abs(row[end])
        for row in own
        for end in ("difference_low", "difference_high")
        if row[end] is not None
    ]
    end = max(5.0, math.ceil(max(ends, default=5.0) + 0.5))
    found = []
    for paper in in_order(paper_of(row) for row in own):
        rows = [row for row in own if paper_of(row) == paper]
        rows.sort(key=lambda row: (rank(row["dimension_kind"], KINDS), row["dimension_value"]))
        name = f"own-{paper[0]}-{paper[1]}"
        drawn = any(row["difference_points"] is not None for row in rows)
        if drawn:
            frame = pd.DataFrame.from_records(
                [
                    {
                        "name": _label(tell, row, rows),
                        "effect": row["difference_points"],
                        "ci_low": row["difference_low"],
                        "ci_high": row["difference_high"],
                        "band": band_of(row),
                        "mark": row["mark"],
                        "hover": f"{row['dimension_value']}<br>{_said(tell, row)}",
                        "note": row["difference_mark"],
                    }
                    for row in rows
                ]
            )
            figures[name] = difference_dots(frame, end)
        groups = []
        for kind in KINDS:
            lines = []
            for row in rows:
                if row["dimension_kind"] != kind:
                    continue
                whole = of_city.get((*paper, kind, row["dimension_value"]))
                hidden = Cell(mark=absence(row))
                ratio = row["score_ratio"] is not None
                lines.append(
                    (
                        row["dimension_value"],
                        [
                            Cell(_ratio(row, tell.lang), "", row["mark"] or "")
                            if ratio
                            else hidden,
                            _of_city(tell, whole),
                            Cell(_said(tell, row))
                            if row["difference_points"] is not None
                            else Cell(mark=row["difference_mark"]),
                            Cell(
                                str(row["items"]),
                                tell.words.gettext("few items") if row["is_few_items"] else "",
                            ),
                        ],
                    )
                )
            if lines:
                groups.append((dimension_kind_name(kind, tell.words), lines))
        found.append(
            {
                "name": name,
                "title": paper_name(tell, paper),
                "drawn": drawn,
                "alternative": tell.joined(
                    [tell.headed(row["dimension_value"], _said(tell, row)) for row in rows]
                ),
                "groups": groups,
            }
        )
    return found


def _of_city(tell: Teller, row: Row | None) -> Cell:
    """The cell of the city's score ratio."""
    if row is None:
        return Cell(mark=NOT_APPLICABLE)
    if row["score_ratio"] is None:
        return Cell(mark=absence(row))
    return Cell(percent(row["score_ratio"], 100, tell.lang))


def _label(tell: Teller, row: Row, rows: Sequence[Row]) -> str:
    """A dimension's name in a figure; with its kind where two kinds share it."""
    name = str(row["dimension_value"])
    if sum(other["dimension_value"] == name for other in rows) > 1:
        return tell.noted(name, dimension_kind_name(row["dimension_kind"], tell.words))
    return name


def _levels(tell: Teller, city: Sequence[Row]) -> list[dict[str, Any]]:
    """The city's score ratios of each paper by kind of dimension."""
    found = []
    for paper in in_order(paper_of(row) for row in city):
        lines = [
            (
                row["dimension_value"],
                dimension_kind_name(row["dimension_kind"], tell.words),
                [
                    _of_city(tell, row),
                    Cell(
                        str(row["items"]),
                        tell.words.gettext("few items") if row["is_few_items"] else "",
                    ),
                ],
            )
            for row in sorted(
                (row for row in city if paper_of(row) == paper),
                key=lambda row: (rank(row["dimension_kind"], KINDS), row["dimension_value"]),
            )
        ]
        found.append({"title": paper_name(tell, paper), "lines": lines})
    return found


def _flags(row: Row) -> list[str]:
    """Why to look at an item; that alpha would rise without it is no reason by itself."""
    return [code for code in (row["look_at"] or "").split(",") if code and code != "lowers_alpha"]


def _why(tell: Teller, row: Row) -> str:
    return tell.listed([look_at_name(code, tell.words) for code in _flags(row)])


def _item_key(row: Row) -> tuple[int, str]:
    digits = "".join(c for c in str(row["item_no"]).partition("(")[0] if c.isdigit())
    return (int(digits) if digits else 0, str(row["item_no"]))


def _items(
    tell: Teller, items: Sequence[Row], figures: dict[str, go.Figure]
) -> dict[str, Any] | None:
    """Items of each paper by difficulty and discrimination, and those to look at."""
    _ = tell.words.gettext
    if not items:
        return None
    papers = []
    flagged = 0
    for paper in in_order(paper_of(row) for row in items):
        rows = sorted((row for row in items if paper_of(row) == paper), key=_item_key)
        flagged += sum(bool(_flags(row)) for row in rows)
        name = f"items-{paper[0]}-{paper[1]}"
        frame = pd.DataFrame.from_records(
            [
                {
                    "difficulty": row["item_difficulty"],
                    "discrimination": row["discrimination"],
                    "flagged": bool(_flags(row)),
                    "hover": _item_said(tell, row),
                }
                for row in rows
            ]
        )
        drawn = bool(frame["discrimination"].notna().any())
        if drawn:
            figures[name] = item_plot(
                frame, WEAK, (_("Difficulty p (right: easier)"), _("Discrimination")), f"{WEAK}"
            )
        papers.append(
            {
                "name": name,
                "title": paper_name(tell, paper),
                "drawn": drawn,
                "alternative": tell.joined(
                    [_item_said(tell, row).replace("<br>", " ") for row in rows]
                ),
                "flagged": tell.listed(
                    [tell.noted(row["item_no"], _why(tell, row)) for row in rows if _flags(row)]
                ),
                "lines": [
                    (
                        row["item_no"],
                        row["competency"] or "",
                        [
                            _decimal(row, "item_difficulty"),
                            _decimal(row, "discrimination"),
                            _decimal(row, "item_rest_correlation"),
                        ],
                        _why(tell, row),
                    )
                    for row in rows
                ],
            }
        )
    ngettext = tell.words.ngettext
    return {
        "title": ngettext(
            "Of %(all)s items %(n)s should be looked at",
            "Of %(all)s items %(n)s should be looked at",
            flagged,
        )
        % {"all": count(len(items), tell.lang), "n": count(flagged, tell.lang)},
        "papers": papers,
    }


def _item_said(tell: Teller, row: Row) -> str:
    _ = tell.words.gettext
    if row["item_difficulty"] is None:
        return tell.headed(
            _("Item %(n)s") % {"n": row["item_no"]}, legend(tell.words)[absence(row)]
        )
    said = _("Item %(n)s<br>p %(p)s, discrimination %(d)s") % {
        "n": row["item_no"],
        "p": f"{row['item_difficulty']:.2f}",
        "d": "–" if row["discrimination"] is None else f"{row['discrimination']:.2f}",
    }
    return f"{said}<br>{row['competency']}" if row["competency"] else said


def _decimal(row: Row, column: str, places: int = 2) -> Cell:
    if row[column] is None:
        return Cell(mark=absence(row))
    return Cell(f"{row[column]:.{places}f}".replace("-", "−"))


def _quality(tell: Teller, rows: Sequence[Row]) -> list[tuple[str, str, list[Cell]]]:
    """Papers of all years: reliability, error, difficulty."""
    found = []
    papers: dict[tuple[str, Paper], Row] = {
        (row["school_year"], paper_of(row)): row for row in rows
    }
    for (year, paper), row in papers.items():
        agrees = row["sum_agrees_share"]
        found.append(
            (
                paper_name(tell, paper),
                school_year(year, tell.lang),
                [
                    Cell(str(row["items"]))
                    if row["items"] is not None
                    else Cell(mark=absence(row)),
                    _decimal(row, "cronbach_alpha"),
                    _decimal(row, "measurement_error", 1),
                    _decimal(row, "mean_difficulty"),
                    _decimal(row, "mean_discrimination"),
                    Cell(mark=absence(row))
                    if agrees is None
                    else Cell(percent(agrees, 1, tell.lang)),
                ],
            )
        )
    return found
