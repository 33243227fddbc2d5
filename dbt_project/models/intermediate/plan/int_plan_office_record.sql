{{ config(materialized='view') }}

-- What offices hand in of waves, visits and findings, for the targets that count by them.
with waves as (
    select
        wave_id,
        min(wave_name) as wave_name,
        min(wave_kind) as wave_kind,
        min(wave_level) as wave_level,
        min(case wave_level
            when 'city' then '{{ var("unit_code") }}'
            when 'district' then district_code
            when 'school' then school_code
        end) as unit_code,
        min(held_on) as held_on
    from {{ ref('int_papers') }}
    group by wave_id
),

found as (
    select
        'wave_held' as stream,
        wave_kind as selector,
        '{{ var("unit_code") }}' as entity_code,
        held_on as day,
        1 as value,
        wave_id as record_key,
        wave_name as title
    from waves
    where wave_level = 'city'
    union all
    select
        'wave_own' as stream,
        '' as selector,
        unit_code as entity_code,
        held_on as day,
        1 as value,
        wave_id as record_key,
        wave_name as title
    from waves
    where unit_code is not null
    union all
    select
        'visit' as stream,
        '' as selector,
        official_code as entity_code,
        visited_on as day,
        1 as value,
        official_code || '/' || school_code || '/' || cast(visited_on as string) as record_key,
        topic as title
    from {{ ref('int_visits') }}
    where is_counted
    union all
    select
        'finding' as stream,
        '' as selector,
        finding_id as entity_code,
        known_on as day,
        case when is_in_time then 1 else 0 end as value,
        finding_id as record_key,
        topic as title
    from {{ ref('int_finding') }}
)

select
    targets.target_id,
    targets.reading,
    found.entity_code,
    found.day,
    {{ last_of_days() }} as valid_to,
    cast(found.value as decimal(18, 3)) as value,
    cast(null as decimal(18, 3)) as tested,
    cast(null as string) as distinct_key,
    found.record_key,
    found.title
from found
inner join {{ ref('int_plan_target') }} as targets
    on found.stream = targets.stream and found.selector = targets.selector
