-- Days in a post times lessons owed a year: the obligation divides once by the days of the year.
with duties as (
    {{ observation_duties() }}
),

parts as (
    select
        posts.*,
        duties.lessons,
        duties.visits,
        -- Principals and secretaries owe as one.
        case
            when posts.role in ('principal', 'secretary') then 'head' else posts.role
        end as kind,
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

marked as (
    select
        *,
        kind = first_value(kind) over (
            partition by school_year, staff_code order by from_day desc nulls last
        ) as is_own_kind
    from parts
)

-- The unit is that of the post held last.
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
    cast(sum(days_elapsed * visits) as bigint) as visit_days_elapsed,
    cast(sum(case when is_own_kind then days else 0 end) as bigint) as own_days,
    cast(sum(case when is_own_kind then days * lessons else 0 end) as bigint) as own_lesson_days,
    cast(sum(case when is_own_kind then days * visits else 0 end) as bigint) as own_visit_days
from marked
group by school_year, staff_code
