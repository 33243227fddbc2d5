"""The same models on DuckDB and on Spark: equal tables, and an equal release.

Run by `make test-spark`, in an environment with PySpark and Java.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from pipelines import kept, spark
from pipelines.intake import freeze
from pipelines.release import current
from pipelines.settings import Settings

pytest.importorskip("pyspark", reason="PySpark is not installed; see `make test-spark`")

EQUAL = 1e-9
PYTHON = [sys.executable, "-c", "from pipelines.cli import main; main()"]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of a sample city."""
    folder = tmp_path_factory.mktemp("house")
    size = ["--students", "3000", "--years", "3"]
    subprocess.run([*PYTHON, "sample", "--out", str(folder / "raw"), *size], check=True)
    return folder


def settings_of(house: Path, name: str) -> Settings:
    """Settings of a home of its own in that house."""
    return Settings.load(
        raw=house / "raw", home=house / name, pseudonym_key_file=house / "key" / "pseudonym.key"
    )


@pytest.fixture(scope="module")
def by_duckdb(house: Path) -> Settings:
    """A home with a release that DuckDB made."""
    return build(house, "duckdb")


def build(house: Path, target: str) -> Settings:
    """A release in a home of its own."""
    settings = settings_of(house, target)
    done = subprocess.run(
        [*PYTHON, "build", "--target", target],
        env=os.environ
        | {"EQM_RAW": str(settings.raw), "EQM_HOME": str(settings.home)}
        | {"EQM_PSEUDONYM_KEY_FILE": str(settings.pseudonym_key_file)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return settings


def test_every_cell_is_equal_on_both(house: Path, by_duckdb: Settings) -> None:
    """What is kept of DuckDB's build, and the same models on Spark."""
    made = spark.make(by_duckdb, freeze(by_duckdb).path, house / "spark")
    known = json.loads((house / "spark" / "dbt" / "manifest.json").read_text("utf-8"))["nodes"]
    ran = json.loads((house / "spark" / "dbt" / "run_results.json").read_text("utf-8"))["results"]
    nodes = [known[result["unique_id"]] for result in ran]
    stored = [node for node in nodes if node["config"]["materialized"] != "view"]
    assert {f"{node['schema']}.{node['alias']}" for node in stored} == set(made)
    with duckdb.connect(str(by_duckdb.kept / kept.DATABASE), read_only=True) as con:
        assert {"marts.attainment", "marts.pass_rate_trend"} <= set(made)
        for table, files in made.items():
            other = f"read_parquet('{files}')"
            columns = con.execute(f"describe {table}").fetchall()
            assert [c[0] for c in con.execute(f"describe from {other}").fetchall()] == [
                c[0] for c in columns
            ]
            exact = [c[0] for c in columns if c[1] != "DOUBLE"]
            doubles = [c[0] for c in columns if c[1] == "DOUBLE"]
            # Rows by what is exact, equal ones by their doubles.
            order = ", ".join(f"{name} nulls last" for name in [*exact, *doubles])
            ordered = "select *, row_number() over (order by {order}) as place from {table}"
            wrong = [f"a.{name} is distinct from b.{name}" for name in exact] + [
                f"(a.{name} is null) <> (b.{name} is null) or abs(a.{name} - b.{name}) > {EQUAL}"
                for name in doubles
            ]
            rows, differ = con.execute(
                f"""
                select count(*), count(*) filter (where {" or ".join(f"({w})" for w in wrong)})
                from ({ordered.format(order=order, table=table)}) as a
                full join ({ordered.format(order=order, table=other)}) as b using (place)
                """
            ).fetchall()[0]
            assert rows == con.sql(f"from {table}").count("*").fetchall()[0][0] > 0, table
            assert differ == 0, table


def test_a_build_on_spark_releases_the_same(house: Path, by_duckdb: Settings) -> None:
    made = []
    for settings in (by_duckdb, build(house, "spark")):
        release = current(settings)
        assert release is not None
        folder = settings.releases / release
        assert not (folder / "spark").exists()
        with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as con:
            names = con.execute(
                "select schema_name || '.' || table_name from duckdb_tables() "
                "where schema_name in ('marts', 'restricted', 'published') order by 1"
            ).fetchall()
            tables = {
                name: con.execute(f"select * from {name} order by all").fetchall()
                for (name,) in names
            }
        made.append((release, tables))
    (one, tables), (other, same) = made
    assert one == other
    assert tables.keys() == same.keys()
    for name, rows in tables.items():
        assert same[name] == rows, name
