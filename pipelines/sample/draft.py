"""A file on its way from the clean table to what is handed in.

Messes change a draft step by step: its cells, its headers, how rows are spread over sheets, what
stands around the table, and at last the form of the file. Rows keep a number of their own all the
way, so that it is known in which row of which sheet a mess ended up.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import lru_cache
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from pipelines.feeds import Column, Contract, codes, load_contracts
from pipelines.sample.books import (
    Cell,
    Page,
    as_ods,
    as_text,
    as_xls,
    as_xlsx,
)

TEXTS = frozenset({"csv", "tsv", "txt"})
EXCEL = frozenset({"xlsx", "xlsm"})
BOOKS = EXCEL | {"xls", "ods"}
FORMATS = TEXTS | BOOKS
"""Forms of a file, each with the extension of its name."""

NUMERIC = {"integer", "number", "score"}
TOTAL = "总分"
PLAIN_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
ITEM = re.compile(r"(?:第|T)?([0-9]+(?:\([0-9]+\))?)题?")
EXTRA = "+"
"""Begins the name of a column that no contract knows."""


@dataclass(frozen=True)
class Register:
    """What somebody who fills in a file knows of the city."""

    schools: Mapping[str, str] = field(default_factory=dict)
    """School code → name."""
    districts: Mapping[str, str] = field(default_factory=dict)
    """District code → name."""
    district_of: Mapping[str, str] = field(default_factory=dict)
    """School code → code of its district."""

    def shared_names(self) -> list[str]:
        """Names that several schools have."""
        names = pd.Series(list(self.schools.values()), dtype=object)
        return sorted(set(names[names.duplicated()]))


@dataclass
class Table:
    """One sheet's table: text cells in a column a canonical name, subject, item or `总分`."""

    sheet: str
    frame: pd.DataFrame
    """Its index numbers the rows."""
    heads: dict[str, str]
    """Column → header as it will be written."""
    headless: bool = False
    """Goes on where the sheet before ended, without a header of its own."""


@dataclass(frozen=True)
class Mark:
    """Where a mess was put in, in the draft's own terms."""

    mess: str
    row: int | None = None
    column: str | None = None


@dataclass(frozen=True)
class Injected:
    """A mess in a file: where it stands, as somebody sees it who opens the file."""

    mess: str
    file: str = ""
    sheet: str = ""
    """Empty in a text file and where the mess is of the whole file."""
    row: int | None = None
    """From 1; none where the mess is of the sheet or the file."""
    header: str = ""
    """Header of the column as written; empty where no one column is meant."""
    column: str = ""
    """Its canonical name, subject or item."""


@dataclass
class Line:
    """One row of a sheet on its way."""

    cells: list[Cell]
    row: int | None = None
    kind: Literal["body", "head", "other"] = "body"


@dataclass
class Grid:
    """A sheet as rows of cells, to which layout messes add."""

    sheet: str
    lines: list[Line]
    columns: list[str]
    """What each column means; empty for one that was put in."""
    merges: list[tuple[int, int, int, int]] = field(default_factory=list)
    headless: bool = False

    def put_above(self, rows: list[list[Cell]]) -> None:
        """Rows above everything else."""
        n = len(rows)
        self.merges = [(a + n, b, c + n, d) for a, b, c, d in self.merges]
        self.lines[:0] = [Line(self.filled(row), kind="other") for row in rows]

    def filled(self, row: list[Cell]) -> list[Cell]:
        """A row as wide as the sheet."""
        return row + [""] * (len(self.columns) - len(row))


Lay = Callable[[Grid], None]


def unless_continued(lay: Lay) -> Lay:
    """What is done to sheets that begin a table, and not to those that go on with one."""

    def some(grid: Grid) -> None:
        if not grid.headless:
            lay(grid)

    return some


@dataclass
class Draft:
    """A file that is being made, with all that messes may change."""

    feed: str
    contract: Contract
    tables: list[Table]
    rng: np.random.Generator
    register: Register
    stem: str
    year: str = ""
    school: str = ""
    """Code of the school, if all rows are of one."""
    formats: set[str] = field(default_factory=lambda: set(FORMATS))
    """Forms that all messes so far allow."""
    preferred: str = "csv"
    typed: set[str] = field(default_factory=set)
    """Columns whose plain numbers are number cells in a workbook."""
    dated: set[str] = field(default_factory=set)
    """Columns whose days are date cells in a workbook."""
    parts: list[list[Table]] = field(default_factory=list)
    """Files into which the rows are divided; none: one file of all tables."""
    layout: list[tuple[int, Lay]] = field(default_factory=list)
    """What is done to each sheet, by order."""
    pages: list[tuple[bool, Callable[[list[Page]], Page]]] = field(default_factory=list)
    """More sheets, made from the others; True: in front of them."""
    separator: str = ""
    encoding: str = "utf-8"
    line_end: str = "\n"
    suffix: str = ""
    folder: str = ""
    copies: list[str] = field(default_factory=list)
    """Names (without extension) under which the same bytes come once more."""
    bytes_become: Callable[[bytes], bytes] | None = None
    upper_suffix: bool = False
    mess: str = ""
    """The mess that is at work."""
    marks: list[Mark] = field(default_factory=list)

    @property
    def table(self) -> Table:
        """The first table."""
        return self.tables[0]

    def has(self, column: str) -> bool:
        """Whether every table has the column."""
        return all(column in table.frame for table in self.tables)

    def column(self, name: str) -> Column | None:
        """The contract's column of that name, if it is one."""
        return next((c for c in self.contract.columns if c.name == name), None)

    def of_type(self, *types: str) -> list[str]:
        """Columns of the first table whose contract type is one of these."""
        return [
            str(name)
            for name in self.table.frame
            if (column := self.column(str(name))) and column.type in types
        ]

    def wide(self, table: Table | None = None) -> list[str]:
        """Columns of the wide form."""
        own = {c.name for c in self.contract.columns}
        return [
            str(name)
            for name in (table or self.table).frame
            if name not in own and name != TOTAL and not str(name).startswith(EXTRA)
        ]

    def scores(self, table: Table) -> list[str]:
        """Columns that hold scores."""
        return self.wide(table) or [c for c in ("score",) if c in table.frame]

    @property
    def chinese(self) -> bool:
        """Whether headers are Chinese."""
        return any("\u4e00" <= mark <= "\u9fff" for mark in "".join(self.table.heads.values()))

    def mark(self, row: int | None = None, column: str | None = None) -> None:
        """Note that the mess at work was put in there."""
        self.marks.append(Mark(self.mess, row, column))

    def change(self, column: str, how: Callable[[str], str]) -> bool:
        """Change the text cells of a column in all tables; whether any was changed."""
        changed = False
        for table in self.tables:
            if column not in table.frame:
                continue
            old = table.frame[column].tolist()
            new = [how(cell) if isinstance(cell, str) and cell else cell for cell in old]
            if new != old:
                table.frame[column] = pd.Series(new, table.frame.index, dtype=object)
                changed = True
        return changed

    def change_all(self, columns: list[str], how: Callable[[str], str]) -> bool:
        """Change several columns; whether any cell was changed."""
        return sum(self.change(column, how) for column in columns) > 0

    def next_row(self) -> int:
        """A row number that no table uses yet."""
        return 1 + max(
            (int(table.frame.index.max()) for table in self.tables if len(table.frame)), default=-1
        )

    def pick(self, cells: pd.Series | None = None, table: Table | None = None) -> int | None:
        """The number of a row, any one, or one of those where `cells` is true."""
        if cells is None:
            rows = (table or self.table).frame.index.to_numpy()
        else:
            rows = cells.index[cells.to_numpy(dtype=bool)].to_numpy()
        return int(rows[self.rng.integers(len(rows))]) if len(rows) else None

    def flip(self, chance: float = 0.5) -> bool:
        """True by that chance."""
        return bool(self.rng.random() < chance)


@dataclass(frozen=True)
class Handed:
    """The files that came of a draft."""

    files: dict[str, bytes]
    """Path below `<feed>/<school year>/` → content."""
    injected: list[Injected]


@lru_cache(maxsize=100_000)
def code_of(code_set: str, shown: str) -> str | None:
    """The code that a word means."""
    for code, words in codes()[code_set].items():
        if shown == code or shown in words or shown.lower() in words:
            return code
    return None


def as_frame(table: pa.Table | pd.DataFrame) -> pd.DataFrame:
    """A table of text cells, missing ones empty."""
    if isinstance(table, pa.Table):
        columns = dict(zip(table.column_names, (c.to_pylist() for c in table.columns), strict=True))
        return pd.DataFrame(columns, dtype=object).fillna("")
    frame = table.reset_index(drop=True).astype(object)
    return frame.where(frame.notna().to_numpy(), "")


def begin(
    feed: str,
    tables: Mapping[str, pa.Table | pd.DataFrame],
    rng: np.random.Generator,
    register: Register,
    stem: str,
    year: str,
) -> Draft:
    """A draft of clean tables, whose headers are canonical names or those of the template."""
    contract = load_contracts()[feed]
    known = {word: c.name for c in contract.columns for word in (c.name, c.header)}
    subjects = {w: code for code, ws in codes()["subject"].items() for w in (code, *ws)}
    draft = Draft(feed, contract, [], rng, register, stem, year)
    at = 0
    for sheet, table in tables.items():
        frame = as_frame(table)
        heads: dict[str, str] = {}
        for header in map(str, frame.columns):
            name = known.get(header)
            if name is None and contract.wide and header != contract.total:
                item = ITEM.fullmatch(header)
                name = subjects.get(header) or (item[1] if item else None)
            heads[name or (TOTAL if header == contract.total else EXTRA + header)] = header
        frame.columns = pd.Index(list(heads))
        frame.index = pd.RangeIndex(at, at + len(frame))
        at += len(frame)
        draft.tables.append(Table(sheet, frame, heads))
    of = {str(code) for t in draft.tables for code in t.frame.get("school_code", [])}
    if len(of) == 1:
        draft.school = of.pop()
    elif stem[:10] in register.schools:
        draft.school = stem[:10]
    names = {str(name) for table in draft.tables for name in table.frame}
    draft.typed = {
        name
        for name in names
        if name == TOTAL or (c := draft.column(name)) is None or c.type in NUMERIC
    }
    if len(draft.tables) > 1:
        draft.formats &= BOOKS
        draft.preferred = "xlsx"
    return draft


# From the draft to files ------------------------------------------------------------------------


def finish(draft: Draft) -> Handed:
    """Write the draft's files."""
    form = draft.preferred if draft.preferred in draft.formats else ""
    form = form or next((f for f in ("csv", "xlsx") if f in draft.formats), "")
    form = form or sorted(draft.formats)[0]
    suffix = draft.suffix or f".{form}"
    suffix = suffix.upper() if draft.upper_suffix else suffix
    parts = draft.parts or [draft.tables]
    stems = [draft.stem, *(f"{draft.stem}_{i + 2}" for i in range(len(parts) - 1))]
    files: dict[str, bytes] = {}
    injected: list[Injected] = []
    for stem, tables in zip(stems, parts, strict=True):
        grids = [_grid(draft, table, form) for table in tables]
        for _, lay in sorted(draft.layout, key=lambda step: step[0]):
            for grid in grids:
                lay(grid)
        pages = [
            Page(g.sheet or f"Sheet{i + 1}", [line.cells for line in g.lines], g.merges)
            for i, g in enumerate(grids)
        ]
        named = [page.name for page in pages]
        for in_front, make in draft.pages:
            page = make(pages)
            pages = [page, *pages] if in_front else [*pages, page]
        path = f"{draft.folder}{stem}{suffix}"
        files[path] = _bytes(draft, form, pages)
        for copy in draft.copies:
            files[f"{draft.folder}{copy}{suffix}"] = files[path]
        sheets = [""] if form in TEXTS else named
        for mark in draft.marks:
            injected += _found(mark, path, sheets, grids, tables)
    return Handed(files, injected)


def _grid(draft: Draft, table: Table, form: str) -> Grid:
    columns = [str(name) for name in table.frame]
    book = form in BOOKS
    values: list[list[Cell]] = []
    for name in columns:
        cells = table.frame[name].tolist()
        if book and name in draft.typed:
            cells = [_number(cell) for cell in cells]
        if form in EXCEL | {"ods"} and name in draft.dated:
            cells = [_day(cell) for cell in cells]
        values.append(cells)
    rows = [list(row) for row in zip(*values, strict=True)]
    lines = [Line(row, int(i)) for row, i in zip(rows, table.frame.index, strict=True)]
    if not table.headless:
        lines.insert(0, Line([table.heads[name] for name in columns], kind="head"))
    return Grid(table.sheet, lines, columns, headless=table.headless)


def _number(cell: Cell) -> Cell:
    if not isinstance(cell, str) or not PLAIN_NUMBER.fullmatch(cell):
        return cell
    return float(cell) if "." in cell else int(cell)


def _day(cell: Cell) -> Cell:
    if isinstance(cell, str) and ISO_DAY.fullmatch(cell):
        return date.fromisoformat(cell)
    return cell


def _bytes(draft: Draft, form: str, pages: list[Page]) -> bytes:
    if form in TEXTS:
        separator = draft.separator or ("," if form == "csv" else "\t")
        data = as_text(pages[0], separator, draft.encoding, draft.line_end)
    elif form in EXCEL:
        data = as_xlsx(pages, macros=form == "xlsm")
    else:
        data = as_ods(pages) if form == "ods" else as_xls(pages)
    return draft.bytes_become(data) if draft.bytes_become else data


def _found(
    mark: Mark, path: str, sheets: list[str], grids: list[Grid], tables: list[Table]
) -> list[Injected]:
    """Where a mark ended up in one file: once, or not at all if its row is in another file."""
    whole = Injected(mark.mess, path, column=mark.column or "")
    for sheet, grid, table in zip(sheets, grids, tables, strict=True):
        header = table.heads.get(mark.column or "", "")
        if mark.row is None and mark.column is None:
            return [whole]
        if mark.row is None:
            if header or mark.column in grid.columns:
                return [replace(whole, sheet=sheet, header=header)]
            continue
        for number, line in enumerate(grid.lines):
            if line.row == mark.row and line.kind == "body":
                return [replace(whole, sheet=sheet, row=number + 1, header=header)]
    return [whole] if mark.row is None else []
