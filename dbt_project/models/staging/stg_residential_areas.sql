-- Written by `python -m pipelines.feeds.staging` from residential_areas.yml; not to be edited.
select
    cast(area_code as string) as area_code,
    cast(area_name as string) as area_name,
    cast(district_code as string) as district_code,
    cast(area_kind as string) as area_kind,
    cast(capable as boolean) as capable,
    cast(school_year as string) as school_year
from {{ read_landing('residential_areas') }}
