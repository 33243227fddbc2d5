with students as (
    select
        paper_no,
        unnest(students, recursive := true) -- noqa: AL03
    from {{ ref('int_growth_fits') }}
)

select
    papers.wave_id,
    cast(papers.grade as int) as grade,
    papers.subject,
    students.student_key,
    students.growth_percentile,
    students.priors
from students
inner join {{ ref('int_papers') }} as papers on students.paper_no = papers.paper_no
