"""Runs a command as a process of its own and says what it took; prints and keeps the result."""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results"
SCAN = """
import sys, time, duckdb
query = "select school_code, sum(score) from read_parquet(?, union_by_name = true) group by all"
start = time.perf_counter()
duckdb.execute(query, [sys.argv[1]]).fetchall()
print(time.perf_counter() - start)
"""
LOAD_BEFORE = os.getloadavg()[0]
"""Processes that ran or waited, on average, in the minute before the measurement began."""
PACKAGES = ("duckdb", "dbt-core", "dbt-duckdb", "great-expectations", "pandas", "pyarrow")


@dataclass(frozen=True)
class Measure:
    """What one step took."""

    step: str
    rows: int
    """Rows of results that it worked on."""
    seconds: float
    """Wall time, the start of the process included; of the bare scan, its query alone."""
    rows_per_second: float
    peak_rss_mb: float
    ratio: float | None = None
    """Its seconds over those of the first step of its group."""


class StepFailed(RuntimeError):
    """A measured command ended with an error; the text is the end of its output."""


def _process(
    step: str, command: Sequence[str], environment: Mapping[str, str]
) -> tuple[str, float, float]:
    """Output, wall seconds and peak memory (MB) of a command."""
    start = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise StepFailed(f"{step}: exit code {process.returncode}\n{output[-4000:]}")
    return output, seconds, usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def run(
    step: str,
    command: Sequence[str],
    rows: int,
    environment: Mapping[str, str] | None = None,
) -> Measure:
    """Run a command in the project's folder: wall seconds, rows a second, peak memory.

    Peak memory is the largest resident set of the process or of one that it waited for.

    Raises:
        StepFailed: the command's exit code is not 0.
    """
    _, seconds, peak = _process(step, command, environment or {})
    return Measure(step, rows, round(seconds, 3), round(rows / seconds), round(peak, 1))


def timed(
    step: str,
    command: Sequence[str],
    rows: int,
    environment: Mapping[str, str] | None = None,
) -> Measure:
    """Like `run`, with the seconds that the command prints last: those of the work alone."""
    output, _, peak = _process(step, command, environment or {})
    seconds = float(output.strip().splitlines()[-1])
    return Measure(step, rows, round(seconds, 3), round(rows / seconds), round(peak, 1))


def best_of(times: int, *steps: Callable[[int], Measure]) -> list[Measure]:
    """The quickest of several runs of each step, which take turns; each is told which run it is.

    What else a machine does slows single runs down, never up.
    """
    turns = [[step(turn) for step in steps] for turn in range(times)]
    return [min(runs, key=lambda m: m.seconds) for runs in zip(*turns, strict=True)]


def bare_scan(files: str, rows: int) -> Measure:
    """The yardstick: the sum of the scores by school over Parquet files; the best of three.

    Its seconds are those of the query alone, without the start of the process.
    """
    command = [sys.executable, "-c", SCAN, files]
    runs = [_process("bare scan", command, {}) for _ in range(3)]
    seconds, peak = min((float(output), peak) for output, _, peak in runs)
    return Measure("bare scan", rows, round(seconds, 4), round(rows / seconds), round(peak, 1))


def machine() -> dict[str, Any]:
    """The machine, without its name."""
    model = platform.processor()
    information = Path("/proc/cpuinfo")
    if information.exists():
        lines = information.read_text().splitlines()
        model = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), model)
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "duckdb_threads": duckdb.execute("select current_setting('threads')").fetchall()[0][0],
        "load_before": round(LOAD_BEFORE, 2),
    }


def report(name: str, size: dict[str, Any], groups: Sequence[Sequence[Measure]]) -> Path:
    """Print a table, each step set against the first of its group; write it to `bench/results`."""
    measures = [
        replace(m, ratio=round(m.seconds / group[0].seconds, 3) if m is not group[0] else None)
        for group in groups
        for m in group
    ]
    print(f"{'step':<32}{'rows':>12}{'seconds':>10}{'rows/s':>12}{'peak MB':>10}{'x first':>9}")
    for m in measures:
        ratio = f"{m.ratio:.2f}" if m.ratio is not None else ""
        print(
            f"{m.step:<32}{m.rows:>12,}{m.seconds:>10.3f}{m.rows_per_second:>12,.0f}"
            f"{m.peak_rss_mb:>10,.0f}{ratio:>9}"
        )
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    content = {
        "size": size,
        "steps": [asdict(m) for m in measures],
        "machine": machine(),
        "versions": {package: version(package) for package in PACKAGES},
    }
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"written: {path.relative_to(ROOT)}")
    return path
