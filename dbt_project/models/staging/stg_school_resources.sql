-- Written by `python -m pipelines.feeds.staging` from school_resources.yml; not to be edited.
select
    cast(school_code as string) as school_code,
    cast(stage as string) as stage,
    cast(students as int) as students,
    cast(teachers_above_required_degree as int) as teachers_above_required_degree,
    cast(key_teachers as int) as key_teachers,
    cast(pe_art_teachers as int) as pe_art_teachers,
    cast(teaching_area_m2 as decimal(18, 3)) as teaching_area_m2,
    cast(sports_area_m2 as decimal(18, 3)) as sports_area_m2,
    cast(equipment_value_yuan as decimal(18, 3)) as equipment_value_yuan,
    cast(multimedia_rooms as int) as multimedia_rooms,
    cast(school_year as string) as school_year
from {{ read_landing('school_resources') }}
