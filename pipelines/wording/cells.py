"""Text in files that a spreadsheet opens."""

from typing import Any

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def inert(value: Any) -> Any:
    """A cell's value; a text that a spreadsheet would compute is quoted, so that it is shown."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
