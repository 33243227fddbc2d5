-- Written by `python -m pipelines.feeds.staging` from supervision_findings.yml; not to be edited.
select
    cast(finding_id as string) as finding_id,
    cast(district_code as string) as district_code,
    cast(school_code as string) as school_code,
    cast(found_on as date) as found_on,
    cast(due_on as date) as due_on,
    cast(closed_on as date) as closed_on,
    cast(topic as string) as topic,
    cast(school_year as string) as school_year
from {{ read_landing('supervision_findings') }}
