"""What every page is made of: its unit, its view, and read-only access to the published layer."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import duckdb
import plotly.graph_objects as go

from pipelines.wording import Lang

Row = dict[str, Any]
Level = Literal["city", "district", "school"]


@dataclass(frozen=True)
class Unit:
    """The city, the district or the school that a page is of."""

    code: str
    name_zh: str
    name_en: str
    level: Level = "city"

    def name(self, lang: Lang) -> str:
        """Its name in a language."""
        return self.name_zh if lang == "zh" else self.name_en


def unit_labels(names: Mapping[str, str]) -> dict[str, str]:
    """Code → name of each unit, with the code where two share a name."""
    bearers = Counter(names.values())
    return {code: name if bearers[name] == 1 else f"{name} {code}" for code, name in names.items()}


class Published:
    """The published layer of a warehouse; a page asks it and nothing else."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def rows(self, query: str, parameters: Sequence[str | int] = ()) -> list[Row]:
        """The rows of a query, in its order, one dictionary a row; the caller's own."""
        result = self._connection.execute(query, list(parameters))
        names = [column[0] for column in result.description or []]
        return [dict(zip(names, values, strict=True)) for values in result.fetchall()]


@dataclass(frozen=True)
class Download:
    """A table to take away; values are those of the page."""

    name: str
    columns: tuple[str, ...]
    rows: Sequence[Row]
    tables: tuple[str, ...] = ()
    """Published tables whose columns these are, first the one whose rows they are."""
    title: str = ""
    """What it shows, in the language of the page; empty where the page's title says it."""


def to_take(
    names: Sequence[str], tables: Sequence[tuple[tuple[str, ...], Sequence[Row], str, str]]
) -> list[Download]:
    """The tables to take away; one without a name, or without a row, is not offered.

    Args:
        names: of their files.
        tables: of each its columns, its rows, the published table they are of, and its title.
    """
    return [
        Download(name, columns, rows, (table,), title)
        for name, (columns, rows, table, title) in zip(names, tables, strict=True)
        if name and rows
    ]


@dataclass(frozen=True)
class View:
    """A page in one language, ready for its template."""

    title: str
    context: Mapping[str, Any]
    figures: Mapping[str, go.Figure] = field(default_factory=dict)
    downloads: Sequence[Download] = ()


Build = Callable[[Published, Unit, Lang], View]
"""What makes a page of a unit in a language."""


@dataclass(frozen=True)
class Page:
    """A page of the site: where it lies, its template, and the function that builds its view."""

    path: str
    """Of a district's or a school's page, with `{code}` for its code."""
    name: str
    """What navigation calls it, as a msgid of the catalogue."""
    template: str
    build: Build
    level: Level = "city"
    """Whose page it is: there is one of the city, or one of each district or school."""
    everybody: bool = False
    """Whether it tells of no unit, so that whoever signed in may see it."""
