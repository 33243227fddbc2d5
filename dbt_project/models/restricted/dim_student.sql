select
    student_key,
    school_year,
    school_code,
    grade,
    stage,
    class_no,
    class_code,
    gender,
    birth_month,
    boarding,
    left_behind,
    migrant,
    subsidised,
    rural_household,
    valid_from,
    valid_to
from {{ ref('int_student') }}
