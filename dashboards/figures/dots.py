"""Units as dots with intervals, one a line, in the order given."""

import pandas as pd
import plotly.graph_objects as go

from dashboards.figures.intervals import rate_markers
from dashboards.figures.template import GREY, TEMPLATE, ticks


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
    shown = frame[frame["pass_rate"].notna()]
    absent = frame[frame["pass_rate"].isna()]
    figure = go.Figure(layout={"template": TEMPLATE})
    figure.add_scatter(
        y=list(shown["name"]),
        mode="markers",
        **rate_markers(shown, "x", size=10, cap=5),
    )
    for name, note in zip(absent["name"], absent["note"], strict=True):
        figure.add_annotation(
            x=axis[0],
            y=name,
            text=note,
            xanchor="left",
            showarrow=False,
            font={"color": GREY},
        )
    if reference is not None:
        figure.add_vline(x=reference, line={"color": GREY, "width": 1.5, "dash": "dot"})
        figure.add_annotation(
            x=reference,
            y=1,
            yref="paper",
            yanchor="bottom",
            text=reference_label,
            showarrow=False,
            font={"color": GREY},
        )
    figure.update_layout(
        height=70 + 34 * max(1, len(names)),
        margin={"l": 8, "r": 24, "t": 28, "b": 32},
        xaxis={
            "range": list(axis),
            "tickvals": ticks(axis),
            "tickformat": ".0%",
        },
        yaxis={
            "type": "category",
            "categoryorder": "array",
            "categoryarray": names,
            "range": [len(names) - 0.5, -0.5],
            "automargin": True,
            "showgrid": True,
        },
    )
    return figure
