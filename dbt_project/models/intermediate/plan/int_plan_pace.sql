-- The window that a target's line runs over on an as-of day. Where the plan names a day it runs
-- from the plan's first day to that one; else over the window of the count; where the count has
-- no end, to the end of the plan. What has to hold at all times, and a place among others, has no
-- way to go: the whole is due at once.
with lines as (
    select
        targets.target_id,
        targets.reading,
        days.slot,
        days.as_of,
        targets.deadline,
        targets.window_start,
        case
            when targets.rule = 'rank' then cast(null as date)
            when targets.deadline is not null then targets.window_start
            when targets.window_kind in ('school_year', 'calendar_year', 'cycle')
                then windows.window_from
            when targets.window_kind in ('rolling', 'cumulative') then targets.window_start
        end as line_from,
        case
            when targets.rule = 'rank' then cast(null as date)
            when targets.deadline is not null then targets.deadline
            when targets.window_kind in ('school_year', 'calendar_year', 'cycle')
                then windows.window_to
            when targets.window_kind = 'rolling'
                then {{ months_after('targets.window_start', 'targets.window_months') }} - 1
            when targets.window_kind = 'cumulative' then targets.pace_end
        end as line_to
    from {{ ref('int_plan_target') }} as targets
    cross join {{ ref('int_plan_as_of') }} as days
    left join {{ ref('int_plan_window') }} as windows
        on
            targets.target_id = windows.target_id
            and targets.reading = windows.reading
            and days.as_of >= windows.window_from
            and days.as_of <= windows.window_to
)

select
    target_id,
    reading,
    slot,
    as_of,
    line_from,
    line_to,
    as_of < window_start as is_before,
    coalesce(as_of > deadline, false) as is_past_deadline,
    case
        when line_to is null then 1e0
        when as_of < line_from then 0e0
        when as_of >= line_to then 1e0
        else {{ ratio(
            days_between('line_from', 'as_of') ~ ' + 1',
            days_between('line_from', 'line_to') ~ ' + 1'
        ) }}
    end as elapsed_share
from lines
