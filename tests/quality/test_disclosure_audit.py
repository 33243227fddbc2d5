"""The audit of what is published fails when a rule is switched off, each by itself."""

from dataclasses import replace

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from pipelines.quality.disclosure import Contradiction, audit, fates, load_rules
from pipelines.quality.disclosure.rules import Rules
from pipelines.quality.disclosure.tables import KEY

RULES = load_rules()
CITY = "370400"
Numbers = dict[tuple[str, str, str], int]
"""(level, unit, gender or all) → students."""
FEW = np.array([[12, 3], [14, 18], [25, 30], [40, 33]])
"""Schools by gender, one cell of which is of few."""


def numbers(inner: np.ndarray[tuple[int, int], np.dtype[np.int64]]) -> Numbers:
    found: Numbers = {}
    for school, row in enumerate(inner.tolist()):
        for gender, n in zip(("female", "male"), row, strict=True):
            for level, unit in (("school", f"S{school}"), ("city", CITY)):
                for value in (gender, "all"):
                    key = (level, unit, value)
                    found[key] = found.get(key, 0) + n
    return found


def listed(given: Numbers) -> tuple[pa.Table, pa.Table]:
    """The city's cells and sums, as the warehouse lists them."""
    told = {"school_year": "2024-2025", "wave_id": "W", "grade": 5, "subject": "english"}
    rows = [
        {"cell_no": no, "topic": "results", **told, "stage": "all", "level": level}
        | {"unit_code": unit, "group_kind": "all" if value == "all" else "gender"}
        | {"group_value": value, "is_published": True, "n": n, "absent": 0, "exempt": 0}
        for no, ((level, unit, value), n) in enumerate(given.items())
    ]
    place = {key: no for no, key in enumerate(given)}
    sums, number = [], 0
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
            ]
            number += 1
    return pa.Table.from_pylist(rows), pa.Table.from_pylist(sums)


def warehouse(given: Numbers, rules: Rules, tell: str = "") -> duckdb.DuckDBPyConnection:
    """What is published of the city under these rules, and cells of the fate `tell` beside it."""
    cells, sums = listed(given)
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
    con.execute(
        f"create table published.attainment as select {key}, {told} from marts.disclosure_cell"
    )
    for table in ("pass_rate_trend", "value_added"):
        con.execute(
            f"create table published.{table} as select *, n as students"
            " from marts.disclosure_cell where false"
        )
    return con


def test_what_is_published_by_all_rules_passes() -> None:
    found = audit(warehouse(numbers(FEW), RULES), RULES)
    assert found.cells == 15 and 4 <= found.withheld < 9 and not found.leaks


@pytest.mark.parametrize("fate", ["few", "partner"])
def test_it_fails_where_a_rule_is_not_kept(fate: str) -> None:
    """Cells of few told, or those that hide them: each is named, and what gives it away."""
    found = audit(warehouse(numbers(FEW), RULES, tell=fate), RULES)
    leaks = {(leak.cell["unit_code"], leak.cell["group_value"]): leak for leak in found.leaks}
    leak = leaks["S0", "male"]
    assert (leak.low, leak.high) == (3, 3) and "S0 gender male: 3 students" in str(leak)
    assert bool(leak.sums) == (fate == "partner")
    assert all("told" in words and "withheld" in words for words in leak.sums)


def test_it_fails_where_few_is_fewer_than_the_rule_says() -> None:
    found = audit(warehouse(numbers(FEW), replace(RULES, few=3)), RULES)
    assert [leak.cell["unit_code"] for leak in found.leaks] == ["S0"]


def test_it_fails_where_bounds_are_not_looked_at() -> None:
    """Two schools with two boys each: either sum has its partner, and yet each has 0 to 4."""
    draw = np.random.default_rng(5)
    leaking = 0
    for _ in range(30):
        given = numbers(draw.integers(1, 22, (4, 2)))
        assert not audit(warehouse(given, RULES), RULES).leaks
        leaking += bool(audit(warehouse(given, replace(RULES, narrow=0)), RULES).leaks)
    assert leaking


def test_numbers_that_do_not_add_up_are_no_proof() -> None:
    con = warehouse(numbers(FEW), RULES)
    con.execute("update published.attainment set n = 20 where level = 'city' and n > 150")
    with pytest.raises(Contradiction):
        audit(con, RULES)
