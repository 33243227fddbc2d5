"""The facts of the core against the same records read in pandas."""

from typing import Any

import pandas as pd
import pytest

from pipelines.feeds import load_contracts
from tests.oracle import agree, core

from .conftest import CITY, City

KEYS = {
    "fact_programme": ["kind", "holder_code", "title", "granted_on"],
    "fact_finding": ["finding_id"],
}


@pytest.fixture(scope="module")
def second(city: City) -> dict[str, pd.DataFrame]:
    """The facts, worked out from the feeds with every column of their contracts."""
    feeds = {
        name: frame.reindex(columns=[*load_contracts()[name].landed])
        for name, frame in city.feeds.items()
    }
    return {
        "fact_programme": core.programmes(feeds, CITY),
        "fact_finding": core.findings(feeds, CITY),
    }


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Words and days as text, yes and no as words; numbers as they are."""

    def told(value: Any) -> str | None:
        return None if pd.isna(value) else str(value)[:10] if hasattr(value, "year") else str(value)

    numbers = {"value", "days_open", "days_late"} & {*frame.columns}
    words = {name: [told(value) for value in frame[name]] for name in {*frame.columns} - numbers}
    return pd.DataFrame(words | {name: pd.to_numeric(frame[name]) for name in numbers})


@pytest.mark.parametrize("mart", KEYS)
def test_every_column_agrees_with_the_second_computation(
    city: City, second: dict[str, pd.DataFrame], mart: str
) -> None:
    found, theirs = city.table(f"marts.{mart}"), second[mart]
    assert set(found.columns) == set(theirs.columns)
    assert theirs.notna().any().all(), "a column that is never filled proves nothing"
    agree(plain(found), plain(theirs[list(found.columns)]), KEYS[mart])


def test_the_made_city_has_every_case(second: dict[str, pd.DataFrame]) -> None:
    status = {"closed_in_time", "closed_late", "overdue", "open"}
    assert set(second["fact_finding"]["status"].dropna()) == status
    assert second["fact_finding"]["status"].isna().any()
    assert len(set(second["fact_programme"]["holder_type"])) == 6
    people = second["fact_programme"].query("holder_type == 'person'")
    assert people["holder_role"].isna().any() and people["school_code"].notna().any()


def test_the_plan_judges_the_same_findings(city: City) -> None:
    """Whose time is over within the year: as many in time, and as many not, as the target says."""
    targets = city.table("marts.plan_target").query("target_id == 'T16b' and level == 'city'")
    target = targets.sort_values("as_of").iloc[-1]
    facts = city.table("marts.fact_finding")
    year = facts[facts["due_on"].astype(str).str[:10] < "2025-08-01"]
    known = year[year["status"].isin(["closed_in_time", "closed_late", "overdue"])]
    assert target["denominator"] == len(known)
    assert target["actual"] == pytest.approx(100 * (known["status"] == "closed_in_time").mean())
