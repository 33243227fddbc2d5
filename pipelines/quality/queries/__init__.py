"""The plausibility queries: what is asked of the standing rows between feeds and over time."""

from pipelines.quality.queries.base import MACROS, Query
from pipelines.quality.queries.items import ITEMS
from pipelines.quality.queries.people import PEOPLE
from pipelines.quality.queries.results import RESULTS
from pipelines.quality.queries.shared import SHARED

QUERIES = (*RESULTS, *ITEMS, *PEOPLE)
"""In the order in which findings are told."""

__all__ = ["MACROS", "QUERIES", "SHARED", "Query"]
