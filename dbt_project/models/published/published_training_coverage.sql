{{ config(alias='training_coverage') }}

-- The last day, and the ends of school years before it: days close to one another would tell of
-- single persons who came in between.
with last_day as (
    select max(as_of) as as_of
    from {{ ref('training_coverage') }}
),

cells as (
    select
        coverage.*,
        coalesce(coverage.covered, 0) as met,
        coverage.as_of = last_day.as_of as is_latest
    from {{ ref('training_coverage') }} as coverage
    cross join last_day
    where
        coverage.level in ('city', 'district')
        and (
            coverage.as_of = last_day.as_of
            or extract(month from coverage.as_of)
            = {{ (var('school_year_start_month') + 10) % 12 + 1 }}
        )
),

{{ fates_of_persons('cells', ['as_of', 'population']) }} -- noqa: PRS

{%- set told = 'not is_withheld' %}
{#- Where no training has been handed in there is no share, not one of nobody. -#}
{%- set banded_share = 'is_banded and covered is not null' %}
{%- set exact = 'not is_withheld and not (' ~ banded_share ~ ')' %}

select
    as_of,
    is_latest,
    population,
    level,
    unit_code,
    case when {{ told }} then persons end as persons,
    case when {{ exact }} then covered end as covered,
    case when {{ exact }} then {{ published_rate('rate', 'persons') }} end as rate,
    case when {{ told }} and {{ banded_share }} then {{ banded('met', 'persons') }} end as band,
    case when {{ exact }} then attendances end as attendances,
    case when {{ exact }} then cast(round(hours) as bigint) end as hours,
    is_whole_window,
    case
        when is_withheld then 'c'
        when covered is null then 'x'
        else {{ mark('persons') }}
    end as mark
from fates
order by as_of, population, level, unit_code
