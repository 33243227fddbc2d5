"""Disclosure control: what of the numbers of students is withheld, and the proof that it stays so.

Arrays of cells and sums in, arrays out; which cells and sums there are, the warehouse knows. The
audit alone reads its tables.
"""

from pipelines.quality.disclosure.audit import Audit, Leak, audit
from pipelines.quality.disclosure.bounds import MOST, Bounds, Contradiction, because, bounds
from pipelines.quality.disclosure.earlier import (
    SERVED,
    figures_served,
    points_served,
    rows_served,
)
from pipelines.quality.disclosure.fates import withheld
from pipelines.quality.disclosure.rules import Rules, load_rules
from pipelines.quality.disclosure.system import Opened, System, system
from pipelines.quality.disclosure.tables import (
    fates,
    fates_of_persons,
    numbers_before,
    shares_before,
    system_of,
)

__all__ = [
    "MOST",
    "SERVED",
    "Audit",
    "Bounds",
    "Contradiction",
    "Leak",
    "Opened",
    "Rules",
    "System",
    "audit",
    "because",
    "bounds",
    "fates",
    "fates_of_persons",
    "figures_served",
    "load_rules",
    "numbers_before",
    "points_served",
    "rows_served",
    "shares_before",
    "system",
    "system_of",
    "withheld",
]
