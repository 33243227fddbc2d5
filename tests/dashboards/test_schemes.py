"""Pages and their figures follow the reader's scheme; paper is light, whatever the screen is."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from dashboards.look import COLOURS

pytestmark = pytest.mark.browser

A4 = round((210 - 2 * 14) / 25.4 * 96)
"""Width of what is printed, in pixels: A4 without the margins of the style sheet."""
FIGURES = (
    "pass-rates.html", "plan.html", "classrooms.html", "training.html", "equity.html",
    "submissions.html", "competencies.html",
)  # fmt: skip


def rgb(name: str, scheme: str) -> str:
    """A colour as the browser tells it."""
    value = getattr(COLOURS[name], scheme)
    return "rgb({}, {}, {})".format(*(int(value[i : i + 2], 16) for i in (1, 3, 5)))


def colours(page: Page) -> tuple[str, str, str]:
    """Of the page, of a figure's first bar, and of the words at it."""
    found: list[str] = page.evaluate(
        """() => {
            const of = (what, how) => getComputedStyle(document.querySelector(what))[how];
            return [
                of("body", "backgroundColor"),
                of(".barlayer .point path", "fill"),
                of(".barlayer .point text", "fill"),
            ];
        }"""
    )
    one, two, three = found
    return one, two, three


def told(scheme: str) -> tuple[str, str, str]:
    return rgb("paper", scheme), rgb("blue", scheme), rgb("on-strong", scheme)


def test_figures_follow_the_scheme_also_when_it_changes(opened: Callable[..., Any]) -> None:
    with opened("plan.html", color_scheme="dark") as page:
        assert colours(page) == told("dark")
        page.emulate_media(color_scheme="light")
        page.wait_for_function(
            "colour => getComputedStyle(document.querySelector('.barlayer .point path')).fill"
            " === colour",
            arg=rgb("blue", "light"),
        )
        assert colours(page) == told("light")


def test_paper_is_light(opened: Callable[..., Any]) -> None:
    with opened("plan.html", color_scheme="dark") as page:
        for event, scheme in (("beforeprint", "light"), ("afterprint", "dark")):
            page.evaluate("name => { window.dispatchEvent(new Event(name)) }", event)
            assert colours(page) == told(scheme)
        page.emulate_media(media="print")
        assert colours(page)[0] == rgb("paper", "light")


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("place", [*FIGURES, "en/plan.html", "district/370402/value-added.html"])
def test_nothing_is_cut_off_on_a4(opened: Callable[..., Any], place: str, width: int) -> None:
    with opened(place, viewport={"width": width, "height": 900}) as page:
        # What was drawn for a screen is not drawn anew for paper: it is made smaller.
        page.evaluate("() => { window.dispatchEvent(new Event('beforeprint')) }")
        page.emulate_media(media="print")
        page.set_viewport_size({"width": A4, "height": 900})
        beyond = page.evaluate(
            """width => [...document.querySelectorAll("main *")]
                .filter(one => !one.closest("svg, .sr, [hidden]") || one.matches(".main-svg"))
                .filter(one => one.getBoundingClientRect().right > width + 1)
                .map(one => one.outerHTML.slice(0, 120))""",
            A4,
        )
        assert beyond == []
        for holder in page.locator("[data-figure]").all():
            box = holder.bounding_box()
            drawing = holder.locator(".main-svg").first.bounding_box()
            assert box and drawing
            assert drawing["width"] <= box["width"] + 1
            assert abs(drawing["height"] - box["height"]) <= 1
        # What is folded away on the screen is open on paper.
        assert page.locator("details:not([open])").count() == 0


def test_paper_shows_every_tab(opened: Callable[..., Any]) -> None:
    with opened("plan.html?tab-measures=table", color_scheme="dark") as page:
        assert page.locator("#measures-chart .main-svg").count() == 0
        page.evaluate("() => { window.dispatchEvent(new Event('beforeprint')) }")
        page.emulate_media(media="print")
        page.wait_for_selector("#measures-chart .main-svg")
        assert colours(page) == told("light")
        for kind, seen in (("chart", True), ("table", True), ("method", True), ("download", False)):
            assert page.locator(f"#measures-{kind}").is_visible() == seen
        assert page.locator("[role=tablist]").is_hidden()
