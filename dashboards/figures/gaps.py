"""Measures with intervals: one a line beside a limit, or one a year about 0."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from dashboards.figures.intervals import distance
from dashboards.figures.template import BLUE, GREY, ORANGE, PAPER, TEMPLATE, numbers
from dashboards.look import TICK

LINE, MARGINS = 26, 50
MOST_YEARS = 3
"""So many years are written under a small panel; the newest always is."""


def measure_dots(
    frame: pd.DataFrame, end: float, *, limit: float | None = None, limit_label: str = ""
) -> go.Figure:
    """Measures that are never below 0, one a line, in the order given.

    Args:
        frame: top first: `name`, `value`, `ci_low`, `ci_high`, `beyond` (whether it is beyond the
            limit, which is drawn in another colour and shape), `hover`, `note` (written in the line
            of one without a figure).
        end: where the axis ends; it starts at 0.
        limit: drawn as a line across, with its label.
    """
    names = list(frame["name"])
    shown, absent = frame[frame["value"].notna()], frame[frame["value"].isna()]
    colours = [ORANGE if beyond else BLUE for beyond in shown["beyond"]]
    notes = [
        {
            "x": 0,
            "y": name,
            "text": note,
            "xanchor": "left",
            "xshift": 4,
            "showarrow": False,
            "font": {"color": GREY},
        }
        for name, note in zip(absent["name"], absent["note"], strict=True)
    ]
    lines: list[dict[str, Any]] = []
    if limit is not None:
        lines.append(
            {
                "type": "line",
                "x0": limit,
                "x1": limit,
                "yref": "paper",
                "y0": 0,
                "y1": 1,
                "line": {"color": GREY, "width": 1.5, "dash": "dot"},
            }
        )
        notes.append(
            {
                "x": limit,
                "y": 1,
                "yref": "paper",
                "yanchor": "bottom",
                "text": limit_label,
                "showarrow": False,
                "font": {"color": GREY},
            }
        )
    # The colour of an error bar is one for all of its trace: so there are two.
    traces = []
    for colour, symbol in ((BLUE, "circle"), (ORANGE, "diamond")):
        own = shown[[c == colour for c in colours]]
        if own.empty:
            continue
        traces.append(
            {
                "type": "scatter",
                "x": numbers(own["value"]),
                "y": list(own["name"]),
                "mode": "markers",
                "marker": {"symbol": symbol, "color": colour, "size": 9},
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "array": distance(own["ci_high"], own["value"]),
                    "arrayminus": distance(own["value"], own["ci_low"]),
                    "color": colour,
                    "thickness": 1.5,
                    "width": 4,
                },
                "text": list(own["hover"]),
                "hovertemplate": "%{text}<extra></extra>",
            }
        )
    return go.Figure(
        data=traces,
        layout={
            "template": TEMPLATE,
            "height": MARGINS + 4 + LINE * max(1, len(names)),
            "margin": {"l": 8, "r": 16, "t": 24, "b": 28},
            "annotations": notes,
            "shapes": lines,
            "xaxis": {"range": [0, end], "nticks": 6, "tickfont": {"size": TICK}},
            "yaxis": {
                "type": "category",
                "categoryorder": "array",
                "categoryarray": names,
                "range": [len(names) - 0.5, -0.5],
                "automargin": True,
                "tickfont": {"size": TICK},
            },
        },
    )


def gap_trend(frame: pd.DataFrame, years: Sequence[str], axis: tuple[float, float]) -> go.Figure:
    """One gap by school year, about 0.

    Args:
        frame: one row a school year: `year` (as labelled), `value`, `ci_low`, `ci_high`, `mark` (a
            small sample, `u`, is drawn hollow), `hover`.
        years: every year of the horizontal axis, in order: the same in all panels.
        axis: the range of the vertical axis, about 0: the same in all panels.
    """
    shown = frame[frame["value"].notna()]
    step = 0.5 if axis[1] > 0.8 else 0.2 if axis[1] > 0.3 else 0.1
    ticks = [round(i * step, 1) for i in range(-int(axis[1] / step), int(axis[1] / step) + 1)]
    return go.Figure(
        data=[
            {
                "type": "scatter",
                "x": list(shown["year"]),
                "y": numbers(shown["value"]),
                "mode": "lines+markers",
                "line": {"color": BLUE, "width": 1.5},
                "marker": {
                    "color": [PAPER if mark == "u" else BLUE for mark in shown["mark"]],
                    "size": 7,
                    "line": {"color": BLUE, "width": 2},
                },
                "error_y": {
                    "type": "data",
                    "symmetric": False,
                    "array": distance(shown["ci_high"], shown["value"]),
                    "arrayminus": distance(shown["value"], shown["ci_low"]),
                    "color": BLUE,
                    "thickness": 1.5,
                    "width": 4,
                },
                "text": list(shown["hover"]),
                "hovertemplate": "%{text}<extra></extra>",
            }
        ],
        layout={
            "template": TEMPLATE,
            "height": 180,
            "margin": {"l": 36, "r": 10, "t": 8, "b": 26},
            "shapes": [
                {
                    "type": "line",
                    "layer": "below",
                    "line": {"color": GREY, "width": 1.2},
                    "xref": "x domain",
                    "x0": 0,
                    "x1": 1,
                    "y0": 0,
                    "y1": 0,
                }
            ],
            "xaxis": {
                "type": "category",
                "categoryorder": "array",
                "categoryarray": list(years),
                "range": [-0.5, len(years) - 0.5],
                "tickvals": list(reversed(list(reversed(years))[:: -(-len(years) // MOST_YEARS)])),
                "tickangle": 0,
                "showgrid": False,
                "tickfont": {"size": TICK},
            },
            "yaxis": {
                "range": list(axis),
                "tickvals": ticks,
                "ticktext": [f"{t:+.1f}".replace("-", "−") if t else "0" for t in ticks],
                "tickfont": {"size": TICK},
            },
        },
    )
