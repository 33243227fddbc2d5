"""How a number is written on a page; the only place where one is formatted.

Rates are shares of 1, differences of rates are percentage points. Halves are rounded away from
zero on the decimal digits that are stored, never on their binary neighbours.
"""

import re
from decimal import ROUND_HALF_UP, Decimal

MINUS = "−"
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


def school_year(label: str, lang: str) -> str:
    """`2023-2024` as `2023–2024学年`, in English `2023–2024`; another text stays as it is."""
    match = _SCHOOL_YEAR.fullmatch(label)
    if not match:
        return label
    years = f"{match[1]}–{match[2]}"
    return f"{years}学年" if lang == "zh" else years
