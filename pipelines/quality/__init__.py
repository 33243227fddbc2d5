"""Checks of the standing rows: a Great Expectations suite a feed, derived from its contract."""

from pipelines.quality.validate import CheckResult, validate, validate_feed

__all__ = ["CheckResult", "validate", "validate_feed"]
