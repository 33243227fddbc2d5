"""Effects of units with their intervals about 0, one a line, in the order given."""

import math
from collections.abc import Iterable
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from dashboards.figures.intervals import distance
from dashboards.figures.template import BLUE, GREY, ORANGE, PAPER, TEMPLATE, numbers
from dashboards.look import TICK

SYMBOLS = {"above": "triangle-up", "as_expected": "circle", "below": "triangle-down"}
COLOURS = {"above": BLUE, "as_expected": GREY, "below": ORANGE}
LINE, MARGINS = 24, 46
STEPS = (0.1, 0.2, 0.5, 1.0, 2.0)


def effect_range(values: Iterable[object]) -> tuple[float, float]:
    """An axis range about 0, the same on both sides, that holds every value given."""
    furthest = max((abs(v) for v in numbers(values) if v is not None), default=0.0)
    end = max(0.2, math.ceil(round(furthest * 10, 6) + 0.2) / 10)
    return -end, end


def effect_dots(frame: pd.DataFrame, axis: tuple[float, float]) -> go.Figure:
    """A caterpillar-like plot that keeps the order of its units.

    Args:
        frame: one row a unit, top first: `name`, `effect`, `ci_low`, `ci_high` (standard
            deviations), `band`, `mark` (a small sample, `u`, is drawn hollow), `hover`, `note`
            (written in the line of a unit without a figure).
        axis: the range of the horizontal axis, about 0: the same in all panels.
    """
    names = list(frame["name"])
    shown = frame[frame["effect"].notna()]
    absent = frame[frame["effect"].isna()]
    step = next((s for s in STEPS if axis[1] / s <= 3), STEPS[-1])
    ticks = [round(i * step, 1) for i in range(-int(axis[1] / step), int(axis[1] / step) + 1)]
    # Said at once, since a city has thousands of these: each later change costs Plotly ten times
    # what the whole figure does.
    return go.Figure(
        data=[
            _markers(shown[shown["band"] == band], band)
            for band in COLOURS
            if (shown["band"] == band).any()
        ],
        layout={
            "template": TEMPLATE,
            "height": MARGINS + LINE * max(1, len(names)),
            "margin": {"l": 8, "r": 12, "t": 8, "b": 28},
            "shapes": [
                {
                    "type": "line",
                    "layer": "below",
                    "line": {"color": GREY, "width": 1.2},
                    "x0": 0,
                    "x1": 0,
                    "xref": "x",
                    "y0": 0,
                    "y1": 1,
                    "yref": "y domain",
                }
            ],
            "xaxis": {
                "range": list(axis),
                "tickvals": ticks,
                "ticktext": [f"{tick:+.1f}".replace("-", "−") if tick else "0" for tick in ticks],
                "tickfont": {"size": TICK},
            },
            "yaxis": {
                "type": "category",
                "categoryorder": "array",
                "categoryarray": names,
                "range": [len(names) - 0.5, -0.5],
                "automargin": True,
                "tickfont": {"size": TICK},
            },
        }
        | _notes(absent),
    )


def _markers(own: pd.DataFrame, band: str) -> dict[str, Any]:
    """The units of one band."""
    colour = COLOURS[band]
    return {
        "type": "scatter",
        "x": numbers(own["effect"]),
        "y": list(own["name"]),
        "mode": "markers",
        "marker": {
            "symbol": SYMBOLS[band],
            "color": [PAPER if mark == "u" else colour for mark in own["mark"]],
            "size": 9 if band == "as_expected" else 11,
            "line": {"color": colour, "width": 2},
        },
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": distance(own["ci_high"], own["effect"]),
            "arrayminus": distance(own["effect"], own["ci_low"]),
            "color": colour,
            "thickness": 1.5,
            "width": 4,
        },
        "text": list(own["hover"]),
        "hovertemplate": "%{text}<extra></extra>",
    }


def _notes(absent: pd.DataFrame) -> dict[str, Any]:
    """What is written in the lines of units without a figure; nothing where there are none."""
    notes = [
        {
            "x": 0,
            "y": name,
            "text": note,
            "showarrow": False,
            "font": {"color": GREY},
            "bgcolor": PAPER,
        }
        for name, note in zip(absent["name"], absent["note"], strict=True)
    ]
    return {"annotations": notes} if notes else {}
