"""A release with a warehouse made by hand, of two students."""

import json
from pathlib import Path

import duckdb

from pipelines import warehouse
from pipelines.settings import Settings


def made_up_release(settings: Settings, name: str, student: str, year: str = "2023-2024") -> Path:
    """The warehouse of a complete release, whose restricted schema holds this student and `b`."""
    path = settings.releases / name / "warehouse.duckdb"
    path.parent.mkdir(parents=True)
    with duckdb.connect(str(path)) as con:
        con.execute("create schema marts; create schema restricted")
        con.execute("create table marts.attainment as select 'city' as level, 2 as n")
        con.execute(
            f"create table marts.dim_wave as select 'W' as wave_id, '{year}' as school_year"
        )
        con.execute(
            "create table restricted.dim_student (student_key varchar, school_year varchar)"
        )
        con.execute("create table restricted.student_growth (wave_id varchar, student_key varchar)")
        for one in (student, "b"):
            con.execute("insert into restricted.dim_student values (?, ?)", [one, year])
            con.execute("insert into restricted.student_growth values ('W', ?)", [one])
    record = {
        "made_at": "2024-09-01T00:00:00+00:00",
        "inputs": [],
        "rows": warehouse.row_counts(path),
    }
    (path.parent / "release.json").write_text(json.dumps(record))
    return path
