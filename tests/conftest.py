"""What tests of every room share: Debian's Chromium."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings as hypothesis

# A machine that is busy is no failure.
hypothesis.register_profile("eqm", deadline=None)
hypothesis.load_profile("eqm")

CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, opened once; its tests are skipped where it is not installed."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        opened = play.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield opened
        opened.close()
