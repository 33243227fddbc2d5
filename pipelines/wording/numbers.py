"""How a number is written on a page; the only place where one is formatted.

Rates are shares of 1, differences of rates are percentage points. Halves are rounded away from
zero on the decimal digits that are stored, never on their binary neighbours.
"""

import math
import re
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

MINUS = "−"
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_SCHOOL_YEAR = re.compile(r"(\d{4})-(\d{4})")


def _fixed(value: float | Decimal, digits: int) -> Decimal:
    rounded = Decimal(str(value)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    return abs(rounded) if rounded == 0 else rounded


def _text(value: Decimal, *, signed: bool = False) -> str:
    sign = MINUS if value < 0 else "+" if signed and value > 0 else ""
    return f"{sign}{abs(value):,}"


def percent(rate: float | Decimal, n: int, lang: str) -> str:
    """A rate: whole percent where n is below 100, else one decimal (`83.4%`)."""
    return _text(_fixed(Decimal(str(rate)) * 100, 0 if n < 100 else 1)) + "%"


def percent_band(band: str) -> str:
    """A rate that is told as a band: `>=95` as `≥95%`."""
    return band.replace(">=", "≥").replace("<=", "≤") + "%"


def percent_change(value: float | Decimal | None, lang: str) -> str:
    """A relative change that is already in percent: `+3.9%`; a dash where the baseline is 0."""
    if value is None:
        return "—"
    return _text(_fixed(value, 1), signed=True) + "%"


def points(value: float | Decimal, lang: str, *, signed: bool = True) -> str:
    """A difference of two rates in percentage points, without the unit: `+1.2`, `−0.3`."""
    return _text(_fixed(value, 1), signed=signed)


def count(n: int, lang: str) -> str:
    """A whole number with thousands separators: `32,156`."""
    return f"{n:,}".replace("-", MINUS)


def interval(low: str, high: str, lang: str) -> str:
    """A range of two formatted numbers: `63%～68%`, in English `63% to 68%`."""
    return f"{low}～{high}" if lang == "zh" else f"{low} to {high}"


def percent_interval(low: float | Decimal, high: float | Decimal, n: int, lang: str) -> str:
    """The interval of a rate."""
    return interval(percent(low, n, lang), percent(high, n, lang), lang)


def points_interval(low: float | Decimal, high: float | Decimal, lang: str) -> str:
    """The interval of a difference in percentage points, without the unit."""
    return interval(points(low, lang, signed=False), points(high, lang, signed=False), lang)


def deviations(value: float | Decimal, lang: str, *, signed: bool = True) -> str:
    """A difference in standard deviations, without the unit: `+0.12`, `−0.30`."""
    return _text(_fixed(value, 2), signed=signed)


def deviations_interval(low: float | Decimal, high: float | Decimal, lang: str) -> str:
    """The interval of a difference in standard deviations, without the unit."""
    return interval(deviations(low, lang, signed=False), deviations(high, lang, signed=False), lang)


def measured(
    value: float, low: float, high: float, lang: str, *, bounds: bool = True, most: int = 3
) -> str:
    """A figure with its interval, to the digits that the interval warrants: `0.24 (0.18 to 0.33)`.

    Half the interval's length is told to two digits where it begins with less than 3.55, else to
    one, and the figure to as many places (Particle Data Group 2022, section 5.3).

    Args:
        value: the figure.
        low: lower end of its interval.
        high: upper end of it.
        lang: the language.
        bounds: whether the interval follows the figure.
        most: the most places, such as a published figure has.
    """
    digits = min(most, places(low, high))
    said = _text(_fixed(value, digits))
    if not bounds:
        return said
    ends = interval(_text(_fixed(low, digits)), _text(_fixed(high, digits)), lang)
    return f"{said}（{ends}）" if lang == "zh" else f"{said} ({ends})"


def places(low: float, high: float) -> int:
    """Places after the point that an interval of that length warrants: 0 to 3."""
    half = (high - low) / 2
    if not half > 0:
        return 3
    first = math.floor(math.log10(half))
    leading = half / 10.0**first
    more = 1 if leading < 3.55 else 0
    return min(3, max(0, more - first))


def p_value(p: float, lang: str) -> str:
    """A p as two digits, at most three places: `0.26`, `0.031`, `< 0.001`."""
    if p < 0.001:
        return "< 0.001"
    return _text(_fixed(p, 2 if p >= 0.1 else 3))


def school_year(label: str, lang: str) -> str:
    """`2023-2024` as `2023–2024学年`, in English `2023–2024`; another text stays as it is."""
    match = _SCHOOL_YEAR.fullmatch(label)
    if not match:
        return label
    years = f"{match[1]}–{match[2]}"
    return f"{years}学年" if lang == "zh" else years


def day(value: date, lang: str) -> str:
    """A day: `2024年3月5日`, in English `5 March 2024`."""
    if lang == "zh":
        return f"{value.year}年{value.month}月{value.day}日"
    return f"{value.day} {_MONTHS[value.month - 1]} {value.year}"


def span(first: date, last: date, lang: str) -> str:
    """The days from one to another, both counted."""
    return interval(day(first, lang), day(last, lang), lang)
