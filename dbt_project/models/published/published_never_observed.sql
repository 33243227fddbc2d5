{{ config(alias='never_observed') }}

with levels as (
    {{ unit_levels() }}
),

without as (
    select
        teachers.school_year,
        levels.level,
        {{ unit_of('levels.level', 'teachers.district_code', 'teachers.school_code') }}
            as unit_code,
        cast(count_if(teachers.status = 'not_observed') as bigint) as never,
        cast(count_if(teachers.status = 'not_reported') as bigint) as silent
    from {{ ref('never_observed') }} as teachers
    cross join levels
    where levels.level <> 'school'
    group by
        teachers.school_year, levels.level,
        {{ unit_of('levels.level', 'teachers.district_code', 'teachers.school_code') }}
),

cells as (
    select
        totals.school_year,
        totals.level,
        totals.unit_code,
        totals.total - coalesce(without.silent, 0) as persons,
        totals.total - coalesce(without.silent, 0) - coalesce(without.never, 0) as met,
        coalesce(without.silent, 0) as silent
    from {{ ref('standard_lesson_coverage') }} as totals
    left join without
        on
            totals.school_year = without.school_year
            and totals.level = without.level
            and totals.unit_code = without.unit_code
    where totals.population = 'teacher' and totals.level in ('city', 'district')
),

{{ fates_of_persons('cells', ['school_year']) }} -- noqa: PRS

{%- set told = 'not is_withheld' %}
{%- set exact = 'not is_withheld and not is_banded' %}

select
    school_year,
    level,
    unit_code,
    case when {{ told }} then persons end as teachers,
    case when {{ exact }} then met end as observed,
    case when {{ exact }} then persons - met end as never,
    case when {{ exact }} then {{ published_rate('met / persons', 'persons') }} end as rate,
    case when {{ told }} and is_banded then {{ banded('met', 'persons') }} end as band,
    case when {{ told }} and (silent = 0 or {{ shown('silent') }}) then silent end as silent,
    case
        when is_withheld then 'c'
        when persons = 0 then 'z'
        else {{ mark('persons') }}
    end as mark
from fates
order by school_year, level, unit_code
