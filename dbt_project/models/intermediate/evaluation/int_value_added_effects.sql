-- Of a paper's two models the two-level one tells of schools, the three-level one of districts.
with units as (
    select
        paper_no,
        model,
        state,
        reason as fit_reason,
        unnest(effects, recursive := true) -- noqa: AL03
    from {{ ref('int_value_added_fits') }}
)

select
    paper_no,
    model,
    level,
    unit_code,
    present,
    n,
    effect,
    se,
    ci_low,
    ci_high,
    reliability,
    band,
    simple_effect,
    simple_se,
    case
        when state <> 'estimated' then fit_reason
        when n < {{ var('value_added_students') }} then 'too_few_students'
    end as reason
from units
