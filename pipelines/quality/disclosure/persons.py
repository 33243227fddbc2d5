"""Numbers of persons beside students by their results, as cells and sums of disclosure control.

Observers, teachers, persons trained, students checked in lessons, persons of the plan's targets:
each is counted in its unit and in the units above, and nowhere else.
"""

import duckdb
import pyarrow as pa

_CELLS = """
    select
        *, 'persons' as topic, period as school_year, of_table || ' ' || counted as wave_id,
        cast(0 as integer) as grade, 'all' as subject, 'all' as stage, 'all' as group_kind,
        'all' as group_value,
        cast(null as bigint) as absent, cast(null as bigint) as exempt,
        cast(null as bigint) as good, cast(null as bigint) as excellent,
        cast(null as bigint) as low
    from (select * rename (topic as of_table) from persons) as persons
    order by cell_no
"""
_SUMS = """
    select
        dense_rank() over (order by totals.cell_no) - 1 as sum_no, 'units' as kind,
        false as is_loose, totals.cell_no as total_no, parts.cell_no as part_no,
        cast(totals.n - sum(parts.n) over (partition by totals.cell_no) as bigint) as beyond
    from persons as parts
    inner join persons as totals using (topic, period, counted)
    where parts.parent_code = totals.unit_code and parts.n > 0 and totals.n > 0
        and totals.level = case parts.level when 'school' then 'district' else 'city' end
"""


def cells_of(persons: pa.Table) -> pa.Table:
    """Rows of `int_disclosure_persons` in the form of `int_disclosure_cell`, in their order.

    The period stands for the school year, the table with who is counted for the wave.
    """
    return _asked(_CELLS, persons)


def sums_of(persons: pa.Table) -> pa.Table:
    """How they add up, in the form of `int_disclosure_sum`: units make the unit above."""
    return _asked(_SUMS, persons)


def _asked(query: str, persons: pa.Table) -> pa.Table:
    with duckdb.connect() as con:
        con.register("persons", persons)
        return con.sql(query).to_arrow_table()
