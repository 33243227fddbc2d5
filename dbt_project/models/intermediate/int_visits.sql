with dated as (
    select
        *,
        school_year as handed_in_year,
        visited_on < {{ next_year_start('school_year') }} as is_dated,
        {{ school_year_of('visited_on') }} as held_year
    from {{ ref('stg_official_visits') }}
),

duties as (
    {{ observation_duties() }}
),

placed as (
    select
        dated.*,
        schools.district_code,
        posts.role as official_role,
        posts.district_code as official_district_code,
        case
            when not dated.is_dated then 'dated_after_year'
            when posts.role is null then 'no_post'
            when duties.role is null or duties.visits = 0 then 'no_duty'
        end as reason
    from dated
    left join {{ ref('int_school_span') }} as schools
        on
            dated.school_code = schools.school_code
            and dated.held_year >= schools.first_year
            and dated.held_year < schools.year_after
    left join {{ ref('int_post_year') }} as posts
        on
            dated.official_code = posts.staff_code
            and dated.held_year = posts.school_year
            and dated.visited_on between posts.from_day and posts.to_day
    left join duties on posts.role = duties.role
)

select
    official_code,
    school_code,
    visited_on,
    held_year as school_year,
    handed_in_year,
    district_code,
    topic,
    problems_solved,
    official_role,
    official_district_code,
    is_dated,
    reason is null as is_counted,
    reason as not_counted_reason
from placed
