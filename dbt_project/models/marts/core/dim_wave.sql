-- What the papers of a wave agree in; the first day where they were sat on several.
select
    wave_id,
    school_year,
    min(wave_name) as wave_name,
    min(wave_kind) as wave_kind,
    min(wave_level) as wave_level,
    min(district_code) as district_code,
    min(school_code) as school_code,
    min(held_on) as held_on,
    cast(count(*) as bigint) as papers
from {{ ref('int_papers') }}
group by wave_id, school_year
