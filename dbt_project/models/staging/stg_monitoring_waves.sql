-- Written by `python -m pipelines.feeds.staging` from monitoring_waves.yml; not to be edited.
select
    cast(wave_id as string) as wave_id,
    cast(wave_name as string) as wave_name,
    cast(level as string) as level,
    cast(district_code as string) as district_code,
    cast(school_code as string) as school_code,
    cast(wave_kind as string) as wave_kind,
    cast(held_on as date) as held_on,
    cast(grade as int) as grade,
    cast(subject as string) as subject,
    cast(full_mark as decimal(18, 3)) as full_mark,
    cast(pass_mark as decimal(18, 3)) as pass_mark,
    cast(good_mark as decimal(18, 3)) as good_mark,
    cast(excellent_mark as decimal(18, 3)) as excellent_mark,
    cast(low_mark as decimal(18, 3)) as low_mark,
    cast(school_year as string) as school_year
from {{ read_landing('monitoring_waves') }}
