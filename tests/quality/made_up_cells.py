"""A city of schools by gender with one paper: its cells, sums and published figures."""

from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.quality.disclosure import fates, fates_of_persons
from pipelines.quality.disclosure.earlier import KEY
from pipelines.quality.disclosure.persons import cells_of, sums_of
from pipelines.quality.disclosure.rules import Rules
from pipelines.quality.disclosure.together import earlier_shares, earlier_sums

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
        # Who passes has 80 points, who does not 40.
        | {"score_thousandths": 40_000 * (n + (passed[level, unit, value] if passed else 0))}
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
    given: Numbers,
    rules: Rules,
    passed: Numbers | None = None,
    tell: str = "",
    share: str = "",
    served: duckdb.DuckDBPyConnection | None = None,
    forgetful: bool = False,
) -> duckdb.DuckDBPyConnection:
    """What is published of the city under these rules.

    Args:
        given: its students.
        rules: the thresholds.
        passed: those of them who passed; none for no results.
        tell: a fate; the numbers of cells of it are told, which should not be.
        share: `band` or `withheld`; shares that should be so are told exactly.
        served: what was published before.
        forgetful: whether it is not looked at how numbers added up then.
    """
    cells, sums = listed(given, passed)
    then, sums_then, numbers_then, shares_then = (
        served.sql(f"from marts.disclosure_{name}").to_arrow_table() if served else None
        for name in ("cell", "sum", "earlier", "earlier_share")
    )
    earlier = (
        earlier_sums(cells, sums, then, sums_then, numbers_then),
        earlier_shares(cells, sums, then, sums_then, shares_then, rules),
    )
    decided = fates(cells, sums, rules, then, None if forgetful else earlier)
    con = duckdb.connect()
    con.execute("create schema marts")
    con.execute("create schema published")
    for name, table in zip(("earlier", "earlier_share"), earlier, strict=True):
        con.register(name, table)
        con.execute(f"create table marts.disclosure_{name} as from {name}")
    con.register("cells", cells)
    con.register("decided", decided)
    con.register("sums", sums)
    con.execute(
        "create table marts.disclosure_cell as from cells"
        " join (select * exclude (school_year, made_from) from decided) using (cell_no)"
    )
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
        f"create table published.attainment as select {key}, {told}, {', '.join(figures)},"
        " case when fate = 'shown' then 61.5 end as mean_score, null::double as score_ratio,"
        " null::double as mean_z, null::double as participation_rate"
        " from marts.disclosure_cell"
    )
    for table in ("pass_rate_trend", "value_added"):
        con.execute(
            f"create table published.{table} as select *, n as students, 0.5 as pass_rate,"
            " '' as pass_band, 0.5 as baseline_rate, '' as comparability"
            " from marts.disclosure_cell where false"
        )
    tell_persons(con, [], rules)
    return con


Persons = list[tuple[str, str, str | None, int, int]]
"""Of each row: level, unit, the unit above, how many there are, and how many meet what is asked.
Those of a unit's own are of a unit of its code and a hyphen."""


def tell_persons(
    con: duckdb.DuckDBPyConnection,
    given: Persons,
    rules: Rules,
    *,
    table: str = "duty",
    tell: str = "",
    share: str = "",
    served: duckdb.DuckDBPyConnection | None = None,
) -> None:
    """Publish numbers of persons, in the place of those that are: arguments as of `warehouse`."""
    columns = ("level", "unit_code", "parent_code", "n", "passed")
    kinds = (pa.string(), pa.string(), pa.string(), pa.int64(), pa.int64())
    persons = pa.table(
        {
            "cell_no": pa.array(range(len(given)), pa.int64()),
            "topic": pa.array([table] * len(given), pa.string()),
            "period": pa.array(["2024-2025"] * len(given), pa.string()),
            "counted": pa.array(["principal"] * len(given), pa.string()),
            "is_published": pa.array([not row[1].endswith("-") for row in given], pa.bool_()),
        }
        | {
            name: pa.array([row[i] for row in given], kind)
            for i, (name, kind) in enumerate(zip(columns, kinds, strict=True))
        }
    )
    con.register("persons", persons)
    then = served.sql("from marts.disclosure_persons").to_arrow_table() if served else None
    cells, sums, earlier = cells_of(persons), sums_of(persons), None
    if served is not None and then is not None:
        before = cells_of(then), sums_of(then)
        numbers, shares = (
            served.sql(f"from marts.disclosure_{name}").to_arrow_table()
            for name in ("earlier", "earlier_share")
        )
        earlier = (
            earlier_sums(cells, sums, *before, numbers),
            earlier_shares(cells, sums, *before, shares, rules),
        )
        for name, table in zip(("earlier", "earlier_share"), earlier, strict=True):
            con.register(name, table)
            con.execute(f"insert into marts.disclosure_{name} from {name}")
    con.register("decided", fates_of_persons(persons, rules, then, earlier))
    con.execute(
        "create or replace table marts.disclosure_persons as from persons"
        " join (select cell_no, fate, was_told, passed_told, passed_was_told from decided)"
        " using (cell_no)"
    )
    con.execute(
        "create or replace macro told_of(name) as table select"
        " period as school_year, period as as_of, counted as role, counted as population,"
        " '' as target_id, counted as reading, level, unit_code,"
        f" case when fate in ('shown', 'nobody', '{tell}') then n end as n,"
        " case when fate = 'shown' and coalesce(passed_told, 'withheld')"
        f" in ('exact', '{share}') then passed end as met,"
        " case when passed_told = 'band' then '>=80' end as band"
        " from marts.disclosure_persons where topic = name and is_published"
    )
    for name, topic, columns_of in (
        ("observation_duty", "duty", "n as persons, met, met / n as rate"),
        (
            "never_observed",
            "observed",
            "n as teachers, met as observed, n - met as never, 0.5 as rate",
        ),
        ("training_coverage", "training", "n as persons, met as covered, met / n as rate"),
        ("training_lapse", "lapse", "n as persons, met as lapsing, met / n as rate"),
        ("inclass_check", "checks", "n as tested, met / n as rate"),
        (
            "plan_target",
            "plan",
            "n as denominator, met as numerator, met / n as actual, 0.5 as gap",
        ),
    ):
        con.execute(
            f"create or replace table published.{name} as select * exclude (n, met), {columns_of}"
            f" from told_of('{topic}')"
        )
