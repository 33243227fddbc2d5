{{ config(alias='attainment') }}

{%- set rates = [
    'participation_rate', 'score_ratio', 'pass_rate', 'pass_low', 'pass_high',
    'good_rate', 'excellent_rate', 'low_rate'
] %}

select
    school_year,
    wave_id,
    grade,
    subject,
    level,
    unit_code,
    group_kind,
    group_value,
    case when {{ shown('n') }} then candidates end as candidates,
    case when {{ shown('n') }} then n end as n,
    case when {{ shown('n') }} then {{ rounded('mean_score', 1) }} end as mean_score,
    {% for rate in rates %}
    case when {{ shown('n') }} then {{ published_rate(rate, 'n') }} end as {{ rate }},
    {% endfor %}
    case when {{ shown('n') }} then {{ rounded('mean_z', 2) }} end as mean_z,
    {{ mark('n') }} as mark
from {{ ref('attainment') }}
-- More groups are more ways to subtract: they wait for the rules that see to it.
where group_kind in ('all', 'locale', 'gender')
order by school_year, wave_id, grade, subject, level, unit_code, group_kind, group_value
