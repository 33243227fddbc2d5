-- Limits of the Ministry of Education's measures for counties of balanced quality (2017).
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
    case stage when 'primary' then 0.50e0 when 'junior' then 0.45e0 end as highest,
    value <= case stage when 'primary' then 0.50e0 when 'junior' then 0.45e0 end as is_within,
    state,
    reason
from {{ ref('int_resource_estimates') }}
