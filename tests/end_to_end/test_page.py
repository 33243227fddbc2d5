"""The page that a viewer opens after `eqm build` and `eqm serve`, in Debian's Chromium."""

import csv
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from pipelines.wording import percent, points
from tests.end_to_end.conftest import EQM, House

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(city: House) -> Iterator[str]:
    """`eqm serve` on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    served = subprocess.Popen([EQM, "serve", "--port", str(port)], env=city.environment)
    address = f"http://127.0.0.1:{port}/"
    for _ in range(100):
        try:
            urllib.request.urlopen(address)
            break
        except OSError:
            time.sleep(0.1)
    yield address
    served.terminate()
    served.wait(timeout=10)


@pytest.mark.parametrize("path", ["", "en/"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_draws_at_once_and_fits(
    browser: Browser, address: str, path: str, width: int
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(request.url))
    page.on("request", lambda r: r.url.startswith(address) or complaints.append(r.url))
    page.goto(address + path)
    page.wait_for_selector("html[data-drawn]")
    assert complaints == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.close()


def test_the_headline_says_what_the_warehouse_says(
    browser: Browser, address: str, city: House
) -> None:
    """The newest year of the whole city, all stages and subjects together."""
    newest = city.rows(
        "from published.pass_rate_trend where level = 'city' and stage = 'all' "
        "and subject = 'all' order by school_year desc limit 1"
    ).iloc[0]
    for path, lang in (("", "zh"), ("en/", "en")):
        page = browser.new_page()
        page.goto(address + path)
        headline = page.inner_text("h1")
        assert percent(newest["pass_rate"], int(newest["n"]), lang) in headline
        change = points(abs(newest["year_change_points"]), lang)
        assert change.lstrip("+") in page.inner_text("main")
        page.close()


def test_a_download_opens_in_excel_and_holds_the_published_rows(
    browser: Browser, address: str, city: House
) -> None:
    page = browser.new_page()
    page.goto(address)
    links = page.eval_on_selector_all("a[href$='.csv']", "links => links.map(a => a.href)")
    assert len(links) >= 2
    for link in set(links):
        content = urllib.request.urlopen(link).read()
        assert content.startswith(b"\xef\xbb\xbf")
        assert list(csv.DictReader(content.decode("utf-8-sig").splitlines()))
    (trend,) = {link for link in links if "trend" in link}
    rows = csv.DictReader(urllib.request.urlopen(trend).read().decode("utf-8-sig").splitlines())
    shown = city.rows("from published.pass_rate_trend where level = 'city'")
    assert len(list(rows)) == len(shown)
    page.close()


def test_a_release_keeps_its_address(address: str, city: House) -> None:
    permanent = urllib.request.urlopen(f"{address}r/{city.current.name}/").read()
    assert permanent == urllib.request.urlopen(address).read()
