"""All pages of a full city: `python -m bench.pages [--schools 1500]`.

A made-up published layer of a city with its districts and schools, each school of two grades as the
city's waves have them. First every page is made in both languages, packed forms and tables to take
away included, in two processes; then in one; then of a next release in which one school's figures
changed, and of one in which nothing did, both with the first at hand. Memory is that of all
processes together, where they share it counted once.
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

DISTRICTS, WAVES = 8, 4
LAYER = """
create schema published;
create table published.unit as
    select 'city' as level, '370400' as unit_code, '某市' as unit_name, null::varchar as parent_code
    union all
    select 'district', '3704' || (10 + i), '第' || i || '区', '370400' from range({districts}) t(i)
    union all
    select
        'school', '31370' || (10000 + i), '第' || i || '实验学校',
        '3704' || (10 + i % {districts})
    from range({schools}) t(i);
-- Of a hundred schools 64 are primary, 24 junior, 12 senior.
create table paper as
    select * from (values
        (0, 64, 'primary', 4, 3), (0, 64, 'primary', 6, 3), (64, 88, 'junior', 8, 5),
        (64, 88, 'junior', 9, 6), (88, 100, 'senior', 11, 3)
    ) as t(first, last, stage, grade, subjects),
    (select * from (values
        ('chinese', 0), ('mathematics', 1), ('english', 2), ('physics', 3), ('politics', 4),
        ('history', 5)
    ) as s(subject, nth)) where nth < subjects;
create table wave as
    select
        (2022 + i) || '-' || (2023 + i) as school_year, (2023 + i) || '-06-annual' as wave_id,
        make_date(2023 + i, 6, 18) as held_on
    from range({waves}) t(i);
create table published.value_added as
    with effects as (
        select
            school_year, wave_id, held_on, grade, subject, level, unit_code,
            80 + hash(unit_code, grade) % 300 as n,
            round((hash(unit_code, subject, grade, wave_id) % 1000)::double / 1000 - 0.5, 2)
                as effect
        from published.unit, paper, wave
        where level = 'district' or level = 'school'
            and hash(unit_code) % 100 between first and last - 1
    )
    select
        school_year, wave_id, held_on, grade, subject, level, unit_code, n::bigint as n, effect,
        effect - 0.15 as ci_low, effect + 0.15 as ci_high, 0.8 as reliability,
        case when effect > 0.15 then 'above' when effect < -0.15 then 'below' else 'as_expected' end
            as band,
        0.95 as match_rate, null::varchar as match_band, false as is_low_match,
        null::varchar as mark
    from effects;
create table published.pass_rate_trend as
    with chains as (
        select distinct level, unit_code, stage, subject
        from published.unit, (
            select stage, subject from paper union all select distinct stage, 'all' from paper
            union all select distinct 'all', subject from paper union all select 'all', 'all'
        )
        where level = 'city' or level = 'district' and stage = 'all' and subject = 'all'
    )
    select
        level, unit_code, stage, subject, school_year, 9000::bigint as students, 9000::bigint as n,
        0.7 + (hash(unit_code, stage, subject, wave_id) % 200)::double / 1000 as pass_rate,
        null::varchar as pass_band, pass_rate - 0.01 as pass_low,
        pass_rate + 0.01 as pass_high, 0.7 as baseline_rate,
        1.5 as change_points, 0.5 as change_low, 2.5 as change_high, 2.1 as change_percent,
        lag(school_year) over chain as previous_year, 0.6 as year_change_points,
        -0.2 as year_change_low, 1.4 as year_change_high, 0.8 as pace_rate,
        'not_distinguishable' as status, 'compared' as comparability, null::varchar as mark
    from chains, wave
    window chain as (partition by level, unit_code, stage, subject order by school_year);
create table published.reporting as
    select
        school_year, wave_id, level, unit_code, 60::bigint as schools_expected,
        57::bigint as schools_reported, 3::bigint as schools_not_reported,
        1::bigint as files_returned
    from published.unit, wave where level <> 'school';
"""
CHANGE = """
update published.value_added set n = n + 1
where unit_code = (select max(unit_code) from published.unit where level = 'school')
"""
WORK = """
import sys
from bench.pages import render
render(*sys.argv[1:])
"""


def make(folder: Path, schools: int) -> None:
    """The published layers of the city, as it is and with one school's figures changed."""
    with duckdb.connect(str(folder / "city.duckdb")) as con:
        con.execute(LAYER.format(schools=schools, districts=DISTRICTS, waves=WAVES))
    (folder / "changed.duckdb").write_bytes((folder / "city.duckdb").read_bytes())
    with duckdb.connect(str(folder / "changed.duckdb")) as con:
        con.execute(CHANGE)


def render(warehouse: str, release: str, workers: str, earlier: str) -> None:
    """Render a release into a folder; print what it took, in megabytes and then in seconds."""
    folder, start = Path(release), time.perf_counter()
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
            unit_name_zh="某市",
            unit_name_en="the city",
            unit_code="370400",
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
    parser.add_argument("--schools", type=int, default=1500)
    parser.add_argument("--folder", type=Path, help="Where the temporary folder is made.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        make(folder, given.schools)
        pages = 2 * (1 + DISTRICTS + given.schools)
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
        size = {
            "schools": given.schools,
            "districts": DISTRICTS,
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
