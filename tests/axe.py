"""What axe-core, pinned among the tests, finds in a page that a browser has open."""

from pathlib import Path

from playwright.sync_api import Page

VENDOR = Path(__file__).parent / "vendor"
AXE = next(VENDOR.glob("axe-*.min.js"))
STANDARD = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def violations(page: Page) -> list[tuple[str, str, str]]:
    """What axe finds: rule, element, and what is the matter."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found: list[tuple[str, str, str]] = page.evaluate(
        """async tags => (await axe.run({
            runOnly: { type: "tag", values: tags },
            preload: false, // it would ask for the style sheets again
        })).violations
            .flatMap(rule => rule.nodes.map(one => [rule.id, one.html, one.failureSummary]))""",
        STANDARD,
    )
    return found
