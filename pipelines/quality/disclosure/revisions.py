"""What a correction of a few students tells, by what was told before it: nothing.

Whoever kept a release can hold the next one against it. Where fewer than `revised` students of a
cell are others than when its figures were last told, or did otherwise, the differences would tell
of them. So such a cell is revised: of it no figure but its number is told, until as many have
changed; unless it is so large that its rounded rates leave room for any of `rare` numbers. What
would tell its share by subtraction is withheld beside it.

Readers are taken to know, of a cell that is as it was, every numerator; of one that was corrected
the numerator of then, and of now if its share is told, be it rounded where that leaves no room.
"""

from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipelines.evaluation.equity import wilson
from pipelines.quality.disclosure.earlier import KEY
from pipelines.quality.disclosure.rules import Rules
from pipelines.quality.disclosure.shares import (
    BAND,
    EXACT,
    OUTCOMES,
    WITHHELD,
    Near,
    Numerators,
    States,
    near_of,
    numerators,
    protect,
    reached,
)
from pipelines.quality.disclosure.system import Ints, Mask, System, ints

COUNTED = ("n", *OUTCOMES, "score_thousandths")
"""What a cell is known by: where it is the same, so are the cell's students."""
LAST = tuple(f"last_{name}" for name in COUNTED)
"""The same as when figures of a cell last told of all who were counted, where they do not now."""
NONE = -1
"""Stands where there is no number."""


@dataclass(frozen=True)
class Changes:
    """How cells differ from what they were when their figures were last told."""

    same: Mask
    """Cells that are as they were, told or not, and what follows from them."""
    few: Mask
    """Cells that were told of, of whom fewer than `revised` are others now or did otherwise."""
    by: Ints
    """At least so many of a changed cell's are."""
    last: dict[str, Ints]
    """What was counted then, by the names of `COUNTED`; `NONE` where nothing was told."""

    def none(self) -> bool:
        """Whether nothing that was told of has changed by a few."""
        return not self.few.any()

    def between(self, own: pa.Table, outcome: str) -> tuple[Ints, Ints]:
        """The least and the most that a numerator may be by what it was.

        Where it can be so, students were only added, or only taken out.
        """
        n, met = ints(own, "n"), ints(own, outcome)
        then = self.last.get(outcome, np.full_like(n, NONE))
        more = n - self.last.get("n", n)
        low, high = then + np.minimum(more, 0), then + np.maximum(more, 0)
        both = (more == 0) | (met < low) | (met > high)
        low, high = np.where(both, then - self.by, low), np.where(both, then + self.by, high)
        known = self.few & (then > NONE)
        return (
            np.where(known, np.maximum(low, 0), 0),
            np.where(known, np.minimum(high, n), n),
        )


def of_results(own: pa.Table) -> bool:
    """Whether these are cells of students by their results, which stand unless they are corrected.

    What else persons do, such as to be trained, they do from day to day: that is no correction.
    """
    return "score_thousandths" in own.column_names


def changes(own: pa.Table, then: pa.Table | None, found: System, rules: Rules) -> Changes:
    """How these cells differ from those of the release before.

    A year's total, which has no scores to compare, is changed where a part of it is.

    Args:
        own: rows of `int_disclosure_cell`.
        then: rows of `marts.disclosure_cell` of the release before; None where there is none.
        found: how the cells add up.
        rules: the thresholds.
    """
    cells = own.num_rows
    if then is None or not then.num_rows or not of_results(own):
        no = np.zeros(cells, dtype=bool)
        return Changes(no, no, np.zeros(cells, dtype=np.int64), {})
    counted, was_told, there = _before(own, then)
    moved = [abs(ints(own, name, NONE) - last) for name, last in counted.items()]
    differs = there & (np.max(moved, axis=0) > 0)
    differs |= there & own["score_thousandths"].is_null().to_numpy() & _totals_of(found, differs)
    persons = [one for name, one in zip(counted, moved, strict=True) if name in ("n", *OUTCOMES)]
    by = np.where(differs, np.maximum(np.max(persons, axis=0), 1), 0)
    same = found.worked_out(there & ~differs)
    few = was_told & differs & ~same & (by < rules.revised) & (ints(own, "n") > 0)
    return Changes(
        same,
        few,
        by,
        {name: np.where(was_told, last, NONE) for name, last in counted.items()},
    )


def _before(own: pa.Table, then: pa.Table) -> tuple[dict[str, Ints], Mask, Mask]:
    """What was counted of each cell when it was last told of, or last there; whether it was told
    of; and whether it was there."""
    place = _placed(own, then)

    def column(name: str) -> Ints:
        if name not in then.column_names:
            return np.full(own.num_rows, NONE, dtype=np.int64)
        return np.append(ints(then, name, NONE), NONE)[place]

    kept = column("last_n") > NONE
    counted = {
        name: np.where(kept, column(f"last_{name}"), column(name))
        for name in COUNTED
        if name in then.column_names
    }
    there = place >= 0
    return counted, kept | (there & np.append(_is_measured(then), False)[place]), there


def unsettled(own: pa.Table, then: pa.Table | None) -> pa.Table | None:
    """What was counted of cells when they were last told of, where it is not what is counted now;
    None where there is no such cell.

    Args:
        own: cells, in the order of `cell_no`.
        then: cells of the release before.
    """
    if then is None or not of_results(own):
        return None
    counted, was_told, _ = _before(own, then)
    moved = [ints(own, name, NONE) != last for name, last in counted.items()]
    cells = np.flatnonzero(was_told & np.any(moved, axis=0))
    if not len(cells):
        return None
    return pa.table({"cell": cells} | {name: last[cells] for name, last in counted.items()})


def _placed(own: pa.Table, then: pa.Table) -> NDArray[np.intp]:
    """Of each cell its row in the other table, whatever was counted; −1 where it is not there."""
    left, right = (table.select(list(KEY)).to_pandas() for table in (own, then))
    right["place"] = np.arange(len(right))
    found = left.merge(right, on=list(KEY), how="left", validate="one_to_one")["place"]
    return np.asarray(found.fillna(-1).to_numpy().astype(np.intp))


def _is_measured(then: pa.Table) -> Mask:
    """Cells of which figures were told."""
    shown = pc.equal(then["fate"], "shown")
    if "is_revised" in then.column_names:
        shown = pc.and_(shown, pc.invert(then["is_revised"]))
    return np.asarray(pc.fill_null(shown, False).to_numpy(), dtype=bool)


def _totals_of(found: System, parts: Mask) -> Mask:
    """All totals, and totals of these, that one of the parts is in."""
    exact = found.sums[~found.loose]
    of_parts, totals = (exact < 0).astype(np.int64), (exact > 0).astype(np.int64)
    known = np.zeros_like(parts)
    while True:
        rows = of_parts @ (parts | known).astype(np.int64) > 0
        more = known | (totals.T @ rows.astype(np.int64) > 0)
        if (more == known).all():
            return np.asarray(known)
        known = more


@dataclass(frozen=True)
class Revised(Numerators):
    """Numerators of an outcome of which some may not be held against those of before."""

    changed: Mask
    """Those that a few others make, or make otherwise."""
    fixed: Mask
    """Those that are as they were: readers know them, so that they are nobody's partner."""
    low: Ints
    high: Ints
    """The least and the most that each may be by what was told before."""
    down: Ints
    up: Ints
    """How far each may be from what it is without another figure being told; two at most."""

    def few(self, rules: Rules) -> Mask:
        """Numerators that may not be told by how they differ."""
        return self.changed

    def need(self, rules: Rules) -> Ints:
        """How far apart the least and the most of one must be able to lie."""
        return np.minimum(rules.rare - 1, self.high - self.low)

    def room(self, cells: NDArray[np.intp], state: States, rules: Rules) -> tuple[Ints, Ints]:
        """How far each of these may be below and above what it is, by what is told of it alone;
        `BAND` stands for what is told rounded."""
        met, rounded = self.met[cells], state[cells] == BAND
        down, up = met - self.low[cells], self.high[cells] - met
        down = np.where(rounded, np.minimum(down, self.down[cells]), down)
        up = np.where(rounded, np.minimum(up, self.up[cells]), up)
        told = state[cells] == EXACT
        return np.where(told, 0, down), np.where(told, 0, up)

    def may_help(self, cells: NDArray[np.intp], state: States) -> Mask:
        """Which of these can be withheld beside another."""
        return (state[cells] != WITHHELD) & ~self.fixed[cells]

    def hides(self, rules: Rules) -> Mask:
        """Numerators whose rounded rate leaves them the room that they need."""
        down = np.minimum(self.down, self.met - self.low)
        up = np.minimum(self.up, self.high - self.met)
        return down + up >= self.need(rules)


def revised(
    found: System, own: pa.Table, outcome: str, hidden: Mask, rules: Rules, how: Changes
) -> Revised:
    """The numerators of an outcome, arguments as of `shares.numerators`.

    Args:
        how: what changed.
    """
    plain = numerators(found, own, outcome, hidden, rules)
    cells = np.flatnonzero(plain.place >= 0)
    place = plain.place[cells]
    low, high = np.zeros_like(plain.met), plain.persons.copy()
    # Of cells that are one numerator each may say more.
    changed, fixed = np.zeros((2, len(plain.met)), dtype=bool)
    np.logical_or.at(changed, place, how.few[cells])
    np.logical_or.at(fixed, place, how.same[cells])
    least, most = how.between(own, outcome)
    np.maximum.at(low, place, least[cells])
    np.minimum.at(high, place, most[cells])
    given = {field.name: getattr(plain, field.name) for field in fields(plain)}
    down, up = (_unseen(plain, step, rules) for step in (-1, 1))
    one = Revised(
        **given, changed=changed & ~fixed, fixed=fixed, low=low, high=high, down=down, up=up
    )
    # Some lie nearer than that by what nobody's figures tell, such as how many there are.
    open_cells = np.flatnonzero(~fixed)
    nothing = np.where(fixed, EXACT, WITHHELD).astype(np.int8)
    reach = reached(one, open_cells, one.room(open_cells, nothing, rules))
    low[open_cells] = one.met[open_cells] - reach.down
    high[open_cells] = one.met[open_cells] + reach.up
    return one


def _unseen(given: Numerators, step: int, rules: Rules) -> Ints:
    """How many steps, of two, each numerator may take before a figure is told otherwise."""
    places = places_told(given.persons, rules)
    told = _figures(given.met, given.persons, places)
    unseen = np.zeros_like(given.met)
    for steps in range(1, rules.rare):
        other = given.met + step * steps
        equal = (unseen == steps - 1) & (other >= 0) & (other <= given.persons)
        for one, two in zip(told, _figures(other, given.persons, places), strict=True):
            equal &= one == two
        unseen[equal] = steps
    return unseen


def _figures(met: Ints, persons: Ints, places: Ints) -> list[Ints]:
    """The rate and its interval, as they are told."""
    n, digits = np.maximum(persons, 1), 10**places
    rate = (2 * met * digits + n) // (2 * n)
    limits = (np.rint(limit * digits).astype(np.int64) for limit in wilson(np.clip(met, 0, n), n))
    return [rate, *limits]


def places_told(persons: Ints, rules: Rules) -> Ints:
    """In how many places a rate of so many is told: 2 is whole percent."""
    return np.where(persons < rules.whole_percent, 2, 3)


@dataclass(frozen=True)
class Decided:
    """How cells are told that a few others make now, and what is withheld beside them."""

    is_revised: Mask
    """Cells of which nothing but the number is told."""
    silent: dict[str, Mask]
    """Outcome → cells whose share is not told."""


def decided(found: System, own: pa.Table, hidden: Mask, rules: Rules, how: Changes) -> Decided:
    """How these cells are told.

    Args:
        found: the cells' sums.
        own: rows of `int_disclosure_cell`.
        hidden: cells whose number is withheld.
        rules: the thresholds.
        how: what changed.
    """
    is_revised = np.zeros(own.num_rows, dtype=bool)
    if how.none():
        return Decided(is_revised, dict.fromkeys(OUTCOMES, is_revised))
    given = {outcome: revised(found, own, outcome, hidden, rules, how) for outcome in OUTCOMES}
    for one in given.values():
        tight = one.changed & ~one.hides(rules)
        is_revised |= how.few & (one.place >= 0) & np.append(tight, False)[one.place]
    is_revised |= how.few & pc.equal(own["topic"], "matched").to_numpy()
    is_revised |= _of_revised(own, found, is_revised)
    silent = {}
    for outcome, one in given.items():
        untold = one.hidden.copy()
        untold[one.place[is_revised & (one.place >= 0)]] = True
        state = _at_first(one, untold, rules)
        protect(one, state, rules)
        silent[outcome] = np.append((state == WITHHELD) & ~one.fixed, False)[one.place]
    return Decided(is_revised & ~hidden, silent)


def _of_revised(own: pa.Table, found: System, is_revised: Mask) -> Mask:
    """Numbers matched of whose results no figure is told: neither is what was made of them."""
    bounds = found.sums[found.loose]
    rows = (bounds > 0).astype(np.int64) @ is_revised.astype(np.int64)
    held = (bounds < 0).astype(np.int64).T @ rows > 0
    return np.asarray(held & pc.equal(own["topic"], "matched").to_numpy())


def _at_first(given: Revised, untold: Mask, rules: Rules) -> States:
    """What readers know of each, where these are not told."""
    rounded = given.hides(rules) & (given.changed | (given.down + given.up >= rules.rare - 1))
    state = np.select([given.fixed, untold, rounded], [EXACT, WITHHELD, BAND], EXACT)
    return state.astype(np.int8)


def differenced(
    found: System, own: pa.Table, outcome: str, hidden: Mask, told: Mask, rules: Rules, how: Changes
) -> list[tuple[int, Near]]:
    """Cells whose share can be told too nearly by how it differs, with how near.

    Args:
        told: cells of which the share is told, be it as a band.
        others: as of `revised`.
    """
    if how.none():
        return []
    given = revised(found, own, outcome, hidden, rules, how)
    untold = np.ones(len(given.met), dtype=bool)
    cells = np.flatnonzero(given.place >= 0)
    np.logical_and.at(untold, given.place[cells], ~told[cells])
    state = _at_first(given, untold, rules)
    # Of what is told exactly there is no bound to look at.
    state[given.changed & (state == EXACT) & ~untold] = BAND
    name = np.zeros(len(given.met), dtype=np.int64)
    name[given.place[cells]] = cells
    return [(int(name[near.numerator]), near) for near in near_of(given, state, rules)]
