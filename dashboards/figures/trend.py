"""One panel of a trend: a point with its interval each school year, and the pace line."""

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from dashboards.figures.intervals import rate_markers
from dashboards.figures.template import BLUE, ORANGE, TEMPLATE, numbers, ticks
from dashboards.look import TICK

MOST_TICKS = 3


def trend_panel(frame: pd.DataFrame, years: Sequence[str], axis: tuple[float, float]) -> go.Figure:
    """The trend of one unit, stage and subject.

    Args:
        frame: one row a school year: `year` (as labelled), `pass_rate`, `pass_low`, `pass_high`,
            `pace_rate`, `mark`, `hover` (text of the label).
        years: every year of the horizontal axis, in order: the same in all panels.
        axis: the range of the vertical axis: the same in all panels.
    """
    shown = frame[frame["pass_rate"].notna()]
    paced = frame[frame["pace_rate"].notna()]
    pace = {
        "type": "scatter",
        "x": list(paced["year"]),
        "y": numbers(paced["pace_rate"]),
        "mode": "lines",
        "line": {"color": ORANGE, "width": 2, "dash": "dash"},
        "hoverinfo": "skip",
    }
    rate = {
        "type": "scatter",
        "x": list(shown["year"]),
        "mode": "lines+markers",
        "line": {"color": BLUE, "width": 1.5},
        **rate_markers(shown, "y", size=7, cap=4),
    }
    step = -(-len(years) // MOST_TICKS)
    labelled = list(reversed(list(reversed(years))[::step])) if years else []
    return go.Figure(
        data=[pace, rate] if len(paced) > 1 else [rate],
        layout={
            "template": TEMPLATE,
            "height": 190,
            "margin": {"l": 40, "r": 12, "t": 10, "b": 28},
            "xaxis": {
                "type": "category",
                "categoryorder": "array",
                "categoryarray": list(years),
                "range": [-0.5, len(years) - 0.5],
                "tickvals": labelled,
                "tickangle": 0,
                "showgrid": False,
                "tickfont": {"size": TICK},
            },
            "yaxis": {
                "range": list(axis),
                "tickvals": ticks(axis),
                "tickformat": ".0%",
                "tickfont": {"size": TICK},
            },
        },
    )
