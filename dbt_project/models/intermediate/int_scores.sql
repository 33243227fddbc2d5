{{ config(materialized='view', meta={'parts': 'wave_id, grade'}) }}

-- The school's district, locale and ownership are those of the wave's school year.
select
    results.school_year,
    results.wave_id,
    results.wave_level,
    results.wave_kind,
    results.grade,
    results.subject,
    results.full_mark,
    results.stage,
    results.student_key,
    results.school_code,
    schools.district_code,
    results.school_code || '-' || cast(results.grade as string) || '-' || results.class_no
        as class_code,
    coalesce(schools.locale, 'unknown') as locale,
    coalesce(schools.ownership, 'unknown') as ownership,
    coalesce(results.gender, 'unknown') as gender,
    {% for marker in student_markers() %}
    {{ yes_no('results.' ~ marker) }} as {{ marker }},
    {% endfor %}
    results.score,
    coalesce(results.exempt, 0) as is_exempt,
    case when results.score is not null then 1 else 0 end as is_scored,
    coalesce(results.passed, 0) as is_pass,
    coalesce(results.good, 0) as is_good,
    coalesce(results.excellent, 0) as is_excellent,
    coalesce(results.low, 0) as is_low
from {{ ref('int_results') }} as results
left join {{ ref('stg_schools') }} as schools
    on
        results.school_code = schools.school_code
        and results.school_year = schools.school_year
where results.status <> 'transferred'
