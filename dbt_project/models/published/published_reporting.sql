{{ config(alias='reporting') }}

select
    school_year,
    wave_id,
    level,
    unit_code,
    schools_expected,
    schools_reported,
    schools_not_reported,
    files_returned
from {{ ref('reporting') }}
order by school_year, wave_id, level, unit_code
