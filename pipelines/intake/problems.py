"""One problem of a file, in words: where, what was found and expected, what to do."""

import re
from dataclasses import asdict, dataclass
from typing import Any

from pipelines.feeds import Severity, rules
from pipelines.wording import translator

LONG_NUMBER = r"[A-Za-z]?[0-9]{11,}([0-9A-Za-z]{4})"
"""A student number wherever it stands; only what the group holds may be shown."""


class IntakeError(Exception):
    """Intake can't start at all; the text says why and what to do."""


class NothingHandedIn(IntakeError):
    """No raw folder, or no file in it that could be taken in."""


class NoKey(IntakeError):
    """The pseudonym key is missing in production, or is none."""


def _(message: str) -> str:
    """Mark a message for the catalogue; it is translated when shown."""
    return message


SEVERITY_WORDS: dict[Severity, str] = {
    "error": _("Error"),
    "query": _("Query"),
    "note": _("Note"),
}
RANK: dict[Severity, int] = {severity: rank for rank, severity in enumerate(SEVERITY_WORDS)}
"""What must be mended first."""


def masked(text: str) -> str:
    """A text without whole student numbers: of each, the last four characters."""
    return re.sub(LONG_NUMBER, r"…\1", text)


@dataclass(frozen=True)
class Mark:
    """One cell that a problem is about, for whoever shows the sheet itself."""

    rule: str
    sheet: str
    """Name of the sheet as handed in; empty for a text file."""
    row: int
    """As the spreadsheet numbers it, from 1."""
    column: int | None
    """Place of the cell in its row, from 0; none where the whole row is meant."""
    header: str
    """What `Problem.column` says of it."""
    found: str
    expected: str


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
        return rules()[self.rule].severity

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
        message = self.says(lang)
        severity = t(SEVERITY_WORDS[self.severity])
        if lang == "zh":
            return f"〔{severity}〕{'｜'.join(where)}：{message}"
        return f"[{severity}] {' | '.join(where)}: {message}"

    def says(self, lang: str) -> str:
        """What is the matter and what to do, in `zh` or `en`, without where."""
        message = translator(lang).gettext(rules()[self.rule].message)
        return message.format(found=self.found, expected=self.expected)

    def as_dict(self) -> dict[str, Any]:
        """All fields, with severity and both sentences."""
        return {
            **asdict(self),
            "severity": self.severity,
            "message_zh": self.text("zh"),
            "message_en": self.text("en"),
        }
