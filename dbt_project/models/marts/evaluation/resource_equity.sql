-- Limits of the Ministry of Education's measures for counties of balanced quality (2017).
with limited as (
    select
        *,
        case stage when 'primary' then 0.50e0 when 'junior' then 0.45e0 end as highest
    from {{ ref('int_resource_estimates') }}
)

select
    school_year,
    stage,
    indicator,
    level,
    unit_code,
    value,
    ci_low,
    ci_high,
    n,
    schools,
    highest,
    value <= highest as is_within,
    state,
    reason
from limited
