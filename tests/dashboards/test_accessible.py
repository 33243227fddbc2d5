"""Every kind of page, on every kind of screen, as axe sees it, and without a complaint.

Of pages × widths × languages × scripts × schemes each page is opened in two of eight ways.
"""

import hashlib
import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import made_up_city
import pytest
from gatehouse import account, settings_of
from made_up_city import DISTRICTS, City, Rendered, place_of
from playwright.sync_api import Browser, Page

from dashboards.gate import create_app, embedded
from dashboards.pages import PAGES
from tests.axe import AXE, VENDOR, violations

pytestmark = pytest.mark.browser

WAYS = [
    (1440, "zh", "scripts", "light"), (1440, "en", "bare", "dark"),
    (1024, "zh", "bare", "light"), (1024, "en", "scripts", "dark"),
    (390, "zh", "scripts", "dark"), (390, "en", "bare", "light"),
    (320, "zh", "bare", "dark"), (320, "en", "scripts", "light"),
]  # fmt: skip
"""Each width with each language, each of the others with each, every pair at least once."""
PLACES = [place_of(page) for page in PAGES]
SAMPLE = [
    (place, *WAYS[(3 * i + j) % len(WAYS)]) for i, place in enumerate(PLACES) for j in range(2)
]


def test_the_ways_hold_every_pair_and_every_page_is_opened() -> None:
    for one, other in itertools.combinations(range(1, 4), 2):
        assert len({(way[one], way[other]) for way in WAYS}) == 4
    for column in range(1, 4):
        assert len({(way[0], way[column]) for way in WAYS}) == 8
    assert {place for place, *_ in SAMPLE} == set(PLACES)
    assert {tuple(way) for _place, *way in SAMPLE} == set(WAYS)


def test_the_vendored_tool_is_as_it_was_taken() -> None:
    readme = (VENDOR / "README.md").read_text(encoding="utf-8")
    assert AXE.name in readme
    assert hashlib.sha256(AXE.read_bytes()).hexdigest() in readme


@pytest.mark.parametrize(("place", "width", "lang", "scripts", "scheme"), SAMPLE)
def test_every_kind_of_page(
    browser: Browser,
    whole: Rendered,
    place: str,
    width: int,
    lang: str,
    scripts: str,
    scheme: Any,
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    if scripts == "bare":
        # The page's own scripts are missing; axe could not run in a page that may have none.
        context.route("**/static/*.js", lambda route: route.fulfill(body=""))
    page.goto((whole.site / ("" if lang == "zh" else "en") / place).as_uri())
    if scripts == "scripts":
        page.wait_for_selector("html[data-drawn]")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert violations(page) == []
    assert complaints == []
    context.close()


LONG = "某某市经济技术开发区第一实验学校附属九年一贯制学校东校区分部"


@pytest.mark.parametrize("kind", ["first year", "nothing", "long names"])
def test_thin_data_and_long_names(
    browser: Browser,
    rendered: Callable[[City], Rendered],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    """Each page says what there is, on the narrowest screen; names of 30 characters leave room."""
    if kind == "long names":
        schools = [(code, LONG[:28] + name[:2], d) for code, name, d in made_up_city.SCHOOLS]
        monkeypatch.setattr(made_up_city, "SCHOOLS", schools)
    made = rendered(
        {
            "first year": City(years=("2023-2024",)),
            "nothing": City(results=False, registered=False),
            "long names": City(districts={c: LONG[:28] + n[:2] for c, n in DISTRICTS.items()}),
        }[kind]
    )
    context = browser.new_context(viewport={"width": 320, "height": 700})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    wide = [place for place in PLACES if "/" not in place or "value-added" in place]
    for place in [one for one in wide if (made.site / one).exists()]:
        page.goto((made.site / place).as_uri())
        page.wait_for_selector("html[data-drawn]")
        assert page.inner_text("h1").strip()
        assert page.evaluate("document.documentElement.scrollWidth") == 320, place
        # Names leave most of the width to what they name.
        room: list[float] = page.evaluate(
            """() => [...document.querySelectorAll("[data-drawn][data-figure]")]
                .map(one => one._fullLayout._size.w / one._fullLayout.width)"""
        )
        assert all(part > 0.4 for part in room), (place, room)
    assert violations(page) == []
    assert complaints == []
    context.close()


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., None]]:
    """Opens the gate's sign-in, or its page of somebody who is signed in."""
    folder: Path = tmp_path_factory.mktemp("house")
    app = create_app(settings_of(folder))
    server = embedded(app, 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    name, password = account(app, "city")

    def at(page: Page, signed_in: bool, lang: str) -> None:
        page.goto(f"http://127.0.0.1:{server.port}/gate/sign-in?lang={lang}")
        if signed_in:
            page.fill("#name", name)
            page.fill("#password", password)
            page.keyboard.press("Enter")
            page.wait_for_url(lambda url: "sign-in" not in url)
            page.goto(f"http://127.0.0.1:{server.port}/gate/?lang={lang}")

    yield at
    server.shutdown()


@pytest.mark.parametrize(
    ("width", "lang", "scheme", "signed_in"),
    [
        (1440, "zh", "light", False),
        (320, "en", "dark", False),
        (390, "zh", "dark", True),
        (1024, "en", "light", True),
    ],
)
def test_the_pages_of_the_gate(
    browser: Browser, gate: Any, width: int, lang: str, scheme: Any, signed_in: bool
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    gate(page, signed_in, lang)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert violations(page) == []
    context.close()
