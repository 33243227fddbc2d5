"""How long a whole build takes: `python -m bench.build [--students 700000] [--years 4]`.

The city is that of `eqm sample`: every feed, item results for two grades of each annual wave.
Measured is `eqm build`, each time in a process of its own:

- from landing: the files are landed before, so that intake finds nothing new;
- of a change: one school hands in its results of the newest school year without their last row. (Of
  an older year it costs more: later waves' prior scores lie there.)

The share of the slowest ten models in the seconds of all models is told, as the release records
them. Making the city and landing it take far longer than what is measured; `--city FOLDER` takes
files that `eqm sample` wrote before, `--home FOLDER` a home into which they were landed.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from bench.intake import environment
from bench.measure import report, run
from bench.year import FEED, INGEST, standing
from pipelines.release import current
from pipelines.settings import Settings

BUILD = """
import sys
from pipelines.cli import app
sys.exit(app(["build"], standalone_mode=False) or 0)
"""
SLOWEST = 10


def main() -> None:
    """Measure, print, write `bench/results/build.json`."""
    parser = argparse.ArgumentParser(description="Measure a whole build of a city.")
    parser.add_argument("--students", type=int, default=700_000, help="In each school year.")
    parser.add_argument("--years", type=int, default=4)
    parser.add_argument("--city", type=Path, help="A raw folder that `eqm sample` wrote.")
    parser.add_argument("--home", type=Path, help="A folder of homes, kept.")
    parser.add_argument("--folder", type=Path, help="Where the temporary folder is made.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        raw = given.city or Path(name) / "raw"
        if not given.city:
            size = ["--students", str(given.students), "--years", str(given.years)]
            sample = "from pipelines.cli import app; app()"
            command = [sys.executable, "-c", sample, "sample", "--out", str(raw), *size]
            print(f"written in {run('sample', command, 0).seconds:,.0f} s")
        settings = environment(given.home or Path(name) / "city", raw)
        own = Settings.load(raw=raw, home=Path(settings["EQM_HOME"]))
        files = sum(1 for path in raw.rglob("*") if path.is_file())
        ingest = run("ingest, all new", [sys.executable, "-c", INGEST], files, settings)
        print(f"{files:,} files landed in {ingest.seconds:,.0f} s")
        rows = standing(own)
        build = [sys.executable, "-c", BUILD]
        whole = run("build, from landing", build, sum(rows.values()), settings)
        slowest = _slowest(own)
        results = [f for f in rows if f.startswith(FEED) and f.endswith(".csv")]
        newest = max(Path(f).parent for f in results)
        changed = min(f for f in results if Path(f).parent == newest)
        path = raw / changed
        content = path.read_bytes()
        try:
            path.write_bytes(content.rstrip().rpartition(b"\n")[0] + b"\n")
            again = run("build, one file changed", build, sum(rows.values()), settings)
        finally:
            path.write_bytes(content)
        counted = dict.fromkeys(("students", "monitoring_results", "item_results"), 0)
        for file, count in rows.items():
            feed = file.partition("/")[0]
            if feed in counted:
                counted[feed] += count
        size_of = {
            "files": files,
            "rows": sum(rows.values()),
            **counted,
            # A home that was given may hold what an earlier run landed.
            **({} if given.home else {"ingest_seconds": ingest.seconds}),
            "slowest_models": slowest,
        }
    for one in slowest:
        print(f"{one['model']:<40}{one['seconds']:>10.1f} s{one['share']:>8.1%}")
    report("build", size_of, [[whole, again]])


def _slowest(settings: Settings) -> list[dict[str, float | str]]:
    """The slowest models of the release that is served, with their share of all models' seconds."""
    name = current(settings)
    assert name is not None
    record = json.loads((settings.releases / name / "release.json").read_text(encoding="utf-8"))
    models = record["models"]
    total = sum(one["seconds"] for one in models)
    return [{**one, "share": round(one["seconds"] / total, 4)} for one in models[:SLOWEST]]


if __name__ == "__main__":
    main()
