{{ config(alias='pass_rate_trend') }}

{#- A change is as telling as the rates at its two ends: it is withheld where either is. -#}
{%- set by_baseline = shown('students') ~ ' and ' ~ shown('baseline_students') -%}
{%- set by_previous = shown('students') ~ ' and ' ~ shown('previous_students') %}

select
    level,
    unit_code,
    stage,
    subject,
    school_year,
    case when {{ shown('students') }} then students end as students,
    case when {{ shown('students') }} then n end as n,
    case when {{ shown('students') }} then {{ published_rate('pass_rate', 'n') }} end as pass_rate,
    case when {{ shown('students') }} then {{ published_rate('pass_low', 'n') }} end as pass_low,
    case when {{ shown('students') }} then {{ published_rate('pass_high', 'n') }} end as pass_high,
    case when {{ by_baseline }} then {{ published_rate('baseline_rate', 'n') }} end
        as baseline_rate,
    {% for figure in ['change_points', 'change_low', 'change_high', 'change_percent'] %}
    case when {{ by_baseline }} then {{ rounded(figure, 1) }} end as {{ figure }},
    {% endfor %}
    previous_year,
    {% for figure in ['year_change_points', 'year_change_low', 'year_change_high'] %}
    case when {{ by_previous }} then {{ rounded(figure, 1) }} end as {{ figure }},
    {% endfor %}
    case when {{ by_baseline }} then {{ published_rate('pace_rate', 'n') }} end as pace_rate,
    case when {{ by_baseline }} then status end as status,
    comparability,
    {{ mark('students') }} as mark
from {{ ref('pass_rate_trend') }}
order by level, unit_code, stage, subject, school_year
