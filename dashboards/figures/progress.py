"""Shares of a whole by kind, stacked along a line, one line a group, in the order given."""

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go

from dashboards.figures.template import GREY, PAPER, TEMPLATE
from dashboards.look import LABEL, TICK, colour

PROGRESS_FILLS: dict[str, tuple[str, str]] = {
    "in": ("blue", "on-strong"),
    "checking": ("blue-wash", "ink"),
    "returned": ("orange", "on-strong"),
    "awaiting_explanation": ("orange-wash", "ink"),
    "late": ("ink", "paper"),
    "not_due": ("pale", "ink"),
}
"""How far something owed has come → the names of its fill and of what is written on it.

Neighbours differ in lightness, so that they are told apart in grey print too."""
FATE_FILLS: dict[str, tuple[str, str]] = {
    "shown": ("blue", "on-strong"),
    "few": ("orange-wash", "ink"),
    "partner": ("orange", "on-strong"),
    "total": ("blue-wash", "ink"),
    "nobody": ("pale", "ink"),
}
"""What becomes of a published number → likewise."""
UNKNOWN = ("veil", "ink")
LINE, MARGINS, LEGIBLE = 31, 34, 0.045


def share_stacks(
    frame: pd.DataFrame,
    names: Sequence[str],
    said: Mapping[str, str],
    fills: Mapping[str, tuple[str, str]] = PROGRESS_FILLS,
) -> go.Figure:
    """Which share of each group is of which kind.

    Args:
        frame: one row a group and kind: `name`, `kind`, `n` (a number, or a share: what counts is
            its part of the group's sum), `label` (written on it where there is room).
        names: the groups, top first.
        said: kind → its name, in the order of stacking.
        fills: kind → the names of its fill and of the colour of what is written on it.
    """
    whole = frame.groupby("name")["n"].sum().to_dict() if len(frame) else {}
    bars = []
    for kind, word in said.items():
        own = frame[(frame["kind"] == kind) & (frame["n"] > 0)] if len(frame) else frame
        if own.empty:
            continue
        fill, ink = (colour(name) for name in fills.get(kind, UNKNOWN))
        parts = [float(n) / float(whole[g]) for n, g in zip(own["n"], own["name"], strict=True)]
        bars.append(
            {
                "type": "bar",
                "orientation": "h",
                "x": [round(part, 5) for part in parts],
                "y": list(own["name"]),
                "marker": {"color": fill, "line": {"color": PAPER, "width": 1}},
                "text": [
                    label if part >= LEGIBLE else ""
                    for label, part in zip(own["label"], parts, strict=True)
                ],
                "textposition": "inside",
                "insidetextanchor": "middle",
                "textangle": 0,
                "textfont": {"color": ink, "size": LABEL},
                "hovertext": [f"{word} {label}" for label in own["label"]],
                "hovertemplate": "%{y}<br>%{hovertext}<extra></extra>",
            }
        )
    return go.Figure(
        data=bars,
        layout={
            "template": TEMPLATE,
            "barmode": "stack",
            "bargap": 0.22,
            "height": MARGINS + LINE * max(1, len(names)),
            "margin": {"l": 8, "r": 26, "t": 4, "b": 30},
            "uniformtext": {"mode": "hide", "minsize": TICK},
            "xaxis": {
                "range": [0, 1],
                "tickvals": [0, 0.25, 0.5, 0.75, 1],
                "tickformat": ".0%",
                "tickfont": {"size": TICK, "color": GREY},
            },
            "yaxis": {
                "type": "category",
                "categoryorder": "array",
                "categoryarray": list(names),
                "range": [len(names) - 0.5, -0.5],
                "automargin": True,
                "showgrid": False,
                "tickfont": {"size": LABEL},
            },
        },
    )
