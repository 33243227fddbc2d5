"""The return workbook: what is wrong with a file, and the file itself to mend it in.

It goes back to whoever handed the file in, so it holds nothing but that file's own cells and the
texts of its problems. The sheets are written so that the workbook can be handed in again as it
is: numbers, text and days keep their types, and intake leaves out the sheets that are ours.
Nothing in it is ever computed: what looks like a formula is written as text.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from gettext import NullTranslations
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.utility import xl_rowcol_to_cell
from xlsxwriter.worksheet import Worksheet

from pipelines.feeds import Contract, Severity, codes, load_contracts, rules
from pipelines.intake.pool import in_turn
from pipelines.intake.problems import RANK, SEVERITY_WORDS, Mark, Problem, masked
from pipelines.intake.reader import Unreadable
from pipelines.intake.returned import (
    EXCERPT_SUFFIX,
    LIST_SHEET,
    MAX_TEXT,
    NOTES_SHEET,
    REPORT_SHEETS,
    TEXT_SHEET,
    Copy,
    fit,
    give_back,
    is_report_sheet,
    name_sheets,
    place_marks,
)
from pipelines.intake.returned_sheet import COLOURS, Formats, sentence, wide, write_copy
from pipelines.intake.states import FileState, Query, Said, query
from pipelines.wording import LANGUAGES, Lang, bilingual, count, translator

if TYPE_CHECKING:
    from pipelines.intake.recognise import SheetReading

__all__ = [
    "EXCERPT_SUFFIX",
    "LIST_SHEET",
    "NOTES_SHEET",
    "REPORT_SHEETS",
    "is_report_sheet",
    "return_name",
    "return_path",
    "returned_submission",
    "write_return",
    "write_returns",
]

WRITE_SECONDS, WRITE_MEGABYTES = 120.0, 4096
"""Limits of one workbook."""
MAX_LINES = 5_000
"""Lines of the list; the others are summed up by rule."""
STEM_CHARACTERS = 60
"""So much of a file's name is kept, as in quarantine."""

WRITTEN = datetime(2020, 1, 1)
"""In place of the time of writing, so that equal contents are equal files."""
OPTIONS = {
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
    "in_memory": True,  # no pupil's data in temporary files
}


def return_path(folder: Path, feed: str, school_year: str, stem: str, submission_id: str) -> Path:
    """Where the return workbook of a submission lies: `<feed>/<year>/<stem>.<submission>.xlsx`.

    A file that is itself a return workbook loses its earlier submission from the name.
    """
    own = re.sub(r"(\.[0-9a-f]{16})+$", "", stem)[:STEM_CHARACTERS]
    return folder / (feed or "unplaced") / school_year / f"{own}.{submission_id}.xlsx"


def return_name(file: FileState) -> str | None:
    """Name of the return workbook of a submission; none where nothing is wrong with it."""
    if not file.errors and not file.queries:
        return None
    stem = PurePosixPath(file.source_file).stem
    return return_path(Path(), file.feed, file.school_year, stem, file.submission_id).name


def returned_submission(name: str) -> str | None:
    """The submission that a file answers, if its name is that of a return workbook."""
    match = re.search(r"\.([0-9a-f]{16})\.xlsx$", name)
    return match[1] if match else None


def write_returns(tasks: Iterable[tuple[Any, ...]]) -> None:
    """Return workbooks of many files, each written in a process of its own, two at a time.

    A task holds the arguments of `write_return` in their order. A file that can't be given back is
    left out of its workbook.
    """
    every = list(tasks)
    outcomes = in_turn(write_return, every, WRITE_SECONDS, WRITE_MEGABYTES)
    for task, outcome in zip(every, outcomes, strict=True):
        if isinstance(outcome, Unreadable):
            target, file, source_file, problems, _, *rest = task
            stopped = Problem(outcome.rule, source_file, found=str(outcome))
            write_return(target, file, source_file, [*problems, stopped], [], *rest)


def write_return(
    target: Path,
    file: Path,
    source_file: str,
    problems: Sequence[Problem],
    marks: Sequence[Mark],
    sheets: Sequence["SheetReading"],
    rows_read: int,
    explained: Sequence[Said] = (),
) -> Path:
    """Write the return workbook of one file and return its path.

    A file that could not be read gives the two report sheets alone. The same arguments give the
    same bytes.

    Args:
        target: where to write it; nothing is there until it is complete.
        file: the file as handed in.
        source_file: its path within the raw folder, as problems name it.
        problems: as found, folded.
        marks: the single cells that errors and queries are about.
        sheets: what was made of each sheet.
        rows_read: rows taken as records, with or without problems.
        explained: what was answered, the latest last. A query with an answer is listed with it, and
            marked no more.
    """
    answers = {query: said for said in explained for query in said.queries}
    copies = give_back(file, problems, marks, sheets)
    open_marks = [m for m in marks if (m.rule, m.sheet, m.header, "") not in answers]
    shown = place_marks(open_marks, [p for p in problems if _key(p) not in answers], copies)
    names = name_sheets(copies)
    case = _Case(source_file, problems, shown, sheets, rows_read, copies, *names, answers)
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    aside = target.with_name(f"{target.name}.tmp")
    aside.unlink(missing_ok=True)
    aside.touch(mode=0o600)
    with xlsxwriter.Workbook(str(aside), OPTIONS) as workbook:
        workbook.set_properties({"created": WRITTEN})
        formats = Formats(workbook)
        report = _Report(case, formats)
        notes = workbook.add_worksheet(case.notes_sheet)
        lines = workbook.add_worksheet(case.list_sheet)
        cut = sum(
            write_copy(workbook, formats, copy, [m for m in shown if m.sheet == copy.name])
            for copy in copies
        )
        report.notes(notes, cut)
        report.lines(lines)
        notes.activate()
    aside.replace(target)
    return target


@dataclass(frozen=True)
class _Case:
    """What is to be said of one file."""

    source_file: str
    problems: Sequence[Problem]
    marks: Sequence[Mark]
    readings: Sequence["SheetReading"]
    rows_read: int
    copies: Sequence[Copy]
    notes_sheet: str
    list_sheet: str
    answers: Mapping[Query, Said]


def _key(problem: Problem) -> Query:
    return query(asdict(problem))


# Texts ------------------------------------------------------------------------------------------


def _reasons(words: NullTranslations) -> dict[str, str]:
    """Why rows were left out."""
    _ = words.gettext
    return {
        "title": _("titles"),
        "header": _("header"),
        "blank": _("empty"),
        "subtotal": _("subtotals"),
        "note": _("notes"),
        "repeated_header": _("repeated headers"),
        "unread": _("sheet not read"),
    }


def _todo(case: _Case, lang: Lang) -> list[str]:
    """The three lines that say what was found and what to do."""
    _ = translator(lang).gettext
    found: Counter[Severity] = Counter()
    answered = 0
    for p in case.problems:
        found[p.severity] += p.count
        answered += p.count if _key(p) in case.answers else 0
    tally = _("{rows} rows read; errors: {errors}, queries: {queries}, notes: {notes}.").format(
        rows=count(case.rows_read, lang),
        errors=count(found["error"], lang),
        queries=count(found["query"], lang),
        notes=count(found["note"], lang),
    )
    if answered:
        tally += " " if lang == "en" else ""
        tally += _("{explained} of the queries are explained.").format(
            explained=count(answered, lang)
        )
    if not found["error"] and found["query"] == answered:
        return [
            tally,
            _("The file has been taken; nothing needs to be corrected."),
            _("There is no need to hand it in again."),
        ]
    what = (
        _(
            "Please go through the sheet “{list}” line by line: errors are marked red, queries "
            "yellow, and a comment at the cell says why; leave the others as they are."
        )
        if case.copies
        else _("Please go through the sheet “{list}” line by line.")
    ).format(list=case.list_sheet)
    if found["query"] > answered:
        what += " " if lang == "en" else ""
        what += _("A query that is right as it stands needs a word of explanation.")
    if not case.copies:
        how = _("Mend your own file and hand it in again as a whole; no copy of it is given here.")
    elif case.copies[0].excerpt:
        how = _(
            "This is no complete copy: it shows only the marked rows, with their numbers in your "
            "file. Please mend your own file and hand that in again as a whole."
        )
    elif found["error"]:
        how = _(
            "Then hand in this whole workbook under the name that it has; these first two sheets "
            "may stay."
        )
    else:
        how = _(
            "The file has been taken; if something was corrected, hand in this whole workbook "
            "under the name that it has; these first two sheets may stay."
        )
    return [tally, what, how]


# The workbook -----------------------------------------------------------------------------------


class _Report:
    """Writes the two sheets that are ours."""

    def __init__(self, case: _Case, formats: Formats) -> None:
        self.case, self.format = case, formats

    def text(self, **properties: Any) -> Format:
        """A format of our own sheets: text that wraps."""
        own = {"text_wrap": True, "valign": "top", "font_size": 10, "num_format": "@"}
        return self.format(**{**own, "font_name": "Microsoft YaHei", **properties})

    def head(self) -> Format:
        return self.text(bold=True, bg_color="#DCE6F1", border=1, valign="vcenter")

    # The list

    def lines(self, sheet: Worksheet) -> None:
        """The list: one line a problem, by sheet and row, with a link to the cell."""
        heads: list[tuple[str, float]] = [
            (bilingual("No."), 6),
            (bilingual("Severity"), 9),
            (bilingual("Sheet"), 14),
            (bilingual("Row"), 10),
            (bilingual("Column"), 14),
            (bilingual("Cell"), 8),
            (bilingual("Cells"), 7),
            (bilingual("Problem"), 18),
            (bilingual("Found"), 20),
            (bilingual("Expected"), 20),
            *((translator(lang).gettext("What to do"), 44) for lang in LANGUAGES),
        ]
        if self.case.answers:
            heads.append((bilingual("Explained"), 30))
        problems = self.case.problems
        order = {copy.name: at for at, copy in enumerate(self.case.copies, 1)}
        ranked = sorted(problems, key=lambda p: RANK[p.severity])
        shown = sorted(
            ranked[:MAX_LINES],
            key=lambda p: (
                order.get(p.sheet, len(order) + 1 if p.sheet else 0) if p.row_first else 0,
                p.sheet,
                p.row_first or 0,
                RANK[p.severity],
                p.column,
                p.rule,
            ),
        )
        sheet.write_string(0, 0, LIST_SHEET, self.format(bold=True, font_size=14))
        sheet.write_string(
            0, 4, fit(self.case.source_file), self.format(font_size=10, num_format="@")
        )
        for column, (words, width) in enumerate(heads):
            sheet.write_string(1, column, words, self.head())
            sheet.set_column(column, column, width)
        links = _Links(self.case)
        for at, p in enumerate(shown, 2):
            self._line(sheet, at, p, links)
        last = max(len(shown) + 1, 2)
        sheet.autofilter(1, 0, last, len(heads) - 1)
        if len(problems) > MAX_LINES:
            more = Counter(p.rule for p in ranked[MAX_LINES:])
            for column, lang in zip((10, 11), LANGUAGES, strict=True):
                _ = translator(lang).gettext
                by_rule = "；" if lang == "zh" else "; "
                text = _("{lines} more lines are not shown: {rules}").format(
                    lines=count(more.total(), lang),
                    rules=by_rule.join(
                        f"{_(rules()[r].title)} {count(n, lang)}" for r, n in more.most_common()
                    ),
                )
                sheet.write_string(last + 2, column, fit(text), self.text(bold=True))
        sheet.freeze_panes(2, 0)
        _printable(sheet)
        sheet.repeat_rows(1)

    def _line(self, sheet: Worksheet, at: int, p: Problem, links: "_Links") -> None:
        text, colour = self.text(border=1), self.text(border=1, **COLOURS.get(p.severity, {}))
        number = self.text(border=1, num_format="#,##0")
        sheet.write_number(at, 0, at - 1, number)
        word, title = SEVERITY_WORDS[p.severity], rules()[p.rule].title
        sheet.write_string(at, 1, f"{translator('zh').gettext(word)} {word}", colour)
        sheet.write_string(at, 2, fit(links.sheet(p)), text)
        if p.row_first is None:
            sheet.write_blank(at, 3, None, text)
        elif p.row_last in (None, p.row_first):
            sheet.write_number(at, 3, p.row_first, self.text(border=1, num_format="0"))
        else:
            sheet.write_string(at, 3, f"{p.row_first}～{p.row_last}", text)
        sheet.write_string(at, 4, fit(p.column), text)
        link = links.cell(p)
        if link:
            blue = self.text(border=1, font_color="#0563C1", underline=1)
            sheet.write_url(at, 5, f"internal:{link[0]}", blue, link[1])
        else:
            sheet.write_blank(at, 5, None, text)
        sheet.write_number(at, 6, p.count, number)
        sheet.write_string(at, 7, f"{translator('zh').gettext(title)}\n{title}", text)
        sheet.write_string(at, 8, fit(p.found), text)
        sheet.write_string(at, 9, fit(p.expected), text)
        for column, lang in zip((10, 11), LANGUAGES, strict=True):
            what = sentence(p.rule, p.found, p.expected, lang, p.count)
            sheet.write_string(at, column, fit(what), text)
        if self.case.answers:
            said = self.case.answers.get(_key(p))
            answer = f"{said.at:%Y-%m-%d} {said.by}\n{said.reason}" if said else ""
            sheet.write_string(at, 12, fit(answer), text)

    # The first sheet

    def notes(self, sheet: Worksheet, cut: int) -> None:
        """The first sheet: what to do, and what was made of the file; `cut` cells are not whole."""
        case = self.case
        widths = (20, 22, 34, 44)
        for column, width in enumerate(widths):
            sheet.set_column(column, column, width)
        sheet.write_string(0, 0, NOTES_SHEET, self.format(bold=True, font_size=16))
        sheet.write_string(
            0, 2, fit(self.case.source_file), self.format(num_format="@", valign="vcenter")
        )
        at = 1

        def line(text: str, **properties: Any) -> None:
            nonlocal at
            shown = self.text(**properties)
            sheet.merge_range(at, 0, at, len(widths) - 1, "", shown)
            sheet.write_string(at, 0, fit(text), shown)
            size = properties.get("font_size", 10)
            sheet.set_row(at, 1.6 * size * math.ceil(wide(text) * size / 11 / sum(widths)))
            at += 1

        for lang in LANGUAGES:
            lines = _todo(case, lang)
            for number, text in enumerate(lines, 1):
                line(f"{number}. {text}", font_size=12 if lang == "zh" else 10)
        if case.copies:
            line(
                bilingual(
                    "The sheets hold the values of the file as handed in, without formulas, "
                    "charts and macros."
                ),
                font_color="#595959",
            )
        if cut:
            line(
                bilingual(
                    "{cells} cells hold more than {limit} characters; here they are cut short.",
                    cells=f"{cut:,}",
                    limit=f"{MAX_TEXT:,}",
                )
            )
        at += 1
        line(bilingual("What was recognised"), bold=True, font_size=12)
        heads = (
            bilingual("Sheet"),
            bilingual("Item"),
            bilingual("As written"),
            bilingual("Read as"),
        )
        for column, words in enumerate(heads):
            sheet.write_string(at, column, words, self.head())
        sheet.repeat_rows(at)
        contract = next(
            (c for part in Path(case.source_file).parts if (c := load_contracts().get(part))), None
        )
        for reading in case.readings:
            for row in _recognised(reading, contract, case.problems):
                at += 1
                for column, words in enumerate(row):
                    sheet.write_string(at, column, fit(words), self.text(border=1))
        if not case.readings:
            sheet.write_string(at + 1, 0, "—")
        _printable(sheet)


def _printable(sheet: Worksheet) -> None:
    """A4, as wide as the paper, pages numbered."""
    sheet.set_paper(9)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    sheet.set_margins(left=0.4, right=0.4, top=0.5, bottom=0.6)
    sheet.set_footer("&C&P / &N")


class _Links:
    """Where in the workbook the cell of a problem stands."""

    def __init__(self, case: _Case) -> None:
        self._copies = {copy.name: copy for copy in case.copies}
        self._columns: dict[tuple[object, ...], int] = {}
        for copy in case.copies:
            for row in copy.header_rows:
                for at, value in enumerate(copy.row(row)):
                    self._columns.setdefault((copy.name, " ".join(str(value or "").split())), at)
        for m in case.marks:
            if m.sheet in self._copies:
                column = self._copies[m.sheet].column(m)
                if m.column is not None:
                    self._columns.setdefault((m.sheet, m.header), column)
                self._columns.setdefault((m.rule, m.sheet, m.row, m.header, m.expected), column)

    def sheet(self, p: Problem) -> str:
        """The sheet's name as the workbook shows it."""
        copy = self._copies.get(p.sheet)
        return copy.title if copy and (p.sheet or p.row_first) else p.sheet

    def cell(self, p: Problem) -> tuple[str, str] | None:
        """Address with the sheet, and without; none where the cell is not in the workbook."""
        copy = self._copies.get(p.sheet)
        if copy is None or copy.hidden or not (p.sheet or p.row_first):
            return None
        column = self._columns.get((p.rule, p.sheet, p.row_first, p.column, p.expected))
        if column is None:
            column = self._columns.get((p.sheet, p.column), 0) if p.column else 0
        place = copy.place(p.row_first or 1, column)
        if place is None:
            return None
        name = xl_rowcol_to_cell(*place)
        return "'{}'!{}".format(copy.title.replace("'", "''"), name), name


def _recognised(
    reading: "SheetReading", contract: Contract | None, problems: Sequence[Problem]
) -> Iterator[tuple[str, ...]]:
    """What was made of a sheet, line by line: sheet, item, as written, read as."""
    name = reading.sheet or TEXT_SHEET
    why = bilingual(rules()[reading.why].title) if reading.why in rules() else ""
    if reading.why == "own_sheet":
        why = bilingual("Sheet of a template or return workbook")
    if not reading.read:
        yield name, bilingual("Not read"), "", why
        return
    if why:
        yield name, bilingual("How it was read"), "", why
    if reading.header_rows:
        yield name, bilingual("Header rows"), ", ".join(map(str, reading.header_rows)), ""
    if reading.wave:
        yield name, bilingual("Wave, from a title or name"), "", reading.wave
    for header, canonical in reading.columns.items():
        yield name, bilingual("Column"), header, _meaning(canonical, contract)
    reasons = {p.found: rules()[p.rule].title for p in problems if p.sheet == reading.sheet}
    for header in reading.unread:
        reason = reasons.get(masked(header))
        yield name, bilingual("Column left out"), header, bilingual(reason) if reason else "—"
    rows = bilingual("{rows} rows, {taken} of them taken", rows=reading.rows, taken=reading.taken)
    left = []
    for reason, n in reading.left_out.items():
        words = " / ".join(_reasons(translator(lang)).get(reason, reason) for lang in LANGUAGES)
        left.append(f"{words} {n}")
    yield name, bilingual("Rows"), rows, "; ".join(left)


def _meaning(canonical: str, contract: Contract | None) -> str:
    """A canonical name with its Chinese header; of a subject's code its word."""
    if contract is None:
        return canonical
    for column in contract.columns:
        if column.name == canonical:
            kept = "" if column.landed_name else f" ({bilingual('not kept')})"
            return f"{column.header} {canonical}{kept}"
    named = contract.column(contract.wide.names).codes if contract.wide else None
    words = codes().get(named or "", {}).get(canonical)
    return f"{words[0]} {canonical}" if words else canonical
