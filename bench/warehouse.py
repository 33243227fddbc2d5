"""How long the warehouse takes: `python -m bench.warehouse --students 100000`.

Lands a city's files, then measures, each in a process of its own: a bare DuckDB scan (the
yardstick), the checks of every feed, and dbt's build of the attainment marts with all that they
rest on, from an empty warehouse, its tests and start-up included.
"""

import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import duckdb

from bench.landing import FREEZE, INGEST, arguments, hand_in, step
from bench.measure import bare_scan, report, run

QUALITY = """
import sys
from pathlib import Path
from pipelines.feeds import load_contracts
from pipelines.quality import validate
feeds = list(load_contracts())
failed = [r for r in validate(Path(sys.argv[1]), feeds) if not r.passed]
print(*failed, sep="\\n")
sys.exit(bool(failed))
"""
OPS = """
import sys
from pathlib import Path
from pipelines.warehouse import write_ops
for table in ("made_with", "metric", "owed", "problem", "submission"):
    write_ops(Path(sys.argv[1]), table, ())
"""
"""The tables that a build fills before dbt runs; here without submissions."""


def main() -> None:
    """Measure, print, write `bench/results/warehouse.json`."""
    size, parent = arguments("Measure the checks and the warehouse.")
    rows = size.results
    with tempfile.TemporaryDirectory(dir=parent) as name:
        folder = Path(name)
        warehouse = folder / "warehouse.duckdb"
        environment = hand_in(size, folder)
        for command in (step(INGEST, rows), step(FREEZE, rows), step(OPS, warehouse)):
            run("landing", command, rows, environment)
        (standing,) = (folder / "home" / "standing").iterdir()
        files = list(standing.glob("*/*/*.parquet"))
        volume = sum(f.stat().st_size for f in files) / 2**20
        print(f"{rows:,} results, {len(files):,} files, {volume:,.0f} MB of Parquet")
        scan = bare_scan(f"{standing}/monitoring_results/*/*.parquet", rows)
        checks = run("checks of all feeds", step(QUALITY, standing), rows)
        dbt = Path(sys.executable).parent / "dbt"
        build = [
            str(dbt), "build", "--project-dir", "dbt_project", "--profiles-dir", "dbt_project",
            "--select", "+path:models/marts/attainment",
        ]  # fmt: skip
        environment = {
            "EQM_STANDING": str(standing),
            "EQM_WAREHOUSE": str(warehouse),
            "EQM_DBT_TARGET": str(folder / "target"),
            "DBT_LOG_PATH": str(folder / "target"),
        }
        marts = run("dbt build of attainment", build, rows, environment)
        with duckdb.connect(str(warehouse), read_only=True) as con:
            cells = con.execute("select count(*) from marts.attainment").fetchall()[0][0]
        print(f"marts.attainment: {cells:,} rows")
        report(
            "warehouse", {**asdict(size), "results": rows, "cells": cells}, [[scan, checks, marts]]
        )


if __name__ == "__main__":
    main()
