-- Written by `python -m pipelines.feeds.staging` from monitoring_results.yml; not to be edited.
select
    cast(wave_id as string) as wave_id,
    cast(student_key as string) as student_key,
    cast(school_code as string) as school_code,
    cast(grade as int) as grade,
    cast(class_no as string) as class_no,
    cast(subject as string) as subject,
    cast(score as decimal(9, 3)) as score,
    cast(status as string) as status,
    cast(school_year as string) as school_year
from {{ read_landing('monitoring_results') }}
