"""The intruder of `tests/attack` with a whole release's downloads."""

import pytest

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
