"""Checks of the standing rows: a Great Expectations suite a feed, and what is worth a question."""

from pipelines.quality.data_docs import write_data_docs
from pipelines.quality.plausibility import Finding, plausible
from pipelines.quality.rules import TOLD_ONLY
from pipelines.quality.validate import CheckResult, validate, validate_feed

__all__ = [
    "TOLD_ONLY",
    "CheckResult",
    "Finding",
    "plausible",
    "validate",
    "validate_feed",
    "write_data_docs",
]
