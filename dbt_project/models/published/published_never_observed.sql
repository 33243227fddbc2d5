{{ config(alias='never_observed') }}

{%- set exact = is_exact('passed') %}
{%- set silent = 'totals.total - told.n' %}

select
    totals.school_year,
    totals.level,
    totals.unit_code,
    {{ where_told(is_counted(), 'told.n') }} as teachers,
    {{ where_told(exact, 'told.passed') }} as observed,
    {{ where_told(exact, 'told.n - told.passed') }} as never,
    {{ where_told(exact, rate_told('told.passed / told.n')) }} as rate,
    {{ band_told('passed') }} as band,
    case
        when {{ is_counted() }} and ({{ silent }} = 0 or {{ shown(silent) }}) then {{ silent }}
    end as silent,
    case when told.n = 0 then 'z' else {{ mark_of_persons() }} end as mark
from {{ ref('standard_lesson_coverage') }} as totals
{{ with_persons('totals', 'observed', 'totals.school_year', 'totals.population') }}
order by totals.school_year, totals.level, totals.unit_code
