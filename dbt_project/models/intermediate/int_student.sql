{{ config(materialized='view') }}

-- A roll holds for its school year; where the next year's roll names the student again, that one
-- takes over.
select
    student_key,
    school_year,
    school_code,
    grade,
    {{ stage_of('grade') }} as stage,
    class_no,
    school_code || '-' || cast(grade as string) || '-' || class_no as class_code,
    gender,
    birth_date as birth_month,
    boarding,
    left_behind,
    migrant,
    subsidised,
    rural_household,
    {{ year_start('school_year') }} as valid_from,
    {{ next_year_start('school_year') }} - 1 as valid_to
from {{ ref('stg_students') }}
