"""The one look of every figure."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from dashboards.look import COLOURS, FONTS, HOVER, LABEL, TICK, colour

PAPER, INK, GREY, GRID = colour("paper"), colour("ink"), colour("grey"), colour("grid")
BLUE, ORANGE, ON_STRONG = colour("blue"), colour("orange"), colour("on-strong")
BLUE_WASH, ORANGE_WASH = colour("blue-wash"), colour("orange-wash")
PALE, VEIL = colour("pale"), colour("veil")

NOTHING = "rgba(0,0,0,0)"
MOST_YEARS = 2
"""So many years are written under a small panel, where on a telephone three would touch; the newest
always is."""

AXIS: dict[str, Any] = {
    "fixedrange": True,
    "gridcolor": GRID,
    "linecolor": GREY,
    "zeroline": False,
    # Unseen ticks: they keep words off what is drawn.
    "ticks": "outside",
    "ticklen": 4,
    "tickcolor": NOTHING,
}

TEMPLATE: dict[str, Any] = {
    "layout": {
        "font": {"family": FONTS, "size": LABEL, "color": INK},
        "paper_bgcolor": NOTHING,
        "plot_bgcolor": NOTHING,
        "showlegend": False,
        "hovermode": "closest",
        "dragmode": False,
        "hoverlabel": {
            "font": {"family": FONTS, "size": HOVER, "color": INK},
            "bgcolor": PAPER,
            "bordercolor": GREY,
            "align": "left",
        },
        "xaxis": AXIS,
        "yaxis": AXIS,
    }
}


def numbers(values: Iterable[object]) -> list[float | None]:
    """Plain floats, with `None` for what is missing: figures then serialise as text alone."""
    cells = (None if v is None else float(str(v)) for v in values)
    return [None if v is None or math.isnan(v) else v for v in cells]


def share_range(values: Iterable[object], least: int = 2) -> tuple[float, float]:
    """An axis range in whole tenths that holds every share given; (0, 1) if there is none.

    It starts at 0 as soon as that costs little, and is at least so many tenths long.
    """
    shares = [v for v in numbers(values) if v is not None]
    if not shares:
        return 0.0, 1.0
    low = math.floor(round(min(shares) * 10, 6))
    high = min(10, math.ceil(round(max(shares) * 10, 6)))
    low = 0 if low <= 2 else low
    if high - low < least:
        low, high = (low, low + least) if low + least <= 10 else (10 - least, 10)
    return low / 10, high / 10


def ticks(axis: tuple[float, float]) -> list[float]:
    """Ticks from the axis's top down: every tenth on a short axis, every fifth on a long one.

    On an axis of one tenth there is one every two hundredths.
    """
    low, high = round(axis[0] * 10), round(axis[1] * 10)
    if high - low == 1:
        return [round(axis[0] + hundredths / 100, 2) for hundredths in range(0, 11, 2)]
    step = 1 if high - low <= 5 else 2
    return [tenth / 10 for tenth in range(high, low - 1, -step)][::-1]


def lines_axis(names: Sequence[str], **more: Any) -> dict[str, Any]:
    """An upright axis of names, one a line, top first."""
    return {
        "type": "category",
        "categoryorder": "array",
        "categoryarray": list(names),
        "range": [len(names) - 0.5, -0.5],
        "automargin": True,
    } | more


def years_axis(known: Sequence[str]) -> dict[str, Any]:
    """An axis of school years, as they are labelled; under a small panel few are written."""
    step = -(-len(known) // MOST_YEARS)
    return {
        "type": "category",
        "categoryorder": "array",
        "categoryarray": list(known),
        "range": [-0.5, len(known) - 0.5],
        "tickvals": list(known[::-1][::step][::-1]) if known else [],
        "tickangle": 0,
        "showgrid": False,
        "tickfont": {"size": TICK},
    }


def signed_axis(axis: tuple[float, float], step: float) -> dict[str, Any]:
    """An axis about 0, whose ticks are said with their sign."""
    most = int(axis[1] / step)
    at = [round(i * step, 1) for i in range(-most, most + 1)]
    return {
        "range": list(axis),
        "tickvals": at,
        "ticktext": [f"{tick:+}".replace("-", "−") if tick else "0" for tick in at],
        "tickfont": {"size": TICK},
    }


def notes(absent: pd.DataFrame, **more: Any) -> list[dict[str, Any]]:
    """What is written (`note`) in the line (`name`) of each that has no figure, from 0 on."""
    return [
        {"x": 0, "y": name, "text": note, "showarrow": False, "font": {"color": GREY}} | more
        for name, note in zip(absent["name"], absent["note"], strict=True)
    ]


def reference_line(
    at: float | None, label: str, **more: Any
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A value as an upright line through the whole figure, its label above: shapes, annotations."""
    if at is None:
        return [], []
    line = {
        "type": "line",
        "x0": at,
        "x1": at,
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "line": {"color": GREY, "width": 1.5, "dash": "dot"},
    }
    said = {
        "x": at,
        "y": 1,
        "yref": "paper",
        "yanchor": "bottom",
        "text": label,
        "showarrow": False,
        "font": {"color": GREY},
    }
    return [line | more], [said]


def on_paper(figure: go.Figure) -> go.Figure:
    """The figure in the colours of paper, for what draws it without the page's script."""
    values = {colour(name): own.light for name, own in COLOURS.items()}

    def told(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: told(value) for key, value in part.items()}
        if isinstance(part, list | tuple):
            return [told(value) for value in part]
        return values.get(part, part) if isinstance(part, str) else part

    return go.Figure(told(figure.to_plotly_json()))
