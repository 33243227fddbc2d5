{{ config(alias='pass_rate_trend') }}

{%- set of_year = {
    'wave_id': "'all'", 'grade': '0', 'group_kind': "'all'", 'group_value': "'all'",
} %}
{%- set baseline_year = "'" ~ var('plan_baseline_year') ~ "'" %}
{#- A change is as telling as the rates at its two ends: it is told where both are. -#}
{%- set by_baseline = is_exact('passed') ~ ' and ' ~ is_exact('passed', 'baseline') %}
{%- set by_previous = is_exact('passed') ~ ' and ' ~ is_exact('passed', 'earlier') %}

{#- Pooled results have hardly more students than one subject: a school's number, taken from its
    district's, would tell of another school that withholds its own. -#}
{%- set students = is_told() ~ " and (units.subject <> 'all' or units.level <> 'school')" %}

select
    units.level,
    units.unit_code,
    units.stage,
    units.subject,
    units.school_year,
    {{ where_told(students, 'units.students') }} as students,
    {{ where_told(is_told(), 'units.n') }} as n,
    {% for figure in ['pass_rate', 'pass_low', 'pass_high'] %}
    {{ where_told(is_exact('passed'), rate_told('units.' ~ figure)) }} as {{ figure }},
    {% endfor %}
    {{ band_told('passed') }} as pass_band,
    {{ where_told(by_baseline, rate_told('units.baseline_rate', 'baseline')) }}
        as baseline_rate,
    {% for figure in ['change_points', 'change_low', 'change_high', 'change_percent'] %}
    {{ where_told(by_baseline, points_told('units.' ~ figure, 'told', 'baseline')) }}
        as {{ figure }},
    {% endfor %}
    units.previous_year,
    {% for figure in ['year_change_points', 'year_change_low', 'year_change_high'] %}
    {{ where_told(by_previous, points_told('units.' ~ figure, 'told', 'earlier')) }}
        as {{ figure }},
    {% endfor %}
    {{ where_told(by_baseline, rate_told('units.pace_rate', 'baseline')) }} as pace_rate,
    {{ where_told(by_baseline, 'units.status') }} as status,
    units.comparability,
    -- Of pooled results the students behind them say how many there are.
    case
        when {{ is_told() }} and told.passed_told is null then 'c'
        when {{ is_told() }} and people.fate is not null then people.mark
        else told.mark
    end as mark
from {{ ref('pass_rate_trend') }} as units
{{ with_fates('units', 'trend', of_year) }}
{{ with_fates('units', 'students', of_year, 'people', 'left') }}
{{ with_fates(
    'units', 'trend', dict(of_year, school_year='units.previous_year'), 'earlier', 'left'
) }}
{{ with_fates(
    'units', 'trend', dict(of_year, school_year=baseline_year), 'baseline', 'left'
) }}
order by units.level, units.unit_code, units.stage, units.subject, units.school_year
