"""Rows of the last build that still hold.

Of a table made part by part, such as paper by paper, only those parts are made that rest on
something else than they did then.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

MADE_FROM = "made_from"
"""Column of such a table: digest of what a row rests on."""


def ordered(table: pa.Table, *keys: str) -> pa.Table:
    """The rows in the order of these columns."""
    return table.sort_by([(key, "ascending") for key in keys])


def parts(table: pa.Table, *keys: str) -> Iterator[tuple[tuple[Any, ...], pa.Table]]:
    """The rows of each combination of these columns, of a table in their order."""
    if not table.num_rows:
        return
    changed = np.zeros(table.num_rows, dtype=bool)
    changed[0] = True
    for key in keys:
        codes = table.column(key).combine_chunks().dictionary_encode().indices.to_numpy()
        changed[1:] |= codes[1:] != codes[:-1]
    starts = np.flatnonzero(changed)
    for start, end in zip(starts, [*starts[1:], table.num_rows], strict=True):
        own = table.slice(start, end - start)
        yield tuple(own.column(key)[0].as_py() for key in keys), own


def with_origin(*columns: tuple[str, pa.DataType]) -> pa.Schema:
    """The schema of a table of which each row says what it was made from."""
    return pa.schema([*columns, (MADE_FROM, pa.string())])


def of_last_build(con: duckdb.DuckDBPyConnection, table: str) -> pa.Table | None:
    """The table that the last build made under the same code; none if there is none.

    Args:
        con: the database that a build works in.
        table: `"database"."schema"."table"`.
    """
    try:
        return con.sql(f"from {table}").to_arrow_table()
    except duckdb.CatalogException:
        return None


Part = tuple[dict[str, Any], Callable[[], Sequence[pa.Table | None]]]
"""The columns that say which part it is, and what gives the tables to work on."""


def made_by_part(
    every: Iterable[Part],
    work: Callable[..., pa.Table],
    schema: pa.Schema,
    before: pa.Table | None,
    given: object = None,
    workers: int = 1,
) -> pa.Table:
    """The rows of every part, of which those are used again that nothing has changed.

    Args:
        every: the parts.
        work: from those tables to the rows of a part, of the schema without these columns.
        schema: of the outcome.
        before: the outcome of an earlier call under the same code.
        given: whatever else the rows depend on.
        workers: parts worked on at a time.
    """
    parts_now = list(every)
    names = list(parts_now[0][0]) if parts_now else []
    known: dict[str, pa.Table] = {}
    if before is not None and names and before.schema.names == schema.names:
        for _, own in parts(ordered(before, *names), *names):
            known.setdefault(own[MADE_FROM][0].as_py(), own)

    def made(part: Part) -> pa.Table:
        key, tables = part[0], part[1]()
        digest = _digest(tables, names, given)
        rows = known.get(digest)
        if rows is None:
            rows = work(*tables)
        told = key | {MADE_FROM: digest}
        columns = [
            pa.repeat(pa.scalar(told[field.name], field.type), rows.num_rows)
            if field.name in told
            else rows[field.name].cast(field.type)
            for field in schema
        ]
        return pa.Table.from_arrays(columns, schema=schema)

    with ThreadPoolExecutor(workers) as pool:
        found = list(pool.map(made, parts_now))
    return pa.concat_tables(found) if found else schema.empty_table()


def _digest(tables: Sequence[pa.Table | None], without: Sequence[str], given: object) -> str:
    """Equal only for equal rows in equal order, of all columns but those."""
    digest = hashlib.sha256(repr(given).encode())
    for table in tables:
        digest.update(b"-" if table is None else b"+")
        if table is None:
            continue
        own = table.drop_columns([name for name in without if name in table.column_names])
        # Taken out, since a slice would be written with what lies behind it in memory.
        own = own.take(pa.array(np.arange(own.num_rows))).replace_schema_metadata()
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, own.schema) as stream:
            stream.write_table(own.combine_chunks())
        digest.update(sink.getvalue())
    return digest.hexdigest()[:32]
