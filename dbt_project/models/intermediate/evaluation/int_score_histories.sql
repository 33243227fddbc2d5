{{ config(
    materialized='parted',
    meta={'parts': 'paper_no', 'parts_through': 'int_wave_following'},
) }}

{%- set most = var('growth_priors') -%}

-- depends_on: {{ ref('int_wave_following') }}
-- Scores long, one row each, as the cohort's waves count back.
with earlier as (
    select
        waves.paper_no,
        waves.back,
        scores.student_key,
        cast(scores.score as double) as score
    from {{ concerned(ref('int_cohort_wave'), 'paper_no') }} as waves
    inner join {{ ref('int_scaled_scores') }} as scores
        on waves.earlier_paper_no = scores.paper_no
),

beside as (
    select
        paper_no,
        student_key,
        {{ scores_back(most) }}
    from earlier
    group by paper_no, student_key
)

select
    scores.paper_no,
    scores.student_key,
    scores.school_code,
    schools.district_code,
    case when scores.wave_level in ('city', 'province') then '{{ var("unit_code") }}' end
        as city_code,
    cast(scores.score as double) as score,
    {{ names_back('beside', most) }}
from {{ concerned(ref('int_scaled_scores'), 'paper_no') }} as scores
inner join beside
    on
        scores.paper_no = beside.paper_no
        and scores.student_key = beside.student_key
        and beside.score_1 is not null
inner join {{ ref('int_papers') }} as papers on scores.paper_no = papers.paper_no
left join {{ ref('int_school') }} as schools
    on
        scores.school_code = schools.school_code
        and papers.school_year = schools.school_year
