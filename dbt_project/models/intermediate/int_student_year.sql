{{ config(materialized='view') }}

select
    years.school_year,
    years.student_key,
    years.stage,
    schools.district_code,
    years.school_code,
    cast(sum(years.sat) as bigint) as sat,
    cast(sum(years.passed) as bigint) as passed
from {{ ref('int_student_wave') }} as years
left join {{ ref('stg_schools') }} as schools
    on
        years.school_code = schools.school_code
        and years.school_year = schools.school_year
where {{ is_annual('years') }}
group by
    years.school_year, years.student_key, years.stage, schools.district_code, years.school_code
