"""What the release before told of cells that are as they were then: readers may have kept it.

Such a cell has the fate that it had. What was withheld stays so; what was told is known, so that to
withhold it would protect nothing. Of a cell that a correction changed nothing is taken from before.
"""

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipelines.quality.disclosure.shares import OUTCOMES
from pipelines.quality.disclosure.system import Mask, ints

KEY = (
    "topic", "school_year", "wave_id", "grade", "subject", "stage", "level", "unit_code",
    "group_kind", "group_value",
)  # fmt: skip
"""What tells a cell from all others."""
SERVED = "EQM_SERVED_WAREHOUSE"
"""The variable of the environment that says where the warehouse of the release before is."""
ASKED = {
    "disclosure_cell": {"fate", "passed_told", "n"},
    "disclosure_persons": {"fate", "passed_told", "n"},
    "disclosure_sum": {"kind", "is_loose", "total_no", "part_no", "beyond"},
    "disclosure_earlier": {"sum_no", "until", "is_told"},
    "disclosure_earlier_share": {"sum_no", "until", "is_band"},
    "disclosure_points": {"points", "last_n", "last_points", "last_ratio"},
}
"""Table of a release before → columns without which it tells nothing."""

POINTS = pa.schema([
    *((name, pa.int32() if name == "grade" else pa.string()) for name in (
        "wave_id", "grade", "subject", "dimension_kind", "dimension_value", "level", "unit_code",
    )),
    ("full_marks", pa.decimal128(9, 3)), ("n", pa.int64()), ("points", pa.decimal128(19, 3)),
    ("last_n", pa.int64()), ("last_points", pa.decimal128(19, 3)), ("last_ratio", pa.float64()),
])  # fmt: skip
"""Columns of `marts.disclosure_points` that say what was counted, and when it was last told."""
HELD = pa.schema([
    ("table_name", pa.string()), ("row_key", pa.string()),
    ("figures", pa.map_(pa.string(), pa.string())),
])  # fmt: skip
"""A published row as it was told: its table, what tells it from others, its figures as texts."""


def rows_served(table: str) -> pa.Table | None:
    """Rows of a table of the release before; None where there is none, or none that says as much.

    Args:
        table: one of `ASKED`.
    """
    path = os.environ.get(SERVED)
    if not path:
        return None
    with duckdb.connect(path, read_only=True) as con:
        try:
            rows = con.sql(f"from marts.{table}").to_arrow_table()
        except duckdb.CatalogException:
            return None
    # Made by another version of the platform, it may tell otherwise.
    return rows if ASKED[table] <= set(rows.column_names) else None


def points_served() -> pa.Table:
    """Rows of `marts.disclosure_points` of the release before; none where there is none."""
    rows = rows_served("disclosure_points")
    return POINTS.empty_table() if rows is None else rows.select(POINTS.names).cast(POINTS)


def figures_served(tables: Mapping[str, Mapping[str, Any]], moved: pa.Table) -> pa.Table:
    """What the release before told of rows of papers that a few have moved since.

    Args:
        tables: name of a published table → `key`, its columns that tell a row from others, and
            `figures`, those that may not move with a few.
        moved: rows of `int_disclosure_moved`.

    Returns:
        Rows of `HELD`.
    """
    path = os.environ.get(SERVED)
    found = []
    if path and moved.num_rows:
        with duckdb.connect(path, read_only=True) as con:
            con.register("moved", moved)
            for table, told in tables.items():
                key = ", ".join(f"coalesce(cast({it} as varchar), '')" for it in told["key"])
                figures = ", ".join(f"'{it}': cast({it} as varchar)" for it in told["figures"])
                of_paper = [name for name in told["key"] if name in moved.column_names]
                # Made by another version of the platform, it may tell otherwise, or not at all.
                with contextlib.suppress(duckdb.CatalogException, duckdb.BinderException):
                    rows = con.sql(
                        f"select '{table}' as table_name, concat_ws('|', {key}) as row_key,"
                        f" map {{{figures}}} as figures"
                        f" from published.{table} semi join moved using ({', '.join(of_paper)})"
                    )
                    found.append(rows.to_arrow_table().cast(HELD))
    return pa.concat_tables(found) if found else HELD.empty_table()


@dataclass(frozen=True)
class Before:
    """Cells of a release, and where they stand among those of another."""

    place: NDArray[np.intp]
    """Of each cell of the new one its row in `rows`; −1 where it was not there, or had another
    number of students."""
    rows: pa.Table

    def where(self, condition: Mask) -> Mask:
        """Cells of the new release whose row of before is such."""
        return np.append(condition, False)[self.place]

    def same(self, own: pa.Table, outcome: str) -> Mask:
        """Cells of which as many as before passed (or are good, excellent, low)."""
        met = np.append(ints(self.rows, outcome, -1), -2)[self.place]
        return np.asarray(met == ints(own, outcome, -1))


def compared(own: pa.Table, rows: pa.Table | None) -> Before:
    """Cells among those of a release before.

    Args:
        own: cells, with `KEY` and `n`.
        rows: cells of the other release, with the same columns; None where there is none.
    """
    if rows is None:
        return Before(np.full(own.num_rows, -1, dtype=np.intp), own.slice(0, 0))
    columns = [*KEY, "n"]
    left, right = (table.select(columns).to_pandas() for table in (own, rows))
    right["place"] = np.arange(len(right))
    found = left.merge(right, on=columns, how="left", validate="one_to_one")["place"]
    return Before(found.fillna(-1).to_numpy().astype(np.intp), rows)


def unheeded(own: pa.Table, then: pa.Table | None, last: pa.Table | None) -> pa.Table | None:
    """Cells of a release before that are as they were, and of which the last build had something
    else become; None where there is none, so that what it had still holds.

    Args:
        own: cells, in the order of `cell_no`.
        then: cells of the release before, with what became of them.
        last: what became of `own` in the last build, in the same order; None where there was none.
    """
    if then is None:
        return None
    if last is None or not last["cell_no"].equals(own["cell_no"]):
        return then
    past = compared(own, then)
    rows = pa.array(past.place, mask=past.place < 0)
    other = np.zeros(own.num_rows, dtype=bool)
    shares = [f"{outcome}_{told}" for outcome in OUTCOMES for told in ("told", "was_told")]
    for name in ("fate", *shares):
        if name in then.column_names:
            was, is_now = (pc.fill_null(one, "") for one in (then[name].take(rows), last[name]))
            other |= pc.not_equal(was, is_now).to_numpy()
    other &= past.place >= 0
    return then.take(pa.array(past.place[other])) if other.any() else None


def silent_before(own: pa.Table, past: Before, outcome: str) -> Mask:
    """Cells whose share was neither told before nor told as a band, and is as it was."""
    name = f"{outcome}_told"
    if name not in past.rows.column_names:
        return np.zeros(own.num_rows, dtype=bool)
    return past.where(past.rows[name].is_null().to_numpy()) & past.same(own, outcome)
