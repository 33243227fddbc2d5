"""The intruder of `tests/attack` with all downloads of a release, which are all that it tells."""

from pathlib import Path

import pytest

from bench.pages import published_alone
from dashboards.site import render_site
from pipelines.settings import Settings
from tests.attack.intruder import Intruder, Told, tables_of
from tests.attack.town import town_of
from tests.end_to_end.conftest import House


@pytest.fixture(scope="module")
def intruder(city: House) -> Intruder:
    told = Told(tables_of(city.current / "downloads" / "published-csv.zip"))
    return Intruder([(told, town_of(city.current / "warehouse.duckdb"))])


def test_nothing_is_recovered_from_the_downloads(intruder: Intruder) -> None:
    ((told, _),) = intruder.releases
    assert len(told.n) > 2000 and len(told.withheld) > 1000 and len(told.bands) > 500
    assert [*intruder.numbers(), *intruder.sitting(), *intruder.deeds()] == []


def test_all_that_is_served_is_made_of_the_published_tables(city: House, tmp_path: Path) -> None:
    """From these alone every page and download is the same, so none of them tells more.

    Printed reports are pages, too; what the intruder reads are all of the tables.
    """
    alone = tmp_path / "warehouse.duckdb"
    tables = published_alone(city.current / "warehouse.duckdb", alone)
    settings = Settings.load(raw=city.raw, home=city.home)
    render_site(
        alone,
        tmp_path / "site",
        tmp_path / "downloads",
        release_id=city.current.name,
        unit_name_zh=settings.unit_name_zh,
        unit_name_en=settings.unit_name_en,
        unit_code=settings.unit_code,
    )
    for folder in ("site", "downloads"):
        of_tables, served = (
            {p.relative_to(root): p.read_bytes() for p in root.rglob("*") if p.is_file()}
            for root in (tmp_path / folder, city.current / folder)
        )
        assert of_tables.keys() == served.keys() and len(served) > 20
        assert [p for p, content in served.items() if of_tables[p] != content] == []
    read = tables_of(city.current / "downloads" / "published-csv.zip")
    assert set(tables) <= read.keys()
