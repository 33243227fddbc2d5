"""Measures with intervals: one a line beside a limit, or one a year about 0."""

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from dashboards.figures.intervals import VALUE, error_bars, interval_points
from dashboards.figures.template import (
    BLUE,
    GREY,
    ORANGE,
    TEMPLATE,
    lines_axis,
    notes,
    numbers,
    reference_line,
    signed_axis,
    years_axis,
)
from dashboards.look import TICK

LINE, MARGINS = 26, 54


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
    across, said = reference_line(limit, limit_label)
    # The colour of an error bar is one for all of its trace: so there are two.
    within, beyond = (shown[shown["beyond"].astype(bool) == which] for which in (False, True))
    return go.Figure(
        data=[
            {
                "type": "scatter",
                "x": numbers(own["value"]),
                "y": list(own["name"]),
                "mode": "markers",
                "marker": {"symbol": symbol, "color": colour, "size": 9},
                "error_x": error_bars(own, VALUE, colour),
                "text": list(own["hover"]),
                "hovertemplate": "%{text}<extra></extra>",
            }
            for own, colour, symbol in ((within, BLUE, "circle"), (beyond, ORANGE, "diamond"))
            if len(own)
        ],
        layout={
            "template": TEMPLATE,
            "height": MARGINS + LINE * max(1, len(names)),
            "margin": {"l": 8, "r": 16, "t": 24, "b": 28},
            "annotations": [*notes(absent, xanchor="left", xshift=4), *said],
            "shapes": across,
            "xaxis": {"range": [0, end], "nticks": 6, "tickfont": {"size": TICK}},
            "yaxis": lines_axis(names, tickfont={"size": TICK}),
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
    return go.Figure(
        data=[
            {
                "type": "scatter",
                "x": list(shown["year"]),
                "mode": "lines+markers",
                "line": {"color": BLUE, "width": 1.5},
                **interval_points(shown, "y", VALUE, size=7),
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
            "xaxis": years_axis(years),
            "yaxis": signed_axis(axis, step),
        },
    )
