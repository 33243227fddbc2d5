-- Written by `python -m pipelines.feeds.staging` from programme_register.yml; not to be edited.
select
    cast(kind as string) as kind,
    cast(holder_type as string) as holder_type,
    cast(holder_code as string) as holder_code,
    cast(subject as string) as subject,
    cast(title as string) as title,
    cast(level as string) as level,
    cast(granted_on as date) as granted_on,
    cast(value as decimal(18, 3)) as value,
    cast(covers_all as boolean) as covers_all,
    cast(school_year as string) as school_year
from {{ read_landing('programme_register') }}
