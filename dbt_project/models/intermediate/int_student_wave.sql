{{ config(materialized='parted', meta={'parts': 'wave_id, grade'}) }}

-- Results of a student in one wave; several rows where these lie in several schools or classes.
select
    school_year,
    wave_id,
    wave_level,
    wave_kind,
    grade,
    stage,
    student_key,
    school_code,
    class_no,
    min(gender) as gender,
    {% for marker in student_markers() %}
    bool_and({{ marker }}) as {{ marker }},
    {% endfor %}
    cast(count(score) as int) as sat,
    cast(count(passed) as int) as passed
from {{ ref('int_results') }}
where status <> 'transferred' and score is not null
group by
    school_year, wave_id, wave_level, wave_kind, grade, stage, student_key, school_code, class_no
