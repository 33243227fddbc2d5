"""What would come of files that are handed in, before they are: nothing is landed."""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.feeds import load_contracts
from pipelines.intake import raw as raw_folder
from pipelines.intake.feedback import return_path, write_returns
from pipelines.intake.forgotten import the_forgotten
from pipelines.intake.given_back import return_task
from pipelines.intake.ingest import landed_files, limits, usual
from pipelines.intake.ledger import Ledger
from pipelines.intake.problems import Problem
from pipelines.intake.pseudonym import load_key
from pipelines.intake.recognise import SheetReading
from pipelines.intake.take import File, take
from pipelines.settings import Settings


@dataclass(frozen=True)
class Checked:
    """What would come of one file that is handed in."""

    file: str
    problems: list[Problem]
    rows_read: int = 0
    """Rows taken as records, with or without problems."""
    sheets: list[SheetReading] = field(default_factory=list)
    workbook: Path | None = None
    """The return workbook, where one was asked for and there is an error or a query."""


def check(
    settings: Settings,
    paths: Iterable[Path],
    feed: str | None = None,
    school_year: str | None = None,
) -> list[Problem]:
    """What would be wrong with these files or folders: the problems of `examine`."""
    return [p for one in examine(settings, paths, feed, school_year) for p in one.problems]


def examine(
    settings: Settings,
    paths: Iterable[Path],
    feed: str | None = None,
    school_year: str | None = None,
    back: Path | None = None,
) -> list[Checked]:
    """What would come of these files or folders; lands nothing.

    Feed and school year are read from the path (`…/<feed>/<school year>/…`) unless given. The
    files are held against the landed registers and against each other.

    Args:
        settings: whose registers they are held against.
        paths: files and folders.
        feed: where the path does not name it.
        school_year: likewise.
        back: folder in which return workbooks are written, if at all.

    Raises:
        FileNotFoundError: a path does not exist.
    """
    contracts = load_contracts()
    files: list[File] = []
    found: list[Checked] = []
    tasks: list[tuple[Any, ...]] = []
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(path)
        for each in [path] if path.is_file() else raw_folder.handed_in(path):
            if not each.is_file():
                found.append(Checked(str(each), [Problem("link_outside", str(each))]))
                continue
            parts = each.resolve().parts
            places = [i for i in range(len(parts) - 2) if parts[i] in contracts]
            at = next((i for i in reversed(places) if raw_folder.is_year(parts[i + 1])), None)
            own_feed = feed or (parts[at] if at is not None else "")
            year = school_year or (parts[at + 1] if at is not None else "")
            if own_feed not in contracts or not year:
                found.append(Checked(str(each), [Problem("misplaced_file", str(each))]))
                continue
            files.append(File(each, own_feed, year, str(each), raw_folder.digest_of(each)))
    if not files:
        return found
    key = load_key(settings)
    ledger = Ledger(settings)
    registers = {name: landed_files(settings, ledger, name) for name in contracts}
    how = (key, usual(settings), limits(settings), None, the_forgotten(settings, ledger))
    with tempfile.TemporaryDirectory() as folder:
        for name, contract in contracts.items():
            own = [f for f in files if f.feed == name]
            for i, taken in enumerate(take(contract, own, registers, *how)):
                target = None
                if back and any(p.severity != "note" for p in taken.problems):
                    settings.feedback.mkdir(parents=True, exist_ok=True, mode=0o700)
                    digest = taken.file.sha256[:16]
                    target = return_path(
                        back, name, taken.file.school_year, taken.file.path.stem, digest
                    )
                    tasks.append(return_task(settings, target, taken))
                found.append(
                    Checked(
                        taken.file.source_file,
                        taken.problems,
                        taken.rows_read,
                        taken.sheets,
                        target,
                    )
                )
                if taken.rows is not None:
                    landed = Path(folder) / f"{name}-{i}.parquet"
                    taken.rows.write(landed)
                    registers[name].append(landed)
    write_returns(tasks)
    return found
