"""What the published layer tells, held against the numbers it rests on."""

import shutil
from pathlib import Path

import duckdb

from pipelines.quality import disclosure

from .conftest import City

RULES = disclosure.load_rules()


def test_nothing_withheld_can_be_worked_out(city: City) -> None:
    with duckdb.connect(str(city.warehouse), read_only=True) as con:
        found = disclosure.audit(con, RULES)
    assert found.withheld > 100 and found.leaks == []


def test_a_partner_that_is_told_gives_a_cell_away(city: City, tmp_path: Path) -> None:
    """Every number that only protects others is put into the published table."""
    aside = Path(shutil.copy(city.warehouse, tmp_path))
    with duckdb.connect(str(aside)) as con:
        con.execute(
            "update published.attainment as told set n = cells.n"
            " from marts.disclosure_cell as cells"
            " where cells.fate = 'partner' and cells.topic = 'results'"
            + "".join(
                f" and told.{name} = cells.{name}"
                for name in ("wave_id", "grade", "subject", "level", "unit_code", "group_kind",
                             "group_value")
            )
        )  # fmt: skip
        found = disclosure.audit(con, RULES)
    assert found.leaks and all(leak.low == leak.high or leak.sums for leak in found.leaks)


def test_every_row_has_a_fate_and_its_mark(city: City) -> None:
    cells = city.table("marts.disclosure_cell")
    for table, topic in {"attainment": "results", "pass_rate_trend": "trend"}.items():
        rows = city.table(f"published.{table}")
        assert len(rows) == ((cells["topic"] == topic) & cells["is_published"]).sum()
        assert rows["n"].isna().equals(rows["mark"].eq("c")), table
    added = city.table("published.value_added")
    silent = added["mark"].isin(["c", "z"])
    assert added["effect"].isna().equals(silent)


def test_the_cost_of_protection_is_told(city: City) -> None:
    shares = city.table("published.protection").set_index(["table_name", "fate"])
    assert shares["cell_share"].groupby("table_name").sum().between(0.98, 1.02).all()
    assert (shares.xs("shown", level="fate")["student_share"] > 0.3).all()
