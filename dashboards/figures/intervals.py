"""Values with their intervals: the marks that every figure of them draws alike."""

from typing import Any, Literal

import pandas as pd

from dashboards.figures.template import BLUE, PAPER, numbers

RATE = ("pass_rate", "pass_low", "pass_high")
"""The columns of a pass rate and the ends of its interval."""
EFFECT = ("effect", "ci_low", "ci_high")
"""Those of an effect, or of a difference about 0."""
VALUE = ("value", "ci_low", "ci_high")
"""Those of any other figure."""


def interval_points(
    frame: pd.DataFrame,
    along: Literal["x", "y"],
    columns: tuple[str, str, str],
    *,
    size: int,
    cap: int = 4,
    colour: str = BLUE,
) -> dict[str, Any]:
    """The part of a scatter trace that draws values with their intervals.

    Args:
        frame: the rows that have a value: `columns`, `mark` (a small sample, `u`, is drawn
            hollow), `hover` (text of the label).
        along: the axis that the values are measured on.
        columns: of the value, and of the ends of its interval.
        size: diameter of a marker, in pixels.
        cap: half the length of the stroke that ends an error bar, in pixels.
        colour: of all.
    """
    return {
        along: numbers(frame[columns[0]]),
        "marker": {
            "color": [PAPER if mark == "u" else colour for mark in frame["mark"]],
            "size": size,
            "line": {"color": colour, "width": 2},
        },
        f"error_{along}": error_bars(frame, columns, colour, cap),
        "text": list(frame["hover"]),
        "hovertemplate": "%{text}<extra></extra>",
    }


def error_bars(
    frame: pd.DataFrame, columns: tuple[str, str, str], colour: str, cap: int = 4
) -> dict[str, Any]:
    """Error bars; of no length where an end is missing."""
    value, low, high = (frame[column] for column in columns)
    return {
        "type": "data",
        "symmetric": False,
        "array": distance(high, value),
        "arrayminus": distance(value, low),
        "color": colour,
        "thickness": 1.5,
        "width": cap,
    }


def distance(high: pd.Series, low: pd.Series) -> list[float]:
    """Lengths of error bars; 0 where an end is missing."""
    pairs = zip(numbers(high), numbers(low), strict=True)
    return [0.0 if a is None or b is None else round(a - b, 6) for a, b in pairs]
