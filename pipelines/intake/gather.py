"""What a file holds of its feed: the cells of the columns that were recognised, sheet by sheet.

This is what runs in a process of its own (`pool`): it sees one file, and gives back tables.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipelines.feeds import TEMPLATE_SHEETS, Contract, codes, load_contracts
from pipelines.intake.aside import rows_aside
from pipelines.intake.paths import names_within
from pipelines.intake.problems import Problem
from pipelines.intake.reader import Sheet, Unreadable, lies, read_sheets, stream_text
from pipelines.intake.recognise import (
    Recognised,
    SheetReading,
    better_feed,
    goes_on,
    looks_like_rows,
    recognise,
    records,
)
from pipelines.intake.returned import EXCERPT_SUFFIX, is_report_sheet

PIECE_ROWS = 500_000
"""So many rows of a large text file are cleaned at a time."""


@dataclass(frozen=True)
class Part:
    """Rows of one sheet below its header."""

    sheet: str
    cells: pa.Table
    """Text columns by canonical name; `_row`, its number as the spreadsheet shows it; `_total`;
    `_w0`, `_w1`, … of the wide form."""
    recognised: Recognised


@dataclass
class Gathered:
    """One file: its parts, what is wrong already, and what was made of each sheet."""

    parts: list[Part] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    sheets: list[SheetReading] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    """Names in its rows that stand in its path, too."""

    @property
    def refused(self) -> bool:
        """Whether an error was found already."""
        return any(p.severity == "error" for p in self.problems)


def gather(feed: str, path: Path, source_file: str, waves: Mapping[str, str]) -> Gathered:
    """What one file holds of a feed."""
    contract = load_contracts()[feed]
    found = Gathered()
    try:
        sheets = read_sheets(path)
        if lies(path):
            found.problems.append(Problem("lying_extension", source_file, found=path.suffix))
    except Unreadable as error:
        found.problems.append(Problem(error.rule, source_file, found=str(error)))
        return found
    except OSError as error:
        found.problems.append(Problem("unreadable", source_file, found=str(error.strerror)))
        return found
    before: Recognised | None = None
    for sheet in sheets:
        before = _sheet(contract, sheet, source_file, waves, before, found)
    if not found.parts and not found.refused:
        header = any(reading.header_rows for reading in found.sheets)
        rule = "no_rows" if header else "empty_file"
        found.problems.append(Problem(rule, source_file))
    return found


def _sheet(
    contract: Contract,
    sheet: Sheet,
    file: str,
    waves: Mapping[str, str],
    before: Recognised | None,
    found: Gathered,
) -> Recognised | None:
    """Add one sheet to what was found; the columns with which the next sheet may go on."""
    rows = sheet.cells.num_rows
    recognised, problems = recognise(contract, sheet, file, waves)

    def left_out(rule: str, *more: Problem) -> None:
        if rows:
            found.problems.extend(more or [Problem(rule, file, sheet.name, found=sheet.name)])
        left = {"unread": rows} if rows else {}
        found.sheets.append(
            SheetReading(sheet.name, False, rule if rows else "", rows=rows, left_out=left)
        )

    first = sheet.cells["c0"][0].as_py() if rows else ""
    ours = recognised is None and sheet.name in TEMPLATE_SHEETS
    if ours or is_report_sheet(sheet.name, first):
        found.sheets.append(
            SheetReading(sheet.name, False, "own_sheet", rows=rows, left_out={"unread": rows})
        )
    elif sheet.name.endswith(EXCERPT_SUFFIX):
        left_out("excerpt")
    elif sheet.hidden:
        left_out("hidden_sheet" if recognised else "unknown_sheet")
    elif recognised is None and before is not None and rows and goes_on(sheet, before):
        recognised = replace(before, header_rows=())
        note = Problem("continued_sheet", file, sheet.name, found=sheet.name)
        _add(contract, sheet, file, recognised, [note], "continued_sheet", found)
    elif recognised and not any(p.severity == "error" for p in problems):
        _add(contract, sheet, file, recognised, problems, "", found)
        return recognised
    elif other := better_feed(contract, sheet):
        wrong = Problem("wrong_template", file, sheet.name, found=other, expected=contract.title)
        left_out("wrong_template", wrong)
    elif recognised:
        _add(contract, sheet, file, recognised, problems, "", found)
        return recognised
    elif before is not None and looks_like_rows(sheet):
        left_out("continued_unclear")
    elif lost := records(sheet):
        told = Problem("unread_records", file, sheet.name, found=sheet.name, expected=str(lost))
        left_out("unread_records", told)
    else:
        left_out("unknown_sheet")
    return before


def _add(
    contract: Contract,
    sheet: Sheet,
    file: str,
    recognised: Recognised,
    problems: list[Problem],
    why: str,
    found: Gathered,
) -> None:
    found.problems += problems
    dropped = [f"c{at}" for at in recognised.dropped if at < sheet.cells.num_columns]
    found.names |= names_within(file, [sheet.cells[name] for name in dropped])
    above = min(recognised.header_rows, default=1) - 1
    refused = any(p.severity == "error" for p in problems)
    below = sheet.cells.num_rows - recognised.last_header_row
    left = {"title": above} if above else {}
    if refused and below:
        left["unread"] = below
    taken = 0
    if not refused:
        rows = np.arange(1, sheet.cells.num_rows + 1)
        own, aside = part(contract, sheet.name, sheet.cells, rows, recognised)
        taken = own.cells.num_rows
        left |= dict(Counter(aside.values()))
        found.problems += _told(file, sheet.name, aside)
        if taken:
            found.parts.append(own)
    found.sheets.append(_reading(sheet, not refused, why, recognised, taken, left))


def _reading(
    sheet: Sheet, read: bool, why: str, recognised: Recognised, taken: int, left: dict[str, int]
) -> SheetReading:
    return SheetReading(
        sheet.name,
        read,
        why,
        recognised.header_rows,
        recognised.headers,
        recognised.unread,
        sheet.cells.num_rows,
        taken,
        left,
        recognised.wave,
    )


def part(
    contract: Contract, sheet: str, cells: pa.Table, numbers: np.ndarray, recognised: Recognised
) -> tuple[Part, dict[int, str]]:
    """The records of a sheet below its header, and row → why it is none.

    `numbers` are the rows of `cells` as the spreadsheet shows them, ascending, from 1.
    """
    skipped = int(np.searchsorted(numbers, recognised.last_header_row, side="right"))
    below, numbers = cells.slice(skipped), numbers[skipped:]
    used = [*recognised.columns.values(), *(place.column for place in recognised.wide)]
    identity = _identity(contract, recognised)
    words = _words(contract, identity)
    place = recognised.columns[identity] if identity else None
    aside = rows_aside(below, place, used, recognised.header_cells, words)
    left = {int(numbers[row]): why for row, why in sorted(aside.items())}
    if aside:
        kept = np.ones(below.num_rows, dtype=bool)
        kept[list(aside)] = False
        below, numbers = below.filter(pa.array(kept)), numbers[kept]
    nothing = pa.nulls(below.num_rows, pa.string())

    def column(index: int | None) -> pa.ChunkedArray | pa.Array:
        name = f"c{index}"
        return below[name] if name in below.column_names else nothing

    table = {name: column(index) for name, index in recognised.columns.items()}
    table |= {f"_w{i}": column(place.column) for i, place in enumerate(recognised.wide)}
    table["_row"] = pa.array(numbers, pa.int32())
    if recognised.total is not None:
        table["_total"] = column(recognised.total)
    return Part(sheet, pa.table(table), recognised), left


def _identity(contract: Contract, recognised: Recognised) -> str | None:
    """The column that says what a row is about: the student's number, else the key's first."""
    numbers = [c.name for c in contract.columns if c.type == "student_no"]
    names = [*numbers, *(k for k in contract.key if k not in ("school_year", "wave_id"))]
    return next((n for n in names if n in recognised.columns), None)


def _words(contract: Contract, name: str | None) -> set[str]:
    """What a column of codes may say."""
    code_set = contract.column(name).code_set if name else None
    return {word for words in codes().get(code_set or "", {}).values() for word in words}


LEFT_RULES = {
    "subtotal": "subtotal_rows",
    "note": "note_rows",
    "repeated_header": "repeated_header",
}


def _told(file: str, sheet: str, left: dict[int, str]) -> list[Problem]:
    """A note for each kind of row that is no record; blank rows need none."""
    problems = []
    for why, rule in LEFT_RULES.items():
        rows = [row for row, own in left.items() if own == why]
        if rows:
            problems.append(Problem(rule, file, sheet, rows[0], rows[-1], len(rows)))
    return problems


def stream(feed: str, path: Path, source_file: str, waves: Mapping[str, str]) -> Iterator[Gathered]:
    """A large text file piece by piece; the reading of its one sheet comes with the last.

    Raises:
        Unreadable: while the pieces are read.
    """
    contract = load_contracts()[feed]
    head, pieces = stream_text(path, PIECE_ROWS)
    recognised, problems = recognise(contract, head, source_file, waves)
    if recognised is None or any(p.severity == "error" for p in problems):
        found = Gathered()
        _sheet(contract, head, source_file, waves, None, found)
        found.parts = []
        yield found
        return
    above = min(recognised.header_rows) - 1
    last = taken = 0
    left: Counter[str] = Counter({"title": above} if above else {})
    for numbers, cells in pieces:
        own, aside = part(contract, "", cells, numbers, recognised)
        last = max(last, int(numbers[-1]))
        taken += own.cells.num_rows
        left.update(aside.values())
        yield Gathered([own], [*problems, *_told(source_file, "", aside)])
        problems = []
    whole = _reading(head, True, "", recognised, taken, dict(left))
    yield Gathered(sheets=[replace(whole, rows=last)])
