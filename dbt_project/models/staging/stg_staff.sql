-- Written by `python -m pipelines.feeds.staging` from staff.yml; not to be edited.
select
    cast(staff_code as string) as staff_code,
    cast(school_code as string) as school_code,
    cast(district_code as string) as district_code,
    cast(level as string) as level,
    cast(role as string) as role,
    cast(subject as string) as subject,
    cast(degree as string) as degree,
    cast(degree_field as string) as degree_field,
    cast(full_time as boolean) as full_time,
    cast(key_teacher as boolean) as key_teacher,
    cast(started_on as date) as started_on,
    cast(left_on as date) as left_on,
    cast(school_year as string) as school_year
from {{ read_landing('staff') }}
