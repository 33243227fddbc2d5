{{ config(materialized='view') }}

-- The outcome of a finding is known when it is closed in time, or else when its time is over.
select
    finding_id,
    district_code,
    school_code,
    {{ school_year_of('found_on') }} as school_year,
    school_year as handed_in_year,
    found_on,
    due_on,
    closed_on,
    topic,
    coalesce(closed_on <= due_on, false) as is_in_time,
    case when closed_on <= due_on then closed_on else due_on end as known_on
from {{ ref('stg_supervision_findings') }}
