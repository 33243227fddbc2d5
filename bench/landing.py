"""How long landing takes: `python -m bench.landing --students 100000 --years 4 --subjects 5`.

Makes the files that schools hand in, then measures, each in a process of its own: the first
ingest of all feeds, a second one that finds nothing new, and the freezing of the rows that stand.
Beside them stand, on the same rows, a bare DuckDB scan of what was landed (the yardstick) and
DuckDB's own reading of the files of results into one Parquet file, with no check (a peer).
"""

import argparse
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from bench.city import SUBJECTS, Size
from bench.measure import bare_scan, report, run
from pipelines.feeds.contract import quoted

INGEST = """
import sys
from pipelines.intake import ingest
from pipelines.settings import Settings
reports = ingest(Settings.load())
landed = {r.feed: r.rows_landed for r in reports}["monitoring_results"]
if landed != int(sys.argv[1]) or any(r.returned for r in reports):
    sys.exit(f"{landed} rows landed; {[p for r in reports for p in r.problems][:5]}")
"""
"""Takes the rows of results that it must land; every file must be good."""
FREEZE = """
import sys
from pipelines.intake import freeze
from pipelines.settings import Settings
rows = freeze(Settings.load()).rows["monitoring_results"]
sys.exit(0 if rows == int(sys.argv[1]) else f"{rows} rows stand")
"""
"""Takes the rows of results that must stand."""
PEER = "import sys, duckdb; duckdb.execute(sys.argv[1])"


def arguments(description: str) -> tuple[Size, Path | None]:
    """From the command line: the size of the city, and where to make the temporary folder."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--students", type=int, default=100_000)
    parser.add_argument("--years", type=int, default=4)
    parser.add_argument("--subjects", type=int, default=5, choices=range(1, len(SUBJECTS) + 1))
    parser.add_argument("--folder", type=Path, help="Where the temporary folder is made.")
    given = parser.parse_args()
    return Size(given.students, given.years, given.subjects), given.folder


def hand_in(size: Size, folder: Path) -> dict[str, str]:
    """Write a city's files below a folder; answers the environment of an intake that reads them.

    Raw files, home, key and ledger lie in the folder, whatever the user's own settings say.
    """
    raw = folder / "raw"
    numbers = [str(n) for n in (size.students, size.years, size.subjects)]
    run("raw files", [sys.executable, "-m", "bench.city", str(raw), *numbers], size.results)
    return {
        "EQM_RAW": str(raw),
        "EQM_HOME": str(folder / "home"),
        "EQM_PSEUDONYM_KEY_FILE": str(folder / "pseudonym.key"),
        "EQM_LEDGER_URL": "",
        "EQM_ENV": "development",
    }


def step(code: str, *given: object) -> list[str]:
    """The command that runs Python code on arguments."""
    return [sys.executable, "-c", code, *map(str, given)]


def main() -> None:
    """Measure, print, write `bench/results/landing.json`."""
    size, parent = arguments("Measure the landing of files.")
    rows = size.results
    with tempfile.TemporaryDirectory(dir=parent) as name:
        folder = Path(name)
        environment = hand_in(size, folder)
        files = [path for path in (folder / "raw").rglob("*") if path.is_file()]
        volume = sum(path.stat().st_size for path in files) / 2**20
        print(f"{rows:,} results, {len(files):,} files, {volume:,.0f} MB of CSV")
        steps = [
            run("first ingest", step(INGEST, rows), rows, environment),
            run("second ingest, unchanged", step(INGEST, 0), rows, environment),
            run("freeze", step(FREEZE, rows), rows, environment),
        ]
        results = quoted(f"{folder}/raw/monitoring_results/*/*.csv")
        query = (
            "copy (select * replace (try_cast(score as decimal(9, 3)) as score) "
            f"from (unpivot (from read_csv({results}, all_varchar = true)) "
            f"on {', '.join(SUBJECTS[: size.subjects])} into name subject value score)) "
            f"to {quoted(f'{folder}/peer.parquet')} (format parquet, compression zstd)"
        )
        steps.append(run("DuckDB's read_csv, no check", step(PEER, query), rows))
        scan = bare_scan(f"{folder}/home/landing/monitoring_results/*/*.parquet", rows)
        report("landing", {**asdict(size), "results": rows, "files": len(files)}, [[scan, *steps]])


if __name__ == "__main__":
    main()
