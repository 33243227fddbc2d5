-- Written by `python -m pipelines.feeds.staging` from official_visits.yml; not to be edited.
select
    cast(official_code as string) as official_code,
    cast(school_code as string) as school_code,
    cast(visited_on as date) as visited_on,
    cast(topic as string) as topic,
    cast(problems_solved as int) as problems_solved,
    cast(school_year as string) as school_year
from {{ read_landing('official_visits') }}
