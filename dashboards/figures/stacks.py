"""Counts by kind, stacked along a line, one line a group, in the order given."""

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go

from dashboards.figures.template import (
    BLUE,
    BLUE_WASH,
    GREY,
    INK,
    ON_STRONG,
    ORANGE,
    ORANGE_WASH,
    PALE,
    PAPER,
    TEMPLATE,
    VEIL,
)
from dashboards.look import LABEL, TICK

STATUS: dict[str, tuple[str, str, str]] = {
    "reached": (BLUE, ON_STRONG, BLUE),
    "on_pace": (BLUE_WASH, INK, BLUE),
    "behind": (ORANGE_WASH, INK, ORANGE),
    "overdue": (ORANGE, ON_STRONG, ORANGE),
    "not_reported": (PAPER, INK, GREY),
    "not_due": (PALE, INK, GREY),
    "": (VEIL, INK, GREY),
}
"""Status → its fill, the colour of what is written on it, and its edge; `""` is withheld.

Neighbours differ in lightness, so that they are told apart in grey print too."""

LINE, MARGINS = 31, 34


def status_stacks(frame: pd.DataFrame, names: Sequence[str], said: Mapping[str, str]) -> go.Figure:
    """How many of each group have which status.

    Args:
        frame: one row a group and status: `name`, `status`, `n`.
        names: the groups, top first.
        said: status → its name, in the order of stacking.
    """
    figure = go.Figure(layout={"template": TEMPLATE})
    for status, word in said.items():
        own = frame[(frame["status"] == status) & (frame["n"] > 0)]
        if own.empty:
            continue
        fill, ink, edge = STATUS[status]
        figure.add_bar(
            x=[int(n) for n in own["n"]],
            y=list(own["name"]),
            orientation="h",
            marker={"color": fill, "line": {"color": edge, "width": 1}},
            text=[str(n) for n in own["n"]],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            textfont={"color": ink, "size": LABEL},
            hovertext=[f"{word} {n}" for n in own["n"]],
            hovertemplate="%{y}<br>%{hovertext}<extra></extra>",
        )
    most = int(frame.groupby("name")["n"].sum().max()) if len(frame) else 1
    figure.update_layout(
        barmode="stack",
        bargap=0.22,
        height=MARGINS + LINE * max(1, len(names)),
        margin={"l": 8, "r": 8, "t": 4, "b": 30},
        xaxis={
            "range": [0, most + 0.15],
            "tickvals": list(range(0, most + 1, 1 if most <= 12 else 5)),
            "tickfont": {"size": TICK},
        },
        yaxis={
            "type": "category",
            "categoryorder": "array",
            "categoryarray": list(names),
            "range": [len(names) - 0.5, -0.5],
            "automargin": True,
            "showgrid": False,
            "tickfont": {"size": LABEL},
        },
    )
    return figure
