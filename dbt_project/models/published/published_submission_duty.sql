{{ config(alias='submission_duty') }}

-- Of units that the published layer knows; what is owed of a closed school has no page.
select
    owed.feed,
    owed.school_year,
    owed.wave_id,
    owed.level,
    owed.unit_code,
    owed.due_on,
    owed.due_assumed,
    owed.state,
    owed.progress,
    owed.file,
    owed.files
from {{ ref('submission_duty') }} as owed
inner join {{ ref('unit') }} as units
    on owed.level = units.level and owed.unit_code = units.unit_code
order by owed.school_year, owed.feed, owed.wave_id, owed.level, owed.unit_code
