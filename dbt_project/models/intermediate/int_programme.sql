{{ config(materialized='view') }}

-- The day on which an entry was granted finds the school's district and the person's post.
with entries as (
    select
        *,
        school_year as handed_in_year,
        {{ school_year_of('granted_on') }} as granted_year
    from {{ ref('stg_programme_register') }}
),

held as (
    select
        entries.*,
        posts.role as holder_role,
        posts.district_code as post_district_code,
        case
            when entries.holder_type = 'school' then entries.holder_code
            else posts.school_code
        end as held_school_code
    from entries
    left join {{ ref('int_post_year') }} as posts
        on
            entries.holder_type = 'person'
            and entries.holder_code = posts.staff_code
            and entries.granted_year = posts.school_year
            and entries.granted_on between posts.from_day and posts.to_day
)

select
    held.kind,
    held.holder_type,
    held.holder_code,
    held.title,
    held.granted_on,
    held.granted_year as school_year,
    held.handed_in_year,
    case held.holder_type
        when 'district' then held.holder_code
        when 'person' then held.post_district_code
        else schools.district_code
    end as district_code,
    held.held_school_code as school_code,
    case when held.holder_type = 'person' then held.holder_code end as staff_code,
    case when held.holder_type = 'community' then held.holder_code end as community_code,
    held.holder_role,
    held.subject,
    held.level,
    held.value,
    held.covers_all
from held
left join {{ ref('int_school_span') }} as schools
    on
        held.held_school_code = schools.school_code
        and held.granted_year >= schools.first_year
        and held.granted_year < schools.year_after
