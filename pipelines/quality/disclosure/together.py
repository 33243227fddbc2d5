"""Numbers of students of all releases together, as whoever kept them can add them up.

A cell stays one number from release to release until others are counted in it; then it is another,
which hides by itself. What releases before told of how such numbers add up is kept, as long as any
that was withheld then is still so: each sum of which a member is no longer what it was, or that is
no longer told. Beside today's sums these bound what is withheld today, and the other way round.

A sum that all releases tell alike is kept once, and of those that told the numbers of parts only
the rest: who wants to know what is left needs no more.
"""

from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy import sparse

from pipelines.quality.disclosure.earlier import KEY
from pipelines.quality.disclosure.fates import NOBODY, SHOWN, UNPUBLISHED
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
    every as (
        select *, 0 as age from olds
        union all by name
        select *, 1 as age from news
    )
    select
        dense_rank() over (order by age, sum_no) - 1 as sum_no, kind, is_loose, beyond, is_total,
        case when until is not null or is_still then until else (
            select coalesce(max(earlier.until), -1) + 1 from earlier
        ) end as until,
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
    return _that_matter(rows)


def _that_matter(rows: pa.Table) -> pa.Table:
    """Sums with a withheld member that is linked to one which still is what it was, each once."""
    if not rows.num_rows:
        return rows
    table = rows.to_pandas()
    withheld = table[~table["is_told"]].copy()
    withheld["until"] = withheld["until"].fillna(-1)
    withheld["member"] = withheld.groupby([*KEY, "until"], sort=False).ngroup()
    sums = int(table["sum_no"].max()) + 1
    # What is left of a sum: its withheld members, and what they make.
    known = table[table["is_told"] & table["is_total"]].set_index("sum_no")["n"]
    first = table.drop_duplicates("sum_no").set_index("sum_no")
    rest = first["beyond"].sub(known, fill_value=0).astype(np.int64)
    signed = withheld["member"] + 1
    signed = signed.where(~withheld["is_total"], -signed)
    left = signed.sort_values().groupby(withheld["sum_no"]).agg(tuple)
    told = left.to_frame("left").assign(rest=rest, loose=first["is_loose"])
    once = told.drop_duplicates().index.to_numpy()
    # Links between sums and members.
    members = int(withheld["member"].max()) + 1 if len(withheld) else 0
    links = sparse.coo_array(
        (np.ones(len(withheld), dtype=np.int8),
         (withheld["sum_no"].to_numpy(), sums + withheld["member"].to_numpy())),
        shape=(sums + members, sums + members),
    )  # fmt: skip
    _, labels = sparse.csgraph.connected_components(links, directed=False)
    still = withheld["until"].to_numpy() < 0
    alive = np.unique(labels[sums + withheld["member"].to_numpy()[still]])
    kept = once[np.isin(labels[once], alive)]
    numbers = ints(rows, "sum_no")
    found = rows.filter(pa.array(np.isin(numbers, kept)))
    again = np.searchsorted(np.sort(kept), ints(found, "sum_no"))
    return found.set_column(0, EARLIER.field("sum_no"), pa.array(again, pa.int64()))


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


def values(own: Ints, at: Together) -> Ints:
    """The numbers of the release's cells, with those of before."""
    return np.append(own, ints(at.past, "n"))
