"""Shares of units as bars, and how many units lie where."""

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from dashboards.figures.template import (
    BLUE,
    GREY,
    INK,
    PAPER,
    TEMPLATE,
    lines_axis,
    numbers,
    reference_line,
    share_range,
    ticks,
)

LINE, MARGINS = 30, 58
NARROW = 15
"""Shares within so many percentage points are told apart by single points, else by fives."""


def share_bars(
    frame: pd.DataFrame, *, reference: float | None = None, reference_label: str = ""
) -> go.Figure:
    """Shares of a whole, so from 0, one bar a unit; to 1 unless all are below a half.

    Args:
        frame: one row a unit, top first: `name`, `share` (of 1), `said` (written behind the bar, or
            in its place where there is no share).
        reference: a share drawn as a line across, such as the city's, with its label.
    """
    names = list(frame["name"])
    shares = numbers(frame["share"])
    end = share_range([*shares, 0, reference], least=1)[1]
    end = end if end <= 0.5 else 1.0
    labels = [
        {
            "x": share or 0,
            "y": name,
            "text": text,
            "xanchor": "left",
            "xshift": 4,
            "showarrow": False,
            "bgcolor": PAPER,
            "font": {"color": GREY if share is None else INK},
        }
        for name, share, text in zip(names, shares, frame["said"], strict=True)
    ]
    across, said = reference_line(reference, reference_label, layer="below")
    return go.Figure(
        data=[
            {
                "type": "bar",
                "orientation": "h",
                "x": shares,
                "y": names,
                "marker": {"color": BLUE},
                "hoverinfo": "skip",
            }
        ],
        layout={
            "template": TEMPLATE,
            "height": MARGINS + LINE * max(1, len(names)),
            "margin": {"l": 8, "r": 8, "t": 26, "b": 30},
            "bargap": 0.35,
            "annotations": [*labels, *said],
            "shapes": across,
            "xaxis": {"range": [0, 1.12 * end], "tickvals": ticks((0, end)), "tickformat": ".0%"},
            "yaxis": lines_axis(names, showgrid=False),
        },
    )


def share_distribution(shares: Sequence[float], asked: float, asked_label: str) -> go.Figure:
    """How many units have a share within each one or five percentage points.

    Args:
        shares: shares of 1.
        asked: the share that each should reach, drawn as a line.
        asked_label: what is written at it.
    """
    counts = distribution(shares)
    width = counts[0][1] - counts[0][0] if counts else 5
    line = 100 * asked
    low = min([at for at, _, _ in counts] + [int(line)]) - width
    high = max([end for _, end, _ in counts] + [int(line) + width]) + width
    low, high = max(0, low), min(100, high)
    across, said = reference_line(line, asked_label)
    return go.Figure(
        data=[
            {
                "type": "bar",
                "x": [(at + end) / 2 for at, end, _ in counts],
                "y": [n for _, _, n in counts],
                "width": [width * 0.92] * len(counts),
                "marker": {"color": BLUE},
                "text": [str(n) for _, _, n in counts],
                "textposition": "outside",
                "cliponaxis": False,
                "hoverinfo": "skip",
            }
        ],
        layout={
            "template": TEMPLATE,
            "height": 240,
            "margin": {"l": 36, "r": 12, "t": 30, "b": 34},
            "shapes": across,
            "annotations": said,
            "xaxis": {"range": [low, high], "ticksuffix": "%", "nticks": 8},
            "yaxis": {"rangemode": "tozero", "tickformat": "d", "nticks": 5},
        },
    )


def distribution(shares: Sequence[float]) -> list[tuple[int, int, int]]:
    """Lower edge and upper edge in percent, and how many; 100 percent lies in the last."""
    # In tenths of a percent, so that 0.85 is 85 percent whatever a double makes of it.
    tenths = [round(share * 1000) for share in shares]
    width = 1 if tenths and max(tenths) - min(tenths) <= 10 * NARROW else 5
    found: dict[int, int] = {}
    for share in tenths:
        at = min(share // (10 * width) * width, 100 - width)
        found[at] = found.get(at, 0) + 1
    return [(at, at + width, n) for at, n in sorted(found.items())]
