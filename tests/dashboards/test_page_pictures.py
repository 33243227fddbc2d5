"""Pages look as they did: pictures compared with kept ones.

Each page of the made-up city, wide and on a phone, is taken as a picture and made small and grey,
so that fonts of another version hardly show, while what moved, is missing or too much does. What is
meant to look otherwise is looked at, and kept with `pytest tests/dashboards/test_page_pictures.py
--keep-pictures`.
"""

import base64
from pathlib import Path
from typing import Any

import pytest
from made_up_city import Rendered, place_of
from playwright.sync_api import Browser, Page

from dashboards.pages import PAGES

pytestmark = pytest.mark.browser

KEPT = Path(__file__).parent / "pictures"
SCREENS = {"wide": 1280, "phone": 390}
SMALL = 96
"""Width of a kept picture, in its own pixels."""
BLOCK = 8
"""Pixels of it that are compared together: words of another font are as grey as before."""
APART = 0.06
"""Tolerance: the mean difference of grey, from 0 to 1, of a block of pictures that are alike."""
TALLER = 0.02
"""Tolerance: by which part a page may be taller or shorter."""
SHOTS = 8
"""After so many pictures a page must look as it did in the one before."""
COMPARE = """async ([taken, kept, width, block]) => {
    const load = async source => {
        const image = new Image();
        image.src = "data:image/png;base64," + source;
        await image.decode();
        return image;
    };
    const grey = (image, height) => {
        const canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [width, height];
        const pen = canvas.getContext("2d");
        pen.filter = "grayscale(1)";
        pen.imageSmoothingQuality = "high";
        pen.drawImage(image, 0, 0, width, height);
        return canvas;
    };
    const whole = await load(taken);
    const small = grey(whole, Math.round(whole.height * width / whole.width));
    const found = { picture: small.toDataURL("image/png").split(",")[1], taller: 0, apart: 0 };
    if (kept) {
        const other = await load(kept);
        found.taller = small.height / other.height - 1;
        const pixels = canvas => canvas.getContext("2d")
            .getImageData(0, 0, width, other.height).data;
        const [one, two] = [pixels(small), pixels(grey(other, other.height))];
        const across = width / block, blocks = new Float64Array(across * other.height);
        for (let i = 0; i < one.length; i += 4) {
            const x = (i / 4) % width, y = Math.floor(i / 4 / width);
            const at = Math.floor(y / block) * across + Math.floor(x / block);
            blocks[at] += Math.abs(one[i] - two[i]) / 255 / block ** 2;
        }
        found.apart = Math.max(...blocks);
    }
    return found;
}"""


def settled(page: Page) -> bytes:
    """The whole of a page as a picture, once two in a row are the same: to take one may itself make
    the page lay itself out anew.
    """
    last = b""
    for _ in range(SHOTS):
        page.wait_for_selector("html[data-drawn]")
        picture = page.screenshot(full_page=True, animations="disabled")
        if picture == last:
            return picture
        last = picture
    raise AssertionError(f"{page.url} does not come to rest")


def taken(browser: Browser, site: Path, place: str, width: int) -> bytes:
    """The whole of a page as a picture."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme="light")
    page = context.new_page()
    page.goto((site / place).as_uri())
    picture = settled(page)
    context.close()
    return picture


def compared(desk: Page, picture: bytes, kept: bytes | None) -> dict[str, Any]:
    """The picture made small and grey, and how far it is from the kept one where it is furthest."""
    sources = [base64.b64encode(one).decode() if one else None for one in (picture, kept)]
    found: dict[str, Any] = desk.evaluate(COMPARE, [*sources, SMALL, BLOCK])
    return found


@pytest.fixture(scope="module")
def desk(browser: Browser) -> Page:
    """An empty page to compare pictures on."""
    return browser.new_page()


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("place", [place_of(page) for page in PAGES])
def test_a_page_looks_as_it_did(
    browser: Browser,
    desk: Page,
    whole: Rendered,
    place: str,
    screen: str,
    pytestconfig: pytest.Config,
) -> None:
    path = KEPT / f"{place.removesuffix('.html').replace('/', '-')}-{screen}.png"
    picture = taken(browser, whole.site, place, SCREENS[screen])
    if pytestconfig.getoption("--keep-pictures"):
        path.write_bytes(base64.b64decode(compared(desk, picture, None)["picture"]))
    found = compared(desk, picture, path.read_bytes())
    assert abs(found["taller"]) <= TALLER, f"{path.name}: {found['taller']:+.1%} in height"
    assert found["apart"] <= APART, f"{path.name}: {found['apart']:.3f} apart"


def test_every_kept_picture_is_of_a_page() -> None:
    names = {place_of(page).removesuffix(".html").replace("/", "-") for page in PAGES}
    assert {path.stem for path in KEPT.glob("*.png")} == {
        f"{n}-{s}" for n in names for s in SCREENS
    }


@pytest.mark.parametrize(
    "change",
    [
        "document.querySelector('figure').remove()",
        "document.querySelector('.lead').style.marginTop = '60px'",
        "document.querySelectorAll('figure').forEach(one => one.style.visibility = 'hidden')",
    ],
    ids=["a figure is missing", "all has moved down", "figures are empty"],
)
def test_what_looks_otherwise_is_seen(
    browser: Browser, desk: Page, whole: Rendered, change: str
) -> None:
    kept = (KEPT / "classrooms-wide.png").read_bytes()
    context = browser.new_context(viewport={"width": SCREENS["wide"], "height": 900})
    page = context.new_page()
    page.goto((whole.site / "classrooms.html").as_uri())
    page.wait_for_selector("html[data-drawn]")
    page.evaluate(change)
    found = compared(desk, settled(page), kept)
    context.close()
    assert abs(found["taller"]) > TALLER or found["apart"] > APART
