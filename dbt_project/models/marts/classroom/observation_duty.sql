-- Days in a post times lessons owed a year: the obligation divides once by the days of the year.
with levels as (
    {{ unit_levels() }}
),

duties as (
    {{ observation_duties() }}
),

parts as (
    select
        posts.*,
        duties.lessons,
        duties.visits,
        case
            when evidence.last_day is not null
                then greatest(
                    0,
                    least(
                        posts.days, {{ days_between('posts.from_day', 'evidence.last_day') }} + 1
                    )
                )
        end as days_elapsed,
        least(evidence.last_day, {{ next_year_start('posts.school_year') }} - 1) as as_of
    from {{ ref('int_post_year') }} as posts
    inner join duties on posts.role = duties.role
    cross join {{ ref('int_evidence_day') }} as evidence
),

-- The unit is that of the post held last.
persons as (
    select
        school_year,
        staff_code,
        max_by(role, from_day) as role,
        max_by(level, from_day) as level,
        -- A struct would say it at once; an empty text stands for none, which max_by would skip.
        nullif(max_by(coalesce(school_code, ''), from_day), '') as school_code,
        nullif(max_by(coalesce(district_code, ''), from_day), '') as district_code,
        cast(count(*) as bigint) as posts,
        min(from_day) as from_day,
        max(to_day) as to_day,
        cast(sum(days) as bigint) as days,
        cast(max(days_in_year) as bigint) as days_in_year,
        max(as_of) as as_of,
        cast(sum(days_elapsed) as bigint) as days_elapsed,
        cast(sum(days * lessons) as bigint) as lesson_days,
        cast(sum(days_elapsed * lessons) as bigint) as lesson_days_elapsed,
        cast(sum(days * visits) as bigint) as visit_days,
        cast(sum(days_elapsed * visits) as bigint) as visit_days_elapsed
    from parts
    group by school_year, staff_code
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
        persons.*,
        {{ rounded_up('persons.lesson_days', 'persons.days_in_year') }} as owed,
        {{ ratio('persons.lesson_days_elapsed', 'persons.days_in_year') }} as pace,
        case
            when persons.visit_days > 0
                then {{ rounded_up('persons.visit_days', 'persons.days_in_year') }}
        end as visits_owed,
        case
            when persons.visit_days > 0
                then {{ ratio('persons.visit_days_elapsed', 'persons.days_in_year') }}
        end as visits_pace,
        case
            when persons.school_code is not null then 'school'
            when persons.district_code is not null then 'district'
            else 'city'
        end as reporter_level,
        coalesce(persons.school_code, persons.district_code, '{{ var("unit_code") }}')
            as reporter_code
    from persons
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
