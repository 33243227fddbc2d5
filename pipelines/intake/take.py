"""From files to landed rows and problems, given the registers. Writes nothing.

`ingest` keeps what comes out and `check` throws it away, so the two can't differ.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa

from pipelines.feeds import Contract, load_contracts
from pipelines.feeds.contract import ORIGIN, quoted
from pipelines.intake.checks import check_papers, check_repeats, check_totals, resolve_references
from pipelines.intake.clean import clean
from pipelines.intake.problems import LONG_NUMBER, Mark, Problem
from pipelines.intake.pseudonym import add_student_keys
from pipelines.intake.reader import BOOK_SUFFIXES, Sheet, Unreadable, read_sheets
from pipelines.intake.recognise import HEADER_WITHIN, Recognised, SheetReading, recognise

BATCH_BYTES = 16 * 2**20
"""Files are cleaned together up to this size, so that memory does not grow with the city."""
UNPACKED = 6
"""A workbook is compressed; it counts for so many times its size."""
UNIT = re.compile(r"\s*[（(][^（()）]*[)）]$")
"""The unit behind a header, such as (分)."""
SHOWN = 20
"""So many different values a rule and column are reported one by one; the others as one."""
SHOWN_CHARACTERS = 60


@dataclass(frozen=True)
class File:
    """One file handed in."""

    path: Path
    feed: str
    school_year: str
    source_file: str
    """Its path within the raw folder."""
    sha256: str


@dataclass(frozen=True)
class Taken:
    """What one file came to: its rows as they would be landed, unless it has an error."""

    file: File
    problems: list[Problem]
    rows_read: int
    rows: pa.Table | None
    """None if and only if the file is refused."""
    sheets: list[SheetReading] = field(default_factory=list)
    """What was made of each sheet, in their order."""
    marks: list[Mark] = field(default_factory=list)
    """The cells that errors and queries are about, the first few thousand, by sheet and row."""


def take(
    contract: Contract,
    files: Iterable[File],
    registers: Mapping[str, list[Path]],
    key: bytes,
    usual_student_no: str,
) -> Iterator[Taken]:
    """The outcome of every file of one feed, in order.

    Args:
        contract: of the feed.
        files: files of that feed.
        registers: Parquet files of the landed rows of each feed that the contract refers to, as
            they arrived, the newest last.
        key: of the pseudonyms.
        usual_student_no: pattern of a usual student number.
    """
    for batch in _batches(files):
        gathered = [_gather(contract, file, number) for number, file in enumerate(batch)]
        parts = [table for tables, _ in gathered for table in tables]
        problems = [found for _, found in gathered]
        rows: dict[int, pa.Table] = {}
        rows_read: dict[int, int] = {}
        if parts:
            with duckdb.connect() as con:
                con.execute("set enable_progress_bar = false")
                _register(con, contract, batch, registers, parts)
                clean(con, contract, usual_student_no)
                rows_read = _counts(con, "count(distinct (sheet, row))")
                check_totals(con, contract)
                check_repeats(con, contract)
                resolve_references(con, contract)
                check_papers(con, contract)
                for number, problem in _folded(con, batch):
                    problems[number].append(problem)
                rows = _landed_rows(con, contract, problems, key)
        for number, file in enumerate(batch):
            found = problems[number]
            if number not in rows and not _has_error(found):
                found.append(Problem("empty_file", file.source_file))
            yield Taken(file, found, rows_read.get(number, 0), rows.get(number))


def misplaced(file: File) -> Taken:
    """The outcome of a file that lies outside `<feed>/<school year>/`."""
    return Taken(file, [Problem("misplaced_file", file.source_file)], 0, None)


def _batches(files: Iterable[File]) -> Iterator[list[File]]:
    batch: list[File] = []
    size = 0
    for file in files:
        batch.append(file)
        packed = file.path.suffix.lower() in BOOK_SUFFIXES
        size += file.path.stat().st_size * (UNPACKED if packed else 1)
        if size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _has_error(problems: list[Problem]) -> bool:
    return any(p.severity == "error" for p in problems)


def _counts(con: duckdb.DuckDBPyConnection, what: str) -> dict[int, int]:
    """An aggregate of `typed` by file, in the order of the files."""
    query = f"select file_no, {what} from typed group by file_no order by file_no"
    return dict(con.execute(query).fetchall())


def _gather(contract: Contract, file: File, number: int) -> tuple[list[pa.Table], list[Problem]]:
    """The recognised cells of a file, one table a sheet (and subject, in the wide form)."""
    try:
        sheets = read_sheets(file.path)
    except (Unreadable, OSError) as error:
        return [], [Problem("unreadable", file.source_file, found=str(error))]
    tables: list[pa.Table] = []
    problems: list[Problem] = []
    strangers: list[Problem] = []
    for sheet in sheets:
        if sheet.hidden:
            if sheet.cells.num_rows:
                name = sheet.name
                strangers.append(Problem("hidden_sheet", file.source_file, name, found=name))
            continue
        recognised, found = recognise(contract, sheet.cells, file.source_file, sheet.name)
        problems += found
        if recognised and not _has_error(found):
            tables += [
                _cells(contract, sheet, number, recognised, column)
                for column in recognised.wide.values() or [None]
            ]
        elif recognised is None and sheet.cells.num_rows:
            rule = "continued_sheet" if _goes_on(sheet) else "unknown_sheet"
            strangers.append(Problem(rule, file.source_file, sheet.name, found=sheet.name))
    if tables or problems:
        return tables, [*problems, *strangers]
    return [], [Problem("empty_file", file.source_file)]


def _goes_on(sheet: Sheet) -> bool:
    """Whether a sheet without a header starts with a row like those of a table."""
    first: dict[str, str | None] = next(
        (row for row in sheet.cells.slice(0, HEADER_WITHIN).to_pylist() if any(row.values())), {}
    )
    return sum(any(c.isdigit() for c in cell or "") for cell in first.values()) >= 3


def _cells(
    contract: Contract, sheet: Sheet, number: int, recognised: Recognised, wide: str | None
) -> pa.Table:
    """The rows below the header as table `cells` wants them; `wide` is one subject's column."""
    header_row = recognised.header_row
    below = sheet.cells.slice(header_row)
    n = below.num_rows
    nothing = pa.nulls(n, pa.string())
    given: dict[str, pa.Array | pa.ChunkedArray] = {
        name: below[column] for name, column in recognised.columns.items()
    }
    if wide and contract.wide:
        header = UNIT.sub("", " ".join(sheet.cells[wide][header_row - 1].as_py().split()))
        given[contract.wide.names] = pa.repeat(pa.scalar(header), n)
        given[contract.wide.values] = below[wide]
    return pa.table(
        {
            "file_no": pa.repeat(pa.scalar(number, pa.int32()), n),
            "sheet": pa.repeat(pa.scalar(sheet.name), n),
            "row": pa.array(range(header_row + 1, header_row + 1 + n), pa.int32()),
            "_wide": pa.repeat(pa.scalar(wide is not None), n),
            "_total": below[recognised.total] if recognised.total else nothing,
            **{c.name: given.get(c.name, nothing) for c in contract.columns if c.type != "dropped"},
        }
    )


def _register(
    con: duckdb.DuckDBPyConnection,
    contract: Contract,
    files: list[File],
    registers: Mapping[str, list[Path]],
    parts: list[pa.Table],
) -> None:
    """Tables `cells` and `files`, and a view of the landed rows of each feed referred to."""
    con.register("cells", pa.concat_tables(parts))
    origin = pa.table(
        {
            "file_no": pa.array(range(len(files)), pa.int32()),
            "school_year": [f.school_year for f in files],
            "source_file": [f.source_file for f in files],
            "file_sha256": [f.sha256 for f in files],
        }
    )
    con.register("files", origin)
    for feed in contract.depends_on:
        typed = ", ".join(f"null::{t} as {n}" for n, t in load_contracts()[feed].landed.items())
        query = f"select {typed}, null::integer as arrival where false"
        if registers.get(feed):
            paths = ", ".join(quoted(str(p)) for p in registers[feed])
            query += (
                f" union all by name select * exclude (filename), "
                f"list_position([{paths}], filename) as arrival "
                f"from read_parquet([{paths}], union_by_name = true, filename = true)"
            )
        con.execute(f"create view register_{feed} as {query}")


def _folded(con: duckdb.DuckDBPyConnection, files: list[File]) -> Iterator[tuple[int, Problem]]:
    """The problems in `found`, equal ones as one, with the file's number."""
    rows = con.execute(
        f"""
        with cut as (
            select * replace (
                left(regexp_replace(found, {quoted(LONG_NUMBER)}, '…\\1', 'g'), {SHOWN_CHARACTERS})
                as found
            ) from found
        ),
        by_value as (
            select file_no, sheet, col, rule, expected, found,
                min(row) as first, max(row) as last, count(*) as n
            from cut group by file_no, sheet, col, rule, expected, found
        ),
        ranked as (
            select *, row_number() over (
                partition by file_no, sheet, col, rule order by first, found, expected
            ) as nth
            from by_value
        )
        select file_no, sheet, col, rule, any_value(expected order by nth),
            any_value(found order by nth) || if(count(*) > 1, ' …', ''),
            min(first), max(last), sum(n)::bigint
        from ranked
        group by file_no, sheet, col, rule,
            case when rule = 'unusual_number' then 0 else least(nth, {SHOWN} + 1) end
        order by 1, 2, 7, 3, 4, 6
        """
    ).fetchall()
    for number, sheet, column, rule, expected, found, first, last, n in rows:
        file = files[number].source_file
        yield number, Problem(rule, file, sheet, first, last, n, column, found, expected)


def _landed_rows(
    con: duckdb.DuckDBPyConnection, contract: Contract, problems: list[list[Problem]], key: bytes
) -> dict[int, pa.Table]:
    """Rows of the files without errors, by file, in the order of the source."""
    good = {number for number, found in enumerate(problems) if not _has_error(found)}
    if not good:
        return {}
    numbered = any(c.type == "student_no" for c in contract.columns)
    if numbered:
        add_student_keys(con, key, "typed")
    own = [n for n in contract.landed if n not in ORIGIN]
    columns = ", ".join("p.student_key" if n == "student_key" else f't."{n}"' for n in own)
    join = "left join pseudonym as p using (student_no)" if numbered else ""
    order = ", ".join(f't."{k}"' for k in contract.key if k != "school_year" and k != "student_no")
    result = con.sql(
        f"""
        select t.file_no, {columns}, f.school_year, f.source_file,
            nullif(t.sheet, '') as source_sheet, t.row as source_row, f.file_sha256,
            current_timestamp::timestamp as loaded_at
        from typed as t join files as f using (file_no) {join}
        where t.file_no in ({", ".join(map(str, sorted(good)))})
        order by t.file_no, t.sheet, t.row{", " + order if order else ""}
        """
    ).to_arrow_table()
    rows: dict[int, pa.Table] = {}
    start = 0
    for number, count in _counts(con, "count(*)").items():
        if number in good:
            rows[number] = result.slice(start, count).drop_columns(["file_no"])
            start += count
    return rows
