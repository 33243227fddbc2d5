"""A trend as small as a word, to stand beside a number: its shape alone, without an axis."""

from collections.abc import Sequence

WIDTH, HEIGHT, EDGE = 120, 32, 4
LEAST = 0.1
"""A span of values below this is not drawn higher than it: small steps look small."""


def spark(values: Sequence[float | None]) -> list[tuple[float, float]]:
    """The points of a line through a trend of shares, in pixels from the top left.

    Args:
        values: shares of 1, the newest last; where one is missing the line goes on to the next.
    """
    told = [(i, v) for i, v in enumerate(values) if v is not None]
    if len(told) < 2:
        return []
    low, high = min(v for _, v in told), max(v for _, v in told)
    middle, span = (low + high) / 2, max(high - low, LEAST)
    across, up = (WIDTH - 2 * EDGE) / (len(values) - 1), HEIGHT - 2 * EDGE
    return [
        (round(EDGE + i * across, 1), round(HEIGHT / 2 - (v - middle) / span * up, 1))
        for i, v in told
    ]
