-- A failing row is a figure of a school year that the records of training handed in do not give,
-- after those left out for a reason: not ended by the last day with evidence, no school or no
-- district of the post held. Of persons: who is in post on the latest day is listed once, as covered
-- or with the reason why not.
with records as (
    select
        *,
        '{{ var("unit_code") }}' as city_code,
        coalesce(organiser_level, 'unknown') as by_organiser_level,
        coalesce(role, 'unknown') as by_role
    from {{ ref('fact_training') }}
),

volume as (
    select
        school_year,
        level,
        group_kind,
        sum(attendances) as attendances,
        sum(completed) as completed,
        sum(hours) as hours,
        sum(attendances_with_hours) as attendances_with_hours
    from {{ ref('training_volume') }}
    group by school_year, level, group_kind
),

places as (
    {% for level, column in {
        'city': 'city_code', 'district': 'district_code', 'school': 'school_code'
    }.items() %}
    select
        '{{ level }}' as level,
        school_year,
        count(*) as attendances,
        count(*) filter (where completed) as completed,
        sum(hours) as hours,
        count(hours) as attendances_with_hours,
        count(*) filter (where not is_counted or {{ column }} is null) as attendances_out,
        count(*) filter (where completed and (not is_counted or {{ column }} is null))
            as completed_out,
        sum(case when not is_counted or {{ column }} is null then hours end) as hours_out,
        count(case when not is_counted or {{ column }} is null then hours end)
            as attendances_with_hours_out
    from records
    group by school_year
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

kinds as (
    select distinct group_kind
    from volume
),

groups as (
    {% for kind, column in {
        'all': "'all'", 'organiser_level': 'by_organiser_level', 'mode': 'mode',
        'programme_kind': 'programme_kind', 'role': 'by_role',
    }.items() %}
    select
        school_year,
        '{{ kind }}' as group_kind,
        {{ column }} as group_value,
        count(*) as attendances,
        count(distinct staff_code) as persons
    from records
    where is_counted
    group by school_year, {{ column }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

of_city as (
    select *
    from {{ ref('training_volume') }}
    where level = 'city'
),

lapse as (
    select
        population,
        as_of,
        count(*) filter (where status = 'covered') as covered,
        count(*) filter (where status <> 'covered') as not_covered
    from {{ ref('training_lapse') }}
    group by population, as_of
),

latest as (
    select coverage.*
    from {{ ref('training_coverage') }} as coverage
    inner join {{ ref('int_as_of') }} as days on coverage.as_of = days.as_of
    where days.is_latest and coverage.level = 'city'
),

found as (
    {% for figure in ['attendances', 'completed', 'hours', 'attendances_with_hours'] %}
    select
        '{{ figure }} of training_volume' as figure,
        places.school_year as key,
        places.level || ' ' || kinds.group_kind as whose,
        places.{{ figure }} as told,
        places.{{ figure }}_out as left_out,
        volume.{{ figure }} as counted
    from places
    cross join kinds
    left join volume
        on
            places.school_year = volume.school_year
            and places.level = volume.level
            and kinds.group_kind = volume.group_kind
    union all
    {% endfor %}
    {% for figure in ['attendances', 'persons'] %}
    select
        '{{ figure }} by group' as figure,
        school_year as key,
        group_kind || ' ' || group_value as whose,
        groups.{{ figure }} as told,
        0 as left_out,
        of_city.{{ figure }} as counted
    from groups
    full outer join of_city using (school_year, group_kind, group_value)
    union all
    {% endfor %}
    {% for told, left_out in {'persons': 'not_covered', 'covered': '0'}.items() %}
    select
        '{{ told }} of training_coverage' as figure,
        cast(as_of as string) as key,
        population as whose,
        latest.{{ told }} as told,
        {{ left_out }} as left_out,
        lapse.covered as counted
    from latest
    full outer join lapse using (as_of, population)
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select *
from found
where coalesce(told, 0) <> coalesce(left_out, 0) + coalesce(counted, 0)
