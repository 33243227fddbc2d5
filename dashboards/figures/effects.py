"""Effects of units with their intervals about 0, one a line, in the order given."""

import math
from collections.abc import Iterable
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from dashboards.figures.intervals import EFFECT, interval_points
from dashboards.figures.template import (
    BLUE,
    GREY,
    ORANGE,
    PAPER,
    TEMPLATE,
    lines_axis,
    notes,
    numbers,
    signed_axis,
)
from dashboards.look import TICK

SYMBOLS = {"above": "triangle-up", "as_expected": "circle", "below": "triangle-down"}
COLOURS = {"above": BLUE, "as_expected": GREY, "below": ORANGE}
LINE, WIDE_LINE, MARGINS = 24, 26, 46
STEPS = (0.1, 0.2, 0.5, 1.0, 2.0)
POINTS = (1, 2, 5, 10, 20, 50)
"""Steps between ticks, of effects in standard deviations and of differences in points."""


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
    return _dots(frame, axis, next((s for s in STEPS if axis[1] / s <= 3), STEPS[-1]), LINE)


def difference_dots(frame: pd.DataFrame, end: float) -> go.Figure:
    """Differences in percentage points about 0, one a line, in the order given.

    Args:
        frame: as that of effects, but in points.
        end: the end of the axis on both sides, in points.
    """
    step = next((s for s in POINTS if end / s <= 4), POINTS[-1])
    return _dots(frame, (-end, end), step, WIDE_LINE)


def _dots(frame: pd.DataFrame, axis: tuple[float, float], step: float, line: int) -> go.Figure:
    names = list(frame["name"])
    shown, absent = frame[frame["effect"].notna()], frame[frame["effect"].isna()]
    by_band = {band: shown[shown["band"] == band] for band in COLOURS}
    # Said at once, since a city has thousands of these: each later change costs Plotly ten times
    # what the whole figure does.
    return go.Figure(
        data=[_markers(own, band) for band, own in by_band.items() if len(own)],
        layout={
            "template": TEMPLATE,
            "height": MARGINS + line * max(1, len(names)),
            "margin": {"l": 8, "r": 12, "t": 8, "b": 28},
            "annotations": notes(absent, bgcolor=PAPER),
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
            "xaxis": signed_axis(axis, step),
            "yaxis": lines_axis(names, tickfont={"size": TICK}),
        },
    )


def _markers(own: pd.DataFrame, band: str) -> dict[str, Any]:
    """The units of one band."""
    size = 9 if band == "as_expected" else 11
    points = interval_points(own, "x", EFFECT, size=size, colour=COLOURS[band])
    points["marker"]["symbol"] = SYMBOLS[band]
    return {"type": "scatter", "y": list(own["name"]), "mode": "markers", **points}
