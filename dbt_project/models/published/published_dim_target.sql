{{ config(alias='dim_target') }}

select
    target_id,
    reading,
    is_default,
    reading_pending,
    reading_zh,
    reading_en,
    measure,
    measure_zh,
    measure_en,
    level,
    indicator_zh,
    indicator_en,
    rule,
    comparator,
    target_value,
    unit,
    window_kind,
    window_start,
    window_months,
    deadline,
    entity_type,
    population_code,
    stream,
    selector,
    policy_quote_zh
from {{ ref('dim_target') }}
order by measure, target_id, reading
