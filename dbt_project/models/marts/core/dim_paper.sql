select
    wave_id,
    grade,
    subject,
    school_year,
    wave_name,
    wave_kind,
    wave_level,
    district_code,
    school_code,
    held_on,
    {{ stage_of('grade') }} as stage,
    full_mark,
    pass_mark,
    good_mark,
    excellent_mark,
    low_mark
from {{ ref('int_papers') }}
