{{ config(alias='training_lapse') }}

{#- Half a year is time enough to plan a course. -#}
{%- set within_days = 180 %}

with levels as (
    {{ unit_levels() }}
),

cells as (
    select
        persons.population,
        persons.as_of,
        levels.level,
        {{ unit_of('levels.level', 'persons.district_code', 'persons.school_code') }}
            as unit_code,
        cast(count(*) as bigint) as persons,
        cast(
            count_if(persons.status = 'covered' and persons.days_left <= {{ within_days }})
            as bigint
        ) as met
    from {{ ref('training_lapse') }} as persons
    cross join levels
    where
        levels.level <> 'school'
        and {{ unit_of('levels.level', 'persons.district_code', 'persons.school_code') }}
        is not null
    group by
        persons.population, persons.as_of, levels.level,
        {{ unit_of('levels.level', 'persons.district_code', 'persons.school_code') }}
),

{{ fates_of_persons('cells', ['population']) }} -- noqa: PRS

{%- set told = 'not is_withheld' %}
{%- set exact = 'not is_withheld and not is_banded' %}

select
    population,
    as_of,
    {{ within_days }} as within_days,
    level,
    unit_code,
    case when {{ told }} then persons end as persons,
    case when {{ exact }} then met end as lapsing,
    case when {{ exact }} then {{ published_rate('met / persons', 'persons') }} end as rate,
    case when {{ told }} and is_banded then {{ banded('met', 'persons') }} end as band,
    case when is_withheld then 'c' else {{ mark('persons') }} end as mark
from fates
order by population, level, unit_code
