"""Writes a site that any file server, or no server at all, can show.

Nothing that a clock or a path gives enters a file: the same warehouse gives the same bytes.
"""

import csv
import hashlib
import io
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import plotly.graph_objects as go
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from dashboards.analysis import Part, Rules, parts
from dashboards.pages import PAGES, Download, Page, Published, Unit, View
from dashboards.shelf import Owners, write_shelf
from pipelines.wording import LANGUAGES, Lang, inert, translator

HERE = Path(__file__).parent
STATIC = HERE / "static"
TEMPLATES = HERE / "templates"

SCRIPTS: dict[Lang, tuple[str, ...]] = {
    "zh": (
        "vendor/plotly-cartesian-4.1.1.min.js",
        "vendor/plotly-locale-zh-cn-3.7.0.js",
        "page.js",
    ),
    "en": ("vendor/plotly-cartesian-4.1.1.min.js", "page.js"),
}
"""Scripts of a page, in the order of loading."""

STYLES = ("page.css",)

LANGUAGE_TAGS: dict[Lang, str] = {"zh": "zh-CN", "en": "en"}
FOLDERS: dict[Lang, str] = {"zh": "", "en": "en/"}

DRAWN = "drawn.json"
"""Of the analyst area: folder → digest of what its pages were drawn from, and the pages."""

_HAN = re.compile(r"[\u3400-\u9fff]")


@dataclass(frozen=True)
class RenderReport:
    """How much was written: number of files and their bytes (a hard link counts as a file)."""

    files: int
    bytes: int
    reused: int = 0
    """Files that an earlier release had, and that were not made anew."""


def render_site(
    warehouse: Path,
    site: Path,
    downloads: Path,
    *,
    release_id: str,
    unit_name_zh: str,
    unit_name_en: str,
    unit_code: str,
) -> RenderReport:
    """Renders every page in every language, with the tables to download and the gate's list.

    Args:
        warehouse: the DuckDB file; opened read-only, only its schema `published` is read.
        site: folder of the pages, made if missing.
        downloads: folder of the tables; the same files are linked under `site/downloads`.
            The list, `site.json`, is written beside the site.
        release_id: printed at the foot of each page.
        unit_name_zh: the city's name on Chinese pages.
        unit_name_en: the city's name on English pages.
        unit_code: the city's code in the published layer.
    """
    unit = Unit(unit_code, unit_name_zh, unit_name_en)
    written: list[Path] = []
    static = _write_static(site, written)
    # Scripts and styles tell nothing of anybody.
    owners: dict[str, Owners] = dict.fromkeys(static.values(), ())
    fronts: dict[str, dict[str, str]] = {FOLDERS[lang]: {} for lang in LANGUAGES}
    tables: dict[str, bytes] = {}
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        published = Published(connection)
        made = [(page, *own) for page in PAGES for own in _units(page, published, unit)]
        for page, own, whose in made:
            for lang in LANGUAGES:
                view = page.build(published, own, lang)
                for download in view.downloads:
                    tables[download.name] = _csv(download)
                    if owners.setdefault(f"downloads/{download.name}", whose) != whose:
                        raise ValueError(f"{download.name} is of two units")
                place = page.path.format(code=own.code)
                root = "../" * (FOLDERS[lang] + place).count("/")
                text = _page(
                    lang,
                    page.template,
                    place,
                    static,
                    view,
                    # The release in the address, so that a page that was opened before the next
                    # release gives its own figures away; a plain file server takes no notice.
                    downloads_folder=f"{root}downloads/",
                    of_release=f"?r={release_id}",
                    release_id=release_id,
                    unit_name=own.name(lang),
                    front=f"{root}{FOLDERS[lang]}index.html",
                )
                owners[FOLDERS[lang] + place] = whose
                fronts[FOLDERS[lang]].setdefault(whose[-1], FOLDERS[lang] + place)
                _write(site / FOLDERS[lang] / place, text, written)
    for name, content in sorted(tables.items()):
        _write(downloads / name, content, written)
        _link(downloads / name, site / "downloads" / name, written)
    written += write_shelf(site, owners, fronts)
    return RenderReport(len(written), sum(path.stat().st_size for path in written))


def render_analysis(
    warehouse: Path,
    area: Path,
    site: Path,
    *,
    rules: Rules,
    release_id: str,
    unit_name_zh: str,
    unit_name_en: str,
    code: str = "",
    earlier: Path | None = None,
) -> RenderReport:
    """Renders the analyst area in every language, beside the site and out of the gate's reach.

    Pages of a wave whose record, settings and code are those of an earlier area are its files.

    Args:
        warehouse: the sealed DuckDB file; opened read-only.
        area: folder of the pages, made if missing.
        site: a rendered site, whose scripts and styles are linked, not copied.
        rules: the settings of value added.
        release_id: printed at the foot of the contents.
        unit_name_zh: the city's name on Chinese pages.
        unit_name_en: the city's name on English pages.
        code: digest of the code that draws; without it nothing is used again.
        earlier: the area of an earlier release, if there is any.
    """
    city = Unit("", unit_name_zh, unit_name_en)
    written: list[Path] = []
    static = _static()
    for path, _content in static.values():
        _link(site / path, area / path, written)
    names = {name: path for name, (path, _content) in static.items()}
    before = _drawn(earlier) if earlier and code else {}
    drawn: dict[str, dict[str, Any]] = {}
    reused = 0
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        for part in parts(connection, rules):
            digest = _digest(part, code, unit_name_zh, unit_name_en)
            known = before.get(part.folder, {})
            if part.folder and earlier and known.get("digest") == digest:
                pages = known["pages"]
                for page in pages:
                    _link(earlier / page, area / page, written)
                reused += len(pages)
            else:
                pages = []
                for sheet in part.sheets():
                    text = _page(
                        sheet.lang,
                        sheet.template,
                        sheet.path,
                        names,
                        sheet.view,
                        # What changes with every release would make every page another.
                        release_id=release_id if not part.folder else "",
                        drawn_from=digest[:12],
                        unit_name=city.name(sheet.lang),
                    )
                    pages.append(FOLDERS[sheet.lang] + sheet.path)
                    _write(area / pages[-1], text, written)
            if part.folder:
                drawn[part.folder] = {"digest": digest, "pages": pages}
    _write(area / DRAWN, json.dumps(drawn, indent=2).encode() + b"\n", written)
    return RenderReport(len(written), sum(path.stat().st_size for path in written), reused)


def _digest(part: Part, *more: str) -> str:
    """Of all that decides the pages of a part."""
    return hashlib.sha256("\0".join([part.digest, *more]).encode()).hexdigest()


def _drawn(area: Path) -> dict[str, dict[str, Any]]:
    """What the pages of an area were drawn from: of each folder that is still whole."""
    record = area / DRAWN
    if not record.is_file():
        return {}
    told: dict[str, dict[str, Any]] = json.loads(record.read_text(encoding="utf-8"))
    return {
        folder: own
        for folder, own in told.items()
        if all((area / page).is_file() for page in own["pages"])
    }


def _page(
    lang: Lang, template: str, place: str, static: Mapping[str, str], view: View, **more: Any
) -> bytes:
    """The text of a page.

    Args:
        lang: its language.
        template: its template.
        place: where it lies within its language's folder.
        static: path of each static file, by name.
        view: what it shows.
        more: what the template asks for beside.
    """
    root = "../" * (FOLDERS[lang] + place).count("/")
    text = (
        environment(lang)
        .get_template(template)
        .render(
            **view.context,
            **more,
            title=view.title,
            figures={name: figure_json(f) for name, f in view.figures.items()},
            language=LANGUAGE_TAGS[lang],
            alternates=[
                (LANGUAGE_TAGS[other], f"{root}{FOLDERS[other]}{place}")
                for other in LANGUAGES
                if other != lang
            ],
            styles=[root + static[name] for name in STYLES],
            scripts=[root + static[name] for name in SCRIPTS[lang]],
            icon=root + static["icon.svg"],
        )
    )
    return text.encode()


def _units(page: Page, published: Published, city: Unit) -> Iterator[tuple[Unit, Owners]]:
    """Whose pages are made, and who may see each: the city, and the units that it is in.

    Only of districts and schools whose codes can be a folder's name.
    """
    above = (f"city:{city.code}",)
    if page.level == "city":
        yield city, above
        return
    rows = published.rows(
        "select unit_code, unit_name, parent_code from published.unit where level = ? "
        "and regexp_full_match(unit_code, '[0-9A-Za-z_-]+') order by unit_code",
        [page.level],
    )
    for row in rows:
        unit = Unit(row["unit_code"], row["unit_name"], row["unit_name"])
        district = row["parent_code"] if page.level == "school" else None
        between = (f"district:{district}",) if district else ()
        yield unit, (*above, *between, f"{page.level}:{unit.code}")


@cache
def environment(lang: Lang) -> Environment:
    """The templates' environment in one language; an unknown name in a template is an error."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.install_gettext_translations(translator(lang), newstyle=True)  # type: ignore[attr-defined]
    made.filters["tongue"] = lambda text: tongue(text, lang)
    return made


def tongue(text: str, lang: Lang) -> Markup:
    """A name from the data; on a page in another language, Chinese is marked as Chinese."""
    if lang != "zh" and _HAN.search(text):
        return Markup('<span lang="zh-CN">{}</span>').format(text)
    return Markup("{}").format(text)


def figure_json(figure: go.Figure) -> Markup:
    """A figure as text that may stand inside a script element."""
    text = json.dumps(
        figure.to_plotly_json(), ensure_ascii=False, sort_keys=True, separators=(",", ":")
    )
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)


def _static() -> dict[str, tuple[str, bytes]]:
    """The static files: source name → path under a name with its hash, and content."""
    names = sorted({"icon.svg", *STYLES, *(name for used in SCRIPTS.values() for name in used)})
    found = {}
    for name in names:
        content = (STATIC / name).read_bytes()
        source = Path(name)
        digest = hashlib.sha256(content).hexdigest()[:12]
        found[name] = (f"static/{source.stem}.{digest}{source.suffix}", content)
    return found


def _write_static(site: Path, written: list[Path]) -> dict[str, str]:
    """Copies the static files under names with their hash; returns path by source name."""
    paths = {}
    for name, (path, content) in _static().items():
        _write(site / path, content, written)
        paths[name] = path
    return paths


def _csv(download: Download) -> bytes:
    """UTF-8 with a byte order mark, which is how Excel recognises it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(download.columns)
    for row in download.rows:
        writer.writerow([_plain(row[column]) for column in download.columns])
    return text.getvalue().encode("utf-8-sig")


def _plain(value: Any) -> str:
    """A value of a download: `0.834`, `-0.3`, `32156`; what a sheet would compute is quoted."""
    if value is None:
        return ""
    if isinstance(value, float | Decimal):
        number = Decimal(str(value)).normalize()
        return format(abs(number) if number == 0 else number, "f")
    return str(inert(value))


def _write(path: Path, content: bytes, written: list[Path]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    written.append(path)


def _link(source: Path, target: Path, written: list[Path]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
    written.append(target)
