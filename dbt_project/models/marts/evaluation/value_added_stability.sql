with pairs as (
    select
        school_year,
        grade,
        subject,
        level,
        unnest(pairs, recursive := true) -- noqa: AL03
    from {{ ref('int_value_added_years') }}
)

select
    school_year,
    earlier_year,
    grade,
    subject,
    level,
    correlation,
    ci_low,
    ci_high,
    n,
    true_correlation,
    state,
    reason
from pairs
