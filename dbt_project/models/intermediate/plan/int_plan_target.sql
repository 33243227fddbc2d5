{{ config(materialized='view') }}

-- The plan's file as typed columns; an open end of time stands for no day.
select
    target_id,
    reading,
    cast(is_default as boolean) as is_default,
    rule,
    comparator,
    cast(target_value as decimal(18, 3)) as target_value,
    window_kind,
    cast(window_start as date) as window_start,
    cast(nullif(window_months, '') as int) as window_months,
    cast(nullif(pace_end, '') as date) as pace_end,
    cast(nullif(deadline, '') as date) as deadline,
    entity_type,
    -- Weeks of term are those of the activity that the target counts.
    case
        when population_code = 'school_week' then population_code || '/' || selector
        else population_code
    end as population_code,
    coalesce(population_districts, '') as population_districts,
    levels,
    stream,
    coalesce(selector, '') as selector,
    coalesce(distinct_by, '') as distinct_by
from {{ ref('plan_targets') }}
