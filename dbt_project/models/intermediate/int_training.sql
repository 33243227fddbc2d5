select
    logs.staff_code,
    logs.programme_code,
    logs.session_no,
    logs.programme_name,
    logs.programme_kind,
    logs.level as organiser_level,
    logs.mode,
    logs.started_on,
    logs.ended_on,
    {{ school_year_of('logs.ended_on') }} as school_year,
    logs.hours,
    logs.completed,
    posts.role,
    posts.school_code,
    posts.district_code,
    coalesce(logs.ended_on <= evidence.last_day, false) as is_counted
from {{ ref('stg_training_logs') }} as logs
cross join {{ ref('int_evidence_day') }} as evidence
left join {{ ref('int_post_year') }} as posts
    on
        logs.staff_code = posts.staff_code
        and {{ school_year_of('logs.ended_on') }} = posts.school_year
        and logs.ended_on between posts.from_day and posts.to_day
