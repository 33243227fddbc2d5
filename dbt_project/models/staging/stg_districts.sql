-- Written by `python -m pipelines.feeds.staging` from districts.yml; not to be edited.
select
    cast(district_code as string) as district_code,
    cast(district_name as string) as district_name,
    cast(district_kind as string) as district_kind,
    cast(school_year as string) as school_year
from {{ read_landing('districts') }}
