"""All pages of a city: `python -m bench.pages --home FOLDER`.

The folder is a home in which `eqm build` made a release, such as `bench.build --home` leaves. Out
of the published layer of the release that is served every page is made in both languages, packed
forms and tables to take away included, in two processes; then in one; then of a next release in
which one school's figures changed, and of one in which nothing did, both with the first at hand.
Memory is that of all processes together, where they share it counted once.
"""

import argparse
import json
import os
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import duckdb

from bench.landing import step
from bench.measure import Measure, report, timed
from dashboards.site import render_site
from pipelines.release import current
from pipelines.settings import Settings

CHANGE = """
update published.value_added set n = n + 1
where unit_code = (select max(unit_code) from published.unit where level = 'school')
"""
WORK = """
import sys
from bench.pages import render
render(*sys.argv[1:])
"""


def published_alone(warehouse: Path, target: Path) -> list[str]:
    """Write the published layer of a warehouse by itself; answers its tables."""
    with duckdb.connect(str(target)) as con:
        con.execute(f"attach '{warehouse}' as release (read_only)")
        con.execute("create schema published")
        tables = con.execute(
            "select table_name from duckdb_tables()"
            " where database_name = 'release' and schema_name = 'published'"
        ).fetchall()
        for (table,) in tables:
            con.execute(f"create table published.{table} as from release.published.{table}")
    return [table for (table,) in tables]


def make(folder: Path, warehouse: Path) -> dict[str, int]:
    """The published layer by itself, and with one school's figures changed; units by level."""
    published_alone(warehouse, folder / "city.duckdb")
    with duckdb.connect(str(folder / "city.duckdb"), read_only=True) as con:
        levels = con.execute("select level, count(*) from published.unit group by all").fetchall()
    (folder / "changed.duckdb").write_bytes((folder / "city.duckdb").read_bytes())
    with duckdb.connect(str(folder / "changed.duckdb")) as con:
        con.execute(CHANGE)
    return dict(levels)


def render(warehouse: str, release: str, workers: str, earlier: str) -> None:
    """Render a release into a folder; print what it took, in megabytes and then in seconds."""
    own, folder, start = Settings.load(), Path(release), time.perf_counter()
    most, done = [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.2):
            most[0] = max(most[0], memory(os.getpid()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        told = render_site(
            Path(warehouse),
            folder / "site",
            folder / "downloads",
            release_id=folder.name,
            unit_name_zh=own.unit_name_zh,
            unit_name_en=own.unit_name_en,
            unit_code=own.unit_code,
            code="of today",
            earlier=Path(earlier) if earlier else None,
            workers=int(workers),
        )
    finally:
        done.set()
        watcher.join()
    seconds = time.perf_counter() - start
    (folder / "took.json").write_text(
        json.dumps({"mb": most[0], "files": told.files, "reused": told.reused}), encoding="utf-8"
    )
    print(seconds)


def memory(process: int) -> float:
    """Megabytes that a process and all below it hold now, each page of memory counted once."""
    below: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(entry.read_text(encoding="utf-8").rpartition(")")[2].split()[1])
        except OSError:
            continue
        below.setdefault(parent, []).append(int(entry.parent.name))
    found, todo = 0, [process]
    while todo:
        one = todo.pop()
        todo += below.get(one, [])
        try:
            lines = Path(f"/proc/{one}/smaps_rollup").read_text(encoding="utf-8").splitlines()
        except OSError:
            continue
        found += next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
    return found / 1024


def main() -> None:
    """Measure, print, write `bench/results/pages.json`."""
    parser = argparse.ArgumentParser(description="Measure the pages of a full city.")
    parser.add_argument("--home", type=Path, required=True, help="Where a release is served.")
    parser.add_argument("--folder", type=Path, help="Where the temporary folder is made.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        own = Settings.load(home=given.home)
        served = current(own)
        assert served is not None, f"{given.home} serves no release"
        units = make(folder, own.releases / served / "warehouse.duckdb")
        pages = 2 * sum(units.values())
        runs = (
            ("pages, two processes", "city", "first", 2, ""),
            ("pages, one process", "city", "alone", 1, ""),
            ("pages, one school changed", "changed", "second", 2, folder / "first"),
            ("pages, nothing changed", "city", "same", 2, folder / "first"),
        )
        measures: list[Measure] = []
        reused = []
        for text, layer, release, workers, earlier in runs:
            (folder / release).mkdir()
            work = step(WORK, folder / f"{layer}.duckdb", folder / release, workers, earlier)
            measure = timed(text, work, pages)
            took = json.loads((folder / release / "took.json").read_text(encoding="utf-8"))
            measures.append(replace(measure, peak_rss_mb=round(took["mb"], 1)))
            reused.append(took["reused"])
        files = [path for path in (folder / "first").rglob("*") if path.is_file()]
        blocks = {path.stat().st_ino: path.stat().st_blocks for path in files}
        html = [path.stat().st_size for path in files if path.suffix == ".html"]
        made = len(html)
        measures = [
            replace(one, rows=made, rows_per_second=round(made / one.seconds)) for one in measures
        ]
        size = {
            **units,
            "pages": len(html),
            "files": len(files),
            "megabytes_on_disk": round(512 * sum(blocks.values()) / 1e6, 1),
            "megabytes_of_pages": round(sum(html) / 1e6, 1),
            "pages_used_again": reused[2:],
        }
        print(json.dumps(size))
        report("pages", size, [measures])


if __name__ == "__main__":
    main()
