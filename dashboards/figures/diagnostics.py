"""Figures that show whether a model of value added may be believed; for analysts.

Every school stands in them by name when pointed at, never in a list by value. None has a title or
words of its own: `labelled` gives the axes theirs.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboards.figures.effects import COLOURS, SYMBOLS, effect_range
from dashboards.figures.intervals import distance
from dashboards.figures.template import BLUE, GREY, GRID, INK, ORANGE, PAPER, TEMPLATE, numbers
from dashboards.look import LABEL

HEIGHT = 340
MARGIN = {"l": 56, "r": 12, "t": 12, "b": 48}
Z95 = NormalDist().inv_cdf(0.975)
POINT = "%{text}<br>(%{x:.2f}, %{y:.2f})<extra></extra>"
MODELS = ((BLUE, "circle"), (ORANGE, "diamond"), (INK, "x"), (GREY, "square"))
"""Colours and shapes of the models that are compared, in their order; the fifth begins anew."""


def labelled(figure: go.Figure, x: str, y: str) -> go.Figure:
    """The same figure, its axes named; returned for convenience."""
    figure.layout.xaxis.title = {"text": x, "font": {"size": LABEL}, "standoff": 8}
    figure.layout.yaxis.title = {"text": y, "font": {"size": LABEL}, "standoff": 6}
    return figure


def prior_curve(frame: pd.DataFrame) -> go.Figure:
    """Outcome against prior score: means of bands of students, and the fitted curve.

    Args:
        frame: one row a band, in the order of priors: `n`, `mean_prior`, `mean_z`, `fitted_mean`
            (standard deviations).
    """
    figure = _empty()
    prior = _rounded(frame["mean_prior"])
    figure.add_scatter(
        x=prior,
        y=_rounded(frame["fitted_mean"]),
        mode="lines",
        line={"color": ORANGE, "width": 2},
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=prior,
        y=_rounded(frame["mean_z"]),
        mode="markers",
        marker={"color": BLUE, "size": 8},
        text=[f"n = {n:,}" for n in frame["n"]],
        hovertemplate=POINT,
    )
    return figure


def band_residuals(frame: pd.DataFrame, spread: float) -> go.Figure:
    """How far the means of bands of students lie from the fitted curve.

    Args:
        frame: as that of `prior_curve`.
        spread: standard deviation of students within schools; bars are 1.96 spread / √n.
    """
    figure = _empty()
    _level(figure)
    figure.add_scatter(
        x=_rounded(frame["mean_prior"]),
        y=_rounded(frame["mean_z"] - frame["fitted_mean"]),
        mode="markers",
        marker={"color": BLUE, "size": 8},
        error_y={
            "type": "data",
            "array": _rounded(Z95 * spread / np.sqrt(frame["n"].to_numpy(dtype=float))),
            "color": BLUE,
            "thickness": 1.2,
            "width": 3,
        },
        text=[f"n = {n:,}" for n in frame["n"]],
        hovertemplate=POINT,
    )
    return figure


def normal_quantiles(frame: pd.DataFrame) -> go.Figure:
    """Standardised residuals of schools against what a normal distribution would give.

    Args:
        frame: one row a school: `name`, `residual` (over its standard deviation under the model).
    """
    own = frame.sort_values(["residual", "name"])
    n = len(own)
    expected = [NormalDist().inv_cdf((i + 0.5) / n) for i in range(n)]
    figure = _empty()
    end = max([2.0, *(abs(v) for v in own["residual"]), *(abs(v) for v in expected)])
    _diagonal(figure, -end, end)
    figure.add_scatter(
        x=_rounded(expected),
        y=_rounded(own["residual"]),
        mode="markers",
        marker={"color": BLUE, "size": 6},
        text=list(own["name"]),
        hovertemplate=POINT,
    )
    return figure


def caterpillar(frame: pd.DataFrame) -> go.Figure:
    """Effects with their intervals, side by side from the lowest to the highest.

    Args:
        frame: one row a school, in the order drawn: `name`, `effect`, `ci_low`, `ci_high`, `band`.
    """
    figure = _empty()
    _level(figure)
    for own, colour, symbol, place in _by_band(frame):
        _ranges(figure, own, ("ci_low", "ci_high"), place, colour, symbol, _size(len(frame)))
    _side_by_side(figure, len(frame))
    figure.update_layout(yaxis={"range": list(effect_range([*frame["ci_low"], *frame["ci_high"]]))})
    return figure


def funnel(frame: pd.DataFrame, spread: float) -> go.Figure:
    """Effects and unshrunk residuals of schools against the number of their students.

    Between the curves, 1.96 spread / √n, lie 95 % of the residuals where schools do not differ.

    Args:
        frame: one row a school: `name`, `n`, `effect`, `raw_residual` (before shrinkage), `band`.
        spread: standard deviation of students within schools.
    """
    figure = _empty()
    _level(figure)
    largest, least = float(frame["n"].max()), float(frame["n"].min())
    sizes = np.geomspace(least, max(largest, least + 1), 60)
    for sign in (-1, 1):
        figure.add_scatter(
            x=_rounded(sizes),
            y=_rounded(sign * Z95 * spread / np.sqrt(sizes)),
            mode="lines",
            line={"color": GREY, "width": 1.2, "dash": "dash"},
            hoverinfo="skip",
        )
    figure.add_scatter(
        x=list(frame["n"]),
        y=_rounded(frame["raw_residual"]),
        mode="markers",
        marker={"color": PAPER, "size": 6, "line": {"color": GREY, "width": 1}},
        text=list(frame["name"]),
        hovertemplate="%{text}<br>n = %{x:,}, %{y:.2f}<extra></extra>",
    )
    for own, colour, symbol, _place in _by_band(frame):
        figure.add_scatter(
            x=list(own["n"]),
            y=_rounded(own["effect"]),
            mode="markers",
            marker={"color": colour, "symbol": symbol, "size": 6},
            text=list(own["name"]),
            hovertemplate="%{text}<br>n = %{x:,}, %{y:.2f}<extra></extra>",
        )
    told = [step * 10**power for power in range(6) for step in (1, 2, 5)]
    figure.update_layout(
        xaxis={
            "type": "log",
            "tickvals": told,
            "ticktext": [f"{tick:,}" for tick in told],
        }
    )
    return figure


def pairs(frame: pd.DataFrame) -> go.Figure:
    """Two effects of the same schools against each other, with the line where they are equal.

    Args:
        frame: one row a school: `name`, `x`, `y`.
    """
    figure = _empty()
    _square(figure, [*frame["x"], *frame["y"]])
    figure.add_scatter(
        x=_rounded(frame["x"]),
        y=_rounded(frame["y"]),
        mode="markers",
        marker={"color": BLUE, "size": 6},
        text=list(frame["name"]),
        hovertemplate=POINT,
    )
    return figure


def models_compared(
    names: Sequence[str], published: pd.Series, others: Mapping[str, pd.Series]
) -> go.Figure:
    """Effects by other models against those of the published one, model by colour and shape.

    Args:
        names: of the schools.
        published: their effects by the published model.
        others: name of a model, as the legend says it → effects of the same schools.
    """
    figure = _empty()
    _square(figure, [*published, *(v for own in others.values() for v in own)])
    for place, (model, effects) in enumerate(others.items()):
        colour, symbol = MODELS[place % len(MODELS)]
        figure.add_scatter(
            x=_rounded(published),
            y=_rounded(effects),
            mode="markers",
            name=model,
            showlegend=True,
            marker={"color": colour, "symbol": symbol, "size": 6},
            text=list(names),
            hovertemplate=POINT,
        )
    figure.update_layout(
        showlegend=True,
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        margin=MARGIN | {"t": 34},
    )
    return figure


def specification_band(frame: pd.DataFrame) -> go.Figure:
    """The range of each school's effects under all models, and the published effect in it.

    Args:
        frame: one row a school, in the order drawn: `name`, `effect`, `model_low`, `model_high`,
            `is_same` (whether all models give one band).
    """
    figure = _empty()
    _level(figure)
    place = np.arange(1, len(frame) + 1)
    for same, colour, symbol in ((True, GREY, "circle"), (False, ORANGE, "diamond")):
        kept = (frame["is_same"] == same).to_numpy()
        own = frame[kept]
        if own.empty:
            continue
        at = place[kept].tolist()
        _ranges(figure, own, ("model_low", "model_high"), at, colour, symbol, _size(len(frame)))
    _side_by_side(figure, len(frame))
    figure.update_layout(
        yaxis={"range": list(effect_range([*frame["model_low"], *frame["model_high"]]))}
    )
    return figure


def band_probabilities(frame: pd.DataFrame) -> go.Figure:
    """The probability that each school's true effect lies below, within or above the margin.

    Args:
        frame: one row a school, in the order drawn: `name`, `below`, `as_expected`, `above`
            (shares of 1).
    """
    figure = _empty()
    place = list(range(1, len(frame) + 1))
    for band, colour in (("below", ORANGE), ("as_expected", GRID), ("above", BLUE)):
        figure.add_bar(
            x=place,
            y=_rounded(frame[band]),
            marker={"color": colour, "line": {"width": 0}},
            text=list(frame["name"]),
            textposition="none",
            hovertemplate="%{text}<br>%{y:.0%}<extra></extra>",
        )
    _side_by_side(figure, len(frame))
    figure.update_layout(
        barmode="stack",
        bargap=0.1 if len(frame) < 100 else 0,
        yaxis={"range": [0, 1], "tickformat": ".0%"},
    )
    return figure


# --- shared --------------------------------------------------------------------------------------


def _empty() -> go.Figure:
    return go.Figure(layout={"template": TEMPLATE, "height": HEIGHT, "margin": MARGIN})


def _rounded(values: Any) -> list[float | None]:
    """Four places: more than can be seen, and a third of the bytes."""
    return [None if v is None else round(v, 4) for v in numbers(values)]


def _level(figure: go.Figure) -> None:
    figure.add_hline(y=0, line={"color": GREY, "width": 1.2}, layer="below")


def _diagonal(figure: go.Figure, low: float, high: float) -> None:
    figure.add_scatter(
        x=[low, high],
        y=[low, high],
        mode="lines",
        line={"color": GREY, "width": 1.2, "dash": "dot"},
        showlegend=False,
        hoverinfo="skip",
    )


def _square(figure: go.Figure, values: list[float]) -> None:
    """Both axes alike, with the line where they are equal."""
    low, high = effect_range(values)
    _diagonal(figure, low, high)
    figure.update_layout(xaxis={"range": [low, high]}, yaxis={"range": [low, high]})


def _ranges(
    figure: go.Figure,
    own: pd.DataFrame,
    ends: tuple[str, str],
    place: list[int],
    colour: str,
    symbol: str,
    size: float,
) -> None:
    """Adds effects, each with a line from one end to the other, columns of the frame."""
    low, high = ends
    figure.add_scatter(
        x=place,
        y=_rounded(own["effect"]),
        mode="markers",
        marker={"color": colour, "symbol": symbol, "size": size},
        error_y={
            "type": "data",
            "symmetric": False,
            "array": _rounded(distance(own[high], own["effect"])),
            "arrayminus": _rounded(distance(own["effect"], own[low])),
            "color": colour,
            "thickness": 1.5,
            "width": 0,
        },
        text=list(own["name"]),
        hovertemplate="%{text}<br>%{y:.2f}<extra></extra>",
    )


def _side_by_side(figure: go.Figure, n: int) -> None:
    """Schools stand beside each other, unnamed; which is which, one sees by pointing."""
    figure.update_layout(
        xaxis={"range": [0, n + 1], "showticklabels": False, "showgrid": False},
        margin=MARGIN | {"b": 30},
    )


def _by_band(frame: pd.DataFrame) -> list[tuple[pd.DataFrame, str, str, list[int]]]:
    """The schools of each band with its colour and shape, and their places from the left."""
    place = np.arange(1, len(frame) + 1)
    found = []
    for band, colour in COLOURS.items():
        kept = (frame["band"] == band).to_numpy()
        if kept.any():
            found.append((frame[kept], colour, SYMBOLS[band], place[kept].tolist()))
    return found


def _size(n: int) -> float:
    """Diameter of a marker, so that many schools do not run together."""
    return max(3.0, min(8.0, round(60 / math.sqrt(max(1, n)), 1)))
