"""From files as handed in to landed rows, and what goes back to the school."""

from pipelines.intake.ingest import FeedReport, check, ingest, ingest_feed, unwired
from pipelines.intake.ledger import Ledger
from pipelines.intake.problems import IntakeError, Problem
from pipelines.intake.reader import Sheet, Unreadable, read_sheets
from pipelines.intake.recognise import Recognised, recognise
from pipelines.intake.standing import Standing, freeze, sweep

__all__ = [
    "FeedReport",
    "IntakeError",
    "Ledger",
    "Problem",
    "Recognised",
    "Sheet",
    "Standing",
    "Unreadable",
    "check",
    "freeze",
    "ingest",
    "ingest_feed",
    "read_sheets",
    "recognise",
    "sweep",
    "unwired",
]
