{{ config(materialized='view') }}

-- Attended training, for the targets that count by it: sessions held, or persons who completed.
-- How long a training counts is the plan's window.
with sessions as (
    select
        programme_kind,
        programme_code,
        session_no,
        min(programme_name) as programme_name,
        min(ended_on) as held_on
    from {{ ref('int_training') }}
    where is_counted
    group by programme_kind, programme_code, session_no
)

select
    targets.target_id,
    targets.reading,
    '{{ var("unit_code") }}' as entity_code,
    sessions.held_on as day,
    {{ last_of_days() }} as valid_to,
    cast(1 as decimal(18, 3)) as value,
    cast(null as decimal(18, 3)) as tested,
    cast(null as string) as distinct_key,
    sessions.programme_code || '/' || sessions.session_no as record_key,
    sessions.programme_name as title
from sessions
inner join {{ ref('int_plan_target') }} as targets
    on targets.stream = 'training_session' and sessions.programme_kind = targets.selector
union all
select
    targets.target_id,
    targets.reading,
    logs.staff_code as entity_code,
    logs.ended_on as day,
    {{ lapse_day('logs.ended_on', 'targets.window_months') }} - 1 as valid_to,
    cast(1 as decimal(18, 3)) as value,
    cast(null as decimal(18, 3)) as tested,
    cast(null as string) as distinct_key,
    logs.staff_code || '/' || logs.programme_code || '/' || logs.session_no as record_key,
    logs.programme_name as title
from {{ ref('int_training') }} as logs
inner join {{ ref('int_plan_target') }} as targets
    on
        targets.stream = 'training_completed'
        and (targets.selector = '' or logs.mode = targets.selector)
where logs.is_counted and logs.completed
