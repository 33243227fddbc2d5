with units as (
    select
        school_year,
        grade,
        subject,
        level,
        unnest(units, recursive := true) -- noqa: AL03
    from {{ ref('int_value_added_years') }}
)

select
    school_year,
    grade,
    subject,
    level,
    unit_code,
    effect,
    ci_low,
    ci_high,
    n,
    years,
    state,
    reason
from units
