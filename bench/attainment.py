"""Attainment at a province's scale: `python -m bench.attainment --millions 1 3 10 30`.

For each size a city is made as it stands after intake (one Parquet file a school and year), and
measured, each in a process of its own: a bare scan of the results (the yardstick), and dbt's run of
`marts.attainment` with all that it rests on, every level and group. Of the largest size also: the
same under a memory limit of 2 GB, and the same figures in pandas (a peer; `--peer 0` leaves it
out). The exponent is that of a power law through the sizes: 1 is cost that grows with the rows.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from bench.city import Size
from bench.landing import step
from bench.measure import ROOT, Measure, bare_scan, report, run, timed
from bench.warehouse import OPS

WAVES, SUBJECTS = 6, 5
PAPER = ["wave_id", "grade", "subject"]
OF_PAPER = [*PAPER, "school_year", "full_mark"]
MARKERS = ["boarding", "left_behind", "migrant", "subsidised", "rural_household"]
OF_CLASS = ("all", "locale", "gender")
SUMS = ["candidates", "exempt", "n", "passed", "good", "excellent", "low", "total", "squares"]
OPTIONS: dict[str, Any] = {"observed": True, "dropna": False, "sort": False}
PROFILE = """
eqm:
  target: duckdb
  outputs:
    duckdb:
      type: duckdb
      path: "{{{{ env_var('EQM_WAREHOUSE') }}}}"
      schema: main
      threads: 2
      settings: {{memory_limit: {limit}, parquet_metadata_cache: true}}
"""
MAKE = """
import sys
from pathlib import Path
from bench.city import Size, write_standing
write_standing(Size(*map(int, sys.argv[2:])), Path(sys.argv[1]))
"""
PEER = """
import sys, time
from bench import attainment
start = time.perf_counter()
rows = len(getattr(attainment, sys.argv[3])(sys.argv[1]))
if rows != int(sys.argv[2]):
    sys.exit(f"{rows} rows, not {sys.argv[2]}")
print(time.perf_counter() - start)
"""
PEERS = {
    "the same in pandas": "by_plain_pandas",
    "the same in pandas, by our plan": "by_pandas",
}


def built(
    step_name: str, rows: int, standing: Path, folder: Path, limit: str
) -> tuple[Measure, Measure, int]:
    """The models from first start to last end, the process, and the rows of the mart."""
    folder.mkdir()
    warehouse, target = folder / "warehouse.duckdb", folder / "target"
    (folder / "profiles.yml").write_text(PROFILE.format(limit=limit), encoding="utf-8")
    run("ops", step(OPS, warehouse), rows)
    dbt = str(Path(sys.executable).parent / "dbt")
    command = [dbt, "run", "--project-dir", str(ROOT / "dbt_project")]
    command += ["--profiles-dir", str(folder), "--select", "+attainment"]
    environment = {
        "EQM_STANDING": str(standing),
        "EQM_WAREHOUSE": str(warehouse),
        "DBT_TARGET_PATH": str(target),
        "DBT_LOG_PATH": str(target),
    }
    process = run(f"{step_name}, start-up included", command, rows, environment)
    results = json.loads((target / "run_results.json").read_text(encoding="utf-8"))["results"]
    moments = [moment for result in results for moment in result["timing"]]
    first = min(datetime.fromisoformat(moment["started_at"]) for moment in moments)
    last = max(datetime.fromisoformat(moment["completed_at"]) for moment in moments)
    seconds = (last - first).total_seconds()
    models = replace(
        process, step=step_name, seconds=round(seconds, 3), rows_per_second=round(rows / seconds)
    )
    with duckdb.connect(str(warehouse), read_only=True) as con:
        cells = con.execute("select count(*) from marts.attainment").fetchall()[0][0]
    return models, process, int(cells)


def _feed(standing: str, name: str, columns: list[str]) -> pd.DataFrame:
    return pd.read_parquet(f"{standing}/{name}", columns=columns)


def _rows(standing: str) -> pd.DataFrame:
    """Each result with its paper, groups of its student, and what is to be summed."""
    waves = _feed(standing, "monitoring_waves", [*PAPER, "school_year", "full_mark"])
    waves["full_mark"] = waves["full_mark"].astype(float)
    rows = _feed(
        standing,
        "monitoring_results",
        [*PAPER, "student_key", "school_code", "class_no", "score", "status"],
    )
    rows = rows[rows["status"] != "transferred"].merge(waves, on=PAPER)
    roll = _feed(standing, "students", ["student_key", "school_year", "gender", *MARKERS])
    rows = rows.merge(roll, how="left", on=["student_key", "school_year"])
    rows["gender"] = rows["gender"].fillna("unknown")
    for marker in MARKERS:
        rows[marker] = rows[marker].map({True: "yes", False: "no"}).fillna("unknown")
    score = rows["score"].astype(float).where(rows["status"] == "present")
    rows["candidates"] = 1
    rows["exempt"] = rows["status"].eq("exempt").astype(int)
    rows["n"] = score.notna().astype(int)
    rows["passed"] = (score >= 0.60 * rows["full_mark"]).astype(int)
    rows["good"] = (score >= 0.75 * rows["full_mark"]).astype(int)
    rows["excellent"] = (score >= 0.85 * rows["full_mark"]).astype(int)
    rows["low"] = (score < 0.40 * rows["full_mark"]).astype(int)
    rows["total"] = score.fillna(0)
    rows["squares"] = rows["total"] ** 2
    return rows


def _register(standing: str) -> pd.DataFrame:
    columns = ["school_code", "school_year", "district_code", "locale", "ownership"]
    return _feed(standing, "schools", columns)


def by_plain_pandas(standing: str) -> pd.DataFrame:
    """`marts.attainment` as it is usually written: of each level and group, a sum of the rows."""
    rows = _rows(standing).merge(_register(standing), how="left", on=["school_code", "school_year"])
    rows = rows.drop(columns=["student_key", "score", "status"])
    rows["all"] = "all"
    rows["city"] = "370400"
    rows["class"] = rows["school_code"] + "-" + rows["grade"].astype(str) + "-" + rows["class_no"]
    units = {"city": "city", "district": "district_code", "school": "school_code", "class": "class"}
    found = []
    for level, unit in units.items():
        own = rows[rows["class"].notna()] if level == "class" else rows
        for kind in OF_CLASS if level == "class" else (*OF_CLASS, "ownership", *MARKERS):
            cells = own.groupby([*OF_PAPER, unit, kind], **OPTIONS)[SUMS].sum().reset_index()
            cells = cells.rename(columns={unit: "unit_code", kind: "group_value"})
            found.append(cells.assign(level=level, group_kind=kind))
    return _figures(pd.concat(found, ignore_index=True))


def by_pandas(standing: str) -> pd.DataFrame:
    """`marts.attainment` in pandas, by our plan: fine cells first, then their sums."""
    rows = _rows(standing)
    base = [*OF_PAPER, "school_code"]

    def cells(frame: pd.DataFrame, by: list[str], kind: str, value: str | None) -> pd.DataFrame:
        keys = [*by, value] if value else by
        found = frame.groupby(keys, **OPTIONS)[SUMS].sum().reset_index()
        found["group_kind"] = kind
        found["group_value"] = found.pop(value) if value else "all"
        return found

    in_class = cells(rows, [*base, "class_no"], "gender", "gender")
    whole_class = cells(in_class, [*base, "class_no"], "all", None)
    schools = [cells(whole_class, base, "all", None)]
    schools.append(cells(in_class.drop(columns="group_kind"), base, "gender", "group_value"))
    schools += [cells(rows, base, marker, marker) for marker in MARKERS]
    register = _register(standing)

    def grouped(frame: pd.DataFrame, kinds: tuple[str, ...]) -> pd.DataFrame:
        placed = frame.merge(register, how="left", on=["school_code", "school_year"])
        whole = placed[placed["group_kind"] == "all"]
        own = [whole.assign(group_kind=kind, group_value=whole[kind]) for kind in kinds]
        return pd.concat([placed, *own], ignore_index=True)

    school = grouped(pd.concat(schools, ignore_index=True), ("locale", "ownership"))
    classes = grouped(pd.concat([in_class, whole_class], ignore_index=True), ("locale",))
    classes = classes[classes["class_no"].notna()]
    grade = classes["grade"].astype(str)
    classes["unit_code"] = classes["school_code"] + "-" + grade + "-" + classes["class_no"]
    group = ["group_kind", "group_value"]
    district = school.groupby([*OF_PAPER, "district_code", *group], **OPTIONS)[SUMS].sum()
    city = school.groupby([*OF_PAPER, *group], **OPTIONS)[SUMS].sum()
    table = pd.concat(
        [
            city.reset_index().assign(level="city", unit_code="370400"),
            district.reset_index().rename(columns={"district_code": "unit_code"}).assign(
                level="district"
            ),
            school.assign(level="school", unit_code=school["school_code"]),
            classes.assign(level="class"),
        ],
        ignore_index=True,
    )  # fmt: skip
    return _figures(table)


def _figures(table: pd.DataFrame) -> pd.DataFrame:
    """The sums of each cell, and the rates, intervals and spreads that they give."""
    everyone = table[(table["level"] == "city") & (table["group_kind"] == "all")]
    everyone = everyone.set_index(PAPER)
    mean = everyone["total"] / everyone["n"]
    spread = np.sqrt(everyone["squares"] / everyone["n"] - mean**2)
    moments = pd.DataFrame({"mean": mean, "spread": spread}).reset_index()
    table = table.merge(moments, on=PAPER)
    n, z = table["n"].where(table["n"] > 0), 1.959963984540054
    table["participation_rate"] = table["n"] / (table["candidates"] - table["exempt"])
    table["mean_score"] = table["total"] / n
    table["score_ratio"] = table["mean_score"] / table["full_mark"]
    for name in ("pass", "good", "excellent", "low"):
        table[f"{name}_rate"] = table["passed" if name == "pass" else name] / n
    rate = table["pass_rate"]
    half = z * np.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    table["pass_low"], table["pass_high"] = centre - half, centre + half
    table["sd_score"] = np.sqrt((table["squares"] / n - table["mean_score"] ** 2).clip(lower=0))
    table["mean_z"] = (table["mean_score"] - table["mean"]) / table["spread"]
    table["mean_t"] = 50 + 10 * table["mean_z"]
    return table


def exponent(measures: list[Measure]) -> float | None:
    """Of rows in the seconds, by least squares of the logarithms; none of a single size."""
    if len(measures) < 2:
        return None
    rows, seconds = np.log([[m.rows, m.seconds] for m in measures]).T
    return round(float(np.polyfit(rows, seconds, 1)[0]), 3)


def main() -> None:
    """Measure, print, write `bench/results/attainment.json`."""
    parser = argparse.ArgumentParser(description="Measure attainment at scale.")
    parser.add_argument("--millions", type=float, nargs="+", default=[1, 3, 10, 30])
    parser.add_argument("--peer", type=int, default=1, choices=(0, 1), help="Whether pandas runs.")
    parser.add_argument("--limit", default="2GB", help="DuckDB's memory limit in the last run.")
    parser.add_argument("--folder", type=Path, help="Where the temporary folder is made.")
    given = parser.parse_args()
    groups: list[list[Measure]] = []
    models: list[Measure] = []
    cells = {}
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        for millions in sorted(given.millions):
            size = Size(round(millions * 1e6 / WAVES / SUBJECTS), WAVES, SUBJECTS)
            rows, folder = size.results, Path(name) / f"{millions:g}"
            standing = folder / "standing"
            numbers = (size.students, size.years, size.subjects)
            run("standing view", step(MAKE, standing, *numbers), rows)
            files = len(list(standing.glob("monitoring_results/*/*.parquet")))
            print(f"{rows:,} scores in {files:,} files", flush=True)
            scan = bare_scan(f"{standing}/monitoring_results/*/*.parquet", rows)
            ours, process, cells[rows] = built(
                "marts.attainment", rows, standing, folder / "free", "80%"
            )
            groups.append([scan, ours, process])
            models.append(ours)
            if millions == max(given.millions):
                groups[-1] += built(
                    f"within {given.limit}", rows, standing, folder / "held", given.limit
                )[:2]
                if given.peer:
                    for named, peer in PEERS.items():
                        command = step(PEER, standing, cells[rows], peer)
                        groups[-1].append(timed(named, command, rows))
        size_of_all = {
            "students": [round(m.rows / WAVES / SUBJECTS) for m in models],
            "waves": WAVES,
            "subjects": SUBJECTS,
            "cells": list(cells.values()),
            "exponent": exponent(models),
        }
        report("attainment", size_of_all, groups)
    print(f"exponent of rows: {exponent(models)}")
    last = groups[-1]
    for other in last[-len(PEERS) :] if given.peer else []:
        print(f"{other.step}: {other.seconds / last[1].seconds:.1f} times as long")


if __name__ == "__main__":
    main()
