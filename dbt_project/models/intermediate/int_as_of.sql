-- Every month's end with evidence, and the last day with evidence.
with days as (
    {{ days_from_to('first_day', 'last_day', ref('int_evidence_day')) }}
)

select
    days.day as as_of,
    {{ school_year_of('days.day') }} as school_year,
    days.day = evidence.last_day as is_latest
from days
cross join {{ ref('int_evidence_day') }} as evidence
where
    days.day = evidence.last_day
    or extract(month from days.day) <> extract(month from days.day + 1)
