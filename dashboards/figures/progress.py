"""Shares of a whole by kind, stacked along a line, one line a group, in the order given."""

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go

from dashboards.figures.template import BLUE, GREY, INK, ORANGE, TEMPLATE

PROGRESS_FILLS: dict[str, tuple[str, str]] = {
    "in": (BLUE, "#ffffff"),
    "checking": ("#a9c8ea", INK),
    "returned": (ORANGE, "#ffffff"),
    "awaiting_explanation": ("#f3c18f", INK),
    "late": ("#5a3010", "#ffffff"),
    "not_due": ("#e3e8ed", INK),
}
"""How far something owed has come → its fill and the colour of what is written on it.

Light and dark alternate, so that neighbours are told apart in grey print too."""
FATE_FILLS: dict[str, tuple[str, str]] = {
    "shown": (BLUE, "#ffffff"),
    "few": ("#f3c18f", INK),
    "partner": (ORANGE, "#ffffff"),
    "total": ("#a9c8ea", INK),
    "nobody": ("#e3e8ed", INK),
}
"""What becomes of a published number → likewise."""

UNKNOWN = ("#c3ccd4", INK)
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
        fills: kind → its fill and the colour of what is written on it.
    """
    whole = frame.groupby("name")["n"].sum().to_dict() if len(frame) else {}
    bars = []
    for kind, word in said.items():
        own = frame[(frame["kind"] == kind) & (frame["n"] > 0)] if len(frame) else frame
        if own.empty:
            continue
        fill, ink = fills.get(kind, UNKNOWN)
        parts = [float(n) / float(whole[g]) for n, g in zip(own["n"], own["name"], strict=True)]
        bars.append(
            {
                "type": "bar",
                "orientation": "h",
                "x": [round(part, 5) for part in parts],
                "y": list(own["name"]),
                "marker": {"color": fill, "line": {"color": "#ffffff", "width": 1}},
                "text": [
                    label if part >= LEGIBLE else ""
                    for label, part in zip(own["label"], parts, strict=True)
                ],
                "textposition": "inside",
                "insidetextanchor": "middle",
                "textangle": 0,
                "textfont": {"color": ink, "size": 12},
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
            "uniformtext": {"mode": "hide", "minsize": 11},
            "xaxis": {
                "range": [0, 1],
                "tickvals": [0, 0.25, 0.5, 0.75, 1],
                "tickformat": ".0%",
                "tickfont": {"size": 11, "color": GREY},
            },
            "yaxis": {
                "type": "category",
                "categoryorder": "array",
                "categoryarray": list(names),
                "range": [len(names) - 0.5, -0.5],
                "automargin": True,
                "showgrid": False,
                "tickfont": {"size": 12},
            },
        },
    )
