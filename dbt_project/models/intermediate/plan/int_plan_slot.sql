-- Of each day the first as-of day that sees it.
with days as (
    {{ days_from_to('first_day', 'last_day', ref('int_evidence_day')) }}
)

select
    days.day,
    min(as_of.slot) as slot
from days
inner join {{ ref('int_plan_as_of') }} as as_of on days.day <= as_of.as_of
group by days.day
