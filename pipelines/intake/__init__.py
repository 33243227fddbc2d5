"""From files as handed in to landed rows, and what goes back to the school."""

from pipelines.intake.ingest import (
    FeedReport,
    check,
    files_by_feed,
    ingest,
    ingest_feed,
    ingest_strays,
    problems,
    require_files,
)
from pipelines.intake.ledger import Ledger
from pipelines.intake.problems import IntakeError, NoKey, NothingHandedIn, Problem
from pipelines.intake.pseudonym import load_key
from pipelines.intake.reader import Sheet, Unreadable, read_sheets
from pipelines.intake.recognise import Recognised, recognise
from pipelines.intake.standing import Standing, freeze, sweep

__all__ = [
    "FeedReport",
    "IntakeError",
    "Ledger",
    "NoKey",
    "NothingHandedIn",
    "Problem",
    "Recognised",
    "Sheet",
    "Standing",
    "Unreadable",
    "check",
    "files_by_feed",
    "freeze",
    "ingest",
    "ingest_feed",
    "ingest_strays",
    "load_key",
    "problems",
    "read_sheets",
    "recognise",
    "require_files",
    "sweep",
]
