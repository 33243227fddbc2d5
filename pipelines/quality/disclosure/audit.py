"""The proof that what is withheld can't be worked out from what is published.

It looks at the published tables and at how cells add up, and at nothing else: a figure that a table
tells by mistake is told, whatever was decided about it. Numbers of students are looked at together
with all that releases before told of them. Shares are looked at by themselves, and by how they
differ from those told before; what was counted then `marts.disclosure_cell` keeps.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.quality.disclosure import published
from pipelines.quality.disclosure.bounds import Contradiction, because, bounds
from pipelines.quality.disclosure.earlier import KEY, compared
from pipelines.quality.disclosure.fates import NOBODY, UNPUBLISHED
from pipelines.quality.disclosure.persons import cells_of, sums_of
from pipelines.quality.disclosure.revisions import changes, differenced
from pipelines.quality.disclosure.rules import Rules
from pipelines.quality.disclosure.shares import (
    BAND,
    EXACT,
    IN_A_CELL,
    OUTCOMES,
    WITHHELD,
    Numerators,
    States,
    numerators,
    too_near,
)
from pipelines.quality.disclosure.shares import Before as SharesBefore
from pipelines.quality.disclosure.system import Ints, Mask, System, ints
from pipelines.quality.disclosure.tables import nearly_all, system_of
from pipelines.quality.disclosure.together import (
    EARLIER,
    Together,
    earlier_shares,
    earlier_sums,
    is_told,
    shares_told_before,
    together,
    told_of_shares,
    values,
    was_told,
)

Cell = dict[str, Any]
PAPER = ("wave_id", "grade", "subject")
"""What tells a paper from others."""


@dataclass(frozen=True)
class Leak:
    """A number of students that is told, or can be worked out, and should not be; or how many of
    them passed (or are good, excellent, low), where a share may not tell that.
    """

    cell: Cell
    """The key of the cell."""
    low: int
    """The least that it may be."""
    high: int
    """The most that it may be."""
    sums: tuple[str, ...]
    """The sums that give it away, in words; none where a table tells it."""
    of: str = "students"
    """What is counted: the students, or an outcome of them."""

    def __str__(self) -> str:
        where = " ".join(str(self.cell[name]) for name in KEY)
        told = f"{self.low}" if self.low == self.high else f"{self.low} to {self.high}"
        return f"{where}: {told} {self.of}" + "".join(f"; {one}" for one in self.sums)


@dataclass(frozen=True)
class Audit:
    """What was looked at, and what leaks."""

    cells: int
    withheld: int
    shares: int
    """Shares that are told as a band, or not at all, of numbers of students that are told."""
    leaks: list[Leak]
    told_before: list[Leak]
    """What is withheld now and follows from releases before alone, which nothing can undo."""


def audit(
    con: duckdb.DuckDBPyConnection,
    rules: Rules,
    served: duckdb.DuckDBPyConnection | None = None,
    passed: bool = False,
) -> Audit:
    """Bounds of every withheld number of students and of other persons, by all that a warehouse
    publishes, and all before it.

    Args:
        con: a warehouse with its published tables.
        rules: the thresholds.
        served: that of the release before; None where there is none. One that another version of
            the platform made with other tables is left out.
        passed: whether the release before has passed this very audit, so that a school year of
            which both say the same need not be looked at again.

    Raises:
        Contradiction: published numbers do not add up.
    """
    sums = _all_of(con, "disclosure_sum")
    if served is not None and not published.can_be_asked(served):
        served = None
    before = None if served is None else _Before.of(served)
    found = []
    for year in published.years(con):
        then = None if served is None else published.students(served, year)
        now = published.students(con, year)
        found.append(_audited(now, sums, rules, then, before, passed))
        if served is not None and then is not None and not now.equals(then):
            leaks = _of_papers(con, served, now, sums, then, rules)
            found.append(Audit(0, 0, 0, leaks, []))
    persons = published.persons(con)
    if before is not None and served is not None:
        then = published.persons(served)
        before = replace(before, sums=sums_of(then))
        then = cells_of(then)
    found.append(_audited(cells_of(persons), sums_of(persons), rules, then, before, passed))
    return Audit(
        sum(one.cells for one in found),
        sum(one.withheld for one in found),
        sum(one.shares for one in found),
        [leak for one in found for leak in one.leaks],
        [leak for one in found for leak in one.told_before],
    )


def _all_of(con: duckdb.DuckDBPyConnection, table: str) -> pa.Table:
    return con.sql(f"from marts.{table}").to_arrow_table()


@dataclass(frozen=True)
class _Before:
    """How cells added up in the release before, and in those before that."""

    sums: pa.Table
    earlier: pa.Table | None
    shares: pa.Table | None

    @classmethod
    def of(cls, served: duckdb.DuckDBPyConnection) -> "_Before":
        """Of a warehouse; one that another version made may not know of those before it."""
        found: list[pa.Table | None] = [None, None]
        with contextlib.suppress(duckdb.CatalogException):
            for at, name in enumerate(("disclosure_earlier", "disclosure_earlier_share")):
                found[at] = _all_of(served, name)
        return cls(_all_of(served, "disclosure_sum"), *found)


def _of(own: pa.Table, sums: pa.Table) -> pa.Table:
    """The sums of these cells, however they are numbered."""
    theirs = sums.filter(pc.is_in(sums["total_no"], value_set=own["cell_no"].combine_chunks()))
    return theirs.drop_columns("sum_no").sort_by(
        [(name, "ascending") for name in ("kind", "total_no", "part_no", "beyond")]
    )


def _audited(
    now: pa.Table,
    sums: pa.Table,
    rules: Rules,
    then: pa.Table | None,
    before: _Before | None,
    passed: bool,
) -> Audit:
    """What leaks of one school year, or of all persons, by all that releases told together.

    Args:
        now: rows of `marts.disclosure_cell`, with what is told of each.
        sums: how they add up.
        rules: the thresholds.
        then: such rows of the release before.
        before: how those add up.
        passed: whether the release before has passed.
    """
    if then is None or before is None or not then.num_rows:
        return _of_release(_Told.by_itself(now, sums), sums, rules)
    if passed and now.equals(then) and _of(now, sums).equals(_of(then, before.sums)):
        hidden = pc.and_(pc.is_null(now["told"]), pc.not_equal(now["fate"], NOBODY))
        return Audit(now.num_rows, pc.sum(hidden).as_py() or 0, 0, [], [])
    return _of_release(_Told.after(now, sums, then, before, rules), sums, rules, then)


@dataclass(frozen=True)
class _Told:
    """What is told of a release's cells, and of all that were before it."""

    own: pa.Table
    """The release's cells."""
    found: System
    """How they add up."""
    every: Together
    """The same with all that were before."""
    earlier: pa.Table
    """Sums that releases before told."""
    told: Mask
    """Of each number of `every` whether it is told."""
    before: Mask
    """Whether a release before told it."""
    shares: Mapping[str, SharesBefore]
    """What was told before of the shares of each outcome."""

    @classmethod
    def by_itself(cls, own: pa.Table, sums: pa.Table) -> "_Told":
        """Where there is no release before."""
        nothing = np.zeros(own.num_rows, dtype=bool)
        return cls._of(own, sums, EARLIER.empty_table(), nothing, {})

    @classmethod
    def after(
        cls, now: pa.Table, sums: pa.Table, then: pa.Table, before: _Before, rules: Rules
    ) -> "_Told":
        """Where there are some."""
        told = pc.is_valid(then["told"]).to_numpy() | is_told(then)
        same = compared(now, then)
        was = same.where(told) | was_told(now)
        both = published.told_by_either(now, was)
        own_sums = sums.filter(
            pc.is_in(sums["total_no"], value_set=now["cell_no"].combine_chunks())
        )
        earlier = earlier_sums(now, own_sums, then, before.sums, before.earlier, told)
        before_then = shares_told_before(then)
        states = {
            name: np.minimum(state, before_then[name])
            for name, state in shares_published(then).items()
        }
        shares = earlier_shares(now, own_sums, then, before.sums, before.shares, rules, states)
        return cls._of(both, sums, earlier, was, told_of_shares(now, then, states, shares))

    @classmethod
    def _of(
        cls,
        own: pa.Table,
        sums: pa.Table,
        earlier: pa.Table,
        before: Mask,
        shares: Mapping[str, SharesBefore],
    ) -> "_Told":
        found = system_of(own, sums)
        every = together(found, own, earlier)
        told = pc.is_valid(own["told"]).to_numpy() | pc.equal(own["fate"], NOBODY).to_numpy()
        return cls(
            own,
            found,
            every,
            earlier,
            every.and_past(told, every.told),
            every.and_past(before, every.told),
            shares,
        )

    @property
    def values(self) -> Ints:
        """What is told of each number."""
        return values(ints(self.own, "told", 0), self.every)

    @property
    def asked(self) -> Mask:
        """Of each number whether it must not be worked out, if it is withheld."""
        own = pc.not_equal(self.own["fate"], UNPUBLISHED).to_numpy()
        return self.every.and_past(own, self.every.protected)

    def key(self, number: int) -> Cell:
        """The key of a number's cell."""
        own = number < self.own.num_rows
        table, row = (self.own, number) if own else (self.every.past, number - self.own.num_rows)
        return {name: table[name][row].as_py() for name in KEY}


def _of_release(at: _Told, sums: pa.Table, rules: Rules, then: pa.Table | None = None) -> Audit:
    """What leaks of a release's cells, and of what is told of them.

    Args:
        at: what is told.
        sums: how the cells add up.
        rules: the thresholds.
        then: the cells of the release before, where it is looked at how these differ from them.
    """
    own, cells, found = at.own, at.own.num_rows, at.found
    told, values_told = at.told[:cells], at.values
    # What was told before may be what today's rules withhold: it is not this release that tells it.
    # Nor does it tell what follows from that alone: of two small schools that become one it was
    # told before how many they are together. It is noted.
    old = at.every.system.worked_out(at.before) if at.before.any() else at.before
    fresh, numbers = told & ~old[:cells], values_told[:cells]
    leaks = [
        Leak(at.key(cell), int(numbers[cell]), int(numbers[cell]), ())
        for cell in np.flatnonzero(fresh & (numbers > 0) & (numbers < rules.few)).tolist()
    ]
    # A mean or a rate that stands beside its number bounds no other; by itself it might.
    leaks += [
        Leak(at.key(cell), 0, int(ints(own, "n")[cell]), ("a figure told without its number",))
        for cell in np.flatnonzero(own["is_alone"].to_numpy()).tolist()
    ]
    near = np.flatnonzero(fresh & nearly_all(own, found, rules))
    leaks += [Leak(at.key(no), int(numbers[no]), int(numbers[no]), ()) for no in near.tolist()]
    # A sum that shows all its members says nothing of others, but that the tables agree.
    system = at.every.system
    open_sums = abs(system.sums) @ (~at.told).astype(np.int64) > 0
    over = system.sums @ values_told - system.beyond
    if (~open_sums & np.where(system.loose, over < 0, over != 0)).any():
        raise Contradiction("a total is not the sum of its parts")
    opened = system.opened(values_told, ~at.told)
    asked = at.asked[opened.cells]
    ends = bounds(opened, rules.narrow, asked)
    told_before: list[Leak] = []
    for column in np.flatnonzero(asked & (ends.width < rules.narrow)).tolist():
        names = tuple(_in_words(at, sums, number) for number in because(opened, column))
        number = int(opened.cells[column])
        leak = Leak(at.key(number), int(ends.low[column]), int(ends.high[column]), names)
        (told_before if old[number] or _known(at, number, rules) else leaks).append(leak)
    shares, near_shares, lost = _of_shares(at, sums, rules)
    leaks += near_shares
    told_before += lost
    if then is not None:
        leaks += _of_revisions(at, then, sums, rules)
    return Audit(cells, int((~told).sum()), shares, leaks, told_before)


def _known(at: _Told, number: int, rules: Rules) -> bool:
    """Whether a number lies as near by what releases before told alone."""
    opened = at.every.system.opened(at.values, ~at.before)
    column = np.flatnonzero(opened.cells == number)
    asked = np.isin(np.arange(len(opened.cells)), column)
    return bool((bounds(opened, rules.narrow, asked).width[column] < rules.narrow).all())


def _of_revisions(at: _Told, then: pa.Table, sums: pa.Table, rules: Rules) -> list[Leak]:
    """Numerators that can be worked out by how what is told differs from what was."""
    own, found, hidden = at.own, at.found, ~at.told[: at.own.num_rows]
    how = changes(own, then, found, rules)
    told = {name: state != WITHHELD for name, state in shares_published(own).items()}
    leaks = []
    for outcome, cell, near in differenced(found, own, hidden, told, rules, how):
        words = tuple(_in_words(at, sums, number) for number in near.sums)
        leaks.append(Leak(at.key(cell), near.low, near.high, words, outcome))
    return leaks


def _of_papers(
    con: duckdb.DuckDBPyConnection,
    served: duckdb.DuckDBPyConnection,
    now: pa.Table,
    sums: pa.Table,
    then: pa.Table,
    rules: Rules,
) -> list[Leak]:
    """Figures that rest on all who sat a paper and are told otherwise, though few of these are
    others, or did otherwise, than when figures of them were last told.

    Args:
        con: a warehouse with its published tables.
        served: that of the release before.
        now: cells of a year.
        sums: how they add up.
        then: cells of the release before.
        rules: the thresholds.
    """
    own = sums.filter(pc.is_in(sums["total_no"], value_set=now["cell_no"].combine_chunks()))
    few = changes(now, then, system_of(now, own), rules).few
    whole = pc.and_(pc.equal(now["topic"], "results"), pc.equal(now["group_kind"], "all"))
    every = now.append_column("few", pa.array(few)).filter(whole)
    # A wave speaks of no unit above the one that held it.
    level = pc.index_in(every["level"], pa.array(("city", "district", "school", "class")))
    every = every.append_column("place", level)
    highest = every.group_by(list(PAPER)).aggregate([("place", "min")])
    at = every.join(highest, list(PAPER))
    moved = at.filter(pc.and_(pc.equal(at["place"], at["place_min"]), at["few"]))
    cells = {tuple(cell[name] for name in PAPER): cell for cell in moved.to_pylist()}
    told = published.moved_figures(con, served, moved.select(list(PAPER)))
    return [
        Leak(
            cells[tuple(row[name] for name in PAPER)], row["rows"], row["rows"], (),
            f"rows of {row['table_name']} that rest on all who sat it are told otherwise,"
            f" though fewer than {rules.revised} are others",
        )
        for row in told.to_pylist()
    ]  # fmt: skip


def _of_shares(at: _Told, sums: pa.Table, rules: Rules) -> tuple[int, list[Leak], list[Leak]]:
    """How many shares are not told exactly, which numerators can be worked out, and which of all
    could be before."""
    own, found, hidden = at.own, at.found, ~at.told[: at.own.num_rows]
    published_now = shares_published(own)
    told, names, leaks, shares, given = {}, {}, [], 0, {}
    for outcome in OUTCOMES:
        before = at.shares.get(outcome)
        one = given[outcome] = numerators(found, own, outcome, hidden, rules, before=before)
        cells = np.flatnonzero(one.place >= 0)
        state = np.full(len(one.met), WITHHELD, dtype=np.int8)
        np.minimum.at(state, one.place[cells], published_now[outcome][cells])
        name = np.zeros(len(one.met), dtype=np.int64)
        name[one.place[cells]] = cells
        names[outcome] = name
        leaks += [
            Leak(at.key(int(name[no])), int(one.met[no]), int(one.met[no]), (), outcome)
            for no in np.flatnonzero(
                one.few(rules) & (state == EXACT) & (one.settled != EXACT)
            ).tolist()
        ]
        shares += int(((state != EXACT) & ~one.hidden).sum())
        told[outcome] = np.minimum(state, one.settled)
    nearest = too_near(given, told, rules)
    lost = _lost(given, rules) if nearest and at.shares else {}
    told_before: list[Leak] = []
    for outcome, near in nearest:
        words = tuple(_in_words(at, sums, number) for number in near.sums)
        # Those that are no longer what they were have no cell.
        past = near.numerator - given[outcome].place.max() - 1
        if past < 0:
            key = at.key(int(names[outcome][near.numerator]))
        else:
            before = at.shares[outcome]
            row = int(np.flatnonzero(before.place == -1 - past)[0])
            key = {name: before.sums[name][row].as_py() for name in KEY}
        is_lost = outcome in lost and lost[outcome][near.numerator]
        leak = Leak(key, near.low, near.high, words, outcome)
        (told_before if is_lost else leaks).append(leak)
    return shares, leaks, told_before


def _lost(given: Mapping[str, Numerators], rules: Rules) -> dict[str, Mask]:
    """Outcome → numerators that releases before told too nearly by themselves, all together."""
    left = dict(given)
    while found := too_near(left, {name: one.settled for name, one in left.items()}, rules):
        for outcome, near in found:
            lost = left[outcome].lost.copy()
            lost[near.numerator] = True
            left[outcome] = replace(left[outcome], lost=lost)
    return {name: one.lost for name, one in left.items()}


def shares_published(cells: pa.Table) -> dict[str, States]:
    """Outcome → how its share is told of each cell by the published tables."""
    found = {}
    for name in OUTCOMES:
        exact, band = (cells[f"{name}_{column}"].to_numpy() for column in ("exact", "band"))
        found[name] = np.select([band & ~exact, exact], [BAND, EXACT], WITHHELD).astype(np.int8)
    return found


def _in_words(at: _Told, sums: pa.Table, number: int) -> str:
    """A sum: its kind, its total, and what is told of its members."""
    if number == IN_A_CELL:
        return (
            "what is told of those who passed, are good, excellent or low in one and the same cell"
        )
    if number < IN_A_CELL:
        return "what releases before told of how many there were of them in a sum"
    row = int(np.searchsorted(at.every.system.numbers, number))
    members = at.every.system.sums[[row]]
    total, *parts = members.indices[np.argsort(-members.data, kind="stable")].tolist()
    key, numbers = at.key(total), at.values
    shown = int(numbers[total]) if at.told[total] else None
    known = sum(int(numbers[part]) for part in parts if at.told[part])
    hidden = sum(not at.told[part] for part in parts)
    past = row - len(at.found.numbers)
    if past < 0:
        kind, when = sums.filter(pc.equal(sums["sum_no"], number))["kind"][0].as_py(), ""
    else:
        # Of parts that were told then no more than what they made is kept.
        rows = at.earlier.filter(pc.equal(at.earlier["sum_no"], past))
        kind, when = rows["kind"][0].as_py(), " by a release before"
        known += rows["beyond"][0].as_py()
    return (
        f"{kind} of {key['topic']} {key['level']} {key['unit_code']} "
        f"{key['grade']} {key['subject']} {key['group_value']}: {shown} told{when}, "
        f"{known} of it in parts, {hidden} parts withheld"
    )
