"""What is true of a city, for the judge of what an intruder found there."""

from pathlib import Path

import duckdb

from tests.attack.intruder import RATES, Cell, Town

_RESULTS = """
    select school_year, level, unit_code, subject, 'all', wave_id, grade, group_kind, group_value,
        n, candidates - exempt - n, exempt, pass_rate, good_rate, excellent_rate, low_rate
    from marts.attainment where group_kind in ('all', 'locale', 'gender')
"""
_TREND = """
    select school_year, level, unit_code, subject, stage, n, students, pass_rate
    from marts.pass_rate_trend
"""
_MATCHED = """
    select school_year, level, unit_code, subject, 'all', wave_id, grade, n from marts.value_added
"""


def town_of(warehouse: Path) -> Town:
    """The city behind a warehouse, out of its marts that nobody sees."""
    numbers: dict[Cell, int] = {}
    did: dict[tuple[str, Cell], int] = {}
    with duckdb.connect(str(warehouse), read_only=True) as con:
        for *key, n, absent, exempt, passed, good, excellent, low in con.execute(
            _RESULTS
        ).fetchall():
            cell = Cell("results", *key)
            numbers[cell] = n
            did["absent", cell], did["exempt", cell] = absent, exempt
            for what, rate in zip(RATES, (passed, good, excellent, low), strict=True):
                did[what, cell] = round((rate or 0) * n)
        for *key, n, students, rate in con.execute(_TREND).fetchall():
            cell = Cell("trend", *key)
            numbers[cell], numbers[cell._replace(topic="students")] = n, students
            did["passed", cell] = round((rate or 0) * n)
        held = con.execute("from duckdb_tables() where table_name = 'value_added'").fetchall()
        for *key, n in con.execute(_MATCHED).fetchall() if held else ():
            numbers[Cell("matched", *key)] = n
        districts = con.execute(
            "select school_year, school_code, district_code from marts.dim_school"
            " where district_code is not null"
        ).fetchall()
        waves = con.execute(
            "select wave_id from marts.dim_wave"
            " where wave_kind = 'annual_monitoring' and wave_level = 'city'"
        ).fetchall()
        city = con.execute("select unit_code from marts.unit where level = 'city'").fetchall()
    return Town(
        city[0][0],
        {(year, school): district for year, school, district in districts},
        frozenset(wave for (wave,) in waves),
        numbers,
        did,
    )
