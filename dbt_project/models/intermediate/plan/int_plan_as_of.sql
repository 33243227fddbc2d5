-- From the month of the plan's first day on; without evidence since then the last day alone.
with plan as (
    select min(window_start) as first_day from {{ ref('int_plan_target') }}
)

select
    cast(row_number() over (order by days.as_of asc nulls last) as int) as slot,
    days.as_of,
    days.school_year,
    days.is_latest
from {{ ref('int_as_of') }} as days
cross join plan
where days.as_of >= plan.first_day or days.is_latest
