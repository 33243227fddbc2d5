"""Pass rates as markers with error bars: the marks that every figure of rates draws alike."""

from typing import Any, Literal

import pandas as pd

from dashboards.figures.template import BLUE, PAPER, numbers


def rate_markers(
    frame: pd.DataFrame, along: Literal["x", "y"], *, size: int, cap: int
) -> dict[str, Any]:
    """The part of a scatter trace that draws rates with their intervals.

    Args:
        frame: the rows that have a rate: `pass_rate`, `pass_low`, `pass_high` (shares of 1),
            `mark` (a small sample, `u`, is drawn hollow), `hover` (text of the label).
        along: the axis that the rates are measured on.
        size: diameter of a marker, in pixels.
        cap: half the length of the stroke that ends an error bar, in pixels.
    """
    return {
        along: numbers(frame["pass_rate"]),
        "marker": {
            "color": [PAPER if mark == "u" else BLUE for mark in frame["mark"]],
            "size": size,
            "line": {"color": BLUE, "width": 2},
        },
        f"error_{along}": {
            "type": "data",
            "symmetric": False,
            "array": distance(frame["pass_high"], frame["pass_rate"]),
            "arrayminus": distance(frame["pass_rate"], frame["pass_low"]),
            "color": BLUE,
            "thickness": 1.5,
            "width": cap,
        },
        "text": list(frame["hover"]),
        "hovertemplate": "%{text}<extra></extra>",
    }


def distance(high: pd.Series, low: pd.Series) -> list[float]:
    """Lengths of error bars; 0 where an end is missing."""
    pairs = zip(numbers(high), numbers(low), strict=True)
    return [0.0 if a is None or b is None else round(a - b, 6) for a, b in pairs]
