"""From a file as handed in to cells that are recognised; pseudonyms; the words for problems."""

from pipelines.intake.problems import IntakeError, Problem
from pipelines.intake.reader import Sheet, Unreadable, read_sheets
from pipelines.intake.recognise import Recognised, recognise

__all__ = [
    "IntakeError",
    "Problem",
    "Recognised",
    "Sheet",
    "Unreadable",
    "read_sheets",
    "recognise",
]
