select
    staff_code,
    spell_no,
    role,
    level,
    district_code,
    school_code,
    subject,
    first_year,
    last_year,
    held_from,
    held_to
from {{ ref('int_staff_spell') }}
