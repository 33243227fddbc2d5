"""Which rows are the header, which column means what, and which wave the rows are of."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from xlsxwriter.utility import xl_col_to_name

from pipelines.feeds.contract import Contract, codes, load_contracts, normalise
from pipelines.intake.privacy import discreet
from pipelines.intake.problems import Problem, masked
from pipelines.intake.reader import Sheet

HEADER_WITHIN = 30
"""The header stands within so many rows of the top."""
UNIT = re.compile(r"\s*[（(][^（()）]*[)）]$")
"""The unit behind a header, such as (分)."""
CODE = "^[A-Za-z]{0,3}[0-9]{6,}[0-9A-Za-z]*$"
"""What numbers of students, staff and schools look like, and marks, shares and years do not."""
DATUM = re.compile(
    "[+-]?[0-9]+([.,][0-9]+)*|(19|20)[0-9]{2}[-/.年].*|[A-Za-z]{0,3}[0-9]+[0-9A-Za-z]*"
)
"""A cell of a row of a table, not of its header."""
RECORD_CELLS, RECORD_ROWS = 3, 3
"""A list has at least so many rows with so many cells each."""
NAMED_WAVE = re.compile(r"(?:监测批次|考试批次)[:：]\s*(\S+)")


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


@dataclass(frozen=True)
class Place:
    """A column of the wide form."""

    value: str
    """Code of the subject, or number of the item."""
    header: str
    """As written, without its unit."""
    column: int


@dataclass
class Recognised:
    """What a sheet turned out to be."""

    header_rows: tuple[int, ...]
    """From 1; none on a sheet that goes on where another ended."""
    header_cells: tuple[tuple[str, ...], ...] = ()
    """The texts of those rows, which a long table may repeat."""
    columns: dict[str, int] = field(default_factory=dict)
    """Canonical name → column, from 0."""
    wide: list[Place] = field(default_factory=list)
    total: int | None = None
    dropped: list[int] = field(default_factory=list)
    """Columns of names, which are read only to know what must not be shown."""
    headers: dict[str, str] = field(default_factory=dict)
    """Header as written → what it means."""
    unread: tuple[str, ...] = ()
    width: int = 0
    """Columns of the sheet."""
    wave: str = ""

    @property
    def last_header_row(self) -> int:
        """0 where there is none."""
        return max(self.header_rows, default=0)


@dataclass(frozen=True)
class _Words:
    """What may stand in a header of a feed, normalised."""

    headers: Mapping[str, str]
    wide: Mapping[str, str]
    pattern: re.Pattern[str] | None
    values: str | None
    """The column whose values stand in the cells of the wide form."""
    total: str | None

    def item(self, text: str) -> str | None:
        """The number of an item, from the header of its column."""
        if self.pattern is None:
            return None
        plain = "".join(unicodedata.normalize("NFKC", text).split()).upper()
        found = self.pattern.fullmatch(plain)
        return found[1] if found else None

    def meaning(self, text: str) -> tuple[str, str] | None:
        """Kind (column, wide, total) and name of what a header means."""
        item = self.item(text)
        if item is not None:
            return "wide", item
        word = normalise(text)
        if word in self.headers:
            return "column", self.headers[word]
        if word in self.wide:
            return "wide", self.wide[word]
        return ("total", "") if word and word == self.total else None


@cache
def _words(feed: str) -> _Words:
    contract = load_contracts()[feed]
    wide: dict[str, str] = {}
    pattern = None
    if contract.wide:
        named = contract.column(contract.wide.names)
        for code, words in codes().get(named.codes or "", {}).items():
            wide |= {normalise(word): code for word in (code, *words)}
        if contract.wide.pattern:
            pattern = re.compile(contract.wide.pattern)
    total = normalise(contract.total) if contract.total else None
    values = contract.wide.values if contract.wide else None
    return _Words(contract.headers, wide, pattern, values, total)


def _filled(column: pa.ChunkedArray) -> bool:
    """Whether any cell holds something."""
    return bool(pc.any(pc.not_equal(pc.utf8_trim_whitespace(column), "")).as_py())


def _shown(text: str | None) -> str:
    return " ".join((text or "").split())


def _spread(top: list[list[str]], at: int, sheet: Sheet) -> list[str]:
    """A header row with merged cells filled to their right."""
    row = list(top[at])
    for (first, left), (last, right) in sheet.merged:
        if first <= at <= last and left < len(row):
            for column in range(left, min(right, len(row) - 1) + 1):
                row[column] = row[column] or top[first][left]
    return row


def _two_rows(top: list[list[str]], at: int, sheet: Sheet, words: _Words) -> list[str] | None:
    """The header that rows `at` and `at + 1` make together; None where the second is no header.

    A header above several columns (成绩) is followed by theirs (语文, 数学); one that stands for
    itself has an empty cell below, or is merged over both rows.
    """
    if at + 1 >= len(top):
        return None
    upper, lower = _spread(top, at, sheet), top[at + 1]
    spans = False
    filled = ""
    header = []
    for column, (above, below) in enumerate(zip(upper, lower, strict=True)):
        if not sheet.merged:
            # Text files know of no merged cells: an empty cell goes on with what is to its left.
            filled = above or (filled if below else "")
            spans |= bool(below and not above and filled)
            above = filled
        else:
            spans |= bool(below and above and not top[at][column])
        own, over = words.meaning(below), words.meaning(above)
        above_items = own and own[0] == "wide" and over == ("column", words.values)
        if over and over[0] == "column" and any(c.isdigit() for c in below) and not above_items:
            return None  # a row of data
        if not below or below == above:
            header.append(above)
        elif own and own[0] == "column" and over and over[0] == "wide":
            # 数学 above 成绩 is its score; 数学 above 等级 is something else.
            header.append(above if own[1] == words.values else f"{above} {below}")
        elif own:
            header.append(below)
        elif over and over[0] == "column":
            header.append(above)
        else:
            header.append(_shown(f"{above} {below}"))
    # Where nothing below has a meaning, the second row is one of data; above, the first a title.
    both = any(map(words.meaning, lower)) and any(map(words.meaning, top[at]))
    return header if spans and both else None


def _header(
    contract: Contract, sheet: Sheet, words: _Words
) -> tuple[tuple[int, ...], list[str]] | None:
    """Rows of the header, from 1, and its texts; None where the sheet has none."""
    top = [
        [_shown(v) for v in row.values()] for row in sheet.cells.slice(0, HEADER_WITHIN).to_pylist()
    ]

    def score(texts: Sequence[str]) -> int:
        found = {m for m in map(words.meaning, texts) if m}
        # A number is an item only beside headers that are words.
        named = {m for m in found if m[0] == "column" or not words.pattern}
        return len(found) if named else 0

    best: tuple[int, int] = (0, 0)
    chosen: tuple[tuple[int, ...], list[str]] | None = None
    for at, row in enumerate(top):
        single = (score(row), 1)
        if single > best:
            best, chosen = single, ((at + 1,), row)
        both = _two_rows(top, at, sheet, words)
        if both is not None and (score(both), 2) > best:
            best, chosen = (score(both), 2), ((at + 1, at + 2), both)
    return chosen if best[0] >= min(2, len(contract.columns)) else None


def recognise(
    contract: Contract,
    sheet: Sheet,
    file: str,
    waves: Mapping[str, str] | None = None,
) -> tuple[Recognised | None, list[Problem]]:
    """The header of a sheet and the meaning of its columns.

    Returns nothing recognised where fewer than two headers of the contract stand together; the
    problems say what is missing, means two things, or was left out.

    Args:
        contract: of the feed that the file lies under.
        sheet: its cells.
        file: path of the file, which may name the wave.
        waves: identifier or name of a wave → its identifier, of the waves known.
    """
    words = _words(contract.feed)
    header = _header(contract, sheet, words)
    if header is None:
        return None, []
    rows, texts = header
    above = sheet.cells.slice(rows[0] - 1, len(rows)).to_pylist()
    cells = tuple(tuple(v or "" for v in row.values()) for row in above)
    found = Recognised(rows, cells, width=len(texts))
    problems: list[Problem] = []
    last = rows[-1]

    def say(index: int, text: str) -> str:
        """A header; its column where a row of somebody's data stands in the header's place."""
        told = discreet(text) if contract.personal else masked(text)
        return told if told == text else xl_col_to_name(index)

    shown_texts = [say(i, t) for i, t in enumerate(texts)]

    def problem(rule: str, got: str, expected: str = "") -> None:
        problems.append(Problem(rule, file, sheet.name, last, last, 1, "", got, expected))

    seen: dict[str, list[tuple[bool, int, str]]] = {}
    unread: list[str] = []
    for index, text in enumerate(texts):
        shown, said = _shown(text), shown_texts[index]
        if not normalise(shown):
            if _filled(sheet.cells[f"c{index}"].slice(last)):
                problem("unnamed_column", xl_col_to_name(index))
                unread.append(xl_col_to_name(index))
            continue
        meaning = words.meaning(shown)
        if meaning is None:
            named = any(name in normalise(shown) for name in words.wide if len(name) > 1)
            problem("unread_scores" if named else "unknown_column", said)
            unread.append(said)
        elif meaning[0] == "column":
            name = meaning[1]
            column = contract.column(name)
            if column.type == "dropped":
                found.headers[shown] = name
                found.dropped.append(index)
                continue
            first_choice = normalise(shown) in (normalise(name), normalise(column.header))
            seen.setdefault(name, []).append((not first_choice, index, shown))
        elif meaning[0] == "wide":
            if any(place.value == meaning[1] for place in found.wide):
                problem("ambiguous_header", shown, meaning[1])
            plain = meaning[1] if words.pattern else UNIT.sub("", shown)
            found.wide.append(Place(meaning[1], plain, index))
            found.headers[shown] = meaning[1]
        else:
            found.total = index
            found.headers[shown] = str(contract.total)
    for name, places in seen.items():
        places.sort()
        if len(places) > 1 and places[0][0] == places[1][0]:
            problem(
                "ambiguous_header", ", ".join(p[2] for p in places), contract.column(name).header
            )
        elif len(places) > 1:
            problem("unknown_column", "、".join(p[2] for p in places[1:]))
        found.columns[name] = places[0][1]
        found.headers[places[0][2]] = name
        unread += [p[2] for p in places[1:]]
    found.unread = tuple(unread)
    problems += _complete(contract, found, shown_texts, file, sheet.name)
    if contract.wave_elsewhere and "wave_id" not in found.columns:
        title = [
            _shown(v)
            for row in sheet.cells.slice(0, rows[0] - 1).to_pylist()
            for v in row.values()
            if v
        ]
        found.wave, doubt = _wave(title, sheet.name, file, waves or {})
        if doubt:
            problems = [p for p in problems if not _of_wave(contract, p)]
            problem("ambiguous_wave", doubt, contract.column("wave_id").header)
        elif found.wave:
            problems = [p for p in problems if not _of_wave(contract, p)]
            problem("wave_elsewhere", found.wave, contract.column("wave_id").header)
    return found, problems


def _of_wave(contract: Contract, problem: Problem) -> bool:
    wave = contract.column("wave_id").header
    return problem.rule == "missing_column" and problem.expected == wave


def _complete(
    contract: Contract, found: Recognised, texts: list[str], file: str, sheet: str
) -> list[Problem]:
    """What the header lacks, or has in two forms. May clear the wide form."""
    problems: list[Problem] = []
    last = found.last_header_row

    def problem(rule: str, got: str, expected: str) -> None:
        problems.append(Problem(rule, file, sheet, last, last, 1, "", got, expected))

    present = ", ".join(t for t in texts if t)
    named = {contract.wide.names, contract.wide.values} if contract.wide else set()
    if contract.wide and found.wide:
        covered = named
        if named & found.columns.keys():
            # What else is missing depends on which of the two is to stay.
            both = ", ".join(place.header for place in found.wide)
            problem("two_forms", both, contract.column(contract.wide.values).header)
            found.wide = []
    else:
        covered = set()
        if contract.wide and contract.wide.values not in found.columns:
            covered.add("")
            problem("missing_column", present, contract.column(contract.wide.values).header)
    # A class that is written with its grade says both: 七年级(3)班.
    if any(c.type == "class" and c.name in found.columns for c in contract.columns):
        covered = covered | {"grade"}
    for column in contract.columns:
        if column.required and column.name not in found.columns and column.name not in covered:
            problem("missing_column", present, column.header)
    return problems


def _wave(title: Sequence[str], sheet: str, file: str, waves: Mapping[str, str]) -> tuple[str, str]:
    """The wave that title, sheet or file name; and both, where they name different ones."""
    found: dict[str, set[str]] = {}
    for place, texts in {"title": title, "sheet": [sheet], "file": [file]}.items():
        own = set().union(*(_named(text, waves) for text in texts)) if texts else set()
        for text in texts:
            labelled = NAMED_WAVE.search(text)
            # A wave that is not known is one all the same where it is called so.
            if labelled and not _named(labelled[1], waves):
                own.add(labelled[1])
        if own:
            found[place] = own
    every = set().union(*found.values()) if found else set()
    if len(every) > 1:
        return "", ", ".join(sorted(every))
    if every:
        return every.pop(), ""
    return "", ""


def _named(text: str, waves: Mapping[str, str]) -> set[str]:
    """The waves that stand in a text, the longer before one that is part of it."""
    plain = "".join(unicodedata.normalize("NFKC", text).casefold().split())
    found: set[str] = set()
    for name in sorted(waves, key=len, reverse=True):
        word = "".join(unicodedata.normalize("NFKC", name).casefold().split())
        if not word:
            continue
        place = re.compile(rf"(?<![0-9a-z]){re.escape(word)}(?![0-9a-z])")
        if place.search(plain):
            found.add(waves[name])
            plain = place.sub(" ", plain)
    return found


def goes_on(sheet: Sheet, before: Recognised) -> bool:
    """Whether a sheet without a header may go on with the columns of the sheet before.

    It has no more columns, and its first row holds a number where that sheet has one.
    """
    first = _first_row(sheet)
    used = {*before.columns.values(), *(p.column for p in before.wide)}
    filled = [first[c] for c in used if c < len(first) and first[c]]
    digits = sum(any(x.isdigit() for x in cell) for cell in filled)
    least = 1 if len(used) < 5 else 2
    fits = digits >= least and any(map(DATUM.fullmatch, filled))
    return fits and not any(first[before.width :]) and len(filled) * 2 >= len(used)


def looks_like_rows(sheet: Sheet) -> bool:
    """Whether a sheet without a header starts with a row like those of a table.

    One of its cells is a number, a day or a code; 1班 and 2班 may be a header of statistics.
    """
    filled = [cell for cell in _first_row(sheet) if cell]
    return len(filled) > 1 and any(map(DATUM.fullmatch, filled))


def _first_row(sheet: Sheet) -> list[str]:
    """The cells of the first row that holds anything, half-width and without a leading mark."""
    top = sheet.cells.slice(0, HEADER_WITHIN).to_pylist()
    first: dict[str, str | None] = next((row for row in top if any(row.values())), {})
    return [unicodedata.normalize("NFKC", c or "").strip().lstrip("'") for c in first.values()]


def records(sheet: Sheet) -> int:
    """Rows of a sheet without a header that seem to be records: they have codes of their own.

    Such codes are what lists of students, staff and schools have, and covers, notes and
    statistics have not. Few such rows, or rows of two cells, are no list: 0.
    """
    filled = np.zeros(sheet.cells.num_rows, dtype=np.int32)
    columns = [
        pc.utf8_trim_whitespace(pc.utf8_normalize(pc.fill_null(c, ""), form="NFKC"))
        for c in sheet.cells.columns
    ]
    for column in columns:
        filled += np.asarray(pc.not_equal(column, ""))
    enough = pa.array(filled >= RECORD_CELLS)
    most = 0
    for column in columns:
        coded = pc.and_(pc.match_substring_regex(column, CODE), enough)
        if (n := pc.sum(coded).as_py() or 0) >= RECORD_ROWS:
            different = pc.count_distinct(column.filter(coded)).as_py()
            most = max(most, n if 2 * different > n else 0)
    return most


def better_feed(contract: Contract, sheet: Sheet) -> str | None:
    """Title of another feed whose headers fit a sheet better by two or more, none missing."""
    top = sheet.cells.slice(0, HEADER_WITHIN).to_pylist()

    def fit(feed: str) -> int:
        known = load_contracts()[feed].headers
        return max(
            (len({known[w] for w in map(normalise, filter(None, r.values())) if w in known})
             for r in top),
            default=0,
        )  # fmt: skip

    own = fit(contract.feed)
    others = {
        feed: fit(feed)
        for feed, other in load_contracts().items()
        if feed != contract.feed and not other.wide
    }
    if not others:
        return None
    best = max(others, key=lambda feed: others[feed])
    required = sum(c.required for c in load_contracts()[best].columns)
    fits = others[best] >= own + 2 and others[best] >= required
    return load_contracts()[best].title if fits else None
