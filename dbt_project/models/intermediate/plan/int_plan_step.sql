{{ config(materialized='view') }}

-- What counts for an entity changes on as-of days only: what each brings and takes away.
with counted as (
    select
        target_id,
        reading,
        entity_code,
        value,
        coalesce(tested, 0) as tested,
        day,
        counts_to
    from {{ ref('int_plan_evidence') }}
    where is_counted
),

seen as (
    {{ plan_slots('counted', 'day', 'counts_to') }}
),

changes as (
    select
        target_id,
        reading,
        entity_code,
        slot_from as slot,
        value,
        tested,
        1 as records
    from seen
    union all
    select
        target_id,
        reading,
        entity_code,
        slot_until as slot,
        -value as value,
        -tested as tested,
        -1 as records
    from seen
)

select
    target_id,
    reading,
    entity_code,
    slot,
    cast(sum(value) as decimal(18, 3)) as value,
    cast(sum(tested) as decimal(18, 3)) as tested,
    cast(sum(records) as bigint) as records
from changes
group by target_id, reading, entity_code, slot
