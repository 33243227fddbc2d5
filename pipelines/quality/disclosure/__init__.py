"""Disclosure control: what of the numbers of students is withheld, and the proof that it stays so.

Pure: arrays of cells and sums in, arrays out. Which cells and sums there are, the warehouse knows.
"""

from pipelines.quality.disclosure.bounds import MOST, Bounds, Contradiction, because, bounds
from pipelines.quality.disclosure.fates import withheld
from pipelines.quality.disclosure.rules import Rules, load_rules
from pipelines.quality.disclosure.system import Opened, System, system

__all__ = [
    "MOST",
    "Bounds",
    "Contradiction",
    "Opened",
    "Rules",
    "System",
    "because",
    "bounds",
    "load_rules",
    "system",
    "withheld",
]
