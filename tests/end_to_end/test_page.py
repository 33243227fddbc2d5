"""The page that a viewer opens after `eqm build` and `eqm serve`, in Debian's Chromium."""

import csv
import re
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.cookiejar import CookieJar
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from pipelines.wording import percent, points
from tests.end_to_end.conftest import EQM, House

pytestmark = pytest.mark.browser


@dataclass(frozen=True)
class Door:
    """`eqm serve --demonstration`, and what it printed."""

    address: str
    printed: list[str]
    opener: urllib.request.OpenerDirector
    cookie: str
    """What somebody of the city is known by, after the link was opened."""

    def read(self, path: str = "") -> bytes:
        """What is sent to that person."""
        content: bytes = self.opener.open(self.address + path).read()
        return content

    def page(self, browser: Browser, **more: Any) -> Page:
        """A page of that person's browser."""
        context = browser.new_context(**more)
        context.add_cookies([{"name": "eqm", "value": self.cookie, "url": self.address}])
        return context.new_page()


@pytest.fixture(scope="module")
def door(city: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """The demonstration on a free port, over the city's releases: its home stays as it is."""
    home = tmp_path_factory.mktemp("house") / "home"
    home.mkdir()
    (home / "releases").symlink_to(city.home / "releases")
    (home / "current").symlink_to(f"releases/{city.current.name}")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    served = subprocess.Popen(
        [EQM, "serve", "--demonstration", "--home", str(home), "--port", str(port)],
        env={**city.environment, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert served.stdout
    printed = [served.stdout.readline() for _ in range(6)]
    (link,) = re.findall(r"http://\S+ticket=[\w.]+", printed[-1])
    jar = CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    for _ in range(100):
        try:
            opener.open(link)
            break
        except urllib.error.URLError:
            time.sleep(0.1)
    (cookie,) = (str(c.value) for c in jar if c.name == "eqm")
    yield Door(f"http://127.0.0.1:{port}/", printed, opener, cookie)
    served.terminate()
    served.wait(timeout=10)


def test_three_sign_ins_are_printed_and_each_sees_its_own(door: Door) -> None:
    pages = []
    for line, level in zip(door.printed[1:4], ("city", "district", "school"), strict=True):
        scope, name, password = line.split()
        assert scope.startswith(f"{level}:") and name == f"demo-{level}"
        jar = CookieJar()
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
        form = opener.open(f"{door.address}gate/sign-in").read().decode()
        (token,) = re.findall(r'name="form" value="(\w+)"', form)
        given = {"form": token, "name": name, "password": password}
        answer = opener.open(f"{door.address}gate/sign-in", urllib.parse.urlencode(given).encode())
        pages.append(answer.url.removeprefix(door.address))
        assert answer.status == 200
    assert pages[0] == "" and pages[1].startswith("district/") and pages[2].startswith("school/")
    for path in (pages[1], pages[2]):
        assert door.read(path)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        opener.open(door.address + pages[1])


def test_the_link_works_once(door: Door) -> None:
    (link,) = re.findall(r"http://\S+ticket=[\w.]+", door.printed[-1])
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(link)


@pytest.mark.parametrize("path", ["", "en/", "pass-rates.html", "en/plan.html"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_draws_at_once_and_fits(
    browser: Browser, door: Door, path: str, width: int
) -> None:
    page = door.page(browser, viewport={"width": width, "height": 900})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(request.url))
    page.on("request", lambda r: r.url.startswith(door.address) or complaints.append(r.url))
    page.goto(door.address + path)
    page.wait_for_selector("html[data-drawn]")
    assert complaints == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.close()


def test_the_headline_says_what_the_warehouse_says(
    browser: Browser, door: Door, city: House
) -> None:
    """The newest year of the whole city, all stages and subjects together."""
    newest = city.rows(
        "from published.pass_rate_trend where level = 'city' and stage = 'all' "
        "and subject = 'all' order by school_year desc limit 1"
    ).iloc[0]
    for path, lang in (("", "zh"), ("en/", "en")):
        page = door.page(browser)
        page.goto(door.address + path)
        headline = page.inner_text("h1")
        assert percent(newest["pass_rate"], int(newest["n"]), lang) in headline
        change = points(abs(newest["year_change_points"]), lang)
        assert change.lstrip("+") in page.inner_text("main")
        page.close()


def test_a_download_opens_in_excel_and_holds_the_published_rows(
    browser: Browser, door: Door, city: House
) -> None:
    page = door.page(browser)
    page.goto(door.address + "pass-rates.html")
    links = page.eval_on_selector_all("a[download]", "links => links.map(a => a.href)")
    tables = {link for link in links if ".csv?" in link}
    assert len(tables) >= 2
    for link in tables:
        content = door.read(link.removeprefix(door.address))
        assert content.startswith(b"\xef\xbb\xbf")
        assert list(csv.DictReader(content.decode("utf-8-sig").splitlines()))
        assert link.replace(".csv", ".xlsx") in links
    (trend,) = {link for link in tables if "trend" in link}
    content = door.read(trend.removeprefix(door.address))
    rows = csv.DictReader(content.decode("utf-8-sig").splitlines())
    shown = city.rows("from published.pass_rate_trend where level = 'city'")
    assert len(list(rows)) == len(shown)
    page.close()


def test_a_release_keeps_its_address(door: Door, city: House) -> None:
    assert door.read(f"r/{city.current.name}/") == door.read()
