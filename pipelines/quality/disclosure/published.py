"""What published tables tell of each number, read from the tables themselves."""

import contextlib

import duckdb
import numpy as np
import pyarrow as pa

from pipelines.quality.disclosure.system import Mask, ints

_STUDENTS = """
    select
        cells.*,
        coalesce(results.n, trend.n, people.students, matched.n) as told,
        coalesce(results.pass_rate, trend.pass_rate, baseline.rate) is not null as passed_exact,
        results.good_rate is not null as good_exact,
        results.excellent_rate is not null as excellent_exact,
        results.low_rate is not null as low_exact,
        coalesce(results.pass_band, trend.pass_band) is not null as passed_band,
        results.good_band is not null as good_band,
        results.excellent_band is not null as excellent_band,
        results.low_band is not null as low_band,
        results.n is null and coalesce(
            results.mean_score, results.score_ratio, results.mean_z, results.participation_rate,
            results.pass_rate, results.good_rate, results.excellent_rate, results.low_rate
        ) is not null as is_alone
    from marts.disclosure_cell as cells
    left join published.attainment as results
        on cells.topic = 'results' and results.school_year = cells.school_year
        and results.wave_id = cells.wave_id and results.grade = cells.grade
        and results.subject = cells.subject and results.level = cells.level
        and results.unit_code = cells.unit_code and results.group_kind = cells.group_kind
        and results.group_value = cells.group_value
    left join published.pass_rate_trend as trend
        on cells.topic = 'trend' and trend.school_year = cells.school_year
        and trend.subject = cells.subject and trend.stage = cells.stage
        and trend.level = cells.level and trend.unit_code = cells.unit_code
    left join published.pass_rate_trend as people
        on cells.topic = 'students' and people.school_year = cells.school_year
        and people.subject = cells.subject and people.stage = cells.stage
        and people.level = cells.level and people.unit_code = cells.unit_code
    left join published.value_added as matched
        on cells.topic = 'matched' and matched.school_year = cells.school_year
        and matched.wave_id = cells.wave_id and matched.grade = cells.grade
        and matched.subject = cells.subject and matched.level = cells.level
        and matched.unit_code = cells.unit_code
    -- The rate of the baseline's year stands beside every later one.
    left join (
        select later.stage, later.subject, later.level, later.unit_code, own.school_year,
            max(later.baseline_rate) as rate
        from published.pass_rate_trend as own
        inner join published.pass_rate_trend as later using (stage, subject, level, unit_code)
        where own.comparability = 'baseline_year'
        group by all
    ) as baseline
        on cells.topic = 'trend' and baseline.school_year = cells.school_year
        and baseline.subject = cells.subject and baseline.stage = cells.stage
        and baseline.level = cells.level and baseline.unit_code = cells.unit_code
    where cells.school_year = $1
    order by cells.cell_no
"""
_PERSONS = """
    with told as (
        select 'duty' as topic, school_year as period, role as counted, level, unit_code,
            persons as told, met is not null or rate is not null as exact, band is not null as band
        from published.observation_duty
        union all
        select 'observed', school_year, 'teacher', level, unit_code,
            teachers, coalesce(observed, never, rate) is not null, band is not null
        from published.never_observed
        union all
        select 'training', cast(as_of as varchar), population, level, unit_code,
            persons, coalesce(covered, rate) is not null, band is not null
        from published.training_coverage
        union all
        select 'lapse', cast(as_of as varchar), population, level, unit_code,
            persons, coalesce(lapsing, rate) is not null, band is not null
        from published.training_lapse
        union all
        select 'checks', school_year, 'student', level, unit_code,
            tested, rate is not null, false
        from published.inclass_check
        union all
        select 'plan', cast(as_of as varchar), target_id || ' ' || reading, level, unit_code,
            denominator, coalesce(numerator, actual, gap) is not null, band is not null
        from published.plan_target
    )
    select
        persons.*, told.told, coalesce(told.exact, false) as passed_exact,
        coalesce(told.band, false) as passed_band,
        false as good_exact, false as excellent_exact, false as low_exact,
        false as good_band, false as excellent_band, false as low_band, false as is_alone
    from marts.disclosure_persons as persons
    left join told using (topic, period, counted, level, unit_code)
    order by cell_no
"""

OF_A_PAPER = {
    "attainment": (("level", "unit_code", "group_kind", "group_value"), ("mean_z",)),
    "competency": (
        ("dimension_kind", "dimension_value", "level", "unit_code"),
        ("difference_points", "difference_low", "difference_high", "stands"),
    ),
    "equity": (
        ("measure", "dimension", "level", "unit_code"), ("value", "ci_low", "ci_high", "stands"),
    ),
    "item_quality": (
        ("item_no",),
        ("item_difficulty", "discrimination", "item_rest_correlation", "difficulty_word",
         "look_at"),
    ),
    "paper_quality": (
        (),
        ("mean_difficulty", "mean_discrimination", "cronbach_alpha", "measurement_error",
         "sum_agrees_share"),
    ),
    "value_added": (
        ("level", "unit_code"), ("effect", "ci_low", "ci_high", "reliability", "band"),
    ),
}  # fmt: skip
"""Table → what tells its rows of a paper apart, and its figures that rest on all who sat it."""


def moved_figures(
    con: duckdb.DuckDBPyConnection, served: duckdb.DuckDBPyConnection, papers: pa.Table
) -> pa.Table:
    """Of which papers figures that rest on all who sat them are told otherwise than before.

    Args:
        con: a warehouse with its published tables.
        served: that of the release before.
        papers: wave, grade and subject of those to look at.

    Returns:
        `wave_id`, `grade`, `subject`, `table_name` and how many `rows` have such a figure.
    """
    found = [_MOVED.empty_table()]
    for one in (con, served):
        one.register("papers", papers)
    for table, (key, figures) in OF_A_PAPER.items():
        names = ("wave_id", "grade", "subject", *key)
        told = (
            f"select {', '.join((*names, *figures))} from published.{table}"
            " semi join papers using (wave_id, grade, subject)"
        )
        other = " or ".join(f"now.{name} <> then_told.{name}" for name in figures)
        # A warehouse that another version made may not tell of it.
        with contextlib.suppress(duckdb.CatalogException, duckdb.BinderException):
            con.register("then_told", served.sql(told).to_arrow_table())
            rows = con.sql(
                f"select wave_id, grade, subject, '{table}' as table_name, count(*) as rows"
                f" from ({told}) as now join then_told using ({', '.join(names)})"
                f" where {other} group by all"
            )
            found.append(rows.to_arrow_table().cast(_MOVED))
    return pa.concat_tables(found)


_MOVED = pa.schema([
    ("wave_id", pa.string()), ("grade", pa.int32()), ("subject", pa.string()),
    ("table_name", pa.string()), ("rows", pa.int64()),
])  # fmt: skip


def years(con: duckdb.DuckDBPyConnection) -> list[str]:
    """School years of which numbers of students are told."""
    found = con.execute(
        "select distinct school_year from marts.disclosure_cell order by school_year"
    ).fetchall()
    return [year for (year,) in found]


def students(con: duckdb.DuckDBPyConnection, year: str) -> pa.Table:
    """Numbers of students by their results in a school year: rows of `marts.disclosure_cell`, with
    what is told of each (`told`, of each outcome whether its share is told exactly or as a band,
    and whether a mean or a share is told without its number, `is_alone`).
    """
    return con.sql(_STUDENTS, params=[year]).to_arrow_table()


def persons(con: duckdb.DuckDBPyConnection) -> pa.Table:
    """Numbers of all other persons: rows of `marts.disclosure_persons`, with what is told of each
    as above; passed are those who meet what the table counts.
    """
    return con.sql(_PERSONS).to_arrow_table()


def can_be_asked(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether a warehouse has what is asked above."""
    try:
        students(con, "")
        persons(con)
    except (duckdb.CatalogException, duckdb.BinderException):
        return False
    return True


def told_by_either(own: pa.Table, before: Mask) -> pa.Table:
    """Cells with the number that is told of each, be it by themselves or by a release before.

    Args:
        own: cells with what is told of each, as of `students`.
        before: those of which a release before told the number that they still have.
    """
    told = pa.array(
        np.where(before, ints(own, "n"), ints(own, "told")),
        mask=~before & own["told"].is_null().to_numpy(),
    )
    return own.set_column(own.column_names.index("told"), "told", told)
