-- Written by `python -m pipelines.feeds.staging` from schools.yml; not to be edited.
select
    cast(school_code as string) as school_code,
    cast(school_name as string) as school_name,
    cast(district_code as string) as district_code,
    cast(town as string) as town,
    cast(stage as string) as stage,
    cast(locale as string) as locale,
    cast(ownership as string) as ownership,
    cast(community_code as string) as community_code,
    cast(opened_on as date) as opened_on,
    cast(closed_on as date) as closed_on,
    cast(school_year as string) as school_year
from {{ read_landing('schools') }}
