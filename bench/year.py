"""How long a city's files take: `python -m bench.year [--students 700000] [--years 3]`.

The files are those of `eqm sample --messy`: 1,500 schools, every feed, with all the mess that real
schools hand in. A year of them is some 6,400 files, three are some 19,000. Measured are `eqm
ingest` and the freezing of what stands, each in a process of its own whose start counts:

- when everything is new,
- when nothing changed,
- when one file changed: a school's results without their last row.

What is counted, in the column `rows`, are files. Making them is not measured; `--city FOLDER` takes
those that `eqm sample` wrote before. A small size, such as `--students 15000 --years 1`, is done in
a minute.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from bench.intake import environment
from bench.measure import Measure, report, run
from pipelines.intake import Ledger
from pipelines.settings import Settings

FEED = "monitoring_results"
# What is refused of a messy city makes the exit code 1.
INGEST = """
import sys
from pipelines.cli import app
sys.exit(app(["ingest"], standalone_mode=False) not in (0, 1))
"""
FREEZE = """
from pipelines.intake import freeze
from pipelines.settings import Settings
freeze(Settings.load())
"""


def twice(when: str, files: int, settings: dict[str, str]) -> list[Measure]:
    """The ingest, and the freezing of what stands then."""
    return [
        run(f"{name}, {when}", [sys.executable, "-c", code], files, settings)
        for name, code in (("ingest", INGEST), ("freeze", FREEZE))
    ]


def standing(own: Settings) -> dict[str, int]:
    """Path → rows of every file that stands."""
    landed = Ledger(own).submissions(state="landed", full=False)
    return {s["source_file"]: s["rows_landed"] for s in landed}


def main() -> None:
    """Measure, print, write `bench/results/year.json`."""
    parser = argparse.ArgumentParser(description="Measure the intake of a city's files.")
    parser.add_argument("--students", type=int, default=700_000, help="In each school year.")
    parser.add_argument("--years", type=int, default=3)
    parser.add_argument("--city", type=Path, help="A raw folder that `eqm sample` wrote.")
    parser.add_argument("--folder", type=Path, help="Where the temporary folder is made.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        raw = given.city or Path(name) / "raw"
        if not given.city:
            size = ["--students", str(given.students), "--years", str(given.years)]
            sample = "from pipelines.cli import app; app()"
            command = [sys.executable, "-c", sample, "sample", "--messy", "--out", str(raw), *size]
            print(f"written in {run('sample', command, 0).seconds:,.0f} s")
        files = sum(1 for path in raw.rglob("*") if path.is_file())
        settings = environment(Path(name) / "city", raw)
        own = Settings.load(raw=raw, home=Path(settings["EQM_HOME"]))
        groups = [twice("all new", files, settings)]
        before = standing(own)
        groups.append(twice("nothing changed", files, settings))
        changed = min(f for f in before if f.startswith(FEED) and f.endswith(".csv"))
        path = raw / changed
        content = path.read_bytes()
        try:
            path.write_bytes(content.rstrip().rpartition(b"\n")[0] + b"\n")
            groups.append(twice("one file changed", files, settings))
        finally:
            path.write_bytes(content)
        after = standing(own)
        if {f for f in {*before, *after} if before.get(f) != after.get(f)} != {changed}:
            sys.exit(f"other files than {changed} changed")
        told = {
            "files": files,
            "files_landed": len(before),
            "rows_landed": sum(before.values()),
        }
    report("year", told, [[measure for group in groups for measure in group]])


if __name__ == "__main__":
    main()
