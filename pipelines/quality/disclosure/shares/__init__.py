"""Which shares of a shown number are told as they are, which as a band, and which not at all.

A share whose numerator, or what is lacking to its denominator, is below `rare` is told as a band:
which of the few numbers it is, is not told. Nor may it be worked out: where numerators add up, a
band or a share beside it is withheld, until every such numerator may still be any of at least three
numbers (or of those that so few students leave).

Readers are taken to know more than they are told: every number of students, also withheld ones; the
numerator of each share that is told, be it rounded; by the rule, that a band stands for fewer than
three; what a total has beyond its parts; and that who is excellent is good, that who is good has
passed, and that who is low has not. They are taken to have kept all releases, too: a share that was
told of the same students can't be undone, and what such shares added up to before bounds them.
"""

from pipelines.quality.disclosure.shares.choice import protect
from pipelines.quality.disclosure.shares.numerator import (
    BAND,
    EXACT,
    IN_A_CELL,
    OUTCOMES,
    WITHHELD,
    Numerators,
    States,
    by_rule,
)
from pipelines.quality.disclosure.shares.of_cells import Before, numerators
from pipelines.quality.disclosure.shares.outcomes import states, too_near
from pipelines.quality.disclosure.shares.reach import Near, near_of, opened_shares, reached

__all__ = [
    "BAND",
    "EXACT",
    "IN_A_CELL",
    "OUTCOMES",
    "WITHHELD",
    "Before",
    "Near",
    "Numerators",
    "States",
    "by_rule",
    "near_of",
    "numerators",
    "opened_shares",
    "protect",
    "reached",
    "states",
    "too_near",
]
