"""A column in words, for templates and documentation: what it takes, and an example."""

import re
from functools import cache
from pathlib import Path

import yaml

from pipelines.feeds.contract import Column, Contract, codes, load_contracts
from pipelines.wording import translator

ANY_DAY = "2026-03-05"
_UNIT_OF_PATTERN = re.compile(r"(?:\[[^\]^]+\]|\\d|[0-9A-Za-z-])(?:\{(\d+)\})?")


def _(message: str) -> str:
    """Mark a message for the catalogue; it is translated when shown."""
    return message


PLAIN = {
    "integer": _("a whole number"),
    "number": _("a number with at most 3 decimals"),
    "date": _("a day, such as {day}"),
    "month": _("a day or month, such as {day} or {month}"),
    "student_no": _("the student number, as text"),
    "class": _("a class, such as 3 or 3班"),
    "item": _("an item's number, such as 1 or 21(2)"),
}


def choices(column: Column) -> list[str]:
    """The words of a column's code set as templates show them; none where any value may stand."""
    values = codes()[column.code_set] if column.code_set else {}
    return [words[0] for words in values.values()]


def status_words() -> list[str]:
    """What may stand in place of a score."""
    return [words[0] for code, words in codes()["score_status"].items() if code != "present"]


def fixed_length(pattern: str | None) -> int | None:
    """Characters of every text that a simple pattern fits, such as `[GJL][0-9A-Z]{18}`: 19.

    None where the pattern is none, or not a plain row of characters and classes.
    """
    length = at = 0
    for part in _UNIT_OF_PATTERN.finditer(pattern or ""):
        if part.start() != at:
            return None
        at = part.end()
        length += int(part[1] or 1)
    return length if length and at == len(pattern or "") else None


def accepts(column: Column, lang: str, low: float | None = None, high: float | None = None) -> str:
    """What a cell of the column may hold, as a few words.

    Args:
        column: of a contract.
        lang: `zh` or `en`.
        low: smallest value; the contract's where not given.
        high: largest value, likewise; such as the full mark of a paper.
    """
    t = translator(lang).gettext
    low = column.min if low is None else low
    high = column.max if high is None else high
    listed = "、".join(choices(column))
    if listed:
        return listed
    if column.references:
        return t(
            _("a code or name in {register}") if column.resolve_by else _("in {register}")
        ).format(register=load_contracts()[column.references.partition(".")[0]].title)
    if column.type == "score":
        what = t(_("a score"))
    elif column.type in PLAIN:
        what = t(PLAIN[column.type]).format(day=ANY_DAY, month=ANY_DAY[:7])
    elif length := fixed_length(column.pattern):
        what = t(_("text of {count} characters")).format(count=length)
    else:
        what = t(_("text"))
    if low is not None and high is not None:
        what = t(_("{what}, {low} to {high}")).format(
            what=what, low=f"{low:.15g}", high=f"{high:.15g}"
        )
    elif low is not None:
        what = t(_("{what}, {low} or more")).format(what=what, low=f"{low:.15g}")
    elif high is not None:
        what = t(_("{what}, {high} or less")).format(what=what, high=f"{high:.15g}")
    if column.type == "score":
        what = t(_("{what}; or one of {words}")).format(what=what, words="、".join(status_words()))
    return what


@cache
def _examples() -> dict[str, str]:
    text = Path(__file__).with_name("examples.yml").read_text(encoding="utf-8")
    loaded: dict[str, str] = yaml.safe_load(text)
    return loaded


def example(contract: Contract, column: Column) -> str:
    """The column's cell in the example record of its feed; empty where that leaves it so."""
    if column.example:
        return column.example
    for name in (f"{contract.feed}.{column.name}", column.name):
        if name in _examples():
            return _examples()[name]
    listed = choices(column)
    if listed:
        return listed[0]
    if column.type in ("date", "month"):
        return ANY_DAY
    if column.type in ("integer", "number", "score"):
        return f"{column.min or column.max or 0:.15g}"
    return ""
