{{ config(materialized='parted', meta={'parts': 'wave_id, grade'}) }}

-- Every result handed in for a paper on record, the transferred and the absent among them.
with city as (
    select
        wave_id,
        grade,
        subject,
        score,
        n,
        below,
        unit_n
    from {{ concerned(ref('int_score_distribution'), 'wave_id, grade') }}
    where level = 'city'
),

scored as (
    select
        results.*,
        rolls.school_code as day_school_code,
        case when results.status <> 'transferred' then results.score end as own_score
    from {{ concerned(ref('int_results'), 'wave_id, grade') }} as results
    left join {{ ref('dim_student') }} as rolls
        on
            results.student_key = rolls.student_key
            and results.held_on between rolls.valid_from and rolls.valid_to
),

standardised as (
    select
        scored.*,
        cast(papers.wave_n * scored.own_score - papers.wave_sum as double)
        / nullif(sqrt(cast(papers.wave_spread as double)), 0) as z,
        100 * {{ ratio('2 * city.below + city.n', '2 * city.unit_n') }} as percentile
    from scored
    left join {{ ref('int_paper_population') }} as papers
        on
            scored.wave_id = papers.wave_id
            and scored.grade = papers.grade
            and scored.subject = papers.subject
    left join city
        on
            scored.wave_id = city.wave_id
            and scored.grade = city.grade
            and scored.subject = city.subject
            and scored.own_score = city.score
)

select
    wave_id,
    student_key,
    subject,
    school_year,
    cast(grade as int) as grade,
    school_code,
    coalesce(day_school_code, roll_school_code) as enrolled_school_code,
    school_code || '-' || cast(grade as string) || '-' || class_no as class_code,
    status,
    cast(own_score as decimal(9, 3)) as score,
    z,
    50e0 + 10e0 * z as t_score,
    percentile,
    case when own_score is not null then passed is not null end as is_pass
from standardised
