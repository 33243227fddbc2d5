{{ config(alias='inclass_check') }}

with checked as (
    select
        checks.*,
        units.parent_code,
        checks.tested as persons,
        checks.passed as met,
        lag(checks.school_year) over of_unit as previous_year,
        lag(checks.tested) over of_unit as previous_tested,
        lag(checks.passed) over of_unit as previous_passed,
        lag(checks.rate) over of_unit as previous_rate,
        lag(checks.ci_low) over of_unit as previous_low,
        lag(checks.ci_high) over of_unit as previous_high
    from {{ ref('inclass_check') }} as checks
    inner join {{ ref('unit') }} as units
        on checks.level = units.level and checks.unit_code = units.unit_code
    window of_unit as (
        partition by checks.level, checks.unit_code order by checks.school_year asc nulls last
    )
),

districts as (
    {{ partners('checked', ['school_year']) }}
),

-- A school beside the others of its district, which is their whole.
within as (
    select
        school_year,
        parent_code as district_code,
        'district' as level,
        unit_code,
        persons,
        met
    from checked
    where level = 'school' and parent_code is not null
    union all
    select
        school_year,
        unit_code as district_code,
        'city' as level,
        unit_code,
        persons,
        met
    from checked
    where level = 'district'
),

schools as (
    {{ partners('within', ['school_year', 'district_code']) }}
),

hidden as (
    select
        checked.school_year,
        checked.level,
        checked.unit_code
    from checked
    left join districts
        on
            checked.school_year = districts.school_year
            and checked.level = 'district'
            and checked.unit_code = districts.unit_code
    left join schools
        on
            checked.school_year = schools.school_year
            and checked.level = 'school'
            and checked.unit_code = schools.unit_code
    where
        not {{ shown('checked.persons') }}
        or {{ is_rare('checked.met', 'checked.persons') }}
        or districts.unit_code is not null
        or schools.unit_code is not null
),

fates as (
    select
        checked.*,
        own.unit_code is not null or above.unit_code is not null as is_withheld,
        earlier.unit_code is not null as is_previous_withheld
    from checked
    left join hidden as own
        on
            checked.school_year = own.school_year
            and checked.level = own.level
            and checked.unit_code = own.unit_code
    -- All schools of a district tell the district.
    left join hidden as above
        on
            checked.school_year = above.school_year
            and checked.level = 'school'
            and above.level = 'district'
            and checked.parent_code = above.unit_code
    left join hidden as earlier
        on
            checked.previous_year = earlier.school_year
            and checked.level = earlier.level
            and checked.unit_code = earlier.unit_code
)

{%- set told = 'not is_withheld' %}
{%- set compared = 'not is_withheld and not is_previous_withheld' %}

select
    school_year,
    level,
    unit_code,
    case when {{ told }} then tested end as tested,
    {% for rate in ['rate', 'ci_low', 'ci_high'] %}
    case when {{ told }} then {{ published_rate(rate, 'tested') }} end as {{ rate }},
    {% endfor %}
    case when {{ told }} then lessons end as lessons,
    case when {{ compared }} then previous_year end as previous_year,
    case when {{ compared }} then {{ published_rate('previous_rate', 'previous_tested') }} end
        as previous_rate,
    case when {{ compared }} then {{ rounded('100 * (rate - previous_rate)', 1) }} end
        as year_change_points,
    case
        when {{ compared }}
            then
                {{ rounded(
                    '100 * ' ~ newcombe_low('rate', 'ci_low', 'previous_rate', 'previous_high'), 1
                ) }}
    end as year_change_low,
    case
        when {{ compared }}
            then
                {{ rounded(
                    '100 * ' ~ newcombe_high('rate', 'ci_high', 'previous_rate', 'previous_low'), 1
                ) }}
    end as year_change_high,
    schools,
    schools_checked,
    schools_met,
    cast({{ var('inclass_share') }} as double) as asked_rate,
    meets,
    case when is_withheld then 'c' else {{ mark('tested') }} end as mark
from fates
order by school_year, level, unit_code
