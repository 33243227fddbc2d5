{{ config(alias='observation_duty') }}

-- Principals and secretaries together, as the plan asks: beside the two of them their sum would
-- tell the one from the other.
with cells as (
    select *
    from {{ ref('observation_duty_unit') }}
    where
        level in ('city', 'district')
        and role in ('principal_or_secretary', 'school_leader', 'education_official')
),

{{ fates_of_persons('cells', ['school_year', 'role']) }} -- noqa: PRS

{%- set told = 'not is_withheld' %}
{%- set exact = 'not is_withheld and not is_banded' %}

select
    school_year,
    level,
    unit_code,
    role,
    case when {{ told }} then persons end as persons,
    case when {{ exact }} then met end as met,
    case when {{ exact }} then {{ published_rate('met / persons', 'persons') }} end as rate,
    case when {{ told }} and is_banded then {{ banded('met', 'persons') }} end as band,
    case when {{ told }} then not_reported = persons end as is_silent,
    case when {{ told }} then owed_by_all end as owed,
    case when {{ told }} then done end as done,
    case when is_withheld then 'c' else {{ mark('persons') }} end as mark
from fates
order by school_year, level, unit_code, role
