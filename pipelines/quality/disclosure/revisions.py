"""What a correction of a few students tells, by what was told before it: nothing.

Whoever kept a release can hold the next one against it. Where fewer than `revised` students of a
cell are others than when its figures were last told, or did otherwise, the differences would tell
of them. So such a cell is revised: of it no figure but its number is told, until as many have
changed; unless it is so large that its rounded rates leave room for any of `rare` numbers. What
would tell its share by subtraction is revised with it, and its mean and all else with the share.

Readers are taken to have kept every release. By one of them and the newest they know, of a cell
that is as it was, every numerator; of one that was corrected the numerator of then, and of now if
its share is told, be it rounded where that leaves no room. So what a cell was when its figures were
last told is kept with it (`LAST`), from which release on until which that was so (`told_since`,
`told_in`), and in which its students were others for the last time (`changed_in`); releases that
changed anything are counted from 0.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipelines.evaluation.rates import wilson
from pipelines.quality.disclosure.earlier import KEY
from pipelines.quality.disclosure.fates import SHOWN, TOTAL
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
MEASURED = (SHOWN, TOTAL)
"""What becomes of cells of which figures are told, if not their number."""
NONE = -1
"""Stands where there is no number."""


@dataclass(frozen=True)
class Changes:
    """How cells differ from what they were when their figures were last told."""

    few: Mask
    """Cells that were told of, of whom fewer than `revised` are others now or did otherwise."""
    by: Ints
    """At least so many of a changed cell's are."""
    last: dict[str, Ints]
    """What was counted then, by the names of `COUNTED`; `NONE` where nothing was told."""
    told_since: Ints
    told_in: Ints
    """The first and the last release in which that was so."""
    changed_in: Ints
    """In which release a cell became what it is."""
    again: Mask
    """Cells that are as they were in the release before, and revised there."""

    def since_each(self, found: System) -> Iterator["Since"]:
        """The changes since each release that told of any that a few make otherwise now."""
        if not self.few.any():
            return
        since, until = self.told_since[self.few].min(), self.told_in[self.few].max()
        for release in range(int(since), int(until) + 1):
            same = found.worked_out(self.changed_in <= release)
            told = (self.told_since <= release) & (release <= self.told_in)
            few = self.few & told & ~same
            if few.any():
                yield Since(self, few, same)


@dataclass(frozen=True)
class Since:
    """How cells differ from what one release told."""

    how: Changes
    few: Mask
    """Cells that it told of, of whom a few are others now or did otherwise."""
    same: Mask
    """Cells that are as they were, told or not, and what follows from them."""

    def between(self, own: pa.Table, outcome: str) -> tuple[Ints, Ints]:
        """The least and the most that a numerator may be by what it was.

        Where it can be so, students were only added, or only taken out.
        """
        n, met = ints(own, "n"), ints(own, outcome)
        then = self.how.last.get(outcome, np.full_like(n, NONE))
        more = n - self.how.last.get("n", n)
        low, high = then + np.minimum(more, 0), then + np.maximum(more, 0)
        both, by = (more == 0) | (met < low) | (met > high), self.how.by
        low, high = np.where(both, then - by, low), np.where(both, then + by, high)
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
        no, none = np.zeros(cells, dtype=bool), np.zeros(cells, dtype=np.int64)
        return Changes(no, none, {}, none, none, none, no)
    before = _before(own, then)
    others = before.there & ~before.equal
    others |= _years(own) & before.there & _totals_of(found, others)
    changed_in = np.where(before.there & ~others, before.changed_in, before.now)
    moved = {name: abs(ints(own, name, NONE) - last) for name, last in before.counted.items()}
    differs = before.there & (np.max(list(moved.values()), axis=0) > 0)
    differs |= _years(own) & before.there & _totals_of(found, differs)
    persons = [moved[name] for name in ("n", *OUTCOMES) if name in moved]
    most = np.max(persons, axis=0)
    by = np.where(differs, np.maximum(np.maximum(most, _of_who_sat(found, own, most)), 1), 0)
    return Changes(
        before.was_told & differs & (by < rules.revised) & (ints(own, "n") > 0),
        by,
        {name: np.where(before.was_told, last, NONE) for name, last in before.counted.items()},
        before.told_since,
        before.told_in,
        changed_in,
        before.equal & before.was_revised & ~others,
    )


def _of_who_sat(found: System, own: pa.Table, by: Ints) -> Ints:
    """Of each number matched what is given of those who sat; 0 of others."""
    of = np.zeros_like(by)
    matched = np.asarray(pc.equal(own["topic"], "matched").to_numpy(), dtype=bool)
    bounds = found.sums[found.loose]
    totals = (bounds > 0).astype(np.int64) @ by
    of[matched] = ((bounds < 0).astype(np.int64).T @ totals)[matched]
    return of


def _years(own: pa.Table) -> Mask:
    """Cells without scores, of a year's results."""
    return np.asarray(own["score_thousandths"].is_null().to_numpy(), dtype=bool)


@dataclass(frozen=True)
class _Before:
    """Cells as the release before has them."""

    there: Mask
    equal: Mask
    """Whether the same was counted there."""
    was_told: Mask
    """Whether figures were told, there or once."""
    was_revised: Mask
    counted: dict[str, Ints]
    """What was counted when they were, else there."""
    told_since: Ints
    told_in: Ints
    changed_in: Ints
    now: int
    """The number of the next release that changes anything."""


def _before(own: pa.Table, then: pa.Table) -> _Before:
    """How each cell was."""
    place = _placed(own, then)
    there = place >= 0

    def column(name: str, otherwise: int = NONE) -> Ints:
        if name not in then.column_names:
            return np.full(own.num_rows, otherwise, dtype=np.int64)
        return np.append(ints(then, name, otherwise), otherwise)[place]

    names = [name for name in COUNTED if name in then.column_names]
    kept = column("last_n") > NONE
    counts = {name: column(name) for name in names}
    # Of numbers matched an earlier version kept no scores.
    if (scores := counts.get("score_thousandths")) is not None:
        counts["score_thousandths"] = np.where(
            there & (scores == NONE), ints(own, "score_thousandths", NONE), scores
        )
    counted = {name: np.where(kept, column(f"last_{name}"), counts[name]) for name in names}
    told, revised_then = (np.append(mask, False)[place] for mask in _told_then(then))
    newest = 0
    if "changed_in" in then.column_names:
        newest = max(0, int(ints(then, "changed_in").max()), int(ints(then, "told_in").max()))
    return _Before(
        there,
        there & np.all([ints(own, name, NONE) == counts[name] for name in names], axis=0),
        kept | told,
        revised_then,
        counted,
        np.where(kept, column("told_since"), column("changed_in", 0)),
        np.where(kept, column("told_in"), newest),
        column("changed_in", 0),
        newest + 1,
    )


def unsettled(own: pa.Table, then: pa.Table | None) -> pa.Table | None:
    """What the release before says of cells that are or were corrected; None where there are none.

    Args:
        own: cells, in the order of `cell_no`.
        then: cells of the release before.
    """
    if then is None or not of_results(own):
        return None
    before = _before(own, then)
    moved = [ints(own, name, NONE) != last for name, last in before.counted.items()]
    news = before.was_told & np.any(moved, axis=0)
    cells = np.flatnonzero(news | before.was_revised | (before.changed_in > 0) | ~before.there)
    if before.now == 1 and not news.any():
        return None
    told = {name: last[cells] for name, last in before.counted.items()}
    more = {
        "told_since": before.told_since[cells],
        "told_in": before.told_in[cells],
        "changed_in": before.changed_in[cells],
    }
    return pa.table({"cell": cells, "was_revised": before.was_revised[cells]} | told | more)


def _placed(own: pa.Table, then: pa.Table) -> NDArray[np.intp]:
    """Of each cell its row in the other table, whatever was counted; −1 where it is not there."""
    left, right = (table.select(list(KEY)).to_pandas() for table in (own, then))
    right["place"] = np.arange(len(right))
    found = left.merge(right, on=list(KEY), how="left", validate="one_to_one")["place"]
    return np.asarray(found.fillna(-1).to_numpy().astype(np.intp))


def _told_then(then: pa.Table) -> tuple[Mask, Mask]:
    """Cells of which figures were told, and those that were revised."""
    told = pc.is_in(then["fate"], pa.array(MEASURED)).to_numpy()
    if "is_revised" not in then.column_names:
        return told, np.zeros_like(told)
    is_revised = pc.fill_null(then["is_revised"], False).to_numpy()
    return told & ~is_revised, is_revised


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


def _by_themselves(
    found: System, own: pa.Table, hidden: Mask, rules: Rules, how: Changes
) -> dict[str, Revised]:
    """The numerators of each outcome, held against nothing; none where there is nothing to."""
    if not how.few.any():
        return {}
    every = {}
    for outcome in OUTCOMES:
        one = numerators(found, own, outcome, hidden, rules)
        no, none = np.zeros(len(one.met), dtype=bool), np.zeros_like(one.met)
        down, up = (_unseen(one.met, one.persons, step, rules) for step in (-1, 1))
        given = {field.name: getattr(one, field.name) for field in fields(one)}
        every[outcome] = Revised(
            **given, changed=no, fixed=no, low=none, high=one.persons, down=down, up=up
        )
    return every


def revised(given: Revised, own: pa.Table, outcome: str, rules: Rules, since: Since) -> Revised:
    """Numerators of an outcome, held against those that a release told.

    Args:
        given: the numerators, held against nothing.
        own: rows of `int_disclosure_cell`.
        outcome: of whom they are.
        rules: the thresholds.
        since: what changed since that release.
    """
    cells = np.flatnonzero(given.place >= 0)
    place = given.place[cells]
    low, high = given.low.copy(), given.high.copy()
    # Of cells that are one numerator each may say more.
    changed, fixed = np.zeros((2, len(given.met)), dtype=bool)
    np.logical_or.at(changed, place, since.few[cells])
    np.logical_or.at(fixed, place, since.same[cells])
    least, most = since.between(own, outcome)
    np.maximum.at(low, place, least[cells])
    np.minimum.at(high, place, most[cells])
    one = replace(given, changed=changed & ~fixed, fixed=fixed, low=low, high=high)
    # Some lie nearer than that by what nobody's figures tell, such as how many there are.
    open_cells = np.flatnonzero(~fixed)
    nothing = np.where(fixed, EXACT, WITHHELD).astype(np.int8)
    reach = reached(one, open_cells, one.room(open_cells, nothing, rules))
    low[open_cells] = one.met[open_cells] - reach.down
    high[open_cells] = one.met[open_cells] + reach.up
    return one


def _unseen(met: Ints, persons: Ints, step: int, rules: Rules) -> Ints:
    """How many steps, of two, each numerator may take before a figure is told otherwise."""
    places = places_told(persons, rules)
    told = _figures(met, persons, places)
    unseen = np.zeros_like(met)
    for steps in range(1, rules.rare):
        other = met + step * steps
        equal = (unseen == steps - 1) & (other >= 0) & (other <= persons)
        for one, two in zip(told, _figures(other, persons, places), strict=True):
            equal &= one == two
        unseen[equal] = steps
    return unseen


def told_roughly(met: Ints, persons: Ints, rules: Rules) -> Mask:
    """Of which numerators `rare` would be told alike, since their rates are rounded."""
    found = persons > 10 ** places_told(persons, rules)
    met, persons = met[found], persons[found]
    room = _unseen(met, persons, -1, rules) + _unseen(met, persons, 1, rules)
    found[found] = room >= rules.rare - 1
    return found


def _figures(met: Ints, persons: Ints, places: Ints) -> list[Ints]:
    """The rate and its interval, as they are told; that of a year's pooled subjects as if each
    result were another student's."""
    n, digits = np.maximum(persons, 1), 10**places
    rate = (2 * met * digits + n) // (2 * n)
    limits = (np.rint(limit * digits).astype(np.int64) for limit in wilson(np.clip(met, 0, n), n))
    return [rate, *limits]


def places_told(persons: Ints, rules: Rules) -> Ints:
    """In how many places a rate of so many is told: 2 is whole percent."""
    return np.where(persons < rules.whole_percent, 2, 3)


def decided(found: System, own: pa.Table, hidden: Mask, rules: Rules, how: Changes) -> Mask:
    """Cells that are revised: of which none but the number is told, if that is.

    Args:
        found: the cells' sums.
        own: rows of `int_disclosure_cell`.
        hidden: cells whose number is withheld.
        rules: the thresholds.
        how: what changed.
    """
    is_revised = how.again.copy()
    # Of numbers matched it is the effect that is told, be they withheld themselves.
    matched = np.asarray(pc.equal(own["topic"], "matched").to_numpy(), dtype=bool)
    every = _by_themselves(found, own, hidden, rules, how)
    for since in how.since_each(found):
        given = [revised(one, own, outcome, rules, since) for outcome, one in every.items()]
        for one in given:
            tight = one.changed & ~one.hides(rules)
            is_revised |= since.few & (one.place >= 0) & np.append(tight, False)[one.place]
        for one in given:
            untold = one.hidden.copy()
            untold[one.place[is_revised & (one.place >= 0)]] = True
            state = _at_first(one, untold, rules)
            protect(one, state, rules)
            is_revised |= np.append((state == WITHHELD) & ~one.fixed, False)[one.place]
    is_revised &= matched | ~hidden
    # What was made of results of which no figure is told is not told, either, unless of many.
    small, bounds = ints(own, "n") < rules.many, found.sums[found.loose]
    rows = (bounds > 0).astype(np.int64) @ (is_revised & small).astype(np.int64)
    is_revised |= matched & ((bounds < 0).astype(np.int64).T @ rows > 0)
    return np.asarray(is_revised | (matched & how.few & small))


def _at_first(given: Revised, untold: Mask, rules: Rules) -> States:
    """What readers know of each, where these are not told."""
    rounded = given.hides(rules) & (given.changed | (given.down + given.up >= rules.rare - 1))
    state = np.select([given.fixed, untold, rounded], [EXACT, WITHHELD, BAND], EXACT)
    return state.astype(np.int8)


def differenced(
    found: System,
    own: pa.Table,
    hidden: Mask,
    told: Mapping[str, Mask],
    rules: Rules,
    how: Changes,
) -> list[tuple[str, int, Near]]:
    """Outcomes and cells whose share can be told too nearly by how it differs, with how near.

    Args:
        told: outcome → cells of which the share is told, be it as a band.
        others: as of `decided`.
    """
    leaks = []
    every = _by_themselves(found, own, hidden, rules, how)
    for since in how.since_each(found):
        for outcome, one in every.items():
            given = revised(one, own, outcome, rules, since)
            untold = np.ones(len(given.met), dtype=bool)
            cells = np.flatnonzero(given.place >= 0)
            np.logical_and.at(untold, given.place[cells], ~told[outcome][cells])
            state = _at_first(given, untold, rules)
            # Of what is told exactly there is no bound to look at.
            state[given.changed & (state == EXACT) & ~untold] = BAND
            name = np.zeros(len(given.met), dtype=np.int64)
            name[given.place[cells]] = cells
            for near in near_of(given, state, rules):
                leaks.append((outcome, int(name[near.numerator]), near))
    return leaks
