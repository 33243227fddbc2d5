"""The page as a person gets it: through the gate and from the disk, wide and narrow."""

import csv
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from made_up_city import Rendered
from playwright.sync_api import Browser
from werkzeug.serving import make_server

from dashboards.gate import create_app
from pipelines.wording import count, percent, percent_interval

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(whole: Rendered, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The gate over the usual city."""
    home: Path = tmp_path_factory.mktemp("home")
    (home / "current").symlink_to(whole.folder)
    server = make_server("127.0.0.1", 0, create_app(home), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.port}/"
    server.shutdown()
    thread.join()


@pytest.mark.parametrize(
    ("door", "lang", "width"),
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
    address: str,
    whole: Rendered,
    width: int,
    lang: str,
    door: str,
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(request.url))
    root = address if door == "gate" else whole.site.as_uri() + "/"
    page.goto(root + ("index.html" if lang == "zh" else "en/index.html"))
    page.wait_for_selector("html[data-drawn]")
    assert complaints == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    holders = page.locator("[data-figure]").count()
    assert holders > 10
    assert page.locator("[data-figure] .scatterlayer .point").count() >= holders
    page.close()


def test_tables_equal_their_downloads(browser: Browser, whole: Rendered) -> None:
    page = browser.new_page()
    page.goto((whole.site / "index.html").as_uri())
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


def test_tables_read_without_scripts(browser: Browser, whole: Rendered) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((whole.site / "index.html").as_uri())
    assert page.locator("[data-table=districts]").is_visible()
    assert "图需启用脚本才能显示" in page.inner_text("main")
    context.close()
