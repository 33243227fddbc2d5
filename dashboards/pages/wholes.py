"""Wholes and their parts: stacked along a line, in words, and as a table."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from dashboards.figures import share_stacks
from dashboards.figures.stacks import UNKNOWN
from dashboards.pages.sentences import Teller
from dashboards.pages.tables import Cell


def in_parts(
    tell: Teller,
    name: str,
    wholes: Mapping[str, Mapping[str, tuple[float, str]]],
    said: Mapping[str, str],
    fills: Mapping[str, tuple[str, str]],
    figures: dict[str, go.Figure],
) -> dict[str, Any]:
    """Adds a figure of wholes; answers its `key`, `alternative`, and the table's `heads`, `lines`.

    Args:
        tell: says things in the page's language.
        name: name of the figure.
        wholes: name of each, top first → kind → its number and how that is written; a kind that
            it does not hold is a blank cell.
        said: kind → its name, in the order of stacking.
        fills: kind → the names of its fill and of the colour of what is written on it.
        figures: figures of the page.
    """
    frame = pd.DataFrame.from_records(
        [
            {"name": whole, "kind": kind, "n": n, "label": label}
            for whole, parts in wholes.items()
            for kind, (n, label) in parts.items()
        ]
    )
    figures[name] = share_stacks(frame, list(wholes), said, fills)
    words = {
        whole: [f"{word} {parts[kind][1]}" for kind, word in said.items() if kind in parts]
        for whole, parts in wholes.items()
    }
    return {
        "key": [(fills.get(kind, UNKNOWN)[0], word) for kind, word in said.items()],
        "alternative": tell.joined(
            [tell.headed(whole, tell.listed(told)) for whole, told in words.items()]
        ),
        "heads": list(said.values()),
        "lines": [
            (whole, [Cell(parts[kind][1] if kind in parts else "") for kind in said])
            for whole, parts in wholes.items()
        ],
    }
