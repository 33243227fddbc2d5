"""What is learnt and how it was asked: a heat map of differences, items."""

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from dashboards.figures.template import (
    BLUE,
    BLUE_WASH,
    GREY,
    INK,
    ORANGE,
    ORANGE_WASH,
    TEMPLATE,
    numbers,
)
from dashboards.look import LABEL, TICK

LINE = 26
GAP = 0.02
"""Between cells, as a part of a column."""


def heat_map(
    frame: pd.DataFrame, names: Sequence[str], columns: Sequence[str], end: float
) -> go.Figure:
    """Differences of units (down) by column (across), with what is written on each.

    Args:
        frame: one row a cell: `name`, `column`, `value`, `text`, `hover`.
        names: the units, top first.
        columns: the columns, from the left, as they are labelled.
        end: the difference at which the colour is full, on both sides.
    """
    column = [list(columns).index(one) for one in frame["column"]]
    values = [value or 0.0 for value in numbers(frame["value"])]
    lines = 1 + max((column.count("<br>") for column in columns), default=0)
    return go.Figure(
        data=[
            {
                "type": "bar",
                "orientation": "h",
                "base": [at + GAP for at in column],
                "x": [1 - 2 * GAP] * len(frame),
                "y": list(frame["name"]),
                "width": 1 - 2 * GAP,
                "text": list(frame["text"]),
                "textposition": "inside",
                "insidetextanchor": "middle",
                "textangle": 0,
                "textfont": {"size": TICK, "color": INK},
                "customdata": list(frame["hover"]),
                "hovertemplate": "%{customdata}<extra></extra>",
                # Pale enough for ink to be read at either end; what is not told has its mark alone.
                "marker": {
                    "color": [BLUE_WASH if value > 0 else ORANGE_WASH for value in values],
                    "opacity": [min(1.0, abs(value) / (end or 1.0)) for value in values],
                    "line": {"width": 0},
                },
            }
        ],
        layout={
            "template": TEMPLATE,
            "height": 18 + 15 * lines + LINE * max(1, len(names)),
            "margin": {"l": 8, "r": 8, "t": 10 + 15 * lines, "b": 8},
            "barmode": "overlay",
            "xaxis": {
                "range": [0, max(1, len(columns))],
                "tickmode": "array",
                "tickvals": [at + 0.5 for at in range(len(columns))],
                "ticktext": list(columns),
                "side": "top",
                "tickangle": 0,
                "showgrid": False,
                "zeroline": False,
                "tickfont": {"size": TICK},
            },
            "yaxis": {
                "type": "category",
                "categoryorder": "array",
                "categoryarray": list(names),
                "autorange": "reversed",
                "automargin": True,
                "showgrid": False,
                "tickfont": {"size": TICK},
            },
        },
    )


def item_plot(
    frame: pd.DataFrame, least: float, axes: tuple[str, str], least_label: str
) -> go.Figure:
    """Items by difficulty (across) and discrimination (up).

    Args:
        frame: one row an item: `difficulty`, `discrimination`, `flagged` (whether to look at it,
            which is drawn in another colour and shape), `hover`.
        least: the discrimination that an item should reach, drawn as a line.
        axes: what the two axes are called.
        least_label: what is written at the line.
    """
    shown = frame[frame["difficulty"].notna() & frame["discrimination"].notna()]
    low = min([0.0, *(v for v in numbers(shown["discrimination"]) if v is not None)])
    traces = []
    for flagged, colour, symbol in ((False, BLUE, "circle"), (True, ORANGE, "diamond")):
        own = shown[shown["flagged"] == flagged]
        if own.empty:
            continue
        traces.append(
            {
                "type": "scatter",
                "x": numbers(own["difficulty"]),
                "y": numbers(own["discrimination"]),
                "mode": "markers",
                "marker": {"symbol": symbol, "color": colour, "size": 9, "opacity": 0.85},
                "customdata": list(own["hover"]),
                "hovertemplate": "%{customdata}<extra></extra>",
                "cliponaxis": False,
            }
        )
    return go.Figure(
        data=traces,
        layout={
            "template": TEMPLATE,
            "height": 300,
            "margin": {"l": 46, "r": 12, "t": 12, "b": 42},
            "shapes": [
                {"type": "line", "xref": "x domain", "x0": 0, "x1": 1, "y0": least, "y1": least,
                 "line": {"color": GREY, "width": 1.2, "dash": "dot"}}
            ],
            "annotations": [
                {"xref": "x domain", "x": 0, "y": least, "xanchor": "left", "yanchor": "bottom",
                 "text": least_label, "showarrow": False, "font": {"color": GREY, "size": TICK}}
            ],
            "xaxis": {
                "range": [0, 1],
                "tickvals": [0, 0.2, 0.4, 0.6, 0.8, 1],
                "title": {"text": axes[0], "font": {"size": LABEL}},
                "tickfont": {"size": TICK},
            },
            "yaxis": {
                "range": [low - 0.05 if low < 0 else 0, 1],
                "tickvals": [0, 0.2, 0.4, 0.6, 0.8, 1],
                "title": {"text": axes[1], "font": {"size": LABEL}},
                "tickfont": {"size": TICK},
            },
        },
    )  # fmt: skip
