"""From files to landed rows and problems, given the registers. Writes nothing.

`ingest` keeps what comes out and `check` throws it away, so the two can't differ. Files are read
in processes of their own, cleaned many at a time; one that is too large for memory is cleaned piece
by piece, and its rows wait on disk.
"""

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.feeds import Contract, load_contracts, rules
from pipelines.feeds.contract import ORIGIN, SQL_TYPES, quoted
from pipelines.intake import checks
from pipelines.intake.clean import Known, clean, unfold
from pipelines.intake.forgotten import NOBODY, Forgotten
from pipelines.intake.gather import Gathered, Part, gather, stream
from pipelines.intake.pool import in_turn
from pipelines.intake.privacy import discreet
from pipelines.intake.problems import LONG_NUMBER, Mark, Problem
from pipelines.intake.pseudonym import key_id, student_keys
from pipelines.intake.reader import TEXT_SUFFIXES, Unreadable, ahead, kind
from pipelines.intake.recognise import SheetReading

BATCH_BYTES = 48 * 2**20
BATCH_FILES = 400
"""Files are cleaned together up to this size and number, so that memory does not grow."""
LARGE_BYTES = 48 * 2**20
"""A text file larger than this is cleaned in pieces."""
MANY_PIECES = 1000
"""From so many pieces on, rows are put in order one by one."""
SHOWN = 20
"""So many different values a rule and column are reported one by one; the others as one."""
SHOWN_CHARACTERS = 60
MAX_MARKS = 5000
"""So many cells of a file are marked one by one."""
T = TypeVar("T")
AS_ONE = ("unusual_number", "check_digit", "tidied_class", "dotted_class")
"""Rules of which one line a column says enough, whatever the values."""


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
    rows: "Rows | None"
    """None if and only if the file is refused."""
    sheets: list[SheetReading] = field(default_factory=list)
    """What was made of each sheet, in their order."""
    marks: list[Mark] = field(default_factory=list)
    """The cells that errors and queries are about, the first few thousand, by sheet and row."""
    forgotten: int = 0
    """Of the rows read, those left out since their students are forgotten."""


@dataclass(frozen=True)
class Rows:
    """The rows of one file as they would be landed."""

    num_rows: int
    table: pa.Table | None
    """None where they wait in `path`."""
    path: Path | None = None
    kept_by: object = None
    """What removes `path` once nobody needs it."""

    def pieces(self, names: Sequence[str]) -> Iterator[pa.Table]:
        """Those of these columns that there are, piece by piece; texts may be dictionaries."""
        if self.table is not None:
            yield self.table.select([n for n in names if n in self.table.column_names])
            return
        assert self.path is not None
        own = [n for n in names if n in pq.read_schema(self.path).names]
        with pq.ParquetFile(self.path, read_dictionary=own) as file:
            for group in range(file.num_row_groups):
                yield file.read_row_group(group, own)

    def write(self, target: Path) -> None:
        """As Parquet; to be called once, before the next file is asked for."""
        if self.table is not None:
            pq.write_table(self.table, target, **landed_form(self.table.schema))
        elif self.path is not None:
            shutil.move(self.path, target)


@dataclass(frozen=True)
class Usual:
    """What the settings call usual; whatever else stands in a file is a query."""

    student_no: str
    """Pattern of a student's number."""
    kinds: Mapping[str, str]
    """Kind of an entry that the plan counts → what it is."""


@dataclass(frozen=True)
class Limits:
    """What one file may take to be read."""

    seconds: float
    megabytes: int


def take(
    contract: Contract,
    files: Iterable[File],
    registers: Mapping[str, list[Path]],
    key: bytes,
    usual: Usual,
    limits: Limits,
    rename: Callable[[File, set[str]], File] | None = None,
    forgotten: Forgotten = NOBODY,
) -> Iterator[Taken]:
    """The outcome of every file of one feed, in order.

    Args:
        contract: of the feed.
        files: files of that feed.
        registers: Parquet files of the landed rows of each feed that the contract refers to, as
            they arrived, the newest last.
        key: of the pseudonyms.
        usual: what else would be asked about.
        limits: of the reading of one file.
        rename: says under which name a file is told whose path holds names of its own rows; by
            default under its own.
        forgotten: whose rows are left out.
    """
    every = list(files)
    if not every:
        return
    how = _How(contract, registers, key, usual, _waves(contract, registers), forgotten)
    large = {file for file in every if _is_large(file.path)}
    tasks = ((contract.feed, f.path, f.source_file, how.waves) for f in every if f not in large)
    read = in_turn(gather, tasks, limits.seconds, limits.megabytes)
    how.prepare()
    held: list[tuple[File, Gathered]] = []
    size = 0
    for file in every:
        if file in large:
            if held:
                yield from _take_together(how, held)
            held, size = [], 0
            yield _take_large(how, file)
            continue
        outcome = next(read)
        if isinstance(outcome, Unreadable):
            told = Problem(outcome.rule, file.source_file, found=str(outcome))
            outcome = Gathered(problems=[told])
        if rename and outcome.names:
            file = rename(file, outcome.names)
            outcome.problems = [replace(p, file=file.source_file) for p in outcome.problems]
        held.append((file, outcome))
        size += sum(part.cells.nbytes for part in outcome.parts)
        if size >= BATCH_BYTES or len(held) >= BATCH_FILES:
            yield from _take_together(how, held)
            held, size = [], 0
    if held:
        yield from _take_together(how, held)


@dataclass
class _How:
    """What is the same for every file of a feed."""

    contract: Contract
    registers: Mapping[str, list[Path]]
    key: bytes
    usual: Usual
    waves: Mapping[str, str]
    forgotten: Forgotten
    _ready: duckdb.DuckDBPyConnection | None = None

    def prepare(self) -> None:
        """Make the next connection while files are read."""
        self._ready = self._connected()

    def connection(self) -> duckdb.DuckDBPyConnection:
        """A database that knows the registers, to clean some files in."""
        ready, self._ready = self._ready, None
        return ready or self._connected()

    def _connected(self) -> duckdb.DuckDBPyConnection:
        con = duckdb.connect()
        con.execute("set enable_progress_bar = false")
        _register_feeds(con, self.contract, self.registers)
        checks.begin(con, self.contract)
        return con


def _is_large(path: Path) -> bool:
    try:
        return (
            path.suffix.lower() in TEXT_SUFFIXES
            and path.stat().st_size > LARGE_BYTES
            and kind(path) == "text"
        )
    except (OSError, Unreadable):
        return False  # the reader will say what is wrong


def _waves(contract: Contract, registers: Mapping[str, list[Path]]) -> dict[str, str]:
    """Identifier or unambiguous name of each wave known → its identifier."""
    paths = registers.get("monitoring_waves")
    if not contract.wave_elsewhere or not paths:
        return {}
    names: dict[str, set[str]] = defaultdict(set)
    for path in paths:
        waves = pq.read_table(path, columns=["wave_id", "wave_name"])
        for wave, name in set(zip(*waves.to_pydict().values(), strict=True)):
            names[wave].add(wave)
            if name:
                names[name].add(wave)
    return {name: waves.pop() for name, waves in names.items() if len(waves) == 1}


def _take_together(how: _How, batch: list[tuple[File, Gathered]]) -> Iterator[Taken]:
    """The outcome of files that are cleaned in one go."""
    outcome = _Outcome(how, [file for file, _ in batch])
    with outcome:
        parts = []
        for number, (_, gathered) in enumerate(batch):
            parts += outcome.note(number, gathered)
        outcome.add(parts)
        yield from outcome.taken()


def _take_large(how: _How, file: File) -> Taken:
    """The outcome of one large text file, cleaned piece by piece."""
    outcome = _Outcome(how, [file], on_disk=True)
    with outcome:
        try:
            pieces = stream(how.contract.feed, file.path, file.source_file, how.waves)
            for gathered in ahead(pieces):
                outcome.add(outcome.note(0, gathered))
        except Unreadable as error:
            told = Problem(error.rule, file.source_file, found=str(error))
            outcome.note(0, Gathered(problems=[told]))
        return next(outcome.taken())


class _Outcome:
    """Files on their way from cells to rows."""

    def __init__(self, how: _How, files: list[File], on_disk: bool = False) -> None:
        self.how, self.files, self.on_disk = how, files, on_disk
        self.problems: list[list[Problem]] = [[] for _ in files]
        self.sheets: list[list[SheetReading]] = [[] for _ in files]
        self.places: list[dict[tuple[str, str], int]] = [{} for _ in files]
        self.read = [0] * len(files)
        """Rows that came as records."""
        self.typed = [0] * len(files)
        """Rows of those that went through cleaning."""
        self.forgotten = [0] * len(files)
        """Rows of those whose students are forgotten."""
        self.sheet_names: list[str] = []
        """Of every part."""
        self.known = Known()
        self.tables: list[pa.Table] = []
        self.order: list[np.ndarray] = []
        """`seq` of the rows that wait on disk."""
        self.cells = 0
        """Rows of files so far, over all pieces."""

    def __enter__(self) -> "_Outcome":
        self.con = self.how.connection()
        origin = pa.table(
            {
                "file_no": pa.array(range(len(self.files)), pa.int32()),
                "school_year": [f.school_year for f in self.files],
                "source_file": [f.source_file for f in self.files],
                "file_sha256": [f.sha256 for f in self.files],
            }
        )
        self.con.register("files", origin)
        self.thread = ThreadPoolExecutor(1)
        if self.on_disk:
            self.folder = tempfile.TemporaryDirectory(prefix="eqm-")
            self.path = Path(self.folder.name) / "rows.parquet"
            self.writer: pq.ParquetWriter | None = None
            self.writing: Future[None] | None = None
        return self

    def __exit__(self, *error: object) -> None:
        # Nobody waits until the memory is given back.
        self.thread.submit(self.con.close)
        self.thread.shutdown(wait=False)

    def note(self, number: int, gathered: Gathered) -> list[tuple[int, Part]]:
        """Keep what was found of a file; its parts, numbered, unless it is refused already."""
        self.problems[number] += gathered.problems
        self.sheets[number] += gathered.sheets
        for part in gathered.parts:
            self.places[number] |= _places(self.how.contract, part)
        if gathered.refused:
            return []
        self.read[number] += sum(part.cells.num_rows for part in gathered.parts)
        return [(number, part) for part in gathered.parts if part.cells.num_rows]

    def add(self, parts: list[tuple[int, Part]]) -> None:
        """Clean and check these parts, and keep their rows."""
        if not parts:
            return
        con, contract = self.con, self.how.contract
        first = len(self.sheet_names)
        self.sheet_names += [part.sheet for _, part in parts]
        cells = pa.concat_tables(
            [_cells(contract, n, first + i, p) for i, (n, p) in enumerate(parts)]
        )
        ids = np.arange(self.cells, self.cells + cells.num_rows)
        starts = np.cumsum([self.cells, *(part.cells.num_rows for _, part in parts)])
        unfolded = [
            _wide_cells(contract, at, part)
            for at, (_, part) in zip(starts.tolist(), parts, strict=False)
            if part.recognised.wide
        ]
        wide = pa.concat_tables(unfolded) if unfolded else None
        self.cells += cells.num_rows
        cells = cells.append_column("id", [ids])
        changed = clean(con, contract, cells, self.how.usual.student_no, self.known, wide)
        keys = self._keys()
        for number, count in con.execute(
            "select file_no, count(*) from shared group by file_no"
        ).fetchall():
            self.typed[number] += count
        self._forget()
        changed |= checks.references(con, contract)
        checks.usual_values(con, contract, self.how.usual.kinds)
        checks.two_classes(con, contract)
        checks.lost_zeros(con, contract)
        unfold(con, contract, self.known, wide is not None, **checks.papers(contract))
        if wide is not None:
            checks.without_scores(con)
        checks.row_rules(con, contract)
        checks.totals(con, contract)
        checks.marks(con, contract)
        checks.keys(con, contract, self.on_disk)
        rows, texts = _checked(con, contract, changed)
        if self.on_disk:
            # In a thread of its own, while the next piece is cleaned.
            if self.writing is not None:
                self.writing.result()
            self.writing = self.thread.submit(self._put_aside, rows, texts | keys)
        else:
            own = _landed_rows(self.how, self.files, self.sheet_names, rows, texts | keys)
            # A dictionary is written whole, with what other files of the batch hold.
            self.tables.append(spelt_out(own) if len(self.files) > 1 else own)

    def _keys(self) -> "_Texts":
        """The pseudonyms of the students, which a thread makes while their rows are checked."""
        if all(c.type != "student_no" for c in self.how.contract.columns):
            return {}
        query = "select id, value from m_student_no order by id"
        numbers = self.con.sql(query).to_arrow_table()

        def made() -> pa.Array:
            with self.con.cursor() as con:
                return student_keys(con, self.how.key, numbers).dictionary_encode()

        return {"student_key": self.thread.submit(made).result}

    def _forget(self) -> None:
        """Leave out, and ask nothing of, the rows of students who are forgotten."""
        con, named = self.con, [c for c in self.how.contract.columns if c.type == "student_no"]
        if not self.how.forgotten.digests or not named:
            return
        name = named[0].name
        numbers = con.sql(f'select id, value from "m_{name}" order by id').to_arrow_table()
        con.register("theirs", pa.table({"id": self.how.forgotten.among(con, numbers)}))
        con.execute(
            "create or replace temp table gone as select file_no, part, row, id from shared "
            f'where "i_{name}" in (select id from theirs)'
        )
        con.unregister("theirs")
        for number, count in con.execute(
            "select file_no, count(*) from gone group by file_no"
        ).fetchall():
            self.forgotten[number] += count
        if any(self.forgotten):
            con.execute("delete from shared where id in (select id from gone)")
            row = "(file_no, part, row)"
            con.execute(f"delete from found where {row} in (select {row} from gone)")

    def _put_aside(self, rows: pa.Table, texts: "_Texts") -> None:
        """Add rows to those that wait on disk."""
        own = _landed_rows(self.how, self.files, self.sheet_names, rows, texts)
        self.order.append(own["seq"].to_numpy())
        own = own.drop_columns(["file_no", "seq"])
        if self.writer is None:
            self.writer = pq.ParquetWriter(self.path, own.schema, **landed_form(own.schema))
        self.writer.write_table(own)

    def _close(self) -> None:
        """End the writing of the rows that wait on disk, and show them as `waiting`."""
        if self.writing is not None:
            self.writing.result()
        if self.writer is None:
            return
        self.writer.close()
        seq = np.concatenate(self.order)
        self.con.register("seq_of", pa.table({"place": np.arange(len(seq)), "seq": seq}))
        self.con.execute(
            "create temp view waiting as select seq, r.* "
            f"from read_parquet({quoted(str(self.path))}, file_row_number = true) as r "
            "join seq_of on place = file_row_number"
        )

    def taken(self) -> Iterator[Taken]:
        """Every file's outcome, once all its parts were added."""
        con, contract = self.con, self.how.contract
        con.register("parts", self._parts())
        if self.on_disk:
            self._close()
        dropped = checks.repeats(con, contract, waiting=self.on_disk)
        checks.across_rows(con, contract)
        for number, problem in _folded(con, self.files, contract):
            self.problems[number].append(problem)
        rows = self._rows(dropped)
        marks = _marks(con, contract, self.places)
        due = checks.rows_due(con)
        for number, file in enumerate(self.files):
            found = self.problems[number]
            if not _has_error(found):
                landed = rows[number].num_rows if number in rows else 0
                self._account(number, found, landed, due.get(number, 0))
            own = rows.get(number) if not _has_error(found) else None
            if own is None and self.forgotten[number] and not _has_error(found):
                own = self._no_rows()
            if own is None and not _has_error(found):
                found.append(Problem("empty_file", file.source_file))
            yield Taken(
                file, found, self.read[number], own, self.sheets[number], marks.get(number, []),
                self.forgotten[number],
            )  # fmt: skip

    def _parts(self) -> pa.Table:
        numbers = pa.array(range(len(self.sheet_names)), pa.int32())
        return pa.table({"part": numbers, "sheet": pa.array(self.sheet_names, pa.string())})

    def _account(self, number: int, found: list[Problem], landed: int, due: int) -> None:
        """Nothing may be lost on the way: each row was read, set aside and said so, or cleaned.

        `due` rows came of the cleaning and stand once; as many are to be landed.
        """
        file = self.files[number].source_file
        for sheet in self.sheets[number]:
            parts = len(sheet.header_rows) + sheet.taken + sum(sheet.left_out.values())
            if sheet.rows != parts:
                told = f"{sheet.rows} ≠ {parts}"
                found.append(Problem("unaccounted", file, sheet.sheet, found=told))
        if landed != due:
            found.append(Problem("unaccounted", file, found=f"{landed} ≠ {due}"))
        taken = sum(sheet.taken for sheet in self.sheets[number])
        if not taken == self.read[number] == self.typed[number]:
            told = f"{taken} ≠ {self.read[number]} ≠ {self.typed[number]}"
            found.append(Problem("unaccounted", file, found=told))

    def _no_rows(self) -> Rows:
        """What a file is landed as of which everybody is forgotten."""
        return Rows(0, self.tables[0].drop_columns(["file_no", "seq"]).slice(0, 0))

    def _rows(self, dropped: np.ndarray) -> dict[int, Rows]:
        """Rows by file, without those that stand twice."""
        if self.on_disk:
            if self.writer is None:
                return {}
            rows = _without(self.path, np.concatenate(self.order), dropped)
            return {0: replace(rows, kept_by=self.folder)}
        if not self.tables:
            return {}
        table = pa.concat_tables(self.tables)
        if len(dropped):
            table = table.filter(pa.array(~np.isin(table["seq"].to_numpy(), dropped)))
        numbers = table["file_no"].to_numpy()
        table = table.drop_columns(["file_no", "seq"])
        cuts = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
        return {
            int(numbers[start]): Rows(end - start, table.slice(start, end - start))
            for start, end in pairwise(cuts)
            if end > start
        }


def landed_form(schema: pa.Schema) -> dict[str, Any]:
    """How a landed file is written."""
    names = [name for name in schema.names if name != "source_row"]
    return {
        "compression": "zstd",
        # Which columns were dictionaries is nobody's business who reads the file.
        "store_schema": False,
        "use_dictionary": names,
        # Room for the keys of as many students as a piece holds.
        "dictionary_pagesize_limit": 2**26,
        # No two rows have one number: it is kept as its distance from the last.
        "column_encoding": {"source_row": "DELTA_BINARY_PACKED"},
        # The least and the greatest key, or path, help nobody to find a row.
        "write_statistics": [n for n in names if n not in (*ORIGIN, "student_key")],
    }


def _without(path: Path, order: np.ndarray, dropped: np.ndarray) -> Rows:
    """The rows that wait on disk, of one file, without those that stand twice."""
    if len(dropped):
        before, kept = path.with_suffix(".all"), ~np.isin(order, dropped)
        path.rename(before)
        with (
            pq.ParquetFile(before) as source,
            pq.ParquetWriter(
                path, source.schema_arrow, **landed_form(source.schema_arrow)
            ) as target,
        ):
            at = 0
            for group in range(source.num_row_groups):
                table = source.read_row_group(group)
                target.write_table(table.filter(pa.array(kept[at : at + table.num_rows])))
                at += table.num_rows
        before.unlink()
    return Rows(len(order) - len(dropped), None, path)


def _has_error(problems: list[Problem]) -> bool:
    return any(p.severity == "error" for p in problems)


def _places(contract: Contract, part: Part) -> dict[tuple[str, str], int]:
    """Sheet and header, as problems name it → column of the sheet, from 0."""
    own = part.recognised
    places = {contract.column(name).header: at for name, at in own.columns.items()}
    places |= {place.header: place.column for place in own.wide}
    if own.total is not None and contract.total:
        places[contract.total] = own.total
    return {(part.sheet, header): at for header, at in places.items()}


def _cells(contract: Contract, number: int, at: int, part: Part) -> pa.Table:
    """The rows of a part as `clean` wants them, but for their `id`."""
    given, n = part.cells, part.cells.num_rows
    nothing = pa.nulls(n, pa.string())

    def column(name: str) -> pa.ChunkedArray | pa.Array:
        return given[name] if name in given.column_names else nothing

    total = column("_total")
    return pa.table(
        {
            "file_no": pa.repeat(pa.scalar(number, pa.int32()), n),
            "part": pa.repeat(pa.scalar(at, pa.int32()), n),
            "row": given["_row"],
            "_total": total.cast(pa.string()),
            **{
                c.name: pa.repeat(pa.scalar(part.recognised.wave), n)
                if c.name == "wave_id" and part.recognised.wave
                else column(c.name)
                for c in contract.columns
                if c.type != "dropped"
            },
        }
    )


def _wide_cells(contract: Contract, first: int, part: Part) -> pa.Table:
    """The cells of a part in the wide form as `clean` wants them; its rows are `first` and on."""
    assert contract.wide is not None
    places, n = part.recognised.wide, part.cells.num_rows
    k = len(places)
    stacked = pa.chunked_array(
        [chunk.cast(pa.string()) for i in range(k) for chunk in part.cells[f"_w{i}"].chunks]
    )
    # The numbers of the texts are put in the order of the rows, not the texts.
    texts = pc.fill_null(stacked, "").dictionary_encode().combine_chunks()
    by_column = texts.indices.to_numpy().reshape(k, n)
    values = pa.DictionaryArray.from_arrays(by_column.T.reshape(-1), texts.dictionary)
    headers = pa.array([place.header for place in places])
    seats = np.tile(np.arange(k, dtype=np.int32), n)
    return pa.table(
        {
            "id": np.repeat(np.arange(first, first + n), k),
            "seat": seats,
            contract.wide.names: pa.DictionaryArray.from_arrays(seats, headers),
            contract.wide.values: values,
        }
    )


def _register_feeds(
    con: duckdb.DuckDBPyConnection, contract: Contract, registers: Mapping[str, list[Path]]
) -> None:
    """A view of the landed rows of each feed referred to."""
    for feed in contract.depends_on:
        typed = ", ".join(f'null::{t} as "{n}"' for n, t in load_contracts()[feed].landed.items())
        query = f"select {typed}, null::integer as arrival where false"
        if registers.get(feed):
            paths = ", ".join(quoted(str(p)) for p in registers[feed])
            query += (
                f" union all by name select * exclude (filename), "
                f"list_position([{paths}], filename) as arrival "
                f"from read_parquet([{paths}], union_by_name = true, filename = true)"
            )
        con.execute(f"create view register_{feed} as {query}")


def _folded(
    con: duckdb.DuckDBPyConnection, files: list[File], contract: Contract
) -> Iterator[tuple[int, Problem]]:
    """The problems in `found`, equal ones as one, with the file's number."""
    as_one = ", ".join(map(quoted, AS_ONE))
    rows = con.execute(
        f"""
        with cut as (
            select found.* exclude (part, found), coalesce(sheet, '') as sheet,
                left(regexp_replace(found, {quoted(LONG_NUMBER)}, '…\\1', 'g'), {SHOWN_CHARACTERS})
                as found
            from found left join parts using (part)
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
            case when rule in ({as_one}) then 0 else least(nth, {SHOWN} + 1) end
        order by 1, 2, 7, 3, 4, 6
        """
    ).fetchall()
    say = discreet if contract.personal else str
    for number, sheet, column, rule, expected, found, first, last, n in rows:
        file = files[number].source_file
        yield number, Problem(rule, file, sheet, first, last, n, column, say(found), expected)


def _marks(
    con: duckdb.DuckDBPyConnection,
    contract: Contract,
    places: list[dict[tuple[str, str], int]],
) -> dict[int, list[Mark]]:
    """The cells in `found` that errors and queries are about, by file, the first of each."""
    grave = ", ".join(quoted(name) for name, rule in rules().items() if rule.severity != "note")
    rows = con.execute(
        f"""
        select file_no, rule, coalesce(sheet, '') as sheet, row, col,
            left(found, {SHOWN_CHARACTERS}), expected
        from found left join parts using (part) where rule in ({grave})
        qualify row_number() over (partition by file_no order by sheet, row, col) <= {MAX_MARKS}
        order by file_no, sheet, row, col, rule
        """
    ).fetchall()
    say = discreet if contract.personal else str
    marks: dict[int, list[Mark]] = defaultdict(list)
    for number, rule, sheet, row, column, found, expected in rows:
        first = column.split("、")[0]
        place = places[number].get((sheet, column), places[number].get((sheet, first)))
        marks[number].append(Mark(rule, sheet, row, place, column, say(found), expected))
    return marks


def spelt_out(rows: pa.Table) -> pa.Table:
    """The same rows with every text in its place."""
    columns = {
        name: rows[name].cast(pa.string())
        if pa.types.is_dictionary(rows[name].type)
        else rows[name]
        for name in rows.column_names
    }
    return pa.table(columns)


_Texts = dict[str, Callable[[], pa.Array]]
"""Landed name → what gives the texts, as a dictionary, for which the numbers in it stand."""


def _checked(
    con: duckdb.DuckDBPyConnection, contract: Contract, changed: set[str]
) -> tuple[pa.Table, _Texts]:
    """What is landed of `typed`, and the texts of columns that stand as numbers.

    Those are numbers that a text has as a value; in columns that were `changed` it may not be the
    row's, so there the value itself is given. Students' numbers are not among the texts.
    """
    own = [c for c in contract.columns if c.type != "dropped"]
    numbered = [
        c
        for c in own
        if c.type == "student_no" or (SQL_TYPES[c.type] == "varchar" and c.name not in changed)
    ]
    columns = ", ".join(f'"i_{c.name}"' if c in numbered else f'"{c.name}"' for c in own)
    rows = con.sql(f"select file_no, seq, part, row, {columns} from typed").to_arrow_table()
    rows = rows.rename_columns(
        ["file_no", "seq", "part", "source_row", *(c.landed_name for c in own)]
    )
    texts: _Texts = {}
    for column in numbered:
        if column.type != "student_no":
            query = f'select value from "m_{column.name}" order by id'
            values = con.sql(query).to_arrow_table()["value"].combine_chunks()
            texts[str(column.landed_name)] = values.dictionary_encode
    return rows, texts


def _in_order(rows: pa.Table) -> pa.Table:
    """The same rows by `seq`. The engine gives them in ascending pieces."""
    order = np.argsort(rows["seq"].to_numpy(), kind="stable")
    cuts = (np.flatnonzero(np.diff(order) != 1) + 1).tolist()
    if len(cuts) > MANY_PIECES:
        return rows.take(pa.array(order))
    # To move pieces is a tenth of the work of moving rows.
    pieces = [
        rows.slice(int(order[start]), end - start)
        for start, end in pairwise([0, *cuts, len(order)])
        if end > start
    ]
    return pa.concat_tables(pieces) if pieces else rows


def _landed_rows(
    how: _How, files: list[File], sheets: list[str], rows: pa.Table, texts: _Texts
) -> pa.Table:
    """The rows as they would be landed, with `file_no` and `seq` first, in the order of the source.

    What few texts repeat is a dictionary, which Parquet keeps as one.
    """
    rows = _in_order(rows)

    def named(numbers: str, each: pa.DictionaryArray) -> pa.ChunkedArray:
        """Texts in place of their numbers; equal texts have one number then."""
        different = len(each.dictionary) == len(each)
        return pa.chunked_array(
            [
                # The numbers are those of rows that were joined to these texts.
                pa.DictionaryArray.from_arrays(
                    chunk if different else each.indices.take(chunk), each.dictionary, safe=False
                )
                for chunk in rows[numbers].chunks
            ],
            pa.dictionary(pa.int32(), pa.string()),
        )

    # Of a file that comes in pieces a column may stand as numbers in one and not in the next.
    columns = {
        name: column.dictionary_encode() if pa.types.is_string(column.type) else column
        for name, column in zip(rows.column_names, rows.columns, strict=True)
    }
    for name, values in texts.items():
        columns[name] = named(name, values())
    told = {"school_year": "school_year", "source_file": "source_file", "file_sha256": "sha256"}
    for name, field_name in told.items():
        own = pa.array([getattr(file, field_name) for file in files], pa.string())
        columns[name] = named("file_no", own.dictionary_encode())
    own = pa.array([s or None for s in sheets], pa.string())
    columns["source_sheet"] = named("part", own.dictionary_encode())
    own_key = key_id(how.key) if "student_key" in texts else None
    of_all = pa.repeat(pa.scalar(own_key, pa.string()), rows.num_rows)
    columns["key_id"] = of_all.dictionary_encode()
    now = pa.scalar(datetime.now(UTC).replace(tzinfo=None), pa.timestamp("us"))
    columns["loaded_at"] = pa.repeat(now, rows.num_rows)
    return pa.table({name: columns[name] for name in ("file_no", "seq", *how.contract.landed)})
