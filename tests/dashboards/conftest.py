"""Sites rendered from made-up cities, and the marker of browser tests."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest
from made_up_city import DISTRICTS, SCHOOLS, City, Rendered, write_warehouse

from dashboards.gate.passwords import HASHER, _nobodys
from dashboards.pages import Published, Unit, View
from dashboards.pages.base import Build, Level
from dashboards.site import render_site
from pipelines.wording import Lang


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords wait for all else: a machine that is busy with other tests is no failure."""
    monkeypatch.setattr("dashboards.gate.passwords.PATIENCE", 300.0)


@pytest.fixture
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Passwords that take no time, for tests that are not about that."""
    easy = type(HASHER)(time_cost=1, memory_cost=64, parallelism=1)
    monkeypatch.setattr("dashboards.gate.passwords.HASHER", easy)
    _nobodys.cache_clear()
    yield
    _nobodys.cache_clear()


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Callable[[City], Rendered]:
    """Renders the site of a made-up city into a folder of its own."""

    def make(city: City) -> Rendered:
        folder = tmp_path_factory.mktemp("release")
        warehouse = write_warehouse(folder / "warehouse.duckdb", city)
        report = render_site(
            warehouse,
            folder / "site",
            folder / "downloads",
            release_id="r-0123456789ab",
            unit_name_zh="全市",
            unit_name_en="the city",
            unit_code=city.code,
        )
        return Rendered(folder, report)

    return make


@pytest.fixture(scope="session")
def whole(rendered: Callable[[City], Rendered]) -> Rendered:
    """The site of a usual city."""
    return rendered(City())


@pytest.fixture
def opened(browser: Any, whole: Rendered) -> Callable[..., Any]:
    """Opens a page of the usual city: where it lies, with a query if need be."""

    @contextmanager
    def at(place: str, **context: Any) -> Iterator[Any]:
        own = browser.new_context(**context)
        page = own.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        name, mark, query = place.partition("?")
        page.goto((whole.site / name).as_uri() + mark + query)
        page.wait_for_selector("html[data-drawn]")
        yield page
        assert complaints == []
        own.close()

    return at


@pytest.fixture
def view_of(tmp_path: Path) -> Callable[..., View]:
    """The view of a page of the city or a part of it (`code`), after a statement (`change`)."""

    def see(build: Build, city: City, lang: Lang = "zh", code: str = "", change: str = "") -> View:
        warehouse = tmp_path / f"{len(list(tmp_path.iterdir()))}.duckdb"
        write_warehouse(warehouse, city)
        name = {**DISTRICTS, **{one: said for one, said, _ in SCHOOLS}}.get(code, "")
        level: Level = "district" if code in DISTRICTS else "school"
        part, whole = Unit(code, name, name, level), Unit(city.code, "全市", "the city")
        with duckdb.connect(str(warehouse)) as con:
            con.execute(change or "select 1")
            return build(Published(con), part if code else whole, lang)

    return see
