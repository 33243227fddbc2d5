"""What is kept for who handed a file in: refused copies in quarantine, return workbooks."""

import contextlib
import csv
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pipelines.intake.feedback import returned_submission
from pipelines.intake.ledger import PRESENT, Ledger
from pipelines.intake.problems import Problem
from pipelines.intake.states import Said
from pipelines.intake.take import Taken
from pipelines.settings import Settings
from pipelines.wording import inert

STEM_CHARACTERS = 60
"""So much of a file's name is kept in quarantine: names there get longer, and have a limit."""
QUARANTINED = re.compile(r"\.([0-9a-f]{16})(\.problems\.csv|\.[^.]*)?$")
"""The submission that a file in quarantine belongs to."""


def quarantine(settings: Settings, one: Taken, submission_id: str) -> None:
    """A copy of the file as handed in, and beside it what is wrong, for a spreadsheet."""
    settings.quarantine.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder = settings.quarantine / (one.file.feed or "unplaced") / one.file.school_year
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{one.file.path.stem[:STEM_CHARACTERS]}.{submission_id}"
    if not any(problem.rule == "link_outside" for problem in one.problems):
        with contextlib.suppress(FileNotFoundError, PermissionError):  # taken away meanwhile
            shutil.copyfile(one.file.path, folder / f"{name}{one.file.path.suffix}")
    with (folder / f"{name}.problems.csv").open("w", encoding="utf-8-sig", newline="") as file:
        columns = [
            "severity", "file", "sheet", "row_first", "row_last", "count", "column",
            "found", "expected", "message_zh", "message_en",
        ]  # fmt: skip
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        for problem in one.problems:
            writer.writerow({name: inert(cell) for name, cell in problem.as_dict().items()})


def return_task(
    settings: Settings,
    target: Path,
    one: Taken,
    problems: Sequence[Problem] | None = None,
    explained: Sequence[Said] = (),
) -> tuple[Any, ...]:
    """The arguments of a return workbook.

    Args:
        settings: whose day an answer is dated by.
        target: where it is written.
        one: what the file came to.
        problems: what is asked of it, where that is not only what was found when it was read.
        explained: what was answered.
    """
    city = ZoneInfo(settings.time_zone)
    dated = [replace(s, at=s.at.replace(tzinfo=UTC).astimezone(city)) for s in explained]
    return (
        target, one.file.path, one.file.source_file, one.problems if problems is None else problems,
        one.marks, one.sheets, one.rows_read, dated,
    )  # fmt: skip


def sweep_feedback(settings: Settings, feed: str, ledger: Ledger) -> None:
    """Remove the return workbooks of files that were mended, replaced or taken back."""
    folder = settings.feedback / (feed or "unplaced")
    if not folder.is_dir():
        return
    kept = {s["submission_id"] for n in PRESENT for s in ledger.submissions(feed, n, full=False)}
    for path in folder.rglob("*.xlsx"):
        if returned_submission(path.name) not in kept:
            path.unlink()


def sweep_quarantine(settings: Settings, feed: str, ledger: Ledger) -> None:
    """Remove what was mended, replaced or taken back; the ledger keeps what was wrong with it."""
    folder = settings.quarantine / (feed or "unplaced")
    if not folder.is_dir():
        return
    kept = {s["submission_id"] for s in ledger.submissions(feed, "returned", full=False)}
    for path in folder.rglob("*"):
        named = QUARANTINED.search(path.name)
        if named and named[1] not in kept and path.is_file():
            path.unlink()
