{{ config(alias='value_added') }}

{#- Of nobody there is nothing to withhold; of nine or fewer there is. -#}
{%- set told = shown('n') ~ " and state = 'estimated'" %}
{#- Where the variance between units is 0, so is every effect, and its interval claims to know. -#}
{%- set apart = told ~ ' and units.se > 0' %}

select
    units.school_year,
    units.wave_id,
    papers.held_on,
    units.grade,
    units.subject,
    units.level,
    units.unit_code,
    case when {{ shown('n') }} then units.n end as n,
    case when {{ told }} then {{ rounded('units.effect', 2) }} end as effect,
    case when {{ apart }} then {{ rounded('units.ci_low', 2) }} end as ci_low,
    case when {{ apart }} then {{ rounded('units.ci_high', 2) }} end as ci_high,
    case when {{ told }} then {{ rounded('units.reliability', 2) }} end as reliability,
    case when {{ told }} then units.band end as band,
    case when {{ shown('n') }} then {{ rounded('units.match_rate', 2) }} end as match_rate,
    case when {{ shown('n') }} then units.is_low_match end as is_low_match,
    case
        when units.n = 0 then 'z'
        when {{ shown('n') }} and units.state <> 'estimated' then 'z'
        else {{ mark('n') }}
    end as mark
from {{ ref('value_added') }} as units
inner join {{ ref('dim_paper') }} as papers
    on
        units.wave_id = papers.wave_id
        and units.grade = papers.grade
        and units.subject = papers.subject
order by
    units.school_year, units.wave_id, units.grade, units.subject, units.level, units.unit_code
