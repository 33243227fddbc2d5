{{ config(materialized='view') }}

-- The school's district and locale are those of the wave's school year, as is the gender.
with results as (
    select
        wave_id,
        student_key,
        school_code,
        grade,
        class_no,
        subject,
        status,
        case when status = 'present' then score end as score
    from {{ ref('stg_monitoring_results') }}
    where status <> 'transferred'
)

select
    papers.school_year,
    papers.wave_id,
    papers.wave_level,
    papers.wave_kind,
    papers.grade,
    papers.subject,
    papers.full_mark,
    {{ stage_of('papers.grade') }} as stage,
    results.student_key,
    results.school_code,
    schools.district_code,
    results.school_code || '-' || cast(results.grade as string) || '-' || results.class_no
        as class_code,
    coalesce(schools.locale, 'unknown') as locale,
    coalesce(students.gender, 'unknown') as gender,
    results.score,
    case when results.status = 'exempt' then 1 else 0 end as is_exempt,
    case when results.score is not null then 1 else 0 end as is_scored,
    case when results.score >= papers.pass_mark then 1 else 0 end as is_pass,
    case when results.score >= papers.good_mark then 1 else 0 end as is_good,
    case when results.score >= papers.excellent_mark then 1 else 0 end as is_excellent,
    case when results.score < papers.low_mark then 1 else 0 end as is_low
from results
inner join {{ ref('int_papers') }} as papers
    on
        results.wave_id = papers.wave_id
        and results.grade = papers.grade
        and results.subject = papers.subject
left join {{ ref('stg_schools') }} as schools
    on
        results.school_code = schools.school_code
        and papers.school_year = schools.school_year
left join {{ ref('stg_students') }} as students
    on
        results.student_key = students.student_key
        and papers.school_year = students.school_year
