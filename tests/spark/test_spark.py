"""The same models on DuckDB and on Spark: equal tables, and an equal release.

Run by `make test-spark`, in an environment with PySpark and Java.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from pipelines import kept, spark
from pipelines.cli import app
from pipelines.release import current
from pipelines.settings import Settings

pytest.importorskip("pyspark", reason="PySpark is not installed; see `make test-spark`")

# Of both tests together, as long as one has each: what they look at is made for the first.
pytestmark = pytest.mark.timeout(1200)
EQUAL = 1e-9


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of a sample city."""
    folder = tmp_path_factory.mktemp("house")
    eqm("sample", "--out", str(folder / "raw"), "--students", "3000", "--years", "3")
    return folder


def eqm(*arguments: str, settings: Settings | None = None) -> None:
    """The command in this process; it must end well."""
    of_home = settings and {
        "EQM_RAW": str(settings.raw),
        "EQM_HOME": str(settings.home),
        "EQM_PSEUDONYM_KEY_FILE": str(settings.pseudonym_key_file),
    }
    done = CliRunner().invoke(app, arguments, env=of_home)
    assert done.exit_code == 0, done.output


def settings_of(house: Path, name: str) -> Settings:
    """Settings of a home of its own in that house."""
    return Settings.load(
        raw=house / "raw", home=house / name, pseudonym_key_file=house / "key" / "pseudonym.key"
    )


@pytest.fixture(scope="module")
def by_duckdb(house: Path) -> Settings:
    """A home with a release that DuckDB made."""
    settings = settings_of(house, "duckdb")
    eqm("build", "--target", "duckdb", settings=settings)
    return settings


@pytest.fixture(scope="module")
def by_spark(house: Path) -> Settings:
    """A home with a release that was made on Spark; what Spark made is kept in its `made`."""
    settings = settings_of(house, "spark")
    make = spark.make

    def kept_aside(home: Settings, standing: Path, folder: Path) -> Mapping[str, str]:
        made = make(home, standing, folder)
        shutil.copytree(folder, home.home / "made")
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spark, "make", kept_aside)
        eqm("build", "--target", "spark", settings=settings)
    return settings


def test_every_cell_is_equal_on_both(by_duckdb: Settings, by_spark: Settings) -> None:
    """What is kept of DuckDB's build, and what Spark made by the same models."""
    aside = by_spark.home / "made"
    made = spark.tables(aside)
    known = json.loads((aside / "dbt" / "manifest.json").read_text("utf-8"))["nodes"]
    ran = json.loads((aside / "dbt" / "run_results.json").read_text("utf-8"))["results"]
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


def test_a_build_on_spark_releases_the_same(by_duckdb: Settings, by_spark: Settings) -> None:
    made = []
    for settings in (by_duckdb, by_spark):
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
