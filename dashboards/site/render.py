"""Writes a site that any file server, or no server at all, can show.

Nothing that a clock or a path gives enters a file: the same warehouse gives the same bytes.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb

from dashboards.analysis import Part, Rules, parts
from dashboards.pages import PAGES, Page, Published, Unit
from dashboards.pages.dictionary import dictionary
from dashboards.shelf import Filed, Owners, write_shelf
from dashboards.site.asked import unchanged, write_record
from dashboards.site.layer import write_layer, write_sums
from dashboards.site.press import Order, Tell, link, printed_sheets, write
from dashboards.site.text import FOLDERS, page_text, static_files
from pipelines.wording import LANGUAGES

DRAWN = "drawn.json"
"""Of the analyst area: folder → digest of what its pages were drawn from, and the pages."""


@dataclass(frozen=True)
class RenderReport:
    """How much was written: number of files and their bytes (a hard link counts as a file)."""

    files: int
    bytes: int
    reused: int = 0
    """Pages that an earlier release had, and that were not made anew."""


def render_site(
    warehouse: Path,
    site: Path,
    downloads: Path,
    *,
    release_id: str,
    unit_name_zh: str,
    unit_name_en: str,
    unit_code: str,
    code: str = "",
    earlier: Path | None = None,
    workers: int = 1,
    tell: Tell | None = None,
) -> RenderReport:
    """Renders every page in every language, with the tables to download and the gate's list.

    Pages of a unit whose questions have the answers of an earlier release are made out of its
    files, if its code and settings were these; a file that is not as it was written is not used.

    Args:
        warehouse: the DuckDB file; opened read-only, only its schema `published` is read.
        site: folder of the pages, made if missing.
        downloads: folder of the tables; the same files are linked under `site/downloads`.
            The list, `site.json`, is written beside the site, and so is what the pages asked.
        release_id: printed at the foot of each page.
        unit_name_zh: the city's name on Chinese pages.
        unit_name_en: the city's name on English pages.
        unit_code: the city's code in the published layer.
        code: digest of the code that draws; without it nothing is used again.
        earlier: the folder of an earlier release, if there is any.
        workers: processes that make pages side by side; 1: this one alone.
        tell: is told how many units have their pages, and of how many.
    """
    unit = Unit(unit_code, unit_name_zh, unit_name_en)
    static = _write_static(site)
    # Scripts and styles tell nothing of anybody.
    owners: dict[str, Owners] = dict.fromkeys(static, ())
    fronts: dict[str, dict[str, str]] = {FOLDERS[lang]: {} for lang in LANGUAGES}
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        published = Published(connection)
        made = [
            (number, *own)
            for number, page in enumerate(PAGES)
            for own in _units(page, published, unit)
        ]
        meanings = dictionary(published)
    made_by = sha256("\0".join([code, unit_code, unit_name_zh, unit_name_en]).encode()).hexdigest()
    again = earlier if code else None
    same = unchanged(warehouse, again) if again else frozenset()
    sheets = printed_sheets(
        Order(warehouse, site, downloads, release_id, meanings, made_by, again, same),
        [(number, own) for number, own, _ in made],
        workers,
        tell or (lambda done, of: None),
    )
    filed: dict[str, Filed] = {}
    for (_, _, whose), sheet in zip(made, sheets, strict=True):
        filed |= sheet.filed
        for path in sheet.filed:
            if owners.setdefault(path, whose) != whose:
                raise ValueError(f"{Path(path).name} is of two units")
        for lang, path in zip(LANGUAGES, sheet.printed.pages, strict=True):
            for key in whose[-1:]:
                fronts[FOLDERS[lang]].setdefault(key, path)
    taken = {name for one in sheets for name in one.printed.tables}
    whole = _write_layer(warehouse, downloads, release_id, sorted(taken))
    for name in whole:
        link(downloads / name, site / "downloads" / name)
        owners[f"downloads/{name}"] = (f"city:{unit_code}",)
    written = [
        *(site / path for path in owners),
        *(downloads / name for name in {*taken, *whole}),
        *write_shelf(site, owners, fronts, filed),
        write_record(site, made_by, release_id, [sheet.printed for sheet in sheets]),
    ]
    size = sum(path.stat().st_size for path in written)
    reused = sum(len(sheet.printed.pages) for sheet in sheets if sheet.reused)
    return RenderReport(len(written), size, reused)


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
    static = static_files()
    for path, _content in static.values():
        link(site / path, area / path)
        written.append(area / path)
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
                    link(earlier / page, area / page)
                    written.append(area / page)
                reused += len(pages)
            else:
                pages = []
                for sheet in part.sheets():
                    text = page_text(
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
                    write(area / pages[-1], text)
                    written.append(area / pages[-1])
            if part.folder:
                drawn[part.folder] = {"digest": digest, "pages": pages}
    write(area / DRAWN, json.dumps(drawn, indent=2).encode() + b"\n")
    written.append(area / DRAWN)
    return RenderReport(len(written), sum(path.stat().st_size for path in written), reused)


def _digest(part: Part, *more: str) -> str:
    """Of all that decides the pages of a part."""
    return sha256("\0".join([part.digest, *more]).encode()).hexdigest()


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


def _units(page: Page, published: Published, city: Unit) -> Iterator[tuple[Unit, Owners]]:
    """Whose pages are made, and who may see each: the city, and the units that it is in; or all.

    Only of districts and schools whose codes can be a folder's name.
    """
    above = (f"city:{city.code}",)
    if page.everybody:
        yield city, ()
        return
    if page.level == "city":
        yield city, above
        return
    rows = published.rows(
        "select unit_code, unit_name, parent_code from published.unit where level = ? "
        "and regexp_full_match(unit_code, '[0-9A-Za-z_-]+') order by unit_code",
        [page.level],
    )
    for row in rows:
        unit = Unit(row["unit_code"], row["unit_name"], row["unit_name"], page.level)
        district = row["parent_code"] if page.level == "school" else None
        between = (f"district:{district}",) if district else ()
        yield unit, (*above, *between, f"{page.level}:{unit.code}")


def _write_layer(
    warehouse: Path, downloads: Path, release_id: str, tables: list[str]
) -> tuple[str, ...]:
    """The whole layer, and the digests of all tables to take away; answers their names."""
    downloads.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        # Several threads would cut Parquet files otherwise each time.
        connection.execute("set threads = 1")
        archives = write_layer(connection, downloads, release_id)
    return *archives, write_sums(downloads, [*tables, *archives])


def _write_static(site: Path) -> list[str]:
    """Copies the static files under names with their hash; answers their paths in the site."""
    files = dict(static_files().values())
    for path, content in files.items():
        write(site / path, content)
    return list(files)
