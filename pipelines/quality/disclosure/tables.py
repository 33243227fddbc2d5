"""From the warehouse's list of cells and sums to what becomes of each cell."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.again import made_by_part, with_origin
from pipelines.quality.disclosure.earlier import Before, compared, silent_before, unheeded
from pipelines.quality.disclosure.fates import (
    FEW,
    NOBODY,
    PARTNER,
    SHOWN,
    TOTAL,
    UNPUBLISHED,
    withheld,
)
from pipelines.quality.disclosure.persons import cells_of, sums_of
from pipelines.quality.disclosure.revisions import (
    LAST,
    MEASURED,
    NONE,
    Changes,
    changes,
    decided,
    places_told,
    unsettled,
)
from pipelines.quality.disclosure.rules import Rules
from pipelines.quality.disclosure.shares import OUTCOMES, WITHHELD, by_rule, numerators, states
from pipelines.quality.disclosure.shares import Before as SharesBefore
from pipelines.quality.disclosure.system import Ints, Mask, System, ints, system
from pipelines.quality.disclosure.together import (
    NAMES,
    Together,
    earlier_shares,
    earlier_sums,
    shares_told,
    sums_of_these,
    together,
    told_of_shares,
    values,
    was_told,
)

Earlier = tuple[pa.Table, pa.Table]
"""Rows of `EARLIER` and of `SHARES`: of numbers, and of shares."""
TOLD = (*NAMES[:WITHHELD], None)
"""How a share is told, by its state in `shares`: `EXACT`, `BAND` or `WITHHELD`."""
FATES = with_origin(
    ("school_year", pa.string()), ("cell_no", pa.int64()), ("fate", pa.string()),
    ("mark", pa.string()), ("places", pa.int32()), ("is_sitting_told", pa.bool_()),
    ("was_told", pa.bool_()),
    *((f"{outcome}_{told}", pa.string()) for told in ("told", "was_told") for outcome in OUTCOMES),
    ("is_revised", pa.bool_()), *((name, pa.int64()) for name in LAST),
    *((name, pa.int64()) for name in ("told_since", "told_in", "changed_in")),
)  # fmt: skip
WORKERS = 2
"""School years worked on at a time."""
ROWS = {
    "results": ("wave_id", "grade", "level", "unit_code", "group_kind", "group_value"),
    "trend": ("stage", "level", "unit_code"),
    "students": ("stage", "level", "unit_code"),
    "matched": ("cell_no",),
    "persons": ("cell_no",),
}
"""Topic → what cells of one fate have in common, beside the school year. The same students sit all
subjects, so that one subject's number nearly is another's, and that of pooled results."""
ALIKE = {"students": "trend"}
"""Topic → the topic whose cells it shares fates with."""


def fates(
    cells: pa.Table,
    sums: pa.Table,
    rules: Rules,
    served: pa.Table | None = None,
    earlier: Earlier | None = None,
    before: pa.Table | None = None,
) -> pa.Table:
    """The fate of every cell, school year by school year: no sum reaches over two.

    Args:
        cells: rows of `int_disclosure_cell`.
        sums: rows of `int_disclosure_sum`.
        rules: the thresholds.
        served: rows of `marts.disclosure_cell` of the release before; None where there is none.
        earlier: what all releases before told of how cells add up; None where there is nothing.
        before: the outcome of the last build.
    """

    def of(year: str, table: pa.Table | None) -> pa.Table | None:
        return table and table.filter(pc.equal(table["school_year"], year)).sort_by("cell_no")

    def rests_on(year: str) -> list[pa.Table | None]:
        own = of(year, cells)
        assert own is not None
        numbers = own["cell_no"].combine_chunks()
        theirs = sums.filter(pc.is_in(sums["total_no"], value_set=numbers))
        order = [("sum_no", "ascending"), ("part_no", "ascending")]
        news = unheeded(own, then[year], of(year, before))
        told = [None, None] if earlier is None else [sums_of_these(one, own) for one in earlier]
        return [own, theirs.sort_by(order), *told, news, unsettled(own, then[year])]

    def made(
        own: pa.Table,
        theirs: pa.Table,
        told: pa.Table | None,
        shares: pa.Table | None,
        *_: pa.Table | None,
    ) -> pa.Table:
        served_then = then[own["school_year"][0].as_py()]
        found = system_of(own, theirs)
        every = together(found, own, told)
        how = changes(own, served_then, found, rules)
        told_then = {} if served_then is None else shares_told(served_then)
        shared = told_of_shares(own, served_then, told_then, shares)
        return _fates(own, every, found, rules, compared(own, served_then), how, shared)

    years = sorted(pc.unique(cells["school_year"]).to_pylist())
    then = {year: of(year, served) for year in years}
    every = [({"school_year": year}, partial(rests_on, year)) for year in years]
    return made_by_part(every, made, FATES, before, rules, WORKERS)


def fates_of_persons(
    persons: pa.Table,
    rules: Rules,
    served: pa.Table | None = None,
    earlier: Earlier | None = None,
    before: pa.Table | None = None,
) -> pa.Table:
    """The fate of every number of persons: rows of `FATES`.

    Args:
        persons: rows of `int_disclosure_persons`.
        rules: the thresholds.
        served: rows of `marts.disclosure_persons` of the release before; None where there is none.
        earlier: what all releases before told of how they add up; None where there is nothing.
        before: the outcome of the last build.
    """
    then = None if served is None else cells_of(served)
    return fates(cells_of(persons), sums_of(persons), rules, then, earlier, before)


def numbers_before(
    cells: pa.Table,
    sums: pa.Table,
    persons: pa.Table,
    served: Callable[[str], pa.Table | None],
) -> pa.Table:
    """What all releases before told of how numbers add up, of students and of other persons.

    Args:
        cells: rows of `int_disclosure_cell`.
        sums: rows of `int_disclosure_sum`.
        persons: rows of `int_disclosure_persons`.
        served: name of a table in `marts` → its rows in the release before, as of `rows_served`.

    Returns:
        Rows of `EARLIER`.
    """
    told = served("disclosure_earlier")
    both = _now_and_then(cells, sums, persons, served)
    return _one_after_another([earlier_sums(*one, told) for one in both])


def shares_before(
    cells: pa.Table,
    sums: pa.Table,
    persons: pa.Table,
    served: Callable[[str], pa.Table | None],
    rules: Rules,
) -> pa.Table:
    """The same of those who passed (or are good, excellent, low): rows of `SHARES`."""
    told = served("disclosure_earlier_share")
    both = _now_and_then(cells, sums, persons, served)
    return _one_after_another([earlier_shares(*one, told, rules) for one in both])


def _now_and_then(
    cells: pa.Table,
    sums: pa.Table,
    persons: pa.Table,
    served: Callable[[str], pa.Table | None],
) -> Iterator[tuple[pa.Table, pa.Table, pa.Table | None, pa.Table | None]]:
    """Cells and sums of students, and those of persons, each with those of the release before."""
    yield cells, sums, served("disclosure_cell"), served("disclosure_sum")
    then = served("disclosure_persons")
    if then is not None:
        yield cells_of(persons), sums_of(persons), cells_of(then), sums_of(then)


def _one_after_another(tables: Sequence[pa.Table]) -> pa.Table:
    """The rows of all, whose sums are numbered one after another."""
    found, count = [], 0
    for table in tables:
        place = table.column_names.index("sum_no")
        after = pc.add(table["sum_no"], count)
        found.append(table.set_column(place, table.schema.field("sum_no"), after))
        count += table.num_rows
    return pa.concat_tables(found)


def system_of(own: pa.Table, sums: pa.Table) -> System:
    """The system of these cells, in their order, of which each sum has all its members there.

    Args:
        own: rows of `int_disclosure_cell`, sorted by `cell_no`.
        sums: rows of `int_disclosure_sum`, also of other cells.
    """
    numbers = ints(own, "cell_no")
    kept = sums.filter(pc.is_in(sums["total_no"], value_set=own["cell_no"].combine_chunks()))
    sum_no = ints(kept, "sum_no")
    # How many students of a school sat is told, and few of them are not matched: beside the whole
    # of a district the numbers matched of its schools, all withheld, would each lie between near
    # bounds, and nothing but results withheld would widen them.
    of_matched = pc.and_(
        pc.equal(kept["kind"], "units"),
        pc.is_in(kept["total_no"], value_set=_numbers(own, "matched")),
    )
    return system(
        len(numbers),
        sum_no,
        np.searchsorted(numbers, ints(kept, "total_no")),
        np.searchsorted(numbers, ints(kept, "part_no")),
        beyond=ints(kept, "beyond"),
        loose=np.unique(sum_no[kept["is_loose"].to_numpy()]),
        by_total=np.unique(sum_no[of_matched.to_numpy()]),
        fate=_rows(own),
    )


def _fates(
    own: pa.Table,
    every: Together,
    found: System,
    rules: Rules,
    past: Before,
    how: Changes,
    shared: Mapping[str, SharesBefore],
) -> pa.Table:
    n = ints(own, "n")
    published = own["is_published"].to_numpy()
    few = (n > 0) & (n < rules.few)
    nearly = nearly_all(own, found, rules) & ~few
    again = _became(past, FEW, PARTNER, TOTAL) & published
    public = (_became(past, SHOWN) | past.where(was_told(past.rows))) & published
    hidden = withheld(
        every.system,
        values(n, every),
        every.and_past(few | nearly | again, every.protected),
        rules.narrow,
        hidden=every.and_past(~published, ~every.told),
        known=every.and_past(public, every.told),
    )[: len(n)]
    total = _withheld_as_totals(found, hidden & ~few, nearly)
    fate = np.select(
        [n == 0, few, ~published, total, hidden], [NOBODY, FEW, UNPUBLISHED, TOTAL, PARTNER], SHOWN
    )
    known = np.where(fate == TOTAL, _known_least(own, found, hidden, rules), n)
    is_revised = decided(found, own, hidden, rules, how)
    untold = np.isin(fate, [NOBODY, FEW, PARTNER]) | is_revised
    mark = np.select([untold, known < rules.small], ["c", "u"], "")
    columns = {
        "cell_no": own["cell_no"],
        "fate": pa.array(fate.tolist(), pa.string()),
        "mark": pa.array([one or None for one in mark.tolist()], pa.string()),
        "places": pa.array(places_told(n, rules), pa.int32()),
        "is_sitting_told": pa.array(~hidden & _sitting(own, rules.few)),
        "was_told": pa.array(public & hidden),
    }
    columns |= _told(own, found, hidden, rules, past, is_revised, shared)
    told = np.isin(fate, MEASURED) & ~how.few & ~is_revised
    columns |= {"is_revised": pa.array(is_revised)} | _last(how, told, n)
    return pa.table(columns)


def _last(how: Changes, told: Mask, n: Ints) -> dict[str, pa.Array]:
    """What was counted when figures last told of all who were counted, and in which release.

    Where others are counted now the scores of then are not kept: less those of now, they would be
    those of who was taken out, who may have asked to be forgotten.
    """
    before = {name: how.last.get(name.removeprefix("last_")) for name in LAST}
    nothing = np.full(len(told), NONE)
    columns = {}
    for name, given in before.items():
        last = nothing if given is None else given
        others = (name == "last_score_thousandths") & (before["last_n"] != n)
        columns[name] = pa.array(last, pa.int64(), mask=told | others | (last == NONE))
    never = columns["last_n"].is_null().to_numpy(False)
    columns["told_since"] = pa.array(how.told_since, mask=never)
    columns["told_in"] = pa.array(how.told_in, mask=never)
    columns["changed_in"] = pa.array(how.changed_in)
    return columns


def _became(past: Before, *fates: str) -> Mask:
    """Cells as they were before, of which one of these became."""
    if not past.rows.num_rows:
        return np.zeros(len(past.place), dtype=bool)
    return past.where(pc.is_in(past.rows["fate"], pa.array(fates)).to_numpy())


def _sitting(own: pa.Table, few: int) -> Mask:
    """Whether it can be told how many should have sat, and what share of them did.

    In most schools a handful did not sit, or was exempt. It is told of the city alone, which is
    part of nothing, and there unless it is a handful, too.
    """
    whole = pc.and_(pc.equal(own["level"], "city"), pc.equal(own["group_kind"], "all"))
    told = np.asarray(pc.and_(whole, pc.equal(own["topic"], "results")).to_numpy(), dtype=bool)
    for name in ("absent", "exempt"):
        number = ints(own, name)
        told &= (number == 0) | (number >= few)
    return told


def _told(
    own: pa.Table,
    found: System,
    hidden: Mask,
    rules: Rules,
    past: Before,
    is_revised: Mask,
    shared: Mapping[str, SharesBefore],
) -> dict[str, pa.Array]:
    """How the share of each outcome is told of each cell, and was where that told more."""
    silent = {name: silent_before(own, past, name) | is_revised for name in OUTCOMES}
    given = {
        outcome: numerators(
            found, own, outcome, hidden, rules, silent[outcome], shared.get(outcome)
        )
        for outcome in OUTCOMES
    }
    columns = {}
    for outcome, state in states(given, rules).items():
        # A cell may be hidden that is told of by another name.
        place = given[outcome].place
        asked = (place >= 0) & ~hidden
        told = np.full(len(asked), WITHHELD)
        told[asked] = np.maximum(state, by_rule(given[outcome], rules))[place[asked]]
        before = shared[outcome].settled if outcome in shared else np.full_like(told, WITHHELD)
        for name, how in (("told", told), ("was_told", np.where(before < told, before, WITHHELD))):
            columns[f"{outcome}_{name}"] = pa.array(TOLD).take(pa.array(how))
    return columns


def nearly_all(own: pa.Table, found: System, rules: Rules) -> Mask:
    """Numbers matched that are all, or all but one or two, of those who sat."""
    n, sat = ints(own, "n"), _sat(own, found)
    return (n > 0) & (sat >= n) & (sat - n < rules.rare)


def _sat(own: pa.Table, found: System) -> Ints:
    """Of each number matched how many sat; −1 of others."""
    sat = np.full(own.num_rows, -1)
    members = found.sums.tocoo()
    total, part = np.zeros((2, len(found.numbers)), dtype=np.int64)
    for of, sign in ((total, 1), (part, -1)):
        kept = members.data == sign
        of[members.coords[0][kept]] = members.coords[1][kept]
    matched = np.asarray(pc.equal(own["topic"], "matched").to_numpy(), dtype=bool)
    bound = found.loose & matched[part]
    sat[part[bound]] = ints(own, "n")[total[bound]]
    return sat


def _known_least(own: pa.Table, found: System, hidden: Mask, rules: Rules) -> Ints:
    """The least that each number matched is known to be which is withheld alone.

    Its mark goes by that: by the number itself, it would tell a band's three numbers apart.
    """
    least = np.where(hidden, 0, ints(own, "n"))
    nearly = nearly_all(own, found, rules) & hidden
    least[nearly] = _sat(own, found)[nearly] - rules.rare + 1
    sums = found.sums[found.by_total].tocoo()
    parts = sums.data < 0
    by_parts = np.bincount(sums.coords[0][parts], least[sums.coords[1][parts]], sums.shape[0])
    totals = sums.coords[1][~parts]
    least[totals] = np.maximum(least[totals], by_parts[sums.coords[0][~parts]].astype(np.int64))
    return least


def _withheld_as_totals(found: System, hidden: Mask, nearly: Mask) -> Mask:
    """Cells withheld because they are totals of others, or nearly all who sat, alone, and not by
    what bounds them.
    """
    members = found.sums.tocoo()
    sums, cells = members.coords
    is_total = members.data > 0
    total, bounded = np.zeros((2, len(hidden)), dtype=bool)
    total[cells[is_total & found.by_total[sums]]] = True
    held = np.zeros(len(found.numbers), dtype=bool)
    held[sums[is_total & hidden[cells]]] = True
    bounded[cells[~is_total & (found.loose & held)[sums]]] = True
    return (total | nearly) & hidden & ~bounded


def _rows(own: pa.Table) -> Ints:
    """Of each cell the number of its fate."""
    topics = own["topic"].to_pylist()
    columns = {name: own[name].to_pylist() for names in ROWS.values() for name in names}
    place: dict[tuple[Any, ...], int] = {}
    found = np.empty(len(topics), dtype=np.int64)
    for i, topic in enumerate(topics):
        key = (ALIKE.get(topic, topic), *(columns[name][i] for name in ROWS[topic]))
        found[i] = place.setdefault(key, len(place))
    return found


def _numbers(own: pa.Table, topic: str) -> pa.Array:
    """The cells of a topic."""
    return own.filter(pc.equal(own["topic"], topic))["cell_no"].combine_chunks()
