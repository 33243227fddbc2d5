-- Written by `python -m pipelines.feeds.staging` from external_benchmarks.yml; not to be edited.
select
    cast(kind as string) as kind,
    cast(year as int) as year,
    cast(unit_code as string) as unit_code,
    cast(subject as string) as subject,
    cast(value as decimal(18, 3)) as value,
    cast(out_of as decimal(18, 3)) as out_of,
    cast(school_year as string) as school_year
from {{ read_landing('external_benchmarks') }}
