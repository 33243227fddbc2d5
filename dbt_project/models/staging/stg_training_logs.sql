-- Written by `python -m pipelines.feeds.staging` from training_logs.yml; not to be edited.
select
    cast(staff_code as string) as staff_code,
    cast(programme_code as string) as programme_code,
    cast(programme_name as string) as programme_name,
    cast(programme_kind as string) as programme_kind,
    cast(session_no as string) as session_no,
    cast(level as string) as level,
    cast(mode as string) as mode,
    cast(started_on as date) as started_on,
    cast(ended_on as date) as ended_on,
    cast(hours as decimal(18, 3)) as hours,
    cast(completed as boolean) as completed,
    cast(school_year as string) as school_year
from {{ read_landing('training_logs') }}
