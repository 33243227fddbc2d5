with observers as (
    select
        school_year,
        state,
        reason,
        unnest(observers, recursive := true) -- noqa: AL03
    from {{ ref('int_severity_fits') }}
)

select
    school_year,
    observer_code,
    n,
    teachers,
    mean_score,
    effect,
    se,
    ci_low,
    ci_high,
    reliability,
    band,
    state,
    reason
from observers
