select
    staff_code,
    programme_code,
    session_no,
    programme_name,
    programme_kind,
    organiser_level,
    mode,
    started_on,
    ended_on,
    school_year,
    hours,
    completed,
    role,
    school_code,
    district_code,
    is_counted
from {{ ref('int_training') }}
