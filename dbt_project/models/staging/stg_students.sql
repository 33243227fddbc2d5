-- Written by `python -m pipelines.feeds.staging` from students.yml; not to be edited.
select
    cast(student_key as string) as student_key,
    cast(school_code as string) as school_code,
    cast(grade as int) as grade,
    cast(class_no as string) as class_no,
    cast(gender as string) as gender,
    cast(birth_date as string) as birth_date,
    cast(boarding as boolean) as boarding,
    cast(left_behind as boolean) as left_behind,
    cast(migrant as boolean) as migrant,
    cast(subsidised as boolean) as subsidised,
    cast(rural_household as boolean) as rural_household,
    cast(school_year as string) as school_year
from {{ read_landing('students') }}
