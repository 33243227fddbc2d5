"""Debian's Chromium, driven by Playwright: it prints reports, and shows pages to tests and docs."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PACKAGES = "chromium fonts-noto-cjk"
"""What brings it and a Chinese font, of Debian."""


def path() -> str | None:
    """Where it is; none where it is not installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def opened() -> Iterator["Browser"]:
    """A browser without a window, closed at the end.

    Raises:
        ImportError: Playwright is not installed.
        playwright.sync_api.Error: Chromium is not installed, or does not start.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=path(),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()
