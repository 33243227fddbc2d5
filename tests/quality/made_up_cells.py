"""A city of schools by gender with one paper: its cells, sums and published figures."""

from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.quality.disclosure import fates
from pipelines.quality.disclosure.rules import Rules
from pipelines.quality.disclosure.tables import KEY

CITY = "370400"
SHARES = {"pass": "passed", "good": "good", "excellent": "excellent", "low": "low"}
"""Share → its numerator."""
Numbers = dict[tuple[str, str, str], int]
"""(level, unit, gender or all) → students."""


def numbers(inner: NDArray[np.int64]) -> Numbers:
    """Students of every cell; rows of `inner` are schools, columns girls and boys."""
    found: Numbers = {}
    for school, row in enumerate(inner.tolist()):
        for gender, n in zip(("female", "male"), row, strict=True):
            for level, unit in (("school", f"S{school}"), ("city", CITY)):
                for value in (gender, "all"):
                    key = (level, unit, value)
                    found[key] = found.get(key, 0) + n
    return found


def listed(given: Numbers, passed: Numbers | None = None) -> tuple[pa.Table, pa.Table]:
    """The city's cells and sums, as the warehouse lists them; nothing but who passed is graded."""
    told = {"school_year": "2024-2025", "wave_id": "W", "grade": 5, "subject": "english"}
    none = dict.fromkeys(SHARES.values())
    rows = [
        {"cell_no": no, "topic": "results", **told, "stage": "all", "level": level}
        | {"unit_code": unit, "group_kind": "all" if value == "all" else "gender"}
        | {"group_value": value, "is_published": True, "n": n, "absent": 0, "exempt": 0}
        | none
        | {"passed": passed and passed[level, unit, value]}
        for no, ((level, unit, value), n) in enumerate(given.items())
    ]
    place = {key: no for no, key in enumerate(given)}
    sums: list[dict[str, Any]] = []
    number = 0
    for (level, unit, value), no in place.items():
        parts = {
            "gender": [(level, unit, v) for v in ("female", "male")] if value == "all" else [],
            "units": [k for k in place if k[0] == "school" and k[2] == value]
            if level == "city"
            else [],
        }
        for kind, keys in parts.items():
            sums += [
                {"sum_no": number, "kind": kind, "is_loose": False, "total_no": no}
                | {"part_no": place[key], "beyond": 0}
                for key in keys
                if given[key] > 0
            ]
            number += 1
    cells = pa.Table.from_pylist(rows)
    for name in SHARES.values():
        at = cells.schema.get_field_index(name)
        cells = cells.set_column(at, name, cells[name].cast(pa.int64()))
    kinds = {"kind": pa.string(), "is_loose": pa.bool_()}
    names = ("sum_no", "kind", "is_loose", "total_no", "part_no", "beyond")
    schema = pa.schema([(name, kinds.get(name, pa.int64())) for name in names])
    return cells, pa.Table.from_pylist(sums, schema)


def warehouse(
    given: Numbers, rules: Rules, passed: Numbers | None = None, tell: str = "", share: str = ""
) -> duckdb.DuckDBPyConnection:
    """What is published of the city under these rules.

    Args:
        given: its students.
        rules: the thresholds.
        passed: those of them who passed; none for no results.
        tell: a fate; the numbers of cells of it are told, which should not be.
        share: `band` or `withheld`; shares that should be so are told exactly.
    """
    cells, sums = listed(given, passed)
    decided = fates(cells, sums, rules)
    con = duckdb.connect()
    con.execute("create schema marts")
    con.execute("create schema published")
    con.register("cells", cells)
    con.register("decided", decided)
    con.register("sums", sums)
    con.execute("create table marts.disclosure_cell as from cells join decided using (cell_no)")
    con.execute("create table marts.disclosure_sum as from sums")
    told = f"case when fate in ('shown', '{tell}') then n end as n"
    key = ", ".join(name for name in KEY if name not in ("topic", "stage"))
    figures = []
    for name, outcome in SHARES.items():
        how = f"coalesce({outcome}_told, 'withheld')"
        exact = f"fate = 'shown' and {outcome} is not null and {how} in ('exact', '{share}')"
        figures += [
            f"case when {exact} then {outcome} / n end as {name}_rate",
            f"case when {outcome}_told = 'band' then '>=80' end as {name}_band",
        ]
    con.execute(
        f"create table published.attainment as select {key}, {told}, {', '.join(figures)}"
        " from marts.disclosure_cell"
    )
    for table in ("pass_rate_trend", "value_added"):
        con.execute(
            f"create table published.{table} as select *, n as students, 0.5 as pass_rate,"
            " '' as pass_band, 0.5 as baseline_rate, '' as comparability"
            " from marts.disclosure_cell where false"
        )
    return con
