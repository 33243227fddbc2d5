{{ config(materialized='view') }}

select
    school_year,
    student_key,
    stage,
    district_code,
    school_code,
    cast(sum(is_scored) as bigint) as sat,
    cast(sum(is_pass) as bigint) as passed
from {{ ref('int_scores') }}
where {{ is_annual() }} and is_scored = 1
group by school_year, student_key, stage, district_code, school_code
