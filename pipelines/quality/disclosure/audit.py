"""The proof that what is withheld can't be worked out from what is published.

It looks at the published tables and at how cells add up, and at nothing else: a figure that a table
tells by mistake is told, whatever was decided about it. Numbers of students that the release before
told of cells that are as they were are told, too. Shares are looked at by themselves, and by how
they differ from those told before; what was counted then `marts.disclosure_cell` keeps.
"""

from dataclasses import dataclass, replace
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.quality.disclosure import published
from pipelines.quality.disclosure.bounds import Contradiction, because, bounds
from pipelines.quality.disclosure.earlier import KEY
from pipelines.quality.disclosure.persons import cells_of, sums_of
from pipelines.quality.disclosure.revisions import changes, differenced
from pipelines.quality.disclosure.rules import Rules
from pipelines.quality.disclosure.shares import (
    BAND,
    EXACT,
    IN_A_CELL,
    OUTCOMES,
    WITHHELD,
    numerators,
    too_near,
)
from pipelines.quality.disclosure.system import Mask, System, ints
from pipelines.quality.disclosure.tables import NOBODY, UNPUBLISHED, nearly_all, system_of

Cell = dict[str, Any]


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
    """What is withheld now and follows from the release before alone, which nothing can undo."""


def audit(
    con: duckdb.DuckDBPyConnection,
    rules: Rules,
    served: duckdb.DuckDBPyConnection | None = None,
    passed: bool = False,
) -> Audit:
    """Bounds of every withheld number of students and of other persons, by all that a warehouse
    publishes, and the one before it.

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
    sums = _sums(con)
    if served is not None and not published.can_be_asked(served):
        served = None
    sums_then = None if served is None else _sums(served)
    found = []
    for year in published.years(con):
        then = None if served is None else published.students(served, year)
        found += _audited_both(published.students(con, year), sums, then, sums_then, rules, passed)
    persons = published.persons(con)
    persons_then = None if served is None else published.persons(served)
    found += _audited_both(
        cells_of(persons),
        sums_of(persons),
        None if persons_then is None else cells_of(persons_then),
        None if persons_then is None else sums_of(persons_then),
        rules,
        passed,
    )
    return Audit(
        sum(one.cells for one in found),
        sum(one.withheld for one in found),
        sum(one.shares for one in found),
        [leak for one in found for leak in one.leaks],
        [leak for one in found for leak in one.told_before],
    )


def _sums(con: duckdb.DuckDBPyConnection) -> pa.Table:
    return con.sql("from marts.disclosure_sum").to_arrow_table()


def _of(own: pa.Table, sums: pa.Table) -> pa.Table:
    """The sums of these cells, however they are numbered."""
    theirs = sums.filter(pc.is_in(sums["total_no"], value_set=own["cell_no"].combine_chunks()))
    return theirs.drop_columns("sum_no").sort_by(
        [(name, "ascending") for name in ("kind", "total_no", "part_no", "beyond")]
    )


def _audited_both(
    now: pa.Table,
    sums: pa.Table,
    then: pa.Table | None,
    sums_then: pa.Table | None,
    rules: Rules,
    passed: bool,
) -> list[Audit]:
    """Of a release by all that it and the one before tell, and of that one if more of it is told
    now than then.
    """
    if then is None or sums_then is None or not then.num_rows:
        return [_audited(now, sums, rules)]
    if passed and now.equals(then) and _of(now, sums).equals(_of(then, sums_then)):
        hidden = pc.and_(pc.is_null(now["told"]), pc.not_equal(now["fate"], NOBODY))
        return [Audit(now.num_rows, pc.sum(hidden).as_py() or 0, 0, [], [])]
    both, told_then = published.told_by_either(now, then)
    found = [_audited(both, sums, rules, told_then, then)]
    again, _ = published.told_by_either(then, now)
    if not again.equals(then):
        told_then = pc.is_valid(then["told"]).to_numpy()
        of_then = _audited(again, sums_then, rules, told_then)
        found.append(replace(of_then, cells=0, withheld=0, shares=0))
    return found


def _audited(
    own: pa.Table,
    sums: pa.Table,
    rules: Rules,
    before: Mask | None = None,
    then: pa.Table | None = None,
) -> Audit:
    """What leaks of one school year, or of all persons.

    Args:
        own: rows of `marts.disclosure_cell`, with what is told of each.
        sums: how they add up.
        rules: the thresholds.
        before: cells of which the release before told the number.
        then: its cells, where it is looked at how these differ from them.
    """
    found = system_of(own, sums)
    told = pc.is_valid(own["told"]).to_numpy()
    told |= pc.equal(own["fate"], NOBODY).to_numpy()
    values = ints(own, "told", 0)
    # What was told before may be what today's rules withhold: it is not this release that tells it.
    # Nor does it tell what follows from that alone: of two small schools that become one it was
    # told before how many they are together. It is noted.
    old = np.zeros_like(told) if before is None else found.worked_out(before)
    leaks = [
        Leak(_key(own, cell), int(values[cell]), int(values[cell]), ())
        for cell in np.flatnonzero(told & ~old & (values > 0) & (values < rules.few)).tolist()
    ]
    # A mean or a rate that stands beside its number bounds no other; by itself it might.
    leaks += [
        Leak(_key(own, cell), 0, int(ints(own, "n")[cell]), ("a figure told without its number",))
        for cell in np.flatnonzero(own["is_alone"].to_numpy()).tolist()
    ]
    near = np.flatnonzero(told & ~old & nearly_all(own, found, rules))
    leaks += [Leak(_key(own, at), int(values[at]), int(values[at]), ()) for at in near.tolist()]
    # A sum that shows all its members says nothing of others, but that the tables agree.
    open_sums = abs(found.sums) @ (~told).astype(np.int64) > 0
    over = found.sums @ values - found.beyond
    if (~open_sums & np.where(found.loose, over < 0, over != 0)).any():
        raise Contradiction("a total is not the sum of its parts")
    opened = found.opened(values, ~told)
    asked = pc.not_equal(own["fate"], UNPUBLISHED).to_numpy()[opened.cells]
    at = bounds(opened, rules.narrow, asked)
    told_before: list[Leak] = []
    for column in np.flatnonzero(asked & (at.width < rules.narrow)).tolist():
        names = tuple(_in_words(own, sums, number) for number in because(opened, column))
        cell = int(opened.cells[column])
        leak = Leak(_key(own, cell), int(at.low[column]), int(at.high[column]), names)
        (told_before if old[cell] else leaks).append(leak)
    shares, near_shares = _of_shares(own, found, ~told, sums, rules)
    leaks += near_shares
    if then is not None:
        leaks += _of_revisions(own, then, found, ~told, sums, rules)
    return Audit(len(told), int((~told).sum()), shares, leaks, told_before)


def _of_revisions(
    own: pa.Table, then: pa.Table, found: System, hidden: Mask, sums: pa.Table, rules: Rules
) -> list[Leak]:
    """Numerators that can be worked out by how what is told differs from what was."""
    how = changes(own, then, found, rules)
    told = {}
    for outcome in OUTCOMES:
        exact, band = (own[f"{outcome}_{column}"].to_numpy() for column in ("exact", "band"))
        told[outcome] = exact | band
    leaks = []
    for outcome, cell, near in differenced(found, own, hidden, told, rules, how):
        words = tuple(_in_words(own, sums, number) for number in near.sums)
        leaks.append(Leak(_key(own, cell), near.low, near.high, words, outcome))
    return leaks


def _of_shares(
    own: pa.Table, found: System, hidden: Mask, sums: pa.Table, rules: Rules
) -> tuple[int, list[Leak]]:
    """How many shares are not told exactly, and which numerators can be worked out."""
    given = {outcome: numerators(found, own, outcome, hidden, rules) for outcome in OUTCOMES}
    told, names, leaks, shares = {}, {}, [], 0
    for outcome, one in given.items():
        cells = np.flatnonzero(one.place >= 0)
        state = np.full(len(one.met), WITHHELD, dtype=np.int8)
        for column, how in (("band", BAND), ("exact", EXACT)):
            state[one.place[cells[own[f"{outcome}_{column}"].to_numpy()[cells]]]] = how
        name = np.zeros(len(one.met), dtype=np.int64)
        name[one.place[cells]] = cells
        leaks += [
            Leak(_key(own, int(name[at])), int(one.met[at]), int(one.met[at]), (), outcome)
            for at in np.flatnonzero(one.few(rules) & (state == EXACT)).tolist()
        ]
        told[outcome], names[outcome] = state, name
        shares += int(((state != EXACT) & ~one.hidden).sum())
    for outcome, near in too_near(given, told, rules):
        cell = int(names[outcome][near.numerator])
        words = tuple(_in_words(own, sums, number) for number in near.sums)
        leaks.append(Leak(_key(own, cell), near.low, near.high, words, outcome))
    return shares, leaks


def _key(own: pa.Table, cell: int) -> Cell:
    return {name: own[name][cell].as_py() for name in KEY}


def _in_words(own: pa.Table, sums: pa.Table, number: int) -> str:
    """A sum: its kind, its total, and what is told of its members."""
    if number == IN_A_CELL:
        return (
            "what is told of those who passed, are good, excellent or low in one and the same cell"
        )
    rows = sums.filter(pc.equal(sums["sum_no"], number))
    cells = ints(own, "cell_no")
    total, *parts = np.searchsorted(
        cells, [rows["total_no"][0].as_py(), *rows["part_no"].to_pylist()]
    ).tolist()
    key = _key(own, total)
    shown = [own["told"][part].as_py() for part in parts]
    known = sum(one for one in shown if one is not None)
    hidden = shown.count(None)
    return (
        f"{rows['kind'][0].as_py()} of {key['topic']} {key['level']} {key['unit_code']} "
        f"{key['grade']} {key['subject']} {key['group_value']}: {own['told'][total].as_py()} told, "
        f"{known} of it in parts, {hidden} parts withheld"
    )
