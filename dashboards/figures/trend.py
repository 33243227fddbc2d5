"""One panel of a trend: a point with its interval each school year, and the pace line."""

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from dashboards.figures.intervals import RATE, interval_points
from dashboards.figures.template import BLUE, ORANGE, TEMPLATE, numbers, ticks, years_axis
from dashboards.look import TICK


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
        **interval_points(shown, "y", RATE, size=7),
    }
    return go.Figure(
        data=[pace, rate] if len(paced) > 1 else [rate],
        layout={
            "template": TEMPLATE,
            "height": 190,
            "margin": {"l": 40, "r": 12, "t": 10, "b": 28},
            "xaxis": years_axis(years),
            "yaxis": {
                "range": list(axis),
                "tickvals": ticks(axis),
                "tickformat": ".0%",
                "tickfont": {"size": TICK},
            },
        },
    )
