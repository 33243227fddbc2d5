"""A plain made-up city, made in SQL: `python -m bench.city FOLDER STUDENTS YEARS SUBJECTS`.

It exists to be measured, not to look real: sizes and shares are those of a city, the scores are
noise around a school's level. Every student sits every subject every year, so that the rows of
results are students times years times subjects. The same arguments give the same rows.
"""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb

from pipelines.feeds import load_contracts
from pipelines.feeds.contract import quoted

SUBJECTS = (
    "chinese", "mathematics", "english", "science", "pe", "politics", "history", "geography",
    "physics", "chemistry", "biology", "music", "art", "it", "labour",
)  # fmt: skip
FIRST_YEAR = 2021
SCHOOL_SIZE = 470
"""Students a school, as in a city of 700,000 students and 1,500 schools."""
CLASS_SIZE = 45
DISTRICTS = 8
BY_SCHOOL = ("students", "monitoring_results")
"""Feeds of which every school hands in its own file; the others come in one file a year."""


@dataclass(frozen=True)
class Size:
    """How large a city."""

    students: int
    years: int
    subjects: int

    @property
    def results(self) -> int:
        """Rows of results, all years together."""
        return self.students * self.years * self.subjects


def make(con: duckdb.DuckDBPyConnection, size: Size) -> None:
    """The tables of the city, one a feed, with `student_no` in clear and with `school_year`."""
    con.execute("set enable_progress_bar = false")
    con.execute(
        f"""
        create temp macro u(a, b) as hash(a, b) / 18446744073709551616.0;
        create temp macro label(y) as y || '-' || (y + 1);
        create temp table years as
            select y, label(y) as school_year
            from range({FIRST_YEAR}, {FIRST_YEAR + size.years}) as t(y);
        create temp table subjects as
            select unnest({list(SUBJECTS[: size.subjects])}) as subject;
        create temp table districts as
            select
                '3704' || lpad((d + 2)::varchar, 2, '0') as district_code,
                'district ' || d as district_name, 'county' as district_kind, school_year
            from range({DISTRICTS}) as t(d), years;
        -- Of twelve clusters of schools each stage has its share, so that grades fill alike.
        create temp table school as
            select s, '2137' || lpad(s::varchar, 6, '0') as school_code,
                case when s % 4 < 2 then 'primary' when s % 4 = 2 then 'junior' else 'senior' end
                    as stage
            from range(greatest(8, {size.students} // {SCHOOL_SIZE} // 4 * 4)) as t(s);
        create temp table schools as
            select
                school_code, 'school ' || s as school_name,
                '3704' || lpad((s % {DISTRICTS} + 2)::varchar, 2, '0') as district_code, stage,
                ['urban', 'town', 'rural'][(hash(s) % 3 + 1)::int] as locale,
                case when hash(s, 'private') % 9 = 0 then 'private' else 'public' end as ownership,
                case when hash(s, 'joined') % 5 < 3 then 'LY' || s // 12 end as community_code,
                school_year
            from school, years;
        -- A place in the city ages by a year; after grade 12 another child of six takes it.
        create temp table place as
            select
                i, school_year, (i + y) % 12 + 1 as grade, (i + y) // 12 as generation,
                'L' || lpad(generation::varchar, 7, '0') || lpad(i::varchar, 10, '0') || '1'
                    as student_no,
                '2137' || lpad(
                    (hash(i) % (select count(*) // 4 from school) * 4 + case
                        when grade > 9 then 3 when grade > 6 then 2 else i % 2 end)::varchar,
                    6, '0'
                ) as school_code
            from range({size.students}) as t(i), years;
        create temp table students as
            select
                student_no, school_code, grade::int as grade,
                (row_number() over (partition by school_year, school_code, grade order by i)
                    // {CLASS_SIZE} + 1)::varchar as class_no,
                case when u(student_no, 'g') < 0.52 then 'male' else 'female' end as gender,
                (left(school_year, 4)::int - 5 - grade) || '-09' as birth_date,
                u(i, 'boards') < 0.25 as boarding, u(i, 'left') < 0.12 as left_behind,
                u(i, 'moved') < 0.08 as migrant, u(i, 'poor') < 0.1 as subsidised,
                u(i, 'rural') < 0.6 as rural_household, school_year
            from place;
        create temp table monitoring_waves as
            select
                school_year as wave_id, 'city' as level, 'annual_monitoring' as wave_kind,
                make_date(y + 1, 6, 20) as held_on, g::int as grade, subject,
                100::decimal(9, 3) as full_mark, school_year
            from years, range(1, 13) as t(g), subjects;
        create temp table monitoring_results as
            select
                school_year as wave_id, student_no, school_code, grade, class_no, subject,
                case when u(student_no || school_year, 'absent') >= 0.02 then greatest(0, least(100,
                    round(
                        68 + 16 * (u(school_code, 'level') - 0.5)
                        + 60 * (u(student_no, 'able') - 0.5)
                        + 40 * (u(student_no || school_year, subject) - 0.5)
                    , 0)
                ))::decimal(9, 3) end as score,
                case when score is null then 'absent' else 'present' end as status,
                school_year
            from students, subjects;
        """
    )


def _spread(con: duckdb.DuckDBPyConnection, query: str, feed: str, folder: Path) -> None:
    """A query's rows as `folder/<feed>/<school year>/<school or feed>.csv`.

    The query's columns `year_` and, for a feed by school, `school_` name the file only.
    """
    parts = folder / ".parts"
    by = "year_, school_" if feed in BY_SCHOOL else "year_"
    con.execute(f"copy ({query}) to {quoted(str(parts))} (format csv, partition_by ({by}))")
    for number, part in enumerate(sorted(parts.rglob("*.csv"))):
        year, *school = (p.split("=", 1)[1] for p in part.relative_to(parts).parts[:-1])
        stem = school[0] if school else feed
        target = folder / feed / year / f"{stem}.csv"
        if target.exists():
            target = target.with_stem(f"{stem}-{number}")
        target.parent.mkdir(parents=True, exist_ok=True)
        part.rename(target)
    shutil.rmtree(parts)


def _names(feed: str) -> str:
    return "school_year as year_" + (", school_code as school_" if feed in BY_SCHOOL else "")


def write_raw(size: Size, folder: Path) -> None:
    """The city as handed in: CSV with the templates' headers, results in the wide form."""
    folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as con:
        make(con, size)
        for feed in ("districts", "schools", "students", "monitoring_waves"):
            contract = load_contracts()[feed]
            held = {row[0] for row in con.execute(f"describe {feed}").fetchall()}
            columns = ", ".join(
                (f"{c.name} || '-15'" if c.type == "month" else c.name) + f' as "{c.header}"'
                for c in contract.columns
                if c.name in held
            )
            query = f"select {columns}, {_names(feed)} from {feed}"
            _spread(con, query, feed, folder)
        contract = load_contracts()["monitoring_results"]
        own = ("wave_id", "student_no", "school_code", "grade", "class_no")
        columns = ", ".join(f'any_value({c}) as "{contract.column(c).header}"' for c in own)
        papers = ", ".join(
            f"coalesce(any_value(score) filter (where subject = '{s}')::varchar, '缺考') as {s}"
            for s in SUBJECTS[: size.subjects]
        )
        query = (
            f"select {columns}, {papers}, {_names('monitoring_results')} from monitoring_results "
            f"group by school_year, school_code, student_no"
        )
        _spread(con, query, "monitoring_results", folder)


def write_standing(size: Size, folder: Path) -> None:
    """The city as it stands after intake, `folder/<feed>/<school year>/<school or feed>.parquet`.

    No file is read for it: the rows are those that landing would have made, with their origin,
    under made-up keys; a feed that the city lacks is an empty file, as when nothing is handed in.
    """
    with duckdb.connect() as con:
        make(con, size)
        con.execute("alter table students add column student_key varchar")
        con.execute("update students set student_key = sha256(student_no)")
        con.execute(
            """
            create temp view keyed_results as
                select results.*, students.student_key
                from monitoring_results as results
                join students using (student_no, school_year);
            """
        )
        years = con.execute("select school_year from years order by all").fetchall()
        for feed, contract in load_contracts().items():
            relation = {"monitoring_results": "keyed_results"}.get(feed, feed)
            try:
                held = {row[0] for row in con.execute(f"describe {relation}").fetchall()}
            except duckdb.CatalogException:
                held = set()
            origin = {"source_row": "1", "loaded_at": "timestamp '2026-01-01'"}
            columns = ", ".join(
                f"cast({name if name in held else origin.get(name, 'null')} as {kind}) as {name}"
                for name, kind in contract.landed.items()
            )
            if not held:
                target = folder / feed / "0000-0000" / "empty.parquet"
                target.parent.mkdir(parents=True)
                con.execute(f"copy (select {columns} limit 0) to {quoted(str(target))}")
                continue
            for (year,) in years:
                _standing_year(con, f"select {columns} from {relation}", feed, year, folder)


def _standing_year(
    con: duckdb.DuckDBPyConnection, query: str, feed: str, year: str, folder: Path
) -> None:
    """One year's files of a feed; students and results as schools hand them in, class by class."""
    target = folder / feed / year
    target.mkdir(parents=True)
    query += f" where school_year = '{year}'"
    if feed not in BY_SCHOOL:
        con.execute(f"copy ({query}) to {quoted(str(target / feed))} (format parquet)")
        (target / feed).rename(target / f"{feed}.parquet")
        return
    order = ["school_code", "grade", "class_no", "student_key"]
    order += ["subject"] if feed == "monitoring_results" else []
    query = f"select *, school_code as school_ from ({query}) order by {', '.join(order)}"
    parts = folder / ".parts"
    con.execute(f"copy ({query}) to {quoted(str(parts))} (format parquet, partition_by (school_))")
    for number, part in enumerate(sorted(parts.rglob("*.parquet"))):
        part.rename(target / f"{part.parent.name.split('=')[1]}-{number}.parquet")
    shutil.rmtree(parts)


if __name__ == "__main__":
    write_raw(Size(*map(int, sys.argv[2:])), Path(sys.argv[1]))
