select
    wave_id,
    cast(grade as int) as grade,
    subject,
    dimension_kind,
    dimension_value,
    level,
    unit_code,
    full_marks,
    n,
    points,
    last_n,
    last_points,
    last_ratio,
    is_revised
from {{ ref('int_disclosure_points') }}
