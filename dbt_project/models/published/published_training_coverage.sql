{{ config(alias='training_coverage') }}

{%- set exact = is_exact('passed') %}

with last_day as (
    select max(as_of) as as_of
    from {{ ref('training_coverage') }}
)

select
    coverage.as_of,
    coverage.as_of = last_day.as_of as is_latest,
    coverage.population,
    coverage.level,
    coverage.unit_code,
    {{ where_told(is_counted(), 'coverage.persons') }} as persons,
    {{ where_told(exact, 'coverage.covered') }} as covered,
    {{ where_told(exact, rate_told('coverage.rate')) }} as rate,
    {{ band_told('passed') }} as band,
    {{ where_told(exact, 'coverage.attendances') }} as attendances,
    {{ where_told(exact, 'cast(round(coverage.hours) as bigint)') }} as hours,
    coverage.is_whole_window,
    -- Where no training has been handed in there is no share, not one of nobody.
    case
        when {{ is_told() }} and coverage.covered is null then 'x'
        else {{ mark_of_persons() }}
    end as mark
from {{ ref('training_coverage') }} as coverage
cross join last_day
{{ with_persons('coverage', 'training', 'cast(coverage.as_of as string)', 'coverage.population') }}
order by coverage.as_of, coverage.population, coverage.level, coverage.unit_code
