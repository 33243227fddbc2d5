-- Written by `python -m pipelines.feeds.staging` from item_map.yml; not to be edited.
select
    cast(wave_id as string) as wave_id,
    cast(grade as int) as grade,
    cast(subject as string) as subject,
    cast(item_no as string) as item_no,
    cast(full_mark as decimal(18, 3)) as full_mark,
    cast(competency as string) as competency,
    cast(content_domain as string) as content_domain,
    cast(cognitive_level as string) as cognitive_level,
    cast(school_year as string) as school_year
from {{ read_landing('item_map') }}
