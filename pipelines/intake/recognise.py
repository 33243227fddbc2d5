"""Which row is the header, and which column means what."""

from dataclasses import dataclass, field
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc
from xlsxwriter.utility import xl_col_to_name

from pipelines.feeds.contract import Contract, codes, load_contracts, normalise
from pipelines.intake.problems import Problem, masked

HEADER_WITHIN = 30
"""The header stands within so many rows of the top."""


@dataclass(frozen=True)
class SheetReading:
    """What was made of one sheet: nothing that was guessed or left out is hidden.

    `rows` = rows above the header, header rows, and `taken` + `left_out`.
    """

    sheet: str
    read: bool
    """Whether rows were taken from it."""
    why: str = ""
    """Rule that says why it was not read, or how (such as `continued_sheet`)."""
    header_rows: tuple[int, ...] = ()
    """Rows of the header, from 1; none on a sheet that goes on where another ended."""
    columns: dict[str, str] = field(default_factory=dict)
    """Header as written → canonical name, code of the subject, or number of the item."""
    unread: tuple[str, ...] = ()
    """Headers of columns that were left out."""
    rows: int = 0
    """Rows of the sheet, down to the last that holds anything."""
    taken: int = 0
    """Rows taken as records, with or without problems."""
    left_out: dict[str, int] = field(default_factory=dict)
    """Reason → rows: title, header, blank, subtotal, note, repeated_header, unread."""
    wave: str = ""
    """Wave that the title, the sheet's name or the file's name gives to every row."""


@dataclass
class Recognised:
    """What a sheet turned out to be."""

    header_row: int
    columns: dict[str, str] = field(default_factory=dict)
    """Canonical name → cell column (c0, c1, …)."""
    wide: dict[str, str] = field(default_factory=dict)
    """Code (or item) → cell column, for the wide form."""
    total: str | None = None


@cache
def _words(feed: str) -> tuple[dict[str, str], dict[str, str], str | None]:
    """Headers, names of the wide form and the total's header, normalised."""
    contract = load_contracts()[feed]
    wide: dict[str, str] = {}
    if contract.wide:
        named = contract.column(contract.wide.names)
        for code, words in codes().get(named.codes or "", {}).items():
            wide |= {normalise(word): code for word in (code, *words)}
    return contract.headers, wide, normalise(contract.total) if contract.total else None


def _filled(column: pa.ChunkedArray) -> bool:
    """Whether any cell holds something."""
    return bool(pc.any(pc.not_equal(pc.utf8_trim_whitespace(column), "")).as_py())


def recognise(
    contract: Contract, cells: pa.Table, file: str, sheet: str
) -> tuple[Recognised | None, list[Problem]]:
    """The header of a sheet and the meaning of its columns.

    Returns nothing recognised where fewer than two headers of the contract stand in one row; the
    problems say what is missing, means two things, or was left out.
    """
    headers, wide, total = _words(contract.feed)
    top = [list(row.values()) for row in cells.slice(0, HEADER_WITHIN).to_pylist()]
    score = [len({normalise(v or "") for v in row} & (headers.keys() | wide.keys())) for row in top]
    if not score or max(score) < min(2, len(contract.columns)):
        return None, []
    at = score.index(max(score))
    found = Recognised(header_row=at + 1)
    seen: dict[str, list[tuple[bool, str, str]]] = {}
    problems: list[Problem] = []

    def problem(rule: str, got: str, expected: str = "") -> None:
        problems.append(Problem(rule, file, sheet, at + 1, at + 1, 1, "", masked(got), expected))

    for index, value in enumerate(top[at]):
        shown = " ".join((value or "").split())
        word = normalise(shown)
        if not word:
            if _filled(cells[f"c{index}"].slice(at + 1)):
                problem("unnamed_column", xl_col_to_name(index))
            continue
        if word in headers:
            name = headers[word]
            column = contract.column(name)
            first_choice = word in (normalise(name), normalise(column.header))
            seen.setdefault(name, []).append((not first_choice, f"c{index}", shown))
        elif word in wide:
            if wide[word] in found.wide:
                problem("ambiguous_header", shown, wide[word])
            found.wide[wide[word]] = f"c{index}"
        elif word == total:
            found.total = f"c{index}"
        elif any(name in word for name in wide if len(name) > 1):
            problem("unread_scores", shown)
        else:
            problem("unknown_column", shown)
    for name, places in seen.items():
        places.sort()
        if len(places) > 1 and places[0][0] == places[1][0]:
            problem(
                "ambiguous_header",
                ", ".join(p[2] for p in places),
                contract.column(name).header,
            )
        found.columns[name] = places[0][1]
    named = {contract.wide.names, contract.wide.values} if contract.wide else set()
    if contract.wide and found.wide and not named & found.columns.keys():
        covered = named
    else:
        if contract.wide and found.wide:
            both = [top[at][int(column[1:])] or "" for column in found.wide.values()]
            problem("two_forms", ", ".join(both), contract.column(contract.wide.values).header)
        found.wide = {}
        covered = set()
        if contract.wide and contract.wide.values not in found.columns:
            covered.add("")
            problem(
                "missing_column",
                ", ".join(v for v in top[at] if v),
                contract.column(contract.wide.values).header,
            )
    for column in contract.columns:
        if column.required and column.name not in found.columns and column.name not in covered:
            problem("missing_column", ", ".join(v for v in top[at] if v), column.header)
    return found, problems
