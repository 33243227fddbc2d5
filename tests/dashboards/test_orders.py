"""Pages ask for rows in an order of their own, whatever that in which tables hold them.

Else a page would be made anew for nothing, or tell in another order what has not changed.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest
from made_up_city import DISTRICTS, SCHOOLS, City, write_warehouse

from dashboards.pages import PAGES, Published, Unit, school_report
from dashboards.pages.base import Row

CODES = {"city": City().code, "district": next(iter(DISTRICTS)), "school": SCHOOLS[6][0]}
Asked = dict[tuple[str, str], list[Row]]


class Recorded(Published):
    """The published layer, and what was asked of it."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        super().__init__(connection)
        self.asked: Asked = {}

    def rows(self, query: str, parameters: Sequence[str | int] = ()) -> list[Row]:
        """As asked; noted by the question."""
        found = super().rows(query, parameters)
        self.asked[query, str(parameters)] = found
        return found


@contextmanager
def asked_of(warehouse: Path) -> Iterator[Asked]:
    """What all kinds of pages, and the report, ask of a warehouse."""
    with duckdb.connect(str(warehouse), read_only=True) as con:
        published = Recorded(con)
        for page in PAGES:
            code = CODES[page.level]
            page.build(published, Unit(code, code, code, page.level), "zh")
        school = CODES["school"]
        school_report.build(published, Unit(school, school, school, "school"), "zh")
        yield published.asked


def shuffled(warehouse: Path, seed: str) -> Path:
    """A copy in which the rows of every published table lie in another order."""
    other = warehouse.with_name(f"{seed}.duckdb")
    shutil.copy(warehouse, other)
    with duckdb.connect(str(other)) as con:
        tables = con.execute(
            "select table_name from duckdb_tables() where schema_name = 'published'"
        ).fetchall()
        for (table,) in tables:
            con.execute(
                f"create table shuffled as select * from published.{table} as one "
                f"order by hash(cast(one as varchar) || '{seed}')"
            )
            con.execute(f"delete from published.{table}")
            con.execute(f"insert into published.{table} from shuffled")
            con.execute("drop table shuffled")
    return other


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That of a usual city."""
    return write_warehouse(tmp_path_factory.mktemp("orders") / "warehouse.duckdb", City())


@pytest.mark.parametrize("seed", ["one", "another"])
def test_rows_come_in_one_order(warehouse: Path, seed: str) -> None:
    with asked_of(warehouse) as before, asked_of(shuffled(warehouse, seed)) as after:
        assert before.keys() == after.keys() and len(before) > 50
        otherwise = [question for question, rows in before.items() if rows != after[question]]
    assert otherwise == []
