"""The heavy models on Apache Spark, in this process's machine or on a cluster.

Spark runs the models of the selector `portable` over the same standing view, with the same SQL. Its
tables are then read by the DuckDB build in place of computing them, which asks them the same
contracts and tests: a release is the same whichever engine made it.
"""

import json
import os
import shutil
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from pipelines.settings import Settings
from pipelines.warehouse import DBT_PROJECT, WarehouseError, dbt
from pipelines.warehouse import environment as environment_of_dbt
from pipelines.wording import bilingual

MADE = "EQM_MADE_ON_SPARK"


def require() -> None:
    """Raises:
    WarehouseError: PySpark or Java is not installed.
    """
    if find_spec("pyspark") is None:
        raise WarehouseError(
            bilingual("PySpark is not installed: install the extra `spark` of this package.")
        )
    home = os.environ.get("JAVA_HOME")
    if not (home and (Path(home) / "bin" / "java").exists()) and shutil.which("java") is None:
        raise WarehouseError(bilingual("Spark needs Java 17 or newer, and finds none."))


def make(settings: Settings, standing: Path, folder: Path) -> Mapping[str, str]:
    """Make the portable models' tables in a folder, which is made anew; `schema.table` → its files.

    Raises:
        WarehouseError: PySpark or Java is missing, or a model failed; the text is dbt's.
    """
    require()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    given = json.dumps(settings.figures(), ensure_ascii=False)
    dbt(
        ["run", "--selector", "portable", "--target", "spark", "--vars", given],
        folder / "dbt",
        {
            **environment_of_dbt(settings, standing, folder),
            "EQM_SPARK_MASTER": settings.spark_master,
            "SPARK_CONF_DIR": str(DBT_PROJECT / "spark"),
            # Where this machine has no name that others know.
            "SPARK_LOCAL_IP": os.environ.get("SPARK_LOCAL_IP", "127.0.0.1"),
        },
    )
    return tables(folder)


def tables(folder: Path) -> dict[str, str]:
    """`schema.table` → glob of its Parquet files, of what Spark made in a folder."""
    return {
        f"{table.parent.name.removesuffix('.db')}.{table.name}": str(table / "*.parquet")
        for table in sorted((folder / "warehouse").glob("*.db/*"))
        if any(table.glob("*.parquet"))
    }


def environment(made: Mapping[str, str]) -> dict[str, str]:
    """What tells the DuckDB build of these tables."""
    return {MADE: json.dumps(made)} if made else {}
