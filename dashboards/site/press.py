"""Makes the pages of units, those of many units in processes of their own."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import duckdb
from pebble import ProcessPool

from dashboards.pages import PAGES, Download, Unit, ways
from dashboards.pages.dictionary import Dictionary
from dashboards.shelf import Filed, file_away
from dashboards.site.asked import Asking, Earlier, Printed, names_of
from dashboards.site.layer import CSV, PARQUET, SUMS
from dashboards.site.take import (
    WORKBOOK,
    Noted,
    csv_text,
    of_release,
    workbook,
    workbook_name,
)
from dashboards.site.text import FOLDERS, page_text, static_files
from pipelines.wording import LANGUAGES, Lang

LAYER = (("CSV", CSV), ("Parquet", PARQUET), ("SHA-256", SUMS))
"""What the city's pages offer of the whole layer: what it is, and its file."""
FEW = 256
"""So many units are done with before processes of their own would have started."""
AT_A_TIME = 8
"""Units that a process takes with it."""

Task = tuple[int, Unit]
"""Which of `PAGES`, and of which unit."""
Tell = Callable[[int, int], None]
"""Is told how many units have their pages, and of how many."""


@dataclass(frozen=True)
class Order:
    """Out of what pages are made, and where to."""

    warehouse: Path
    site: Path
    downloads: Path
    release_id: str
    dictionary: Dictionary
    made_by: str
    """Digest of the code, and of the names that all pages are given."""
    earlier: Path | None = None
    """The folder of an earlier release, if pages of it may be used again."""
    unchanged: frozenset[str] = frozenset()
    """Published tables that are what they were in that release."""


@dataclass(frozen=True)
class Sheet:
    """The files of a unit's page that were written."""

    printed: Printed
    filed: dict[str, Filed]
    """By the path in the site."""
    reused: bool = False


class Press:
    """Makes the pages of one unit after the other."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._connection = duckdb.connect(str(order.warehouse), read_only=True)
        # Questions are small and many; other processes ask theirs at the same time.
        self._connection.execute("set threads = 1")
        self.close = self._connection.close
        self._static = {name: path for name, (path, _content) in static_files().items()}
        self._earlier = (
            Earlier(order.earlier, order.made_by, order.unchanged) if order.earlier else None
        )

    def sheet(self, task: Task) -> Sheet:
        """The pages of a unit: those of the earlier release where they hold, else made anew."""
        published = Asking(self._connection)
        return self._again(task, published) or self._anew(task, published.again())

    def _again(self, task: Task, published: Asking) -> Sheet | None:
        if self._earlier is None:
            return None
        number, unit = task
        place = PAGES[number].path.format(code=unit.code)
        found = self._earlier.find(place, unit, published)
        if found is None:
            return None
        printed, contents = found
        # The id is a digest of all that was handed in: it stands where the template put it alone.
        before, now = self._earlier.release_id, self._order.release_id
        pages = [
            content.replace(before.encode(), now.encode())
            for content in contents[: len(printed.pages)]
        ]
        tables = {
            name: of_release(content, before, now) if name.endswith(WORKBOOK) else content
            for name, content in zip(printed.tables, contents[len(printed.pages) :], strict=True)
        }
        return replace(self._written(printed, pages, tables), reused=True)

    def _anew(self, task: Task, published: Asking) -> Sheet:
        number, unit = task
        page = PAGES[number]
        place = page.path.format(code=unit.code)
        pages: list[bytes] = []
        taken: dict[str, dict[Lang, Download]] = {}
        for lang in LANGUAGES:
            view = page.build(published, unit, lang)
            for download in view.downloads:
                said = download if download.title else replace(download, title=view.title)
                taken.setdefault(download.name, {})[lang] = said
            root = "../" * (FOLDERS[lang] + place).count("/")
            text = page_text(
                lang,
                page.template,
                place,
                self._static,
                view,
                # The release in the address, so that a page that was opened before the next
                # release gives its own figures away; a plain file server takes no notice.
                downloads_folder=f"{root}downloads/",
                of_release=f"?r={self._order.release_id}",
                layer=LAYER if page.level == "city" else (),
                release_id=self._order.release_id,
                unit_name=unit.name(lang),
                front=f"{root}{FOLDERS[lang]}index.html",
                home=f"{root}{FOLDERS[lang]}",
                ways=ways(page, unit, lang),
            )
            pages.append(text)
        tables: dict[str, bytes] = {}
        for told in taken.values():
            tables |= self._table(unit, told)
        paths = tuple(FOLDERS[lang] + place for lang in LANGUAGES)
        printed = Printed(place, paths, tuple(sorted(tables)), names_of(unit), published.asked)
        return self._written(printed, pages, tables)

    def _table(self, unit: Unit, told: dict[Lang, Download]) -> dict[str, bytes]:
        """The files of a table, as each language tells of it, by their names."""
        download = list(told.values())[-1]
        noted = Noted(
            {lang: one.title for lang, one in told.items()},
            unit.code,
            {lang: unit.name(lang) for lang in LANGUAGES},
            self._order.release_id,
            self._order.dictionary,
        )
        return {
            download.name: csv_text(download),
            workbook_name(download.name): workbook(download, noted),
        }

    def _written(self, printed: Printed, pages: Sequence[bytes], tables: dict[str, bytes]) -> Sheet:
        site, filed = self._order.site, {}
        for path, text in zip(printed.pages, pages, strict=True):
            write(site / path, text)
            filed[path] = file_away(site, path)
        for name in printed.tables:
            write(self._order.downloads / name, tables[name])
            path = f"downloads/{name}"
            link(self._order.downloads / name, site / path)
            filed[path] = file_away(site, path)
        return Sheet(printed, filed)


def printed_sheets(order: Order, tasks: Sequence[Task], workers: int, tell: Tell) -> list[Sheet]:
    """The pages of all units, in their order: those of an earlier release that hold, others anew.

    Args:
        order: out of what, and where to.
        tasks: the units' pages.
        workers: processes that make pages side by side; 1: this one alone.
        tell: is told how many units are done, and of how many.
    """
    many = workers > 1 and len(tasks) > FEW
    found = []
    for sheet in _in_processes(order, tasks, workers) if many else _here(order, tasks):
        found.append(sheet)
        tell(len(found), len(tasks))
    return found


def _here(order: Order, tasks: Sequence[Task]) -> Iterator[Sheet]:
    with closing(Press(order)) as press:
        yield from map(press.sheet, tasks)


_press: Press | None = None
"""Of a process that makes pages."""


def _start(order: Order) -> None:
    global _press
    _press = Press(order)


def _sheet(task: Task) -> Sheet:
    assert _press is not None
    return _press.sheet(task)


def _in_processes(order: Order, tasks: Sequence[Task], workers: int) -> Iterator[Sheet]:
    pool = ProcessPool(
        max_workers=workers,
        initializer=_start,
        initargs=[order],
        context=get_context("forkserver"),
    )
    try:
        yield from pool.map(_sheet, tasks, chunksize=AT_A_TIME).result()
        pool.close()
    finally:
        pool.stop()
        pool.join()


def write(path: Path, content: bytes) -> None:
    """Write a file of its own: not into one that another release links to."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def link(source: Path, target: Path) -> None:
    """Let a file stand in a second place, by a link where the file system has links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
