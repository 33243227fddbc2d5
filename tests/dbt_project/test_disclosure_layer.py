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
    assert found.withheld > 100 and found.shares > 50 and found.leaks == []


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


def test_a_mean_without_its_number_is_a_leak(city: City, tmp_path: Path) -> None:
    """Beside its number it bounds no other."""
    aside = Path(shutil.copy(city.warehouse, tmp_path))
    with duckdb.connect(str(aside)) as con:
        con.execute("update published.attainment set mean_score = 61.5 where n is null")
        found = disclosure.audit(con, RULES)
    assert found.leaks and {leak.sums for leak in found.leaks} == {
        ("a figure told without its number",)
    }


def test_every_row_has_a_fate_and_its_mark(city: City) -> None:
    cells = city.table("marts.disclosure_cell")
    for table, topic in {"attainment": "results", "pass_rate_trend": "trend"}.items():
        rows = city.table(f"published.{table}")
        assert len(rows) == ((cells["topic"] == topic) & cells["is_published"]).sum()
        silent = rows["n"].isna()
        if table == "pass_rate_trend":
            silent = rows["pass_rate"].isna() & rows["pass_band"].isna()
            assert (rows["mark"].eq("c") | rows["n"].notna()).all()
        assert silent.equals(rows["mark"].eq("c")), table
    added = city.table("published.value_added")
    silent = added["mark"].isin(["c", "z"])
    assert added["effect"].isna().equals(silent)


def test_the_cost_of_protection_is_told(city: City) -> None:
    shares = city.table("published.protection").set_index(["table_name", "fate"])
    assert shares["cell_share"].groupby("table_name").sum().between(0.98, 1.02).all()
    shown = shares.xs("shown", level="fate")["student_share"]
    # How many were matched is told of few units only: nearly all are.
    assert shown["value_added"] > 0.2 and shown.drop("value_added").min() > 0.5


def test_a_rate_of_one_or_two_is_a_band(city: City) -> None:
    """Of every number of students that is told, in every table."""
    cells = city.table("marts.disclosure_cell")
    told = cells[cells["fate"].eq("shown") & cells["topic"].eq("results")]
    banded = 0
    for outcome in ("passed", "good", "excellent", "low"):
        rare = told[[outcome, "n"]].assign(rest=told["n"] - told[outcome])
        rare = rare[[outcome, "rest"]].min(axis=1) < RULES.rare
        assert not told.loc[rare, f"{outcome}_told"].eq("exact").any()
        banded += told.loc[rare, f"{outcome}_told"].eq("band").sum()
    assert banded > 50
    trend = city.table("published.pass_rate_trend")
    exact = trend["pass_rate"].notna()
    assert (
        trend.loc[~exact, ["pass_low", "change_points", "year_change_points"]].isna().all(axis=None)
    )
    shares = city.table("published.attainment")
    assert not (shares["low_rate"].notna() & shares["low_band"].notna()).any()
    assert shares["low_band"].dropna().str.fullmatch(r"(>=|<=)\d+").all()
