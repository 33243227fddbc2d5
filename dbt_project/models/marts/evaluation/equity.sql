select
    school_year,
    wave_id,
    cast(grade as int) as grade,
    subject,
    measure,
    dimension,
    level,
    unit_code,
    value,
    ci_low,
    ci_high,
    n,
    group_a,
    group_b,
    state,
    reason
from {{ ref('int_equity_estimates') }}
