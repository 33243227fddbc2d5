{{ config(alias='inclass_check') }}

{%- set exact = is_exact('passed') %}
{%- set compared = is_exact('passed') ~ ' and ' ~ is_exact('passed', 'earlier') %}

with checked as (
    select
        *,
        lag(school_year) over of_unit as previous_year,
        lag(rate) over of_unit as previous_rate,
        lag(ci_low) over of_unit as previous_low,
        lag(ci_high) over of_unit as previous_high
    from {{ ref('inclass_check') }}
    window of_unit as (partition by level, unit_code order by school_year asc nulls last)
)

select
    checked.school_year,
    checked.level,
    checked.unit_code,
    {{ where_told(is_counted(), 'checked.tested') }} as tested,
    {% for rate in ['rate', 'ci_low', 'ci_high'] %}
    {{ where_told(exact, rate_told('checked.' ~ rate)) }} as {{ rate }},
    {% endfor %}
    {{ where_told(is_counted(), 'checked.lessons') }} as lessons,
    {{ where_told(compared, 'checked.previous_year') }} as previous_year,
    {{ where_told(compared, rate_told('checked.previous_rate', 'earlier')) }} as previous_rate,
    {{ where_told(compared, rounded('100 * (checked.rate - checked.previous_rate)', 1)) }}
        as year_change_points,
    {{ where_told(compared, rounded('100 * ' ~ newcombe_low(
        'checked.rate', 'checked.ci_low', 'checked.previous_rate', 'checked.previous_high'
    ), 1)) }} as year_change_low,
    {{ where_told(compared, rounded('100 * ' ~ newcombe_high(
        'checked.rate', 'checked.ci_high', 'checked.previous_rate', 'checked.previous_low'
    ), 1)) }} as year_change_high,
    checked.schools,
    checked.schools_checked,
    checked.schools_met,
    cast({{ var('inclass_share') }} as double) as asked_rate,
    {{ where_told(exact, 'checked.meets') }} as meets,
    {{ mark_of_persons() }} as mark
from checked
{{ with_persons('checked', 'checks', 'checked.school_year', "'student'") }}
{{ with_persons('checked', 'checks', 'checked.previous_year', "'student'", 'earlier', 'left') }}
order by checked.school_year, checked.level, checked.unit_code
