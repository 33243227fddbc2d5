"""What can be wrong with a file, defined once: rule, severity, and the words in two languages."""

import re
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pipelines.wording import translator

LONG_NUMBER = r"[A-Za-z]?[0-9]{11,}([0-9A-Za-z]{4})"
"""A student number wherever it stands; only what the group holds may be shown."""

Severity = Literal["error", "query", "note"]


class IntakeError(Exception):
    """Intake can't start at all; the text says why and what to do."""


class NothingHandedIn(IntakeError):
    """No raw folder, or no file in it that could be taken in."""


class NoKey(IntakeError):
    """The pseudonym key is missing in production, or is none."""


def _(message: str) -> str:
    """Mark a message for the catalogue; it is translated when shown."""
    return message


RULES: dict[str, tuple[Severity, str]] = {
    "unreadable": (
        "error",
        _("the file can't be read ({found}). Save it again as .xlsx or CSV and hand it in."),
    ),
    "misplaced_file": (
        "error",
        _("it lies outside the folders of feeds. Move it to a folder such as students/2024-2025/."),
    ),
    "empty_file": ("error", _("no table was found. Check that the right file was handed in.")),
    "missing_column": (
        "error",
        _("no column {expected}; found {found}. Add the column and hand the file in again."),
    ),
    "ambiguous_header": (
        "error",
        _("two columns mean {expected}: {found}. Keep one of them, or rename the other."),
    ),
    "unknown_column": ("note", _("column {found} is not part of this feed and was left out.")),
    "unnamed_column": (
        "query",
        _(
            "column {found} has no header; its cells were left out. "
            "Give it a header, or clear it if its cells are not meant."
        ),
    ),
    "unread_scores": (
        "query",
        _(
            "column {found} seems to hold scores, but is no subject's name; it was left out. "
            "If it is one, name the column by the subject alone."
        ),
    ),
    "hidden_sheet": (
        "query",
        _("sheet {found} is hidden and was left out. Show it if its rows are meant, or delete it."),
    ),
    "not_wired": ("note", _("files of {found} are not taken in yet; it was not read.")),
    "two_forms": (
        "error",
        _(
            "{found} stand beside {expected}: one score a row, or one column a subject? "
            "Keep one of the two forms."
        ),
    ),
    "continued_sheet": (
        "error",
        _(
            "sheet {found} seems to go on with rows but has no header. "
            "Repeat the header there, or put all rows in one sheet."
        ),
    ),
    "unknown_sheet": ("note", _("sheet {found} holds no table of this feed and was left out.")),
    "required": ("error", _("the cell is empty; expected {expected}. Fill it in.")),
    "bad_text": ("error", _("found {found}, expected {expected}. Correct the cell.")),
    "bad_code": ("error", _("found {found}, expected one of {expected}. Enter one of them.")),
    "bad_grade": ("error", _("found {found}, expected a grade from 1 to 12. Correct the cell.")),
    "bad_integer": ("error", _("found {found}, expected a whole number. Correct the cell.")),
    "bad_number": (
        "error",
        _("found {found}, expected a number with at most 3 decimals. Correct the cell."),
    ),
    "bad_score": (
        "error",
        _("found {found}, expected a score or one of {expected}. Enter one of them."),
    ),
    "bad_date": ("error", _("found {found}, expected a day such as 2024-03-05. Enter the day.")),
    "bad_flag": ("error", _("found {found}, expected yes or no. Enter one of them.")),
    "below_min": ("error", _("found {found}, expected {expected} or more. Check the cell.")),
    "above_max": ("error", _("found {found}, expected {expected} or less. Check the cell.")),
    "truncated_number": (
        "error",
        _(
            "found {found}: digits were lost and reformatting cannot restore them. "
            "Set the column to Text, then export or paste again from the roll."
        ),
    ),
    "misplaced_number": (
        "error",
        _("{found} is a student number, in the wrong column. Put the cells of this row in place."),
    ),
    "unusual_number": (
        "query",
        _("{found} does not look like a national student number. Check it, or say why it is so."),
    ),
    "score_without_presence": (
        "error",
        _("a score stands beside the status {found}. Keep the score or the status."),
    ),
    "score_missing": (
        "error",
        _("no score and no status; expected a score or one of {expected}. Enter one of them."),
    ),
    "wrong_total": (
        "error",
        _(
            "found the total {found}, the subjects add up to {expected}. "
            "Check the subjects; if they are right, correct the total or remove its column."
        ),
    ),
    "repeated_row": ("note", _("the same row stands more than once and was counted once.")),
    "duplicate_key": (
        "error",
        _("rows with the same key ({found}) differ; expected one row. Keep the right one."),
    ),
    "unknown_reference": (
        "error",
        _("{found} is not in {expected}. Check it; what is new goes into that list first."),
    ),
    "ambiguous_name": (
        "error",
        _("{found} fits more than one entry of {expected}. Give the code instead."),
    ),
    "no_register": (
        "error",
        _("{expected} is not there, so {found} can't be checked. Hand that list in, or mend it."),
    ),
    "not_in_wave": (
        "error",
        _("{found} is not a grade and subject of this wave. Check the wave, or remove the rows."),
    ),
    "above_full_mark": (
        "error",
        _(
            "found {found}; the full mark is {expected}. "
            "Check the score; if the full mark is wrong, tell the organiser."
        ),
    ),
    "differs_between_files": (
        "query",
        _(
            "the same key stands in {expected} with other values; this file counts as the newer "
            "one (of two that arrived together, the later by name) and stands. "
            "Check which is right."
        ),
    ),
}
"""Rule → severity and message. Placeholders: what was found and what was expected."""

SEVERITY_WORDS: dict[Severity, str] = {
    "error": _("Error"),
    "query": _("Query"),
    "note": _("Note"),
}


def masked(text: str) -> str:
    """A text without whole student numbers: of each, the last four characters."""
    return re.sub(LONG_NUMBER, r"…\1", text)


@dataclass(frozen=True)
class Problem:
    """One problem, equal ones folded: rows `row_first` to `row_last`, `count` cells in all.

    `found` holds at most four characters of a student number.
    """

    rule: str
    file: str
    sheet: str = ""
    row_first: int | None = None
    row_last: int | None = None
    count: int = 1
    column: str = ""
    found: str = ""
    expected: str = ""

    @property
    def severity(self) -> Severity:
        """Error, query or note, as the rule says."""
        return RULES[self.rule][0]

    def text(self, lang: str) -> str:
        """The problem as a sentence in `zh` or `en`: where, what, and what to do."""
        t = translator(lang).gettext
        where = [self.file]
        if self.sheet:
            where.append(self.sheet)
        if self.row_first is not None:
            if self.row_last in (None, self.row_first):
                where.append(t("row {row}").format(row=self.row_first))
            else:
                where.append(
                    t("rows {first}–{last}, {count} in all").format(
                        first=self.row_first, last=self.row_last, count=self.count
                    )
                )
        if self.column:
            where.append(self.column)
        message = t(RULES[self.rule][1]).format(found=self.found, expected=self.expected)
        severity = t(SEVERITY_WORDS[self.severity])
        if lang == "zh":
            return f"〔{severity}〕{'｜'.join(where)}：{message}"
        return f"[{severity}] {' | '.join(where)}: {message}"

    def as_dict(self) -> dict[str, Any]:
        """All fields, with severity and both sentences."""
        return {
            **asdict(self),
            "severity": self.severity,
            "message_zh": self.text("zh"),
            "message_en": self.text("en"),
        }
