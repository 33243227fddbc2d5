"""What the tables and columns of the published layer mean, as the layer itself tells."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby

from dashboards.pages.base import Published

WORDS = """
    select table_name, place, column_name, data_type, words
    from published.dictionary
    where table_name <> ''
    order by table_name, place
"""
UNITS = """
    select table_name, column_name, min(unit) as unit
    from published.metric
    group by table_name, column_name
    having min(unit) = max(unit)
    order by table_name, column_name
"""
"""Of columns that hold one figure, or several of one unit."""

_HAN = re.compile(r"[\u3400-\u9fff]")


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    name: str
    type: str
    zh: str
    """Its Chinese name."""
    en: str
    """What it holds."""
    unit: str = ""
    """Of a figure: what it is measured in, as in `metrics.yml`."""


@dataclass(frozen=True)
class Table:
    """A table: its Chinese name, what a row of it is, and its columns."""

    name: str
    zh: str
    en: str
    columns: tuple[Column, ...]


Dictionary = Mapping[str, Table]
"""Tables by name, in the order of their names."""


def dictionary(published: Published) -> Dictionary:
    """The tables of the published layer that are described."""
    units = {(r["table_name"], r["column_name"]): r["unit"] for r in published.rows(UNITS)}
    tables = {}
    for name, own in groupby(published.rows(WORDS), key=lambda row: str(row["table_name"])):
        zh, en, columns = "", "", []
        for row in own:
            if row["place"]:
                column = row["column_name"]
                unit = units.get((name, column)) or ""
                columns.append(Column(column, row["data_type"], *_parted(row["words"]), unit))
            else:
                zh, en = _titled(row["words"])
        tables[name] = Table(name, zh, en, tuple(columns))
    return tables


def _parted(words: str) -> tuple[str, str]:
    """A description's Chinese name and its English meaning."""
    name, dot, meaning = words.partition(" · ")
    return (name, meaning) if dot else ("", words)


def _titled(words: str) -> tuple[str, str]:
    """A table's Chinese name, which stands between its grain and the rest, and all but that."""
    parts = words.split(". ")
    named = [part for part in parts if _HAN.search(part)]
    rest = ". ".join(part for part in parts if part not in named[:1])
    return named[0].replace("（发布层）", "").rstrip(".") if named else "", rest
