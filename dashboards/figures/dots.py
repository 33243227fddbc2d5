"""Units as dots with intervals, one a line, in the order given."""

import pandas as pd
import plotly.graph_objects as go

from dashboards.figures.intervals import RATE, interval_points
from dashboards.figures.template import TEMPLATE, lines_axis, notes, reference_line, ticks


def unit_dots(
    frame: pd.DataFrame,
    axis: tuple[float, float],
    *,
    reference: float | None = None,
    reference_label: str = "",
) -> go.Figure:
    """A dot plot of units.

    Args:
        frame: one row a unit, top first: `name`, `pass_rate`, `pass_low`, `pass_high`, `mark`,
            `hover`, `note` (written in the line of a unit without a figure).
        axis: the range of the horizontal axis.
        reference: a rate drawn as a line across, such as the city's, with its label.
    """
    names = list(frame["name"])
    shown, absent = frame[frame["pass_rate"].notna()], frame[frame["pass_rate"].isna()]
    across, said = reference_line(reference, reference_label)
    return go.Figure(
        data=[
            {
                "type": "scatter",
                "y": list(shown["name"]),
                "mode": "markers",
                **interval_points(shown, "x", RATE, size=10, cap=5),
            }
        ],
        layout={
            "template": TEMPLATE,
            "height": 70 + 34 * max(1, len(names)),
            "margin": {"l": 8, "r": 24, "t": 28, "b": 32},
            "annotations": [*notes(absent, x=axis[0], xanchor="left"), *said],
            "shapes": across,
            "xaxis": {"range": list(axis), "tickvals": ticks(axis), "tickformat": ".0%"},
            "yaxis": lines_axis(names, showgrid=True),
        },
    )
