"""Reports of schools on paper: two sheets each, printed by Chromium.

Text stays text, and fonts are in the file. A report says nothing but what its release published.
"""

import difflib
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
from markupsafe import Markup

from dashboards import chromium
from dashboards.look import style_sheet
from dashboards.pages import Published, Unit
from dashboards.pages import school_report as report
from dashboards.site.text import LANGUAGE_TAGS, environment
from pipelines.wording import Lang, bilingual

SHEETS = 2
SCALES = (1.0, 0.92, 0.85, 0.78, 0.7, 0.62)
"""A report that runs over its sheets is printed smaller, step by step."""
_SHEET = re.compile(rb"/Type\s*/Page\b")
_NAMED = 8
"""So many codes are named where one does not exist."""

Tell = Callable[[int, int], None]
"""Is told how many reports are printed, and of how many."""


class ReportError(Exception):
    """A report can't be printed; the text says what to do."""


class NoSuchSchool(ReportError):
    """The release has no school of that code."""


class NoPrinter(ReportError):
    """Chromium, what drives it, or a Chinese font is not installed."""


def write_reports(
    warehouse: Path,
    folder: Path,
    *,
    release_id: str,
    codes: Sequence[str] | None,
    langs: Sequence[Lang],
    notice: Callable[[Lang], str] = lambda lang: "",
    tell: Tell = lambda done, of: None,
) -> list[Path]:
    """Print `school-<code>-<language>.pdf` for schools of a release; answers the files.

    Args:
        warehouse: of the release; its schema `published` is read.
        folder: where the files are written, made if missing; each appears when it is whole.
        release_id: printed on each sheet.
        codes: of the schools; none: of all.
        langs: languages of the reports.
        notice: what is printed above the figures, such as that they are not published yet.
        tell: is told how many reports are printed, and of how many.

    Raises:
        NoSuchSchool: the text says which there are.
        NoPrinter: the text says what to install.
        ReportError: the release was made before there were reports, or Chromium failed.
    """
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        published = Published(connection)
        try:
            units = _schools(published, codes)
            todo = [(unit, lang) for unit in units for lang in langs]
            written: list[Path] = []
            tell(0, len(todo))
            with printer() as printed:
                folder.mkdir(parents=True, exist_ok=True)
                for unit, lang in todo:
                    text = report_text(published, unit, lang, release_id, notice(lang))
                    target = folder / f"school-{unit.code}-{lang}.pdf"
                    aside = target.with_suffix(".new")
                    aside.write_bytes(printed(text))
                    aside.replace(target)
                    written.append(target)
                    tell(len(written), len(todo))
        except duckdb.CatalogException as error:
            raise ReportError(
                bilingual(
                    "Release {release} was made before there were reports ({words}); build anew.",
                    release=release_id,
                    words=str(error).splitlines()[0],
                )
            ) from error
    return written


def report_text(
    published: Published, unit: Unit, lang: Lang, release_id: str, notice: str = ""
) -> str:
    """The report of a school as a page that needs no other file."""
    view = report.build(published, unit, lang)
    template = environment(lang).get_template("school_report.html")
    return template.render(
        **view.context,
        title=view.title,
        language=LANGUAGE_TAGS[lang],
        release_id=release_id,
        notice=notice,
        look=Markup(style_sheet()),
    )


def _schools(published: Published, codes: Sequence[str] | None) -> list[Unit]:
    rows = published.rows(
        "select unit_code, unit_name from published.unit where level = 'school' "
        "and regexp_full_match(unit_code, '[0-9A-Za-z_-]+') order by unit_code"
    )
    names = {row["unit_code"]: row["unit_name"] for row in rows}
    for code in codes or ():
        if code not in names:
            near = difflib.get_close_matches(code, names, _NAMED) or list(names)[:_NAMED]
            raise NoSuchSchool(
                bilingual(
                    "No school {code} in this release. It has {n} schools, such as {codes}.",
                    code=code,
                    n=len(names),
                    codes=", ".join(near),
                )
                if names
                else bilingual("No school {code} in this release: it has none.", code=code)
            )
    return [Unit(code, names[code], names[code], "school") for code in codes or names]


@contextmanager
def printer() -> Iterator[Callable[[str], bytes]]:
    """Prints pages as PDF on two sheets of A4; Chromium is opened once.

    Raises:
        NoPrinter: the text says what to install.
        ReportError: what is to be printed fits on two sheets at no scale, or Chromium failed.
    """
    if chromium.path() is None:
        raise NoPrinter(
            bilingual("Chromium is not installed: apt-get install chromium fonts-noto-cjk")
        )
    try:
        from playwright.sync_api import Error
    except ImportError:
        raise NoPrinter(
            bilingual(
                "Playwright is not installed: pip install 'education-quality-monitor[report]'"
            )
        ) from None
    if not _has_chinese():
        raise NoPrinter(bilingual("There is no Chinese font: apt-get install fonts-noto-cjk"))
    try:
        with chromium.opened() as browser:
            # What is printed is complete: no script runs, nothing is fetched.
            page = browser.new_context(java_script_enabled=False, offline=True).new_page()

            def printed(text: str) -> bytes:
                page.set_content(text)
                return _on_two_sheets(page)

            yield printed
    except Error as error:
        raise ReportError(f"Chromium: {error.message.splitlines()[0]}") from error


def _on_two_sheets(page: Any) -> bytes:
    for scale in SCALES:
        content: bytes = page.pdf(
            prefer_css_page_size=True, print_background=True, scale=scale, tagged=True
        )
        if len(_SHEET.findall(content)) <= SHEETS:
            return content
    raise ReportError(bilingual("The report does not fit on two sheets."))


def _has_chinese() -> bool:
    """Whether fontconfig knows a font with Chinese; without fontconfig nothing can be said."""
    asked = shutil.which("fc-list")
    if asked is None:
        return True
    done = subprocess.run(
        [asked, ":lang=zh-cn", "family"], capture_output=True, text=True, check=False
    )
    return bool(done.stdout.strip())
