select
    feed,
    school_year,
    wave_id,
    level,
    unit_code,
    due_on,
    due_assumed,
    state,
    case
        when state in ('landed', 'district_approved', 'published') then 'in'
        when state in ('received', 'checking') then 'checking'
        when state <> 'not_submitted' then state
        when overdue then 'late'
        else 'not_due'
    end as progress,
    nullif(submission_id, '') as submission_id,
    nullif(file, '') as file,
    files
from {{ source('ops', 'owed') }}
