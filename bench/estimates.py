"""All estimates of a full city's year: `python -m bench.estimates [--students 700000]`.

Every student of twelve grades sits nine subjects in each of three years. dbt makes the sums, cells
and histories that the estimates stand on; of these, only what the last year's waves need stays, and
of that year everything is estimated and written: value added by every model, of schools and of
districts, with its checks; growth percentiles on up to two earlier scores; equity between schools,
groups and communities; how evenly resources lie, and the severity of observers. Observed lessons
and resources, which the city lacks, are made up in the warehouse. `everything` is one process, from
reading the warehouse to writing into it; the parts below it are processes of their own.

`--home FOLDER` keeps the warehouse and uses the one that is there; with `--make` it is only made.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import duckdb
import pyarrow as pa

from bench.attainment import MAKE
from bench.city import Size
from bench.landing import step
from bench.measure import ROOT, report, run, timed
from bench.warehouse import OPS
from pipelines import estimates
from pipelines.settings import Settings
from pipelines.warehouse import ONE_THREAD

CELLS = (
    "int_value_added_sums", "int_progress_cells", "int_value_added_priors", "int_score_histories",
    "int_equity_cells", "int_group_distribution", "int_community_cells", "int_resource_cells",
    "int_observed_scores",
)  # fmt: skip
"""What the estimates read, and dbt makes."""
BETWEEN = ("int_value_added_effects", "int_value_added_annual", "int_value_added_school")
"""What the checks of value added read, made of its fits."""
BY_PAPER = (
    "int_value_added_sums", "int_progress_cells", "int_value_added_priors", "int_score_histories",
    "int_prior_scores", "int_attainment_counts",
)  # fmt: skip
BY_YEAR = ("int_equity_cells",)
LESSONS, OBSERVERS, TEACHERS = 40, 2, 15
"""Lessons a year that are observed at a school; its observers and teachers."""
WORK = """
import sys
from bench.estimates import seconds
print(seconds(*sys.argv[1:]))
"""


class _Warehouse:
    """The tables of a built warehouse, read and written as dbt's Python models do."""

    def __init__(self, path: Path, queries: Path) -> None:
        self.con = duckdb.connect(str(path))
        self.queries = queries

    def read(self, name: str) -> pa.Table:
        return self.con.sql(f"from intermediate.{name}").to_arrow_table()

    def write(self, name: str, found: pa.Table) -> None:
        self.con.register("found", found)
        self.con.execute(f"create or replace table intermediate.{name} as from found")
        self.con.unregister("found")

    def make(self, name: str) -> None:
        """A table out of the query that dbt compiled."""
        (path,) = self.queries.rglob(f"{name}.sql")
        query = path.read_text(encoding="utf-8")
        self.con.execute(f"create or replace table intermediate.{name} as {query}")


def value_added(city: _Warehouse, rules: Settings) -> None:
    """Every model of every paper."""
    found = estimates.value_added(
        city.read("int_value_added_sums"),
        city.read("int_progress_cells"),
        rules.value_added_models,
        rules.value_added_students,
    )
    city.write("int_value_added_fits", found)


def checks(city: _Warehouse, rules: Settings) -> None:
    """What value added stands on; after `value_added`."""
    for name in BETWEEN:
        city.make(name)
    fits, schools = city.read("int_value_added_fits"), city.read("int_value_added_school")
    published = next(iter(rules.value_added_models))
    city.write("int_value_added_fairness", estimates.fairness(fits, schools))
    city.write(
        "int_value_added_standing",
        estimates.standing(fits, schools, published, rules.value_added_margin),
    )
    city.write("int_value_added_years", estimates.years(city.read("int_value_added_annual")))
    found = estimates.measurement_error(
        city.read("int_value_added_sums"),
        city.read("int_value_added_priors"),
        rules.value_added_students,
    )
    city.write("int_value_added_error", found)


def growth(city: _Warehouse, rules: Settings) -> None:
    """Growth percentiles of students and units."""
    found = estimates.growth(city.read("int_score_histories"), rules.growth_students)
    city.write("int_growth_fits", found)


def equity(city: _Warehouse, rules: Settings) -> None:
    """Equity between schools, groups and communities, and of resources."""
    code = rules.unit_code
    found = estimates.equity(
        city.read("int_equity_cells"), city.read("int_group_distribution"), code
    )
    city.write("int_equity_estimates", found)
    found = estimates.communities(city.read("int_community_cells"))
    city.write("int_community_estimates", found)
    city.write("int_resource_estimates", estimates.resources(city.read("int_resource_cells"), code))


def severity(city: _Warehouse, rules: Settings) -> None:
    """Severity of observers."""
    city.write("int_severity_fits", estimates.severity(city.read("int_observed_scores")))


PARTS: dict[str, Callable[[_Warehouse, Settings], None]] = {
    "value added": value_added,
    "its checks": checks,
    "growth": growth,
    "equity": equity,
    "severity": severity,
}


def seconds(warehouse: str, queries: str, part: str) -> float:
    """Wall seconds of a part, or of `everything`, from opening the warehouse to its last table."""
    rules = Settings.load()
    start = time.perf_counter()
    city = _Warehouse(Path(warehouse), Path(queries))
    for name, work in PARTS.items():
        if part in (name, "everything"):
            work(city, rules)
    city.con.close()
    return time.perf_counter() - start


def of_one_year(warehouse: Path, year: str) -> dict[str, int]:
    """Leave what the year's papers need, and make up lessons and resources; rows of each table."""
    with duckdb.connect(str(warehouse)) as con:
        papers = f"select paper_no from intermediate.int_papers where school_year = '{year}'"
        for name in BY_PAPER:
            con.execute(f"delete from intermediate.{name} where paper_no not in ({papers})")
        for name in BY_YEAR:
            con.execute(f"delete from intermediate.{name} where school_year <> '{year}'")
        con.execute(
            "delete from intermediate.int_group_distribution where wave_id not in"
            f" (select wave_id from intermediate.int_papers where school_year = '{year}')"
        )
        # An observer sees lessons of the next school too: so they can be set against each other.
        con.execute(
            f"""
            insert into intermediate.int_observed_scores by name
            select
                '{year}' as school_year, school_code, 'mathematics' as subject,
                'O' || (s * {OBSERVERS} + i % {OBSERVERS} + (i % 8 = 0)::int * {OBSERVERS})
                    as observer_code,
                'T' || (s * {TEACHERS} + hash(s, i) % {TEACHERS}) as teacher_code,
                (80 + hash(s, i, 'score') % 16)::double as score
            from (
                select school_code, row_number() over (order by school_code) as s
                from intermediate.int_school where school_year = '{year}'
            ), range({LESSONS}) as t(i)
            """
        )
        con.execute(
            f"""
            insert into intermediate.int_resource_cells by name
            select
                '{year}' as school_year, stage, 'indicator ' || i as indicator, school_code,
                district_code, 470 as n, (50 + hash(school_code, i) % 50)::double as per_student
            from intermediate.int_school, range(7) as t(i) where school_year = '{year}'
            """
        )
        counts = {}
        for name in CELLS:
            rows = con.execute(f"select count(*) from intermediate.{name}").fetchall()
            counts[name.removeprefix("int_")] = rows[0][0]
        con.execute("checkpoint")
    return counts


def make(size: Size, folder: Path) -> dict[str, int]:
    """The city's warehouse as far as the estimates need it, in a folder; rows of their tables.

    Also the seconds that dbt took, and its peak memory, since they are told beside the estimates.
    """
    standing, warehouse, target = (folder / part for part in ("standing", "w.duckdb", "target"))
    numbers = (size.students, size.years, size.subjects)
    run("standing view", step(MAKE, standing, *numbers), size.results)
    run("ops", step(OPS, warehouse), size.results)
    environment = ONE_THREAD | {
        "EQM_STANDING": str(standing),
        "EQM_WAREHOUSE": str(warehouse),
        "DBT_TARGET_PATH": str(target),
        "DBT_LOG_PATH": str(target),
    }
    dbt = [str(Path(sys.executable).parent / "dbt")]
    project = ["--project-dir", str(ROOT / "dbt_project")]
    project += ["--profiles-dir", str(ROOT / "dbt_project"), "--select"]
    build = [*dbt, "run", *project, *(f"+{cells}" for cells in CELLS)]
    made = run("dbt", build, size.results, environment)
    run("queries", [*dbt, "compile", *project, *BETWEEN], size.results, environment)
    with duckdb.connect(str(warehouse), read_only=True) as con:
        years = con.execute("select max(school_year) from intermediate.int_papers").fetchall()
    counts = of_one_year(warehouse, years[0][0])
    return counts | {"dbt_seconds": round(made.seconds), "dbt_peak_mb": round(made.peak_rss_mb)}


def main() -> None:
    """Measure, print, write `bench/results/estimates.json`."""
    parser = argparse.ArgumentParser(description="Measure all estimates of a year.")
    parser.add_argument("--students", type=int, default=700_000, help="In each school year.")
    parser.add_argument("--years", type=int, default=3)
    parser.add_argument("--subjects", type=int, default=9)
    parser.add_argument("--home", type=Path, help="A folder for the warehouse, kept.")
    parser.add_argument("--folder", type=Path, help="Where the temporary folder is made.")
    parser.add_argument("--make", action="store_true", help="Make the warehouse, measure nothing.")
    given = parser.parse_args()
    size = Size(given.students, given.years, given.subjects)
    rows = size.results // size.years
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = given.home or Path(name)
        told = folder / "made.json"
        if not told.exists():
            folder.mkdir(parents=True, exist_ok=True)
            counts = asdict(size) | {"results_of_the_year": rows} | make(size, folder)
            told.write_text(json.dumps(counts), encoding="utf-8")
        if given.make:
            return
        measures = [
            timed(part, step(WORK, folder / "w.duckdb", folder / "target", part), rows, ONE_THREAD)
            for part in ("everything", *PARTS)
        ]
        report("estimates", json.loads(told.read_text(encoding="utf-8")), [measures])


if __name__ == "__main__":
    main()
