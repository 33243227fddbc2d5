select
    stage,
    subject,
    community_code,
    school_year,
    measure,
    value,
    ci_low,
    ci_high,
    n,
    lead_mean,
    rural_mean,
    state,
    reason
from {{ ref('int_community_estimates') }}
