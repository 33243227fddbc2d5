select
    staff_code,
    school_year,
    level,
    district_code,
    school_code,
    role,
    subject,
    degree,
    degree_field,
    full_time,
    key_teacher,
    started_on,
    left_on
from {{ ref('int_staff') }}
