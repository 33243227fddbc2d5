{{ config(materialized='parted', meta={'parts': 'paper_no'}) }}

-- What value added and growth stand on: every score against all who sat the paper.
select
    results.paper_no,
    results.wave_id,
    results.wave_level,
    results.subject,
    results.held_on,
    results.student_key,
    results.school_code,
    results.score,
    {{ fixed_point(
        'cast(papers.wave_n * results.score - papers.wave_sum as double)'
        ' / nullif(sqrt(cast(papers.wave_spread as double)), 0)'
    ) }} as z,
    {% for marker in student_markers() %}
    coalesce(results.{{ marker }}, false) as {{ marker }},
    {% endfor %}
    coalesce(results.gender = 'female', false) as female
from {{ concerned(ref('int_results'), 'wave_id, grade') }} as results
inner join {{ ref('int_paper_population') }} as papers
    on
        results.wave_id = papers.wave_id
        and results.grade = papers.grade
        and results.subject = papers.subject
where results.score is not null
