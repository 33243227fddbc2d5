"""Draws the pictures of the documentation anew.

Those of schools.md: `.venv/bin/python docs/pictures.py`. Those of pages.md and design-language.md,
of the release that `EQM_HOME` holds: `.venv/bin/python docs/pictures.py pages`.

A template with a school's students, a return workbook of the same file filled in with three slips,
both as LibreOffice shows them, put together by Chromium. Each picture carries a digest of the cells
that it shows, so that a test knows when it shows what is no more.
"""

import base64
import hashlib
import json
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path
from typing import Any

import openpyxl

from dashboards import chromium
from dashboards.look import COLOURS, FONTS
from dashboards.pages import PAGES
from pipelines.feeds import load_contracts, write_template
from pipelines.intake import ingest
from pipelines.intake.feedback import LIST_SHEET, NOTES_SHEET
from pipelines.rosters import known
from pipelines.sample import write_sample
from pipelines.settings import Settings

FOLDER = Path(__file__).parent
WAVE, FEED = "2026-06-annual", "monitoring_results"
ROWS = 14
"""Of the template's students, so many are handed in."""
SUBJECTS = ("语文", "数学", "科学")
"""What their grade sits."""
SLIPS = {("学籍号", 7): "3.70E+17", ("语文", 3): 132, ("数学", 5): "病假"}
"""Header and row of a wrong cell, and what stands there."""
SHOWN = {
    "template.png": [(None, 300)],
    "return-workbook.png": [(NOTES_SHEET, 240), (LIST_SHEET, 440), (None, 320)],
}
"""Picture → its sheets (none: the school's own), and how many pixels of each are shown."""
WIDTH = 1180
TITLE = 34
STYLE = f"""
body {{ margin: 0; background: #fff; font: 13px 'Noto Sans CJK SC', sans-serif }}
p {{ height: {TITLE - 8}px; margin: 0; padding: 8px 8px 0; background: #e8edf3; font-weight: bold }}
div {{ overflow: hidden }} table {{ border-collapse: collapse }} td {{ padding: 1px 5px }}
font, td {{ font: inherit; font-size: 13px }} b font {{ font-weight: bold }}
"""
"""Over each sheet stands its name."""
KEY = b"Source"


def make(folder: Path) -> dict[str, Path]:
    """The workbook of each picture."""
    settings = Settings.load(
        raw=folder / "raw", home=folder / "home", pseudonym_key_file=folder / "key" / "k"
    )
    write_sample(settings.raw, students=600, years=1, seed=2024)
    ingest(settings)
    schools = next((settings.raw / "students").rglob("*.csv")).parent
    code = min(path.stem for path in schools.glob("[23]*.csv"))
    contract = load_contracts()[FEED]
    found = known(settings, contract, code, WAVE)
    grade = next(row["grade"] for row in found.rows)
    rows = [row for row in found.rows if row["grade"] == grade][:ROWS]
    subjects = {word: found.wide[word] for word in SUBJECTS}
    template = write_template(
        contract, folder / "模板.xlsx", rows=rows, wide=subjects, offered=found.offered
    )
    book = openpyxl.load_workbook(template)
    sheet = book.worksheets[0]
    column = {str(cell.value): cell.column for cell in sheet[1]}
    for row in range(2, len(rows) + 2):
        for at, subject in enumerate(subjects):
            sheet.cell(row, column[subject]).value = 60 + (row * 7 + at * 11) % 39
    for (header, row), wrong in SLIPS.items():
        sheet.cell(row, column[header]).value = wrong
    book.save(settings.raw / FEED / schools.name / f"{grade}成绩.xlsx")
    ingest(settings)
    (back,) = settings.feedback.rglob(f"{grade}成绩.*.xlsx")
    return {"template.png": template, "return-workbook.png": back}


def digest(workbook: Path) -> str:
    """What a picture of these cells is known by."""
    book = openpyxl.load_workbook(workbook)
    cells = {
        sheet.title: [[str(v) for v in row] for row in sheet.values] for sheet in book.worksheets
    }
    return hashlib.sha256(json.dumps(cells, sort_keys=True).encode()).hexdigest()


def kept(picture: Path) -> str:
    """The digest that a picture carries; empty where it carries none."""
    data = picture.read_bytes()
    at = data.find(b"tEXt" + KEY + b"\0")
    return data[at + 5 + len(KEY) :][:64].decode() if at >= 0 else ""


def _drawn(workbook: Path, name: str | None, folder: Path) -> tuple[str, str]:
    """Name of one sheet, and its table as LibreOffice writes it, without the comments."""
    book = openpyxl.load_workbook(workbook)
    own = next(
        s for s in book.worksheets if s.title == name or (name is None and s.title[:2] != "退回")
    )
    for sheet in book.worksheets:
        if sheet is not own:
            book.remove(sheet)
    for cell in (cell for row in own for cell in row if cell.comment):
        cell.comment = None
    alone = folder / "sheet.xlsx"
    book.save(alone)
    office = str(shutil.which("soffice"))
    profile = f"-env:UserInstallation={(folder / 'profile').as_uri()}"
    command = [office, profile, "--headless", "--convert-to", "html", "--outdir", str(folder)]
    subprocess.run([*command, str(alone)], check=True, timeout=300, capture_output=True)
    html = alone.with_suffix(".html").read_text(encoding="utf-8")
    table = html[html.index("<table") : html.index("</table>") + len("</table>")]
    return own.title, table


def _marked(picture: bytes, text: str) -> bytes:
    """A PNG with a text before its last chunk."""
    body = b"tEXt" + KEY + b"\0" + text.encode()
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return picture[:-12] + chunk + picture[-12:]


def draw(name: str, workbook: Path, folder: Path) -> None:
    """One picture, into this folder."""
    parts = [(*_drawn(workbook, sheet, folder), height) for sheet, height in SHOWN[name]]
    page = "".join(
        f'<p>{title}</p><div style="height:{height}px">{table}</div>'
        for title, table, height in parts
    )
    html = folder / "page.html"
    html.write_text(f"<!doctype html><meta charset='utf-8'><style>{STYLE}</style>{page}")
    taken = folder / name
    height = sum(height + TITLE for *_, height in parts)
    browser = str(chromium.path())
    options = ["--headless", "--no-sandbox", "--hide-scrollbars", f"--screenshot={taken}"]
    size = f"--window-size={WIDTH},{height}"
    subprocess.run(
        [browser, *options, size, html.as_uri()], check=True, timeout=300, capture_output=True
    )
    (FOLDER / name).write_bytes(_marked(taken.read_bytes(), digest(workbook)))


SCREENS = {"wide": (1280, 1000), "phone": (390, 844)}
QUALITY = 72
"""Of a picture of a page, of 100: words stay sharp, and a picture is some 40 KB."""
DETAILS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "figure": ("pass-rates.html", "section[aria-labelledby=districts]", {}),
    "table": ("pass-rates.html?tab-districts=table", "section[aria-labelledby=districts]", {}),
    "dark": ("index.html", "section[aria-labelledby=numbers]", {"color_scheme": "dark"}),
    "plan": ("plan.html", "section[aria-labelledby=measures]", {}),
}
"""Picture of design-language.md → page, part of it, and how it is opened."""


def pages(site: Path) -> None:
    """One picture of each kind of page and screen, and those of the design."""

    def taken(name: str, page: Any, clip: dict[str, float]) -> None:
        told = page.context.new_cdp_session(page).send(
            "Page.captureScreenshot",
            {
                "format": "webp",
                "quality": QUALITY,
                "clip": {**clip, "scale": 1},
                "captureBeyondViewport": True,
            },
        )
        target = FOLDER / "pictures" / f"{name}.webp"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(base64.b64decode(told["data"]))

    with chromium.opened() as browser:

        def opened(address: str, **how: Any) -> Any:
            page = browser.new_context(**how).new_page()
            page.goto(address)
            page.wait_for_selector("html[data-drawn]")
            return page

        for name, place in kinds(site).items():
            for screen, (width, height) in SCREENS.items():
                page = opened((site / place).as_uri(), viewport={"width": width, "height": height})
                whole = page.evaluate("document.documentElement.scrollHeight")
                box = {"x": 0, "y": 0, "width": width, "height": min(height, whole)}
                taken(f"{name}-{screen}", page, box)
                page.context.close()
        for name, (place, part, how) in DETAILS.items():
            path, _, query = place.partition("?")
            page = opened(
                f"{(site / path).as_uri()}?{query}", viewport={"width": 1000, "height": 900}, **how
            )
            box = page.locator(part).bounding_box()
            taken(f"design-{name}", page, {**box, "x": 0, "width": 1000})
            page.context.close()
        page = browser.new_page(viewport={"width": 960, "height": 100})
        page.set_content(palette())
        height = page.evaluate("document.documentElement.scrollHeight")
        taken("design-palette", page, {"x": 0, "y": 0, "width": 960, "height": height})
        browser.close()


def kinds(site: Path) -> dict[str, str]:
    """Each page that there is, of the highest unit that has it: name → a place in the site."""
    found: dict[str, str] = {}
    for page in PAGES:
        name = Path(page.path).stem.replace("index", "overview")
        if page.level == "school":
            # A school's other pages look as those of its district.
            name = "school" if name == "overview" else name
        if name in found:
            continue
        places = sorted(site.glob(page.path.format(code="*")))
        # The fullest says most of how a kind of page looks.
        found[name] = max(places, key=lambda p: p.stat().st_size).relative_to(site).as_posix()
    return found


def palette() -> str:
    """Every colour in both schemes, with its name."""

    def row(scheme: str) -> str:
        paper, ink = (getattr(COLOURS[name], scheme) for name in ("paper", "ink"))
        chips = "".join(
            f"<li><i style='background:{getattr(own, scheme)}'></i>{name}</li>"
            for name, own in COLOURS.items()
        )
        return f"<ul style='background:{paper};color:{ink}'>{chips}</ul>"

    style = f"""
    body {{ margin: 0; font: 13px {FONTS} }}
    ul {{ display: grid; grid-template-columns: repeat(8, 1fr); gap: 10px }}
    ul {{ margin: 0; padding: 18px; list-style: none }}
    i {{ display: block; height: 44px; margin-bottom: 4px; border: 1px solid #8888 }}
    """
    return f"<!doctype html><style>{style}</style>{row('light')}{row('dark')}"


def main() -> None:
    """Draw them all."""
    if sys.argv[1:] == ["pages"]:
        return pages(Settings.load().current.resolve() / "site")
    with tempfile.TemporaryDirectory() as name:
        for picture, workbook in make(Path(name)).items():
            draw(picture, workbook, Path(name))
    return None


if __name__ == "__main__":
    sys.exit(main())
