"""Wholes in their parts, stacked along a line, one line a group, in the order given.

Neighbours differ in lightness, so that they are told apart in grey print too.
"""

from collections.abc import Mapping, Sequence
from typing import Any

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
    lines_axis,
)
from dashboards.look import LABEL, TICK, colour

PROGRESS_FILLS: dict[str, tuple[str, str]] = {
    "in": ("blue", "on-strong"),
    "checking": ("blue-wash", "ink"),
    "returned": ("orange", "on-strong"),
    "awaiting_explanation": ("orange-wash", "ink"),
    "late": ("ink", "paper"),
    "not_due": ("pale", "ink"),
}
"""How far something owed has come → the names of its fill and of what is written on it."""
FATE_FILLS: dict[str, tuple[str, str]] = {
    "shown": ("blue", "on-strong"),
    "band": ("blue-wash", "ink"),
    "share": ("veil", "ink"),
    "few": ("orange-wash", "ink"),
    "partner": ("orange", "on-strong"),
    "total": ("ink", "paper"),
    "nobody": ("pale", "ink"),
}
"""What becomes of a published number → likewise."""
UNKNOWN = ("veil", "ink")
STATUS: dict[str, tuple[str, str, str]] = {
    "reached": (BLUE, ON_STRONG, BLUE),
    "on_pace": (BLUE_WASH, INK, BLUE),
    "behind": (ORANGE_WASH, INK, ORANGE),
    "overdue": (ORANGE, ON_STRONG, ORANGE),
    "not_reported": (PAPER, INK, GREY),
    "not_due": (PALE, INK, GREY),
    "": (VEIL, INK, GREY),
}
"""Status → its fill, the colour of what is written on it, and its edge; `""` is withheld."""
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
        labels = list(own["label"])
        written = [
            label if part >= LEGIBLE else "" for label, part in zip(labels, parts, strict=True)
        ]
        bars.append(
            _bar(own, [round(part, 5) for part in parts], (fill, ink, PAPER), word, labels, written)
        )
    across = {
        "range": [0, 1],
        "tickvals": [0, 0.25, 0.5, 0.75, 1],
        "tickformat": ".0%",
        "tickfont": {"size": TICK, "color": GREY},
    }
    return _stacked(bars, names, across, 26, uniformtext={"mode": "hide", "minsize": TICK})


def status_stacks(frame: pd.DataFrame, names: Sequence[str], said: Mapping[str, str]) -> go.Figure:
    """How many of each group have which status.

    Args:
        frame: one row a group and status: `name`, `status`, `n`.
        names: the groups, top first.
        said: status → its name, in the order of stacking.
    """
    bars = []
    for status, word in said.items():
        own = frame[(frame["status"] == status) & (frame["n"] > 0)]
        if own.empty:
            continue
        labels = [str(n) for n in own["n"]]
        bars.append(_bar(own, [int(n) for n in own["n"]], STATUS[status], word, labels, labels))
    most = int(frame.groupby("name")["n"].sum().max()) if len(frame) else 1
    across = {
        "range": [0, most + 0.15],
        "tickvals": list(range(0, most + 1, 1 if most <= 12 else 5)),
        "tickfont": {"size": TICK},
    }
    return _stacked(bars, names, across, 8)


def _bar(
    own: pd.DataFrame,
    lengths: Sequence[float],
    colours: tuple[str, str, str],
    word: str,
    labels: Sequence[str],
    written: Sequence[str],
) -> dict[str, Any]:
    """The parts of one kind: with what is written on them, and what pointing at them tells."""
    fill, ink, edge = colours
    return {
        "type": "bar",
        "orientation": "h",
        "x": list(lengths),
        "y": list(own["name"]),
        "marker": {"color": fill, "line": {"color": edge, "width": 1}},
        "text": list(written),
        "textposition": "inside",
        "insidetextanchor": "middle",
        "textangle": 0,
        "textfont": {"color": ink, "size": LABEL},
        "hovertext": [f"{word} {label}" for label in labels],
        "hovertemplate": "%{y}<br>%{hovertext}<extra></extra>",
    }


def _stacked(
    bars: Sequence[dict[str, Any]],
    names: Sequence[str],
    across: dict[str, Any],
    right: int,
    **more: Any,
) -> go.Figure:
    """The figure of these bars; `across`: its axis, `right`: the margin there, in pixels."""
    return go.Figure(
        data=bars,
        layout={
            "template": TEMPLATE,
            "barmode": "stack",
            "bargap": 0.22,
            "height": MARGINS + LINE * max(1, len(names)),
            "margin": {"l": 8, "r": right, "t": 4, "b": 30},
            "xaxis": across,
            "yaxis": lines_axis(names, showgrid=False, tickfont={"size": LABEL}),
            **more,
        },
    )
