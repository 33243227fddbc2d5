"""A figure's tabs: chart, table, download, method; the state in the address; pictures to take."""

import csv
import json
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_up_city import Rendered, place_of
from playwright.sync_api import Browser, Page

from dashboards.look import COLOURS
from dashboards.pages import PAGES

pytestmark = pytest.mark.browser

Opened = Callable[..., Any]
FIGURELESS = {("overview.html", level) for level in ("city", "district", "school")}
FIGURELESS |= {("submissions.html", "school")}
PLACES = [place_of(page) for page in PAGES if (page.template, page.level) not in FIGURELESS]


def shown(page: Page, name: str) -> list[str]:
    """Which panels of a figure's tabs a reader sees."""
    panels = page.locator(f"[data-tabs='{name}'] > [data-tab]").all()
    return [str(one.get_attribute("data-tab")) for one in panels if one.is_visible()]


def test_tabs_are_walked_by_keyboard(opened: Opened) -> None:
    with opened("pass-rates.html") as page:
        assert shown(page, "trend") == ["chart"]
        page.locator("#trend-chart-tab").focus()
        for key, panel in (
            ("ArrowRight", "table"), ("End", "method"), ("ArrowRight", "chart"),
            ("ArrowLeft", "method"), ("ArrowLeft", "download"), ("Home", "chart"),
        ):  # fmt: skip
            page.keyboard.press(key)
            assert shown(page, "trend") == [panel]
            assert page.evaluate("document.activeElement.id") == f"trend-{panel}-tab"
            chosen = page.locator("[data-tabs=trend] [role=tab][aria-selected=true]")
            assert chosen.get_attribute("aria-controls") == f"trend-{panel}"
            assert chosen.get_attribute("tabindex") == "0"
        # The tabs of one figure are one stop; the next is in what they show.
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('[data-tab]').id") == "trend-table"
        assert shown(page, "districts") == ["chart"]


def test_the_tab_is_in_the_address(opened: Opened) -> None:
    with opened("pass-rates.html") as page:
        page.click("#trend-table-tab")
        page.click("#districts-method-tab")
        page.select_option("[data-filter=subject]", "mathematics")
        query = "?tab-trend=table&tab-districts=method&subject=mathematics"
        assert set(page.url.partition("?")[2].split("&")) == set(query[1:].split("&"))
        page.reload()
        page.wait_for_selector("html[data-drawn]")
        assert (shown(page, "trend"), shown(page, "districts")) == (["table"], ["method"])
        assert page.locator("[data-filter=subject]").input_value() == "mathematics"
        page.click("a[hreflang=en]")
        page.wait_for_selector("html[lang=en][data-drawn]")
        assert (shown(page, "trend"), shown(page, "districts")) == (["table"], ["method"])
        page.go_back()
        page.wait_for_selector("html[lang=zh-CN][data-drawn]")
        page.go_back()
        page.wait_for_function("!location.search.includes('subject')")
        page.go_back()
        page.wait_for_function("!location.search.includes('districts')")
        assert (shown(page, "trend"), shown(page, "districts")) == (["table"], ["chart"])
        # What was hidden when the page was opened is drawn when it is shown.
        page.wait_for_selector("html[data-drawn]")
        page.click("#trend-chart-tab")
        page.wait_for_selector("html[data-drawn]")
        assert page.locator("#trend-chart .main-svg").count() > 10


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_what_an_address_may_not_ask_falls_back_and_is_said(opened: Opened, lang: str) -> None:
    place = ("" if lang == "zh" else "en/") + "pass-rates.html"
    with opened(place + "?tab-trend=<b>pie&subject=alchemy&stage=junior") as page:
        assert shown(page, "trend") == ["chart"]
        said = page.inner_text("[data-tabs=trend] > [role=status]")
        assert "<b>pie" in said
        assert ("已显示图" if lang == "zh" else "the chart is shown") in said
        assert "alchemy" in page.inner_text(".filters [role=status]")
        # What is known of it holds.
        assert page.locator("#trend-chart figure").locator("visible=true").count() == 5
        page.click("#trend-table-tab")
        assert page.locator("[data-tabs=trend] > [role=status]").is_hidden()
        assert "pie" not in page.url


def test_charts_and_table_are_narrowed_together(opened: Opened) -> None:
    with opened("pass-rates.html?subject=physics&tab-trend=table") as page:
        heads = page.locator("[data-table=trend] tbody th.group").locator("visible=true")
        assert heads.all_inner_texts() == ["物理", "物理"]
        assert page.inner_text(".filters [role=status]") == "显示 2 幅图，共 17 幅"
        page.click("#trend-chart-tab")
        page.wait_for_selector("html[data-drawn]")
        captions = page.locator("#trend-chart figcaption").locator("visible=true")
        assert captions.all_inner_texts() == ["物理", "物理"]
        assert page.locator("#trend-chart [data-drawn]").count() == 2


@pytest.mark.parametrize("place", PLACES)
def test_without_scripts_everything_stands_one_under_another(
    browser: Browser, whole: Rendered, place: str
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((whole.site / place).as_uri() + "?tab-trend=method")
    panels = page.locator("[data-tab]").all()
    assert panels
    for panel in panels:
        assert panel.locator(".tab-name").is_visible()
    tables = page.locator("table:not(details:not([open]) *)")
    assert tables.locator("visible=true").count() == tables.count() > 0
    assert page.locator("[role=tab], [data-pictures]").locator("visible=true").count() == 0
    context.close()


@pytest.mark.parametrize("lang", ["", "en/"])
@pytest.mark.parametrize("place", PLACES)
def test_a_figure_in_words_says_what_its_table_says(
    whole: Rendered, opened: Opened, place: str, lang: str
) -> None:
    """Each number of a text alternative stands in the table beside it, or in its finding."""
    with opened(lang + place) as page:
        told: list[tuple[str, str]] = page.evaluate(
            """() => [...document.querySelectorAll("[data-figure]")].map(one => [
                one.getAttribute("aria-label"),
                one.closest("section").querySelector("h2").textContent + " "
                    + one.closest("[data-tabs]").querySelector("[data-tab=table]").textContent,
            ])"""
        )
    assert told
    number = re.compile(r"\d[\d,.]*\d|\d")
    for label, table in told:
        numbers = number.findall(label)
        assert numbers and set(numbers) <= set(number.findall(table)), label


def test_charts_tables_and_files_hold_the_same(whole: Rendered, opened: Opened) -> None:
    with opened("pass-rates.html") as page:
        figures: dict[str, Any] = {
            name: json.loads(text)
            for name, text in page.evaluate(
                """() => [...document.querySelectorAll("script[id^=figure-]")]
                    .map(one => [one.id, one.textContent])"""
            )
        }

    def rows(name: str) -> list[dict[str, str]]:
        path = whole.folder / "downloads" / name
        with path.open(encoding="utf-8-sig", newline="") as text:
            return list(csv.DictReader(text))

    seen = 0
    trend = rows("pass-rate-trend.csv")
    for key in {(row["stage"], row["subject"]) for row in trend}:
        own = [row for row in trend if (row["stage"], row["subject"]) == key]
        rate = figures["figure-trend-" + "-".join(key)]["data"][-1]
        assert rate["y"] == [float(row["pass_rate"]) for row in own]
        high = [y + up for y, up in zip(rate["y"], rate["error_y"]["array"], strict=True)]
        assert high == pytest.approx([float(row["pass_high"]) for row in own])
        seen += 1
    districts = rows("pass-rate-districts.csv")
    assert figures["figure-districts"]["data"][0]["x"] == [float(r["pass_rate"]) for r in districts]
    for row in rows("value-added-districts.csv"):
        drawn = {
            name: x
            for trace in figures[f"figure-value-added-{row['grade']}-{row['subject']}"]["data"]
            for name, x in zip(trace["y"], trace["x"], strict=True)
        }
        assert drawn[row["unit_name"]] == float(row["effect"])
        seen += 1
    assert seen > 30


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_chart_is_taken_as_a_picture(opened: Opened, tmp_path: Path, scheme: str) -> None:
    phone = {"color_scheme": scheme, "viewport": {"width": 390, "height": 800}}
    with opened("plan.html?tab-measures=download", **phone) as page:
        files: dict[str, Path] = {}
        for kind in ("png", "svg"):
            with page.expect_download() as taken:
                page.click(f"[data-tabs=measures] [data-pictures] button[value={kind}]")
            assert taken.value.suggested_filename == f"plan-measures.{kind}"
            files[kind] = tmp_path / kind
            taken.value.save_as(files[kind])
        assert shown(page, "measures") == ["download"]
    svg = files["svg"].read_text(encoding="utf-8")
    width, height = (int(n) for n in re.findall(r' (?:width|height)="(\d+)"', svg)[:2])
    # The finding, the measure, the source and the release are in it; it is light, as paper is.
    for words in ("各项举措的目标状态", "各状态的目标数", "来源：", "r-0123456789ab", "实践育人"):
        assert words in svg
    blue = COLOURS["blue"].light
    assert "rgb({}, {}, {})".format(*(int(blue[i : i + 2], 16) for i in (1, 3, 5))) in svg
    assert "var(--" not in svg and width == 1008
    data = files["png"].read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) == (2 * width, 2 * height)
