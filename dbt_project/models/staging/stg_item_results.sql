-- Written by `python -m pipelines.feeds.staging` from item_results.yml; not to be edited.
select
    cast(wave_id as string) as wave_id,
    cast(student_key as string) as student_key,
    cast(subject as string) as subject,
    cast(item_no as string) as item_no,
    cast(score as decimal(9, 3)) as score,
    cast(school_year as string) as school_year
from {{ read_landing('item_results') }}
