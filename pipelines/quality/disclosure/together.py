"""Numbers of students, and of those who passed, of all releases together, as whoever kept them can
add them up.

A cell stays one number from release to release until others are counted in it; then it is another,
which hides by itself. What releases before told of how such numbers add up is kept, as long as any
that was withheld then is still so: each sum of which a member is no longer what it was, or that is
no longer told. Beside today's sums these bound what is withheld today, and the other way round.

A sum that all releases tell alike is kept once, and of those that told the numbers of parts only
the rest: who wants to know what is left needs no more. Those who passed (or are good, excellent,
low) add up likewise, where their shares were told as a band or not at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy import sparse

from pipelines.quality.disclosure.earlier import KEY, compared
from pipelines.quality.disclosure.fates import NOBODY, SHOWN, UNPUBLISHED
from pipelines.quality.disclosure.revisions import COUNTED, told_roughly
from pipelines.quality.disclosure.rules import Rules
from pipelines.quality.disclosure.shares import EXACT, OUTCOMES, WITHHELD, Before, States
from pipelines.quality.disclosure.system import Ints, Mask, System, ints

EARLIER = pa.schema(
    [
        ("sum_no", pa.int64()), ("kind", pa.string()), ("is_loose", pa.bool_()),
        ("beyond", pa.int64()), ("is_total", pa.bool_()), ("until", pa.int64()),
        *((name, pa.int32() if name == "grade" else pa.string()) for name in KEY),
        ("n", pa.int64()), ("is_told", pa.bool_()), ("is_published", pa.bool_()),
    ]
)  # fmt: skip
"""Columns of `marts.disclosure_earlier`: a row a member of a sum, its total and its withheld parts.
Where `until` is null it still is what it was; else that tells it from others of the same key."""
_KEYS = ", ".join(KEY)
_EVERY = """every as (
        select *, 0 as age from olds
        union all by name
        select *, 1 as age from news
    )"""
"""What was kept before, and what is new to keep."""
_UNTIL = """case when until is not null or is_still then until else (
            select coalesce(max(earlier.until), -1) + 1 from earlier
        ) end as until"""
"""Until when a member was what it was; null where it still is."""
_SUMS = f"""
    with those_before as (
        select before.*, own.cell_no as now_no
        from before
        left join own using ({_KEYS}, n)
    ),
    told_before as (
        select sums.*, total.now_no as total_now, part.now_no as part_now
        from sums_before as sums
        inner join those_before as total on sums.total_no = total.cell_no
        inner join those_before as part on sums.part_no = part.cell_no
    ),
    gone as (
        select distinct told_before.sum_no
        from told_before
        left join sums
            on told_before.kind = sums.kind and told_before.is_loose = sums.is_loose
            and told_before.total_now = sums.total_no and told_before.part_now = sums.part_no
            and told_before.beyond = sums.beyond
        where sums.sum_no is null
    ),
    members as (
        select distinct sum_no, kind, is_loose, beyond, total_no as cell_no, true as is_total
        from sums_before semi join gone using (sum_no)
        union all
        select sum_no, kind, is_loose, beyond, part_no, false
        from sums_before semi join gone using (sum_no)
    ),
    counted as (
        select
            members.* replace (cast(
                members.beyond + coalesce(sum(those.n) filter (where those.is_told and not is_total)
                    over (partition by members.sum_no), 0)
            as bigint) as beyond),
            those.* exclude (cell_no, now_no), those.now_no
        from members
        inner join those_before as those using (cell_no)
    ),
    news as (
        select * exclude (cell_no, now_no), null as until, now_no is not null as is_still
        from counted
        where is_total or not is_told
    ),
    olds as (
        select
            earlier.* exclude (until, is_told), earlier.until, earlier.is_told,
            own.cell_no is not null as is_still
        from earlier
        left join own using ({_KEYS}, n)
    ),
    {_EVERY}
    select
        dense_rank() over (order by age, sum_no) - 1 as sum_no, kind, is_loose, beyond, is_total,
        {_UNTIL},
        {_KEYS}, n, is_told, is_published
    from every
    order by sum_no, is_total desc, {_KEYS}
"""


def is_told(then: pa.Table) -> Mask:
    """Cells of a release whose number its decisions tell, or one before it told.

    Args:
        then: rows of `marts.disclosure_cell`.
    """
    told = pc.is_in(then["fate"], pa.array([SHOWN, NOBODY])).to_numpy()
    return np.asarray(told | was_told(then))


def was_told(then: pa.Table) -> Mask:
    """Cells whose number a release before told, and theirs does not."""
    if "was_told" not in then.column_names:
        return np.zeros(then.num_rows, dtype=bool)
    return np.asarray(pc.fill_null(then["was_told"], False).to_numpy())


def earlier_sums(
    own: pa.Table,
    sums: pa.Table,
    then: pa.Table | None,
    sums_then: pa.Table | None,
    earlier_then: pa.Table | None,
    told: Mask | None = None,
) -> pa.Table:
    """Sums of all releases before that hold a withheld number, and are no longer told as they were.

    Args:
        own: rows of `int_disclosure_cell`.
        sums: rows of `int_disclosure_sum`.
        then: rows of `marts.disclosure_cell` of the release before; None where there is none.
        sums_then: its rows of `marts.disclosure_sum`.
        earlier_then: its rows of `marts.disclosure_earlier`; None of one that has no such table.
        told: of which of its cells the number was told by then; None where its decisions say so.

    Returns:
        Rows of `EARLIER`.
    """
    if then is None or sums_then is None:
        return EARLIER.empty_table()
    before = pa.table(
        {name: then[name] for name in ("cell_no", *KEY, "n")}
        | {
            "is_told": pa.array(is_told(then) if told is None else told),
            "is_published": pc.not_equal(then["fate"], UNPUBLISHED),
        }
    )
    given = {
        "own": own.select(["cell_no", *KEY, "n"]), "sums": sums, "before": before,
        "sums_before": sums_then.select(sums.column_names),
        "earlier": EARLIER.empty_table()
        if earlier_then is None
        else sums_of_these(earlier_then, own),
    }  # fmt: skip
    with duckdb.connect() as con:
        for name, table in given.items():
            con.register(name, table)
        rows = con.sql(_SUMS).to_arrow_table()
    rows = rows.cast(EARLIER) if rows.num_rows else EARLIER.empty_table()
    table = rows.to_pandas()
    withheld = table[~table["is_told"]]
    # What is left of a sum: its withheld members, and what they make.
    known = table[table["is_told"] & table["is_total"]].set_index("sum_no")["n"]
    first = table.drop_duplicates("sum_no").set_index("sum_no")
    rest = first["beyond"].sub(known, fill_value=0).astype(np.int64)
    kept = _that_matter(withheld, pd.DataFrame({"rest": rest, "loose": first["is_loose"]}))
    return _numbered(rows, kept)


SHARES = pa.schema(
    [
        ("outcome", pa.string()), ("sum_no", pa.int64()), ("is_total", pa.bool_()),
        ("until", pa.int64()),
        *((name, pa.int32() if name == "grade" else pa.string()) for name in KEY),
        ("n", pa.int64()), ("met", pa.int64()), ("is_band", pa.bool_()),
    ]
)  # fmt: skip
"""Columns of `marts.disclosure_earlier_share`: a row a member of a sum whose share was not told as
it is, of each outcome. Where `until` is null the cell still is what it was."""
_SAME = " and ".join(
    [f"before.{name} = own.{name}" for name in KEY]
    + [f"before.{name} is not distinct from own.{name}" for name in COUNTED]
)
_SHARES_OF = f"""
    with those_before as (
        select before.*, own.cell_no as now_no
        from before
        left join own on {_SAME}
    ),
    gone as (
        select distinct told.sum_no
        from sums_before as told
        inner join those_before as total on told.total_no = total.cell_no
        inner join those_before as part on told.part_no = part.cell_no
        left join sums
            on told.kind = sums.kind and not sums.is_loose
            and total.now_no = sums.total_no and part.now_no = sums.part_no
            and told.beyond = sums.beyond
        where not told.is_loose and sums.sum_no is null
    ),
    members as (
        select distinct sum_no, total_no as cell_no, true as is_total
        from sums_before semi join gone using (sum_no)
        union all
        select sum_no, part_no, false from sums_before semi join gone using (sum_no)
    ),
    counted as (
        unpivot (
            select members.sum_no, members.is_total, those.* exclude (cell_no)
            from members
            inner join those_before as those using (cell_no)
        ) on {{outcomes}}
        into name outcome value met
    ),
    sizes as (
        select sum_no, count(*) as size from members group by sum_no
    ),
    whole as (
        select counted.outcome, counted.sum_no
        from counted
        inner join sizes using (sum_no)
        where counted.n > 0
        group by counted.outcome, counted.sum_no, sizes.size
        having count(*) = sizes.size and not bool_or({{state}} = 'roughly')
    ),
    news as (
        select
            outcome, sum_no, is_total, cast(null as bigint) as until,
            now_no is not null as is_still, {_KEYS}, n, met, {{state}} = 'band' as is_band
        from counted semi join whole using (outcome, sum_no)
        where {{state}} in ('band', 'withheld')
    ),
    olds as (
        select earlier.*, those.now_no is not null as is_still
        from earlier
        left join those_before as those using ({_KEYS})
    ),
    {_EVERY}
    select
        outcome, dense_rank() over (order by age, outcome, sum_no) - 1 as sum_no, is_total,
        {_UNTIL},
        {_KEYS}, n, met, is_band
    from every
    order by sum_no, is_total desc, {_KEYS}
"""


def earlier_shares(
    own: pa.Table,
    sums: pa.Table,
    then: pa.Table | None,
    sums_then: pa.Table | None,
    earlier_then: pa.Table | None,
    rules: Rules,
    told: Mapping[str, States] | None = None,
) -> pa.Table:
    """The same of numerators: sums of all releases before that hold a share which is not told as
    it is. One with a member whose rate was rounded so that it tells no numerator bounds none.

    Args:
        own: rows of `int_disclosure_cell`.
        sums: rows of `int_disclosure_sum`.
        then: rows of `marts.disclosure_cell` of the release before; None where there is none.
        sums_then: its rows of `marts.disclosure_sum`.
        earlier_then: its rows of `marts.disclosure_earlier_share`; None where it has none.
        rules: the thresholds.
        told: outcome → of each of its cells how the share was told (`EXACT` …); None where its
            decisions say so.

    Returns:
        Rows of `SHARES`.
    """
    if then is None or sums_then is None:
        return SHARES.empty_table()
    states = {name: state.copy() for name, state in (told or shares_told(then)).items()}
    for name, state in states.items():
        roughly = told_roughly(ints(then, name), ints(then, "n"), rules)
        state[roughly & (state == EXACT)] = len(NAMES) - 1
    names = {f"{name}_state": pa.array(NAMES).take(pa.array(s)) for name, s in states.items()}
    given = {
        "own": pa.table(_counted(own)), "before": pa.table(_counted(then) | names),
        "sums": sums, "sums_before": sums_then.select(sums.column_names),
        "earlier": SHARES.empty_table()
        if earlier_then is None
        else sums_of_these(earlier_then, own),
    }  # fmt: skip
    cases = " ".join(f"when '{name}' then {name}_state" for name in states)
    query = _SHARES_OF.format(outcomes=", ".join(states), state=f"(case outcome {cases} end)")
    with duckdb.connect() as con:
        for name, table in given.items():
            con.register(name, table)
        rows = con.sql(query).to_arrow_table()
    rows = rows.cast(SHARES) if rows.num_rows else SHARES.empty_table()
    table = rows.to_pandas()
    first = table.drop_duplicates("sum_no").set_index("sum_no")
    return _numbered(rows, _that_matter(table, first[["outcome"]]))


def _counted(cells: pa.Table) -> dict[str, pa.ChunkedArray | pa.Array]:
    """What tells cells apart, and what was counted of them; null where it was not."""
    nothing = pa.nulls(cells.num_rows, pa.int64())
    return {name: cells[name] for name in ("cell_no", *KEY)} | {
        name: cells[name] if name in cells.column_names else nothing for name in COUNTED
    }


NAMES = ("exact", "band", "withheld", "roughly")
"""How a share is told, by its state, or roughly."""


def shares_told(then: pa.Table) -> dict[str, States]:
    """Outcome → how its share was told of each cell, by the decisions of its release or of one
    before it, whichever told more."""
    found = {}
    for name in (name for name in OUTCOMES if f"{name}_told" in then.column_names):
        now, was = _states(then, f"{name}_told"), _states(then, f"{name}_was_told")
        found[name] = np.minimum(now, was)
    return found


def shares_told_before(then: pa.Table) -> dict[str, States]:
    """The same by releases before it alone, where they told more."""
    return {name: _states(then, f"{name}_was_told") for name in OUTCOMES}


def _states(then: pa.Table, column: str) -> States:
    if column not in then.column_names:
        return np.full(then.num_rows, WITHHELD, dtype=np.int8)
    told = pc.fill_null(then[column], NAMES[WITHHELD])
    return np.asarray(pc.index_in(told, pa.array(NAMES)).to_numpy().astype(np.int8))


def _that_matter(open_members: pd.DataFrame, sums: pd.DataFrame) -> NDArray[np.int64]:
    """Sums with a member that still is what it was, or is linked to one, each once.

    Args:
        open_members: members of sums that were not told.
        sums: of each sum (its index) what else tells it from others.
    """
    if not len(open_members):
        return np.zeros(0, dtype=np.int64)
    of = [name for name in ("outcome", *KEY) if name in open_members.columns]
    until = open_members["until"].fillna(-1)
    member = open_members[of].assign(until=until).groupby([*of, "until"], sort=False).ngroup()
    signed = (member + 1).where(~open_members["is_total"], -(member + 1))
    left = signed.sort_values().groupby(open_members["sum_no"]).agg(tuple)
    once = sums.join(left.rename("left"), how="inner").drop_duplicates().index.to_numpy()
    # Links between sums and members.
    count, row = int(open_members["sum_no"].max()) + 1, open_members["sum_no"].to_numpy()
    column = count + member.to_numpy()
    size = count + int(member.max()) + 1
    links = sparse.coo_array((np.ones(len(row), dtype=np.int8), (row, column)), shape=(size, size))
    _, labels = sparse.csgraph.connected_components(links, directed=False)
    alive = np.unique(labels[column[until.to_numpy() < 0]])
    return np.sort(once[np.isin(labels[once], alive)]).astype(np.int64)


def _numbered(rows: pa.Table, kept: NDArray[np.int64]) -> pa.Table:
    """Rows of these sums, numbered anew."""
    found = rows.filter(pa.array(np.isin(ints(rows, "sum_no"), kept)))
    again = pa.array(np.searchsorted(kept, ints(found, "sum_no")), pa.int64())
    place = rows.column_names.index("sum_no")
    return found.set_column(place, rows.schema.field("sum_no"), again)


def sums_of_these(earlier: pa.Table, own: pa.Table) -> pa.Table:
    """Those of topics and school years of these cells: no sum reaches over two years."""
    mine = pc.and_(
        *(
            pc.is_in(earlier[name], value_set=pc.unique(own[name]))
            for name in ("topic", "school_year")
        )
    )
    return earlier.filter(mine)


@dataclass(frozen=True)
class Together:
    """The cells of a release, and after them those that are no longer what they were."""

    system: System
    """Its sums, and after them those that releases before told."""
    past: pa.Table
    """Rows of `EARLIER`, one of each number of before."""

    def and_past(self, own: Mask, past: Mask | bool) -> Mask:
        """What is so of the release's cells, with what is so of those of before."""
        return np.append(own, np.broadcast_to(past, self.past.num_rows))

    @property
    def told(self) -> Mask:
        """Of each number of before whether it was told."""
        return np.asarray(self.past["is_told"].to_numpy())

    @property
    def protected(self) -> Mask:
        """Of each number of before whether it was withheld, and has a place to be told in."""
        return np.asarray(self.past["is_published"].to_numpy()) & ~self.told


def together(found: System, own: pa.Table, earlier: pa.Table | None) -> Together:
    """A release's numbers with those of all before it.

    Args:
        found: the system of the release's cells.
        own: its cells.
        earlier: rows of `EARLIER` of these cells; None where there are none.
    """
    if earlier is None or not earlier.num_rows:
        return Together(found, EARLIER.empty_table())
    cells = own.num_rows
    place, past = _places(own, earlier)
    numbers, row = np.unique(ints(earlier, "sum_no"), return_inverse=True)
    sums = len(numbers)
    sign = np.where(earlier["is_total"].to_numpy(), 1, -1)
    more = sparse.csr_array((sign, (row, place)), shape=(sums, cells + past.num_rows))
    whole = sparse.csr_array(found.sums)
    whole.resize((whole.shape[0], cells + past.num_rows))
    beyond, loose = np.zeros(sums, dtype=np.int64), np.zeros(sums, dtype=bool)
    beyond[row], loose[row] = ints(earlier, "beyond"), earlier["is_loose"].to_numpy()
    fates = 1 + found.fate.max(initial=-1) + np.arange(past.num_rows)
    nothing = np.zeros(sums, dtype=bool)
    return Together(
        System(
            np.append(found.numbers, 1 + found.numbers.max(initial=-1) + np.arange(sums)),
            sparse.csr_array(sparse.vstack([whole, more])),
            np.append(found.beyond, beyond),
            np.append(found.loose, loose),
            np.append(found.by_total, nothing),
            np.append(found.fate, fates).astype(np.intp),
            np.append(np.zeros_like(found.loose), ~nothing),
        ),
        past,
    )


def _places(own: pa.Table, earlier: pa.Table) -> tuple[NDArray[np.intp], pa.Table]:
    """Of each row of `earlier` the place of its number: that of the cell which it still is, else
    behind the cells; and one row of each of these."""
    columns = [*KEY, "until"]
    rows = earlier.select(columns).to_pandas()
    number = rows.groupby(columns, sort=False, dropna=False).ngroup().to_numpy()
    cells = own.select(list(KEY)).to_pandas()
    cells["place"] = np.arange(len(cells))
    at = rows[list(KEY)].merge(cells, on=list(KEY), how="left")["place"].fillna(-1)
    still = rows["until"].isna().to_numpy()
    gone, first = np.unique(number[~still], return_index=True)
    place = np.where(still, at.to_numpy().astype(np.intp), 0)
    place[~still] = own.num_rows + np.searchsorted(gone, number[~still])
    return place.astype(np.intp), earlier.filter(pa.array(~still)).take(pa.array(first))


def told_of_shares(
    own: pa.Table, then: pa.Table | None, told: Mapping[str, States], earlier: pa.Table | None
) -> dict[str, Before]:
    """What releases before told of the shares of these cells, by outcome; empty if there are none.

    Args:
        own: rows of `int_disclosure_cell`.
        then: rows of `marts.disclosure_cell` of the release before.
        told: outcome → how its share was told of each of them.
        earlier: rows of `SHARES` of these cells.
    """
    if then is None or not then.num_rows:
        return {}
    past = compared(own, then)
    same = past.place >= 0
    for name in COUNTED:
        if name in own.column_names and name in then.column_names:
            was = np.append(ints(then, name, -1), -2)[past.place]
            same &= was == ints(own, name, -1)
    rows = SHARES.empty_table() if earlier is None else earlier
    found = {}
    for outcome, states in told.items():
        of_it = rows.filter(pc.equal(rows["outcome"], outcome))
        place, _ = _places(own, of_it)
        found[outcome] = Before(
            np.where(same, np.append(states, WITHHELD)[past.place], WITHHELD).astype(np.int8),
            of_it,
            np.where(place < own.num_rows, place, own.num_rows - 1 - place),
        )
    return found


def values(own: Ints, at: Together) -> Ints:
    """The numbers of the release's cells, with those of before."""
    return np.append(own, ints(at.past, "n"))
