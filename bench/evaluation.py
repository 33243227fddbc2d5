"""Exact value added from a table to school effects: `python -m bench.evaluation`.

Tables of students × schools × 6 covariates are made in DuckDB, and measured, each in a process of
its own: a plain grouped SUM of the columns that the model uses (the yardstick), the two- and
three-level REML fits from the table to effects, intervals and tests (one grouped pass for the
moments, then the search), and, where R is there, lme4's `lmer` on the same rows (`--peer 0` leaves
it out). Queries and fits are the best of five in a warm process; `lmer` runs once, counts its
processor time alone, and must agree to 1e-6.
"""

import argparse
import json
import shutil
import tempfile
from itertools import combinations_with_replacement
from pathlib import Path
from time import perf_counter
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from bench.landing import step
from bench.measure import ROOT, Measure, report, timed
from pipelines.evaluation.multilevel import Fit, Moments, fit, from_sums

COVARIATES = tuple(f"x{i}" for i in range(6))
COLUMNS = (*COVARIATES, "y")
DISTRICTS = 130
LEVELS = {
    2: ("two-level REML", "lmer, two levels"),
    3: ("three-level REML", "lmer, three levels"),
}
"""The steps' names, ours and lmer's."""
AGREEMENT = 1e-6
"""Largest relative difference from lmer in any estimate."""
SUMS = """
import sys
from bench.evaluation import best_of, connect, grouped_sum
connection = connect(sys.argv[1])
print(best_of(lambda: grouped_sum(connection)))
"""
FIT = """
import sys
from bench.evaluation import best_of, connect, fitted
connection = connect(sys.argv[1])
print(best_of(lambda: fitted(connection, int(sys.argv[2]))))
"""
SEARCH = """
import sys
from bench.evaluation import COVARIATES, best_of, connect, of_schools
from pipelines.evaluation.multilevel import fit
moments, _ = of_schools(connect(sys.argv[1]))
print(best_of(lambda: fit(moments, COVARIATES)))
"""


def make(path: Path, students: int, schools: int, seed: int) -> None:
    """A table of students in schools in districts, whose scores are known effects and noise.

    Columns lie on a lattice of 2⁻¹⁶, as standard scores can be defined to: then products and
    their sums over a school are exact in doubles, and no order of adding changes a bit.
    """
    rng = np.random.default_rng(seed)
    district = rng.integers(0, DISTRICTS, schools)
    effect = 0.3 * rng.standard_normal(schools) + 0.15 * rng.standard_normal(DISTRICTS)[district]
    share = rng.gamma(4, size=schools)
    with duckdb.connect(str(path)) as connection:
        for start in range(0, students, 1_000_000):
            rows = min(1_000_000, students - start)
            # Every school has a student.
            school = rng.choice(schools, rows, p=share / share.sum())
            school[: max(0, schools - start)] = np.arange(start, min(schools, start + rows))
            x = rng.standard_normal((6, rows))
            x[1] = x[0] ** 2
            x[4:] = x[4:] > 0.5
            y = 0.7 * x[0] - 0.02 * x[1] + 0.1 * x[2] + 0.05 * x[4] + effect[school]
            y += 0.6 * rng.standard_normal(rows)
            columns: dict[str, NDArray[Any]] = {
                "school": school.astype(np.int32),
                "district": district[school].astype(np.int32),
            }
            columns |= {
                name: np.round(np.clip(values, -8, 8) * 65536) / 65536
                for name, values in zip(COLUMNS, [*x, y], strict=True)
            }
            verb = "insert into scores" if start else "create table scores as"
            connection.register("part", columns)
            connection.execute(f"{verb} select * from part")
            connection.unregister("part")


def connect(path: str) -> duckdb.DuckDBPyConnection:
    """The table, read-only, in a process whose last printed line is a number."""
    connection = duckdb.connect(path, read_only=True)
    connection.execute("set enable_progress_bar = false")
    return connection


def best_of(work: Any, times: int = 5) -> float:
    """Seconds of the best of some runs, after one that warms up."""
    work()
    seconds = []
    for _ in range(times):
        start = perf_counter()
        work()
        seconds.append(perf_counter() - start)
    return min(seconds)


def grouped_sum(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """The yardstick: what the cheapest use of the same columns costs."""
    sums = ", ".join(f"sum({name}) as {name}" for name in COLUMNS)
    query = f"select school, {sums} from scores group by school"
    return dict(connection.execute(query).fetchnumpy())


def moments_query() -> str:
    """Sums and sums of products of the centred columns, by school.

    The centre is near the mean and on the columns' lattice, so taking it away is exact.
    """
    centres = ", ".join(f"round(avg({name}) * 16) / 16 as {name}" for name in COLUMNS)
    centred = ", ".join(f"scores.{name} - centre.{name} as {name}" for name in COLUMNS)
    sums = [f"sum({name}) as {name}" for name in COLUMNS]
    products = [f"sum({a} * {b}) as {a}_{b}" for a, b in combinations_with_replacement(COLUMNS, 2)]
    centre_columns = ", ".join(f"centre.{name} as centre_{name}" for name in COLUMNS)
    return f"""
        with centre as (select {centres} from scores),
        centred as (select school, district, {centred} from scores cross join centre),
        cells as (
            select school, max(district) as district, count(*) as n, {", ".join(sums + products)}
            from centred
            group by school
        )
        select cells.*, {centre_columns}
        from cells cross join centre
        order by school
    """


def of_schools(
    connection: duckdb.DuckDBPyConnection,
) -> tuple[Moments, NDArray[np.int64]]:
    """The schools' moments and districts, by one grouped pass."""
    found = connection.execute(moments_query()).fetchnumpy()
    pairs = combinations_with_replacement(COLUMNS, 2)
    moments = from_sums(
        found["n"],
        np.column_stack([found[name] for name in COLUMNS]),
        np.column_stack([found[f"{a}_{b}"] for a, b in pairs]),
        np.array([found[f"centre_{name}"][0] for name in COLUMNS]),
    )
    return moments, np.asarray(found["district"], dtype=np.int64)


def fitted(connection: duckdb.DuckDBPyConnection, levels: int) -> Fit:
    """From the table to effects."""
    moments, district = of_schools(connection)
    return fit(moments, COVARIATES, district if levels == 3 else None)


def peer(name: str, database: Path, levels: int, rows: int, folder: Path) -> tuple[Measure, float]:
    """lmer on the same rows, and how far it is from ours (relative).

    Raises:
        AssertionError: its estimates are not ours.
    """
    data, estimates = folder / "scores.csv", folder / "estimates.json"
    if not data.exists():
        with connect(str(database)) as connection:
            connection.execute(f"copy scores to '{data}' (header)")
    script = str(ROOT / "bench" / "peers" / "lmer.R")
    command = ["Rscript", script, str(data), str(levels), str(estimates)]
    measured = timed(name, command, rows)
    theirs = json.loads(estimates.read_text(encoding="utf-8"))
    with connect(str(database)) as connection:
        ours = fitted(connection, levels)
    pairs = [
        (ours.coefficients, theirs["coefficients"]),
        (ours.standard_errors, theirs["standard_errors"]),
        (ours.effect, theirs["effects"]),
        (ours.variance_student, theirs["variances"]["Residual"]),
        (ours.variance_school, theirs["variances"]["school"]),
    ]
    if levels == 3:
        pairs.append((ours.variance_district, theirs["variances"]["district"]))
    far = max(float(np.max(np.abs(a - np.array(b))) / np.max(np.abs(b))) for a, b in pairs)
    print(f"{name} ({theirs['versions']}): agrees within {far:.1e}")
    assert far < AGREEMENT, (name, far)
    return measured, float(f"{far:.1e}")


def main() -> None:
    """Run the measurements and keep them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--students", type=int, default=1_000_000)
    parser.add_argument("--schools", type=int, default=1_500)
    parser.add_argument("--many", type=int, default=200_000, help="schools of the widest table")
    parser.add_argument("--peer", type=int, default=1)
    given = parser.parse_args()
    with_peer = given.peer and shutil.which("Rscript")
    n = given.students
    groups: list[list[Measure]] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        one, ten, wide = folder / "one.duckdb", folder / "ten.duckdb", folder / "wide.duckdb"
        make(one, n, given.schools, seed=1)
        ours = {
            levels: timed(name, step(FIT, one, levels), n) for levels, (name, _) in LEVELS.items()
        }
        groups.append([timed("grouped SUM of the columns", step(SUMS, one), n), *ours.values()])
        told: dict[str, Any] = {}
        if with_peer:
            for levels, (_, name) in LEVELS.items():
                lmer, far = peer(name, one, levels, n, folder)
                groups[0].append(lmer)
                told[f"lmer_over_ours_{levels}_levels"] = round(
                    lmer.seconds / ours[levels].seconds, 1
                )
                told[f"far_from_lmer_{levels}_levels"] = far
        make(ten, 10 * n, given.schools, seed=2)
        more = timed("two-level REML, ten times as many", step(FIT, ten, 2), 10 * n)
        told["ten_times_over_once"] = round(more.seconds / ours[2].seconds, 2)
        groups.append([timed("grouped SUM, ten times as many", step(SUMS, ten), 10 * n), more])
        make(wide, n, given.many, seed=3)
        groups.append(
            [
                timed("grouped SUM, many schools", step(SUMS, wide), n),
                timed("two-level REML, many schools", step(FIT, wide, 2), n),
                timed("three-level REML, many schools", step(FIT, wide, 3), n),
                timed("search alone, many schools", step(SEARCH, wide), n),
            ]
        )
    size = {
        "students": n,
        "schools": given.schools,
        "many_schools": given.many,
        "districts": DISTRICTS,
        "covariates": len(COVARIATES),
        **told,
    }
    report("evaluation", size, groups)


if __name__ == "__main__":
    main()
