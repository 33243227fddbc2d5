"""What becomes of the shares of all outcomes, which tell of each other."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from pipelines.quality.disclosure.rules import Rules
from pipelines.quality.disclosure.shares.choice import protect
from pipelines.quality.disclosure.shares.numerator import (
    EXACT,
    IN_A_CELL,
    WITHHELD,
    Numerators,
    States,
    by_rule,
)
from pipelines.quality.disclosure.shares.reach import Near, near_of
from pipelines.quality.disclosure.system import Ints

WITHIN = (("passed", "good", 1), ("good", "excellent", 1), ("passed", "low", -1))
"""Pairs of outcomes: 1 where the second is a part of the first, −1 where nobody is of both."""


def states(given: Mapping[str, Numerators], rules: Rules) -> dict[str, States]:
    """What becomes of each numerator's share, so that none can be told too nearly.

    Args:
        given: the numerators of each outcome, all of the same cells.
        rules: the thresholds.
    """
    told = {outcome: _by_itself(one, rules) for outcome, one in given.items()}
    sums = -1
    while True:
        both = nested(given, told)
        if len(both.sums) == sums:
            return told
        # What is withheld now may be bounded by what else is told of its cell: once more.
        protect(both.numerators, both.state, rules)
        sums = len(both.sums)
        told = dict(zip(given, np.split(both.state, both.starts[1:]), strict=False))


def _by_itself(given: Numerators, rules: Rules) -> States:
    """The states of one outcome, as if nothing were told of the others."""
    # What is told can't be undone.
    state = np.minimum(by_rule(given, rules), given.settled)
    protect(given, state, rules)
    return state


@dataclass(frozen=True)
class Nested:
    """The numerators of all outcomes, with the sums by which those of a cell bound each other.

    Who passed are those who are good and some more: these stand beside them as a numerator of
    nobody, which is never told, and of which nothing is asked.
    """

    numerators: Numerators
    state: States
    starts: Ints
    """Where the numerators of each outcome start, and at last those of nobody."""
    sums: Ints
    """Of each sum: its number in the list that it comes from; `IN_A_CELL` where it is in none."""


def nested(given: Mapping[str, Numerators], told: Mapping[str, States]) -> Nested:
    """All outcomes of the same cells together, in the states that each has.

    Sums within a cell are there where not all of it is told.
    """
    every = list(given.values())
    starts = np.cumsum([0, *(len(one.met) for one in every)])
    met = np.concatenate([one.met for one in every])
    persons = np.concatenate([one.persons for one in every])
    state = np.concatenate([told[outcome] for outcome in given])
    place = np.stack([
        np.where(one.place >= 0, one.place + start, -1)
        for one, start in zip(every, starts, strict=False)
    ])  # fmt: skip
    untold = (np.append(state, EXACT)[place] != EXACT).any(axis=0)
    of = dict(zip(given, np.unique(place[:, untold], axis=1), strict=True))
    pairs, signs = [np.zeros((2, 0), dtype=np.intp)], [met[:0]]
    for one, other, kind in WITHIN:
        if one in of and other in of:
            pairs.append(np.stack([of[one], of[other]])[:, (of[one] >= 0) & (of[other] >= 0)])
            signs.append(np.full(pairs[-1].shape[1], kind))
    (first, second), sign = np.concatenate(pairs, axis=1), np.concatenate(signs)
    most = persons[first]
    rest = np.where(sign > 0, met[first], most - met[first]) - met[second]
    own = np.arange(len(rest))
    within = sparse.coo_array(
        (
            np.concatenate([sign, np.full(2 * len(own), -1)]),
            (np.tile(own, 3), np.concatenate([first, second, len(met) + own])),
        ),
        shape=(len(own), len(met) + len(own)),
    )
    between = sparse.block_diag([one.sums for one in every], format="coo")
    between.resize(between.shape[0], within.shape[1])
    sums = sparse.csr_array(sparse.vstack([between, within], format="csr"))
    none = np.zeros_like(rest)
    untold_none = np.full_like(none, WITHHELD, dtype=np.int8)
    both = Numerators(
        np.arange(sums.shape[0]),
        sums,
        np.concatenate([met, rest]),
        np.concatenate([persons, none]),
        np.concatenate([*(one.hidden for one in every), none > 0]),
        np.concatenate([persons, most]),
        starts[:0],
        np.concatenate([*(one.silent for one in every), none > 0]),
        np.concatenate([*(one.settled for one in every), np.full_like(none, WITHHELD)]).astype(
            np.int8
        ),
        np.concatenate([*(one.lost for one in every), none > 0]),
    )
    return Nested(
        both,
        np.concatenate([state, untold_none]),
        starts,
        np.concatenate([*(one.numbers for one in every), np.full_like(none, IN_A_CELL)]),
    )


def too_near(
    given: Mapping[str, Numerators], told: Mapping[str, States], rules: Rules
) -> list[tuple[str, Near]]:
    """Numerators that can be told too nearly, with their outcome: by one sum after another, or by
    sums together.

    Of those that only sums together tell there may be more than are answered; and where one outcome
    is told by itself, of what several tell together nothing is.
    """
    found = [
        (outcome, near)
        for outcome, one in given.items()
        for near in near_of(one, told[outcome], rules)
    ]
    if found:
        return found
    both = nested(given, told)
    names = list(given)
    for near in near_of(both.numerators, both.state, rules):
        which = int(np.searchsorted(both.starts, near.numerator, side="right")) - 1
        place, sums = near.numerator - int(both.starts[which]), both.sums[list(near.sums)].tolist()
        found.append((names[which], replace(near, numerator=place, sums=tuple(sums))))
    return found
