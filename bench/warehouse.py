"""How long the warehouse takes: `python -m bench.warehouse --students 100000`.

Makes a standing view, then measures, each in a process of its own: a bare DuckDB scan (the
yardstick), the checks of every feed, and dbt's build of the attainment marts with all that they
rest on, from an empty warehouse, its tests and start-up included.
"""

import argparse
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import duckdb

from bench.city import SUBJECTS, Size, make_apart
from bench.measure import bare_scan, report, run

QUALITY = """
import sys
from pathlib import Path
from pipelines.feeds import load_contracts
from pipelines.quality import validate
feeds = [name for name, contract in load_contracts().items() if contract.wired]
failed = [r for r in validate(Path(sys.argv[1]), feeds) if not r.passed]
print(*failed, sep="\\n")
sys.exit(bool(failed))
"""


def arguments(description: str) -> argparse.Namespace:
    """The size of the city, and where to put it, from the command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--students", type=int, default=100_000)
    parser.add_argument("--years", type=int, default=4)
    parser.add_argument("--subjects", type=int, default=5, choices=range(1, len(SUBJECTS) + 1))
    parser.add_argument("--folder", type=Path, help="Where the temporary folder is made.")
    return parser.parse_args()


def prepare(warehouse: Path) -> None:
    """The tables that a build fills before dbt runs; here without submissions."""
    with duckdb.connect(str(warehouse)) as con:
        con.execute(
            """
            create schema ops;
            create table ops.submission (
                submission_id varchar, feed varchar, school_year varchar, source_file varchar,
                state varchar, rows bigint, problems bigint, received_at timestamp
            );
            """
        )


def main() -> None:
    """Measure, print, write `bench/results/warehouse.json`."""
    given = arguments("Measure the checks and the warehouse.")
    size = Size(given.students, given.years, given.subjects)
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        standing, warehouse = folder / "standing", folder / "warehouse.duckdb"
        make_apart("standing", size, standing)
        files = list(standing.glob("*/*/*.parquet"))
        volume = sum(f.stat().st_size for f in files) / 2**20
        print(f"{size.results:,} results, {len(files):,} files, {volume:,.0f} MB of Parquet")
        scan = bare_scan(f"{standing}/monitoring_results/*/*.parquet", size.results)
        quality = [sys.executable, "-c", QUALITY, str(standing)]
        measures = [scan, run("checks of all feeds", quality, size.results, scan)]
        prepare(warehouse)
        dbt = Path(sys.executable).parent / "dbt"
        build = [
            str(dbt), "build", "--project-dir", "dbt_project", "--profiles-dir", "dbt_project",
            "--select", "+path:models/marts/attainment",
        ]  # fmt: skip
        environment = {
            "EQM_STANDING": str(standing),
            "EQM_WAREHOUSE": str(warehouse),
            "EQM_DBT_TARGET": str(folder / "target"),
        }
        measures.append(run("dbt build of attainment", build, size.results, scan, environment))
        with duckdb.connect(str(warehouse), read_only=True) as con:
            cells = con.execute("select count(*) from marts.attainment").fetchall()[0][0]
        print(f"marts.attainment: {cells:,} rows")
        report("warehouse", {**asdict(size), "results": size.results, "cells": cells}, measures)


if __name__ == "__main__":
    main()
