with levels as (
    {{ unit_levels() }}
),

observed as (
    select
        school_year,
        observer_code as staff_code,
        cast(sum(case when is_counted then lessons else 0 end) as bigint) as done
    from {{ ref('fact_observation') }}
    where is_dated and observer_role is not null
    group by school_year, observer_code
),

visited as (
    select
        school_year,
        official_code as staff_code,
        cast(sum(case when is_counted then 1 else 0 end) as bigint) as done
    from {{ ref('int_visits') }}
    where is_dated and official_role is not null
    group by school_year, official_code
),

-- Whose records of a school year have come in at all: a school's, a district's, the city's.
reports as (
    select
        'lessons' as what,
        school_year,
        observer_school_code as school_code,
        observer_district_code as district_code
    from {{ ref('fact_observation') }}
    where is_dated and observer_role is not null
    union all
    select
        'visits' as what,
        school_year,
        cast(null as string) as school_code,
        official_district_code as district_code
    from {{ ref('int_visits') }}
    where is_dated and official_role is not null
),

reporting as (
    select distinct
        reports.what,
        reports.school_year,
        levels.level,
        {{ unit_of('levels.level', 'reports.district_code', 'reports.school_code') }} as unit_code
    from reports
    cross join levels
),

asked as (
    select
        duty.*,
        {{ rounded_up('duty.lesson_days', 'duty.days_in_year') }} as owed,
        {{ ratio('duty.lesson_days_elapsed', 'duty.days_in_year') }} as pace,
        case
            when duty.visit_days > 0
                then {{ rounded_up('duty.visit_days', 'duty.days_in_year') }}
        end as visits_owed,
        case
            when duty.visit_days > 0
                then {{ ratio('duty.visit_days_elapsed', 'duty.days_in_year') }}
        end as visits_pace,
        case
            when duty.school_code is not null then 'school'
            when duty.district_code is not null then 'district'
            else 'city'
        end as reporter_level,
        coalesce(duty.school_code, duty.district_code, '{{ var("unit_code") }}')
            as reporter_code
    from {{ ref('int_duty_year') }} as duty
),

counted as (
    select
        asked.*,
        case
            when observed.staff_code is not null or lessons.unit_code is not null
                then coalesce(observed.done, 0)
        end as done,
        case
            when
                asked.visits_owed is not null
                and (visited.staff_code is not null or visits.unit_code is not null)
                then coalesce(visited.done, 0)
        end as visits_done
    from asked
    left join observed
        on
            asked.school_year = observed.school_year
            and asked.staff_code = observed.staff_code
    left join visited
        on
            asked.school_year = visited.school_year
            and asked.staff_code = visited.staff_code
    left join reporting as lessons
        on
            lessons.what = 'lessons'
            and asked.school_year = lessons.school_year
            and asked.reporter_level = lessons.level
            and asked.reporter_code = lessons.unit_code
    left join reporting as visits
        on
            visits.what = 'visits'
            and asked.school_year = visits.school_year
            and asked.reporter_level = visits.level
            and asked.reporter_code = visits.unit_code
),

judged as (
    select
        *,
        case
            when done >= owed then 'reached'
            when days_elapsed = 0 then 'not_due'
            when done is null or days_elapsed is null then 'not_reported'
            when done * days_in_year >= lesson_days_elapsed then 'on_pace'
            else 'behind'
        end as lesson_status,
        case
            when visits_owed is null then cast(null as string)
            when visits_done >= visits_owed then 'reached'
            when days_elapsed = 0 then 'not_due'
            when visits_done is null or days_elapsed is null then 'not_reported'
            when visits_done * days_in_year >= visit_days_elapsed then 'on_pace'
            else 'behind'
        end as visit_status
    from counted
)

-- The worse of the two obligations speaks for the person.
select
    school_year,
    staff_code,
    role,
    level,
    district_code,
    school_code,
    posts,
    from_day,
    to_day,
    days,
    days_in_year,
    as_of,
    owed,
    done,
    done - owed as gap,
    pace,
    lesson_status,
    visits_owed,
    visits_done,
    visits_done - visits_owed as visits_gap,
    visits_pace,
    visit_status,
    case
        {% for status in ['behind', 'not_reported', 'not_due', 'on_pace'] -%}
        when lesson_status = '{{ status }}' or visit_status = '{{ status }}' then '{{ status }}'
        {% endfor -%}
        else 'reached'
    end as status
from judged
