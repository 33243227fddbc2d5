{%- set groups = {
    'all': "'all'", 'organiser_level': 'organiser_level', 'mode': 'mode',
    'programme_kind': 'programme_kind', 'role': 'role',
} -%}

-- A person counts once in each group and unit: persons of groups do not add up.
with levels as (
    {{ unit_levels() }}
),

grouped as (
    {% for kind, value in groups.items() -%}
    select
        school_year,
        staff_code,
        district_code,
        school_code,
        hours,
        completed,
        '{{ kind }}' as group_kind,
        coalesce({{ value }}, 'unknown') as group_value
    from {{ ref('int_training') }}
    where is_counted
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

-- First by person, so that persons are counted rather than told apart.
persons as (
    select
        grouped.school_year,
        levels.level,
        {{ unit_of('levels.level', 'grouped.district_code', 'grouped.school_code') }} as unit_code,
        grouped.group_kind,
        grouped.group_value,
        grouped.staff_code,
        count(*) as attendances,
        count(*) filter (where grouped.completed) as completed,
        sum(grouped.hours) as hours,
        count(grouped.hours) as attendances_with_hours
    from grouped
    cross join levels
    group by
        grouped.school_year, levels.level,
        {{ unit_of('levels.level', 'grouped.district_code', 'grouped.school_code') }},
        grouped.group_kind, grouped.group_value, grouped.staff_code
)

select
    school_year,
    level,
    unit_code,
    group_kind,
    group_value,
    cast(count(*) as bigint) as persons,
    cast(sum(attendances) as bigint) as attendances,
    cast(sum(completed) as bigint) as completed,
    cast(sum(hours) as decimal(18, 3)) as hours,
    cast(sum(attendances_with_hours) as bigint) as attendances_with_hours
from persons
where unit_code is not null
group by school_year, level, unit_code, group_kind, group_value
