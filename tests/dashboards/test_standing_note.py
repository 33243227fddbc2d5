"""A page says what became of its release: superseded, corrected, or not to be passed on."""

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from gatehouse import settings_of, switch, token_of
from made_up_city import Rendered
from playwright.sync_api import Browser, Page

from dashboards.gate import create_app, embedded
from pipelines.life import Event, tell

pytestmark = pytest.mark.browser

OLD, NEW = "r-0123456789ab", "r-ba9876543210"
"""The first is the one that the pages say they are of."""
PUBLISHED = "2026-07-01T00:00:00+00:00"


@pytest.fixture
def home(whole: Rendered, tmp_path: Path) -> Path:
    """A home of two releases, the second of them served."""
    home = tmp_path / "home"
    for name in (OLD, NEW):
        release = home / "releases" / name
        shutil.copytree(whole.folder, release, copy_function=os.link)
        (release / "release.json").write_text("{}")
    tell(home / "releases", *(Event("published", name, PUBLISHED) for name in (OLD, NEW)))
    switch(home, NEW)
    return home


@pytest.fixture
def page(browser: Browser, home: Path) -> Iterator[Page]:
    """A page in the browser of somebody of the city, at the gate's own address."""
    gate = create_app(settings_of(home.parent))
    server = embedded(gate, 0)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{server.port}"
    context = browser.new_context(base_url=address)
    cookies = {gate.cookie.name: token_of(gate, "city"), "eqm-in": "1"}
    context.add_cookies([{"name": k, "value": v, "url": address} for k, v in cookies.items()])
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    yield page
    context.close()
    server.shutdown()
    thread.join()
    assert complaints == []


def test_an_old_address_says_that_it_is_superseded_and_leads_to_the_newest(page: Page) -> None:
    page.goto(f"/r/{OLD}/en/plan.html")
    note = page.get_by_role("status").filter(has_text="superseded")
    note.wait_for()
    assert note.inner_text().startswith("This release is superseded by a newer one.")
    note.get_by_role("link", name="This page in the newest release").click()
    page.wait_for_url("**/en/plan.html")
    assert "/r/" not in page.url
    page.get_by_role("link", name="All releases, and what changed").click()
    assert page.locator("ol.releases li").count() == 2
    assert "superseded" in page.locator("ol.releases li").nth(1).inner_text()


def test_a_correction_is_said_with_its_reason(page: Page, home: Path) -> None:
    note = Event("noted", NEW, PUBLISHED, reason="八中数学成绩更正", corrects=OLD)
    tell(home / "releases", note)
    page.goto(f"/r/{OLD}/plan.html")
    page.get_by_text("本版本已由新版本更正。").wait_for()
    assert page.get_by_text("八中数学成绩更正").is_visible()


def test_an_embargo_is_said_to_the_centre(page: Page, home: Path) -> None:
    told = Event("embargoed", OLD, PUBLISHED, until="2126-07-10T01:00:00+00:00")
    tell(home / "releases", told)
    page.goto(f"/r/{OLD}/index.html")
    page.get_by_text("请勿外传，至 2126-07-10 09:00").wait_for()


def test_what_is_published_says_nothing(page: Page, home: Path) -> None:
    switch(home, OLD)
    with page.expect_response(f"**/gate/standing/{OLD}") as answer:
        page.goto("/index.html")
    assert answer.value.json()["state"] == "published"
    assert page.locator("#standing").is_hidden()
