"""What pages asked of the published layer: by it those are known that an earlier release made.

A page is a function of the code, of the names that it is given, and of the answers to what it asks.
Its first question rests on nothing, and each further one on the answers before it. So a page is
made the same whose questions, asked again, have the answers that they had. One of tables that are
what they were has, and need not be asked.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb

from dashboards.pages import Published, Unit
from dashboards.pages.base import Row
from dashboards.shelf import Shelf, read_shelf, tag_of

RECORD = "asked.json"
"""Name of the record, in the folder that holds `site/`."""

Asked = tuple[str, tuple[str | int, ...]]
"""A query and its parameters."""
Question = tuple[str, tuple[str | int, ...], str]
"""A query, its parameters, and the digest of its answer."""


class Asking(Published):
    """The published layer for one page: it answers a question once, and knows what was asked."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        super().__init__(connection)
        self._answers: dict[Asked, list[Row]] = {}
        self._asked: dict[Asked, None] = {}

    def again(self) -> "Asking":
        """One that was asked nothing yet, and knows the answers of this one."""
        other = Asking(self._connection)
        other._answers = self._answers
        return other

    def rows(self, query: str, parameters: Sequence[str | int] = ()) -> list[Row]:
        """The rows of a query, in its order, one dictionary a row; the caller's own."""
        asked = (query, tuple(parameters))
        self._asked[asked] = None
        if asked not in self._answers:
            self._answers[asked] = super().rows(query, parameters)
        return [dict(row) for row in self._answers[asked]]

    def digest(self, query: str, parameters: Sequence[str | int]) -> str:
        """Digest of the answer: of names, values and their order."""
        return sha256(repr(self.rows(query, parameters)).encode()).hexdigest()[:32]

    @property
    def asked(self) -> tuple[Question, ...]:
        """What was asked, in its order."""
        return tuple((*asked, self.digest(*asked)) for asked in self._asked)


@dataclass(frozen=True)
class Printed:
    """The pages of a unit in every language, their tables, and what they were made of."""

    place: str
    """Where the page lies within each language's folder."""
    pages: tuple[str, ...]
    """Paths in the site, in the order of languages."""
    tables: tuple[str, ...]
    """Names of the tables to take away."""
    names: tuple[str, ...]
    """Code and names of the unit."""
    asked: tuple[Question, ...]


class Earlier:
    """The pages of an earlier release, as far as they were made by the same code.

    Args:
        release: its folder.
        made_by: digest of the code, and of the names that all pages are given.
        unchanged: published tables that are what they were.
    """

    def __init__(self, release: Path, made_by: str, unchanged: frozenset[str]) -> None:
        self._unchanged = unchanged
        self._site = release / "site"
        self._shelf: Shelf | None = None
        self._pages: dict[str, Printed] = {}
        self.release_id = ""
        try:
            told = json.loads((release / RECORD).read_text(encoding="utf-8"))
            if told["made_by"] == made_by:
                self.release_id = told["release"]
                self._shelf = read_shelf(release)
                self._pages = dict(_pages(told))
        except (OSError, ValueError, LookupError, TypeError):
            # None was written, or it is not as it was written.
            self._pages = {}

    def find(self, place: str, unit: Unit, published: Asking) -> tuple[Printed, list[bytes]] | None:
        """The pages of a place and then their tables, where they hold and their files are whole."""
        one = self._pages.get(place)
        if one is None or one.names != names_of(unit):
            return None
        for query, given, digest in one.asked:
            tables = tables_of(query)
            # Of a question that names no table nothing is known before it is asked.
            holds = bool(tables) and tables <= self._unchanged
            if not holds and published.digest(query, given) != digest:
                return None
        files = []
        for path in (*one.pages, *(f"downloads/{name}" for name in one.tables)):
            item = None if self._shelf is None else self._shelf.find(path)
            try:
                content = (self._site / path).read_bytes()
            except OSError:
                return None
            if item is None or tag_of(content) != item.tag:
                return None
            files.append(content)
        return one, files


@cache
def tables_of(query: str) -> frozenset[str]:
    """The published tables that a query reads; pages name each with its schema."""
    return frozenset(re.findall(r"\bpublished\.(\w+)", query))


def unchanged(warehouse: Path, earlier: Path) -> frozenset[str]:
    """Published tables that have the columns and rows which they have in an earlier release.

    Rows are compared by sums over their hashes. None where the earlier one can't be read.

    Args:
        warehouse: the sealed DuckDB file.
        earlier: the folder of the earlier release.
    """
    database = earlier / warehouse.name
    if not database.is_file():
        return frozenset()
    with duckdb.connect() as con:
        try:
            con.execute("attach ? as earlier (read_only)", [str(database)])
        except duckdb.Error:
            return frozenset()
        con.execute("attach ? as now (read_only)", [str(warehouse)])
        both = con.execute(
            "select table_name from duckdb_tables() where schema_name = 'published' "
            "group by table_name having count(*) = 2 and min(sql) = max(sql) order by table_name"
        ).fetchall()
        sums = "select count(*), bit_xor(hash(rows)), sum(hash(rows)::hugeint) from {}.published.{}"
        return frozenset(
            table
            for (table,) in both
            if con.execute(sums.format("earlier", f'"{table}" as rows')).fetchall()
            == con.execute(sums.format("now", f'"{table}" as rows')).fetchall()
        )


def _pages(told: dict[str, Any]) -> Iterator[tuple[str, Printed]]:
    queries = told["queries"]
    for place, one in told["pages"].items():
        asked = tuple((queries[n], tuple(given), digest) for n, given, digest in one["asked"])
        pages, tables, names = (tuple(one[key]) for key in ("pages", "tables", "names"))
        yield place, Printed(place, pages, tables, names, asked)


def names_of(unit: Unit) -> tuple[str, ...]:
    """What a page is told of its unit."""
    return unit.code, unit.name_zh, unit.name_en


def write_record(site: Path, made_by: str, release_id: str, printed: Sequence[Printed]) -> Path:
    """Write beside a site what its pages were made of; answers where.

    Args:
        site: the rendered site.
        made_by: digest of the code, and of the names that all pages are given.
        release_id: printed on every page.
        printed: the pages.
    """
    queries = sorted({query for one in printed for query, _, _ in one.asked})
    number = {query: n for n, query in enumerate(queries)}
    pages = {
        one.place: {
            "pages": one.pages,
            "tables": one.tables,
            "names": one.names,
            "asked": [[number[query], given, digest] for query, given, digest in one.asked],
        }
        for one in printed
    }
    told = {"made_by": made_by, "release": release_id, "queries": queries, "pages": pages}
    target = site.with_name(RECORD)
    target.write_text(json.dumps(told, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
    return target
