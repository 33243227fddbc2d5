"""The page as a person gets it: through the gate and from the disk, wide and narrow."""

import csv
import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from gatehouse import account, settings_of, token_of
from made_up_city import Rendered
from playwright.sync_api import Browser, Page

from dashboards.gate import create_app, embedded
from pipelines.wording import count, percent, percent_interval

pytestmark = pytest.mark.browser


@dataclass(frozen=True)
class Door:
    """Where the gate is, and whom it lets in."""

    address: str
    cookie: str
    """Of somebody of the city."""
    name: str
    """Of an account of a district."""
    password: str


@pytest.fixture(scope="module")
def door(whole: Rendered, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """The gate over the usual city."""
    folder: Path = tmp_path_factory.mktemp("house")
    # What other tests see of the city stays as it is.
    release = folder / "home" / "releases" / "r1"
    shutil.copytree(whole.folder, release, copy_function=os.link)
    (release / "release.json").write_text("{}")
    (folder / "home" / "current").symlink_to("releases/r1")
    gate = create_app(settings_of(folder))
    server = embedded(gate, 0)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    name, password = account(gate, "district:370402")
    address = f"http://127.0.0.1:{server.port}/"
    yield Door(address, token_of(gate, "city"), name, password)
    server.shutdown()
    thread.join()


@pytest.mark.parametrize(
    ("way", "lang", "width"),
    [
        ("gate", "zh", 1280),
        ("gate", "zh", 390),
        ("gate", "en", 1280),
        ("gate", "en", 390),
        ("file", "zh", 320),
        ("file", "en", 320),
    ],
)
def test_the_page_draws_without_complaint(
    browser: Browser,
    door: Door,
    whole: Rendered,
    width: int,
    lang: str,
    way: str,
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900})
    context.add_cookies([{"name": "eqm", "value": door.cookie, "url": door.address}])
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(request.url))
    root = door.address if way == "gate" else whole.site.as_uri() + "/"
    page.goto(root + ("" if lang == "zh" else "en/") + "pass-rates.html")
    page.wait_for_selector("html[data-drawn]")
    assert complaints == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    holders = page.locator("[data-figure]").count()
    assert holders > 10
    assert page.locator("[data-figure] .scatterlayer .point").count() >= holders
    context.close()


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("width", [1280, 320])
def test_one_signs_in_and_out_by_hand(browser: Browser, door: Door, width: int, lang: str) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900})
    page = context.new_page()
    complaints: list[str] = []
    # That the cache was cleared at the sign-out is a mere note.
    page.on("console", lambda m: m.type == "info" or complaints.append(m.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{door.address}district/370402/")
    if lang == "en":
        page.click("a[hreflang=en]")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.fill("#name", door.name)
    page.fill("#password", door.password)
    page.keyboard.press("Enter")
    page.wait_for_selector("html[data-drawn]")
    page.click("#account")
    assert door.name in page.inner_text("main")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.click("form[action='/gate/sign-out'] button")
    page.wait_for_url("**/gate/sign-in")
    page.goto(f"{door.address}district/370402/")
    assert "/gate/sign-in" in page.url
    assert complaints == []
    context.close()


def test_tables_equal_their_downloads(browser: Browser, whole: Rendered) -> None:
    page = browser.new_page()
    page.goto((whole.site / "pass-rates.html").as_uri())
    cells = "rows => rows.map(row => [...row.querySelectorAll('td')].map(td => td.textContent))"
    for name, table in (("pass-rate-trend", "trend"), ("pass-rate-districts", "districts")):
        shown = page.eval_on_selector_all(f"[data-table={table}] tbody tr", cells)
        path = whole.folder / "downloads" / f"{name}.csv"
        with path.open(encoding="utf-8-sig", newline="") as text:
            rows = list(csv.DictReader(text))
        assert len(shown) == len(rows) > 0
        for row, line in zip(rows, shown, strict=True):
            n = int(row["n"])
            rate = percent(row["pass_rate"], n, "zh")
            interval = percent_interval(row["pass_low"], row["pass_high"], n, "zh")
            assert line[0] == rate + interval
            assert line[-2:] == [count(int(row["students"]), "zh"), count(n, "zh")]
    page.close()


def test_a_chart_is_taken_as_a_picture_through_the_gate(
    browser: Browser, door: Door, tmp_path: Path
) -> None:
    """What the policy of the gate allows a page is enough to draw one."""
    context = browser.new_context()
    context.add_cookies([{"name": "eqm", "value": door.cookie, "url": door.address}])
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(door.address + "pass-rates.html?tab-districts=download")
    page.wait_for_selector("html[data-drawn]")
    for kind, start in (("png", b"\x89PNG"), ("svg", b"<svg ")):
        with page.expect_download() as taken:
            page.click(f"[data-tabs=districts] button[value={kind}]")
        taken.value.save_as(tmp_path / kind)
        assert (tmp_path / kind).read_bytes().startswith(start)
    assert complaints == []
    context.close()


def test_tables_read_without_scripts(browser: Browser, whole: Rendered) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((whole.site / "pass-rates.html").as_uri())
    assert page.locator("[data-table=districts]").is_visible()
    assert "图需启用脚本才能显示" in page.inner_text("main")
    context.close()


UNITS = ("", "district/370402/", "school/3137000001/")
"""Where pages of the city, of a district and of a school lie."""


@pytest.mark.parametrize("width", [1440, 1024, 390, 320])
@pytest.mark.parametrize(
    "place",
    [
        "index.html",
        "plan.html",
        "classrooms.html",
        "training.html",
        "equity.html",
        *(
            f"district/370402/{name}.html"
            for name in ("index", "plan", "classrooms", "training", "equity")
        ),
        "methods.html",
        *(f"{unit}{name}.html" for unit in UNITS for name in ("submissions", "competencies")),
    ],
)
def test_every_page_fits_every_screen(
    browser: Browser, whole: Rendered, place: str, width: int
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    for lang in ("", "en/"):
        page.goto((whole.site / lang / place).as_uri())
        page.wait_for_selector("html[data-drawn]")
        assert page.evaluate("document.documentElement.scrollWidth") == width
    assert complaints == []
    page.close()


def shown(page: Page) -> list[str]:
    """The targets that a reader sees, by name."""
    seen: list[str] = page.eval_on_selector_all(
        "[data-item]:not(.other)",
        "rows => rows.filter(r => r.offsetHeight).map(r => r.dataset.item)",
    )
    return seen


@pytest.mark.parametrize("way", ["gate", "file"])
def test_a_filter_is_kept_in_the_address(
    browser: Browser, door: Door, whole: Rendered, way: str
) -> None:
    context = browser.new_context()
    context.add_cookies([{"name": "eqm", "value": door.cookie, "url": door.address}])
    page = context.new_page()
    root = door.address if way == "gate" else whole.site.as_uri() + "/"
    page.goto(root + "plan.html")
    page.wait_for_selector("html[data-drawn]")
    everything = shown(page)
    page.locator("button[value=behind]").focus()
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: url.endswith("plan.html?status=behind"))
    assert shown(page) == ["A3", "B1", "B4"]
    page.select_option("[data-filter=measure]", "2")
    page.wait_for_url(lambda url: url.endswith("plan.html?status=behind&measure=2"))
    assert shown(page) == ["B1", "B4"]
    assert page.inner_text(".filters [role=status]") == "显示 2 项，共 8 项"
    page.reload()
    page.wait_for_selector("html[data-drawn]")
    assert shown(page) == ["B1", "B4"]
    page.click("a[hreflang=en]")
    page.wait_for_url(lambda url: "en/plan.html?status=behind&measure=2" in url)
    page.wait_for_selector("html[data-drawn]")
    assert page.inner_text(".filters [role=status]") == "2 of 8 targets shown"
    page.go_back()
    page.wait_for_selector("html[data-drawn]")
    page.go_back()
    page.wait_for_url(lambda url: url.endswith("plan.html?status=behind"))
    page.wait_for_selector("html[data-drawn]")
    assert shown(page) == ["A3", "B1", "B4"]
    page.goto(root + "plan.html?status=<b>lost&measure=7")
    page.wait_for_selector("html[data-drawn]")
    assert shown(page) == everything
    assert "无法识别，已按全部显示" in page.inner_text(".filters [role=status]")
    context.close()


def test_the_plan_reads_without_scripts(browser: Browser, whole: Rendered) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((whole.site / "plan.html").as_uri() + "?status=behind")
    assert len(shown(page)) == 8
    assert page.locator(".filters").is_hidden()
    page.click("[data-table=measures] a[href='#measure-2']")
    assert page.locator("#measure-2").is_visible()
    context.close()
