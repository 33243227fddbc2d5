{{ config(materialized='view', meta={'parts': 'wave_id, grade'}) }}

-- Flags are 1 or null, so that they can be counted: that is the cheapest sum over all scores.
-- Gender and markers are those of the roll of the wave's school year.
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
)

select
    papers.paper_no,
    papers.school_year,
    papers.wave_id,
    papers.wave_level,
    papers.wave_kind,
    papers.grade,
    papers.subject,
    papers.stage,
    papers.held_on,
    papers.full_mark,
    results.student_key,
    results.school_code,
    results.class_no,
    results.status,
    students.school_code as roll_school_code,
    students.grade as roll_grade,
    students.gender,
    {% for marker in student_markers() %}
    students.{{ marker }},
    {% endfor %}
    results.score,
    results.score * results.score as score_square,
    case when results.status = 'exempt' then 1 end as exempt,
    case when results.score >= papers.pass_mark then 1 end as passed,
    case when results.score >= papers.good_mark then 1 end as good,
    case when results.score >= papers.excellent_mark then 1 end as excellent,
    case when results.score < papers.low_mark then 1 end as low
from results
inner join {{ ref('int_papers') }} as papers
    on
        results.wave_id = papers.wave_id
        and results.grade = papers.grade
        and results.subject = papers.subject
left join {{ ref('stg_students') }} as students
    on
        results.student_key = students.student_key
        and papers.school_year = students.school_year
