"""Numerators of shares, how they add up, and what is told of each by rule."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from pipelines.quality.disclosure.rules import Rules
from pipelines.quality.disclosure.system import Ints, Mask

OUTCOMES = ("passed", "good", "excellent", "low")
"""Numerators of the shares of a number of students, as columns of `int_disclosure_cell`."""
EXACT, BAND, WITHHELD = 0, 1, 2
"""What becomes of a share: told; told as a band; not told."""
IN_A_CELL = -1
"""In the place of a sum's number: what the outcomes of one cell tell of each other."""
States = NDArray[np.int8]


@dataclass(frozen=True)
class Numerators:
    """The numerators of one outcome, and how they add up.

    Cells that are known to be of the same students are one numerator.
    """

    numbers: Ints
    """Of each sum: its number in the list that it comes from."""
    sums: sparse.csr_array
    """(sums, numerators): 1 at the total, −1 at each part."""
    met: Ints
    """The numerators."""
    persons: Ints
    """The denominators."""
    hidden: Mask
    """Whether the number of students is withheld, and so the share."""
    most: Ints
    """The most that a numerator may be where its share is withheld."""
    place: NDArray[np.intp]
    """Of each cell: which numerator is its own; −1 where it has none."""
    silent: Mask
    """Whether the share is withheld for what the release before told."""
    settled: States
    """How a release before told the share, where all is as it was since: that can't be undone;
    `WITHHELD` where none told anything of it. Numerators that are no longer what they were stand
    behind all that have a place."""
    lost: Mask
    """Whether releases before told it too nearly by themselves, which nothing can undo."""

    @cached_property
    def by_numerator(self) -> sparse.csc_array:
        """The sums, to be looked up by numerator."""
        return self.sums.tocsc()

    def few(self, rules: Rules) -> Mask:
        """Numerators that a share would tell too exactly of, or of a few students anyhow."""
        rare = is_rare(self.met, self.persons, rules) | (self.persons < rules.few)
        return np.asarray(rare & ~self.lost)

    def need(self, rules: Rules) -> Ints:
        """How far apart the least and the most of a numerator must be able to lie."""
        return np.minimum(rules.rare - 1, self.persons)

    def room(self, cells: NDArray[np.intp], state: States, rules: Rules) -> tuple[Ints, Ints]:
        """How far each of these may be below and above what it is, by what is said of it alone."""
        met, told = self.met[cells], state[cells]
        low, high = band(met, self.persons[cells], rules)
        down = np.where(told == BAND, met - low, np.where(told == WITHHELD, met, 0))
        most = np.where(told == BAND, high, np.where(told == WITHHELD, self.most[cells], met))
        return down, most - met

    def may_help(self, cells: NDArray[np.intp], state: States) -> Mask:
        """Which of these can be withheld beside another."""
        return (state[cells] != WITHHELD) & (self.settled[cells] == WITHHELD)


def by_rule(given: Numerators, rules: Rules) -> States:
    """What must become of each share, whatever others tell."""
    # A band says that a numerator is rare; what a few students did may not be.
    withheld = given.hidden | (given.persons < rules.few) | given.silent
    rare = is_rare(given.met, given.persons, rules)
    return np.select([withheld, rare], [WITHHELD, BAND], EXACT).astype(np.int8)


def is_rare(met: Ints, persons: Ints, rules: Rules) -> Mask:
    """Whether hardly anybody did, or all but hardly anybody."""
    return np.asarray(np.minimum(met, persons - met) < rules.rare)


def band(met: Ints, persons: Ints, rules: Rules) -> tuple[Ints, Ints]:
    """The least and the most that a rare numerator may be: below three, or as near to all."""
    is_high = 2 * met > persons
    low = np.where(is_high, persons - rules.rare + 1, 0)
    return low, np.where(is_high, persons, rules.rare - 1)
