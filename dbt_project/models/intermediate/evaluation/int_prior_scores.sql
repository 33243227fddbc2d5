{{ config(
    materialized='parted',
    meta={'parts': 'paper_no', 'parts_through': 'int_wave_following'},
) }}

-- depends_on: {{ ref('int_wave_following') }}
-- Waves of a district or a school tell of their own students only: they have prior scores, and are
-- none. Of two waves on one day the later number counts.
{%- set reach = var('prior_months') %}

with papers as (
    select
        paper_no,
        row_number() over (
            order by held_on asc nulls last, paper_no asc nulls last
        ) as place
    from {{ ref('int_papers') }}
),

placed as (
    select
        scores.*,
        max(case when scores.wave_level in ('city', 'province') then papers.place end) over (
            partition by scores.student_key, scores.subject
            order by scores.held_on
            range between
            interval '{{ reach.most }}' month preceding
            and interval '{{ reach.least }}' month preceding
        ) as prior_place
    from {{ ref('int_scaled_scores') }} as scores
    inner join papers on scores.paper_no = papers.paper_no
),

-- A student's scores of a wave, so that those of the other subjects are what is left.
waves as (
    select
        student_key,
        wave_id,
        sum(z) as z_sum,
        count(z) as subjects,
        sum(score) as points
    from {{ ref('int_scaled_scores') }}
    group by student_key, wave_id
),

matched as (
    select
        placed.*,
        priors.paper_no as prior_paper_no,
        priors.wave_id as prior_wave_id,
        priors.z as prior_z,
        cast(placed.score + waves.points as decimal(12, 3)) as points,
        case
            when waves.subjects > 1
                then {{ fixed_point('(waves.z_sum - priors.z) / (waves.subjects - 1)') }}
        end as others
    from placed
    left join papers on placed.prior_place = papers.place
    left join {{ ref('int_scaled_scores') }} as priors
        on
            placed.student_key = priors.student_key
            and papers.paper_no = priors.paper_no
    left join waves
        on
            priors.student_key = waves.student_key
            and priors.wave_id = waves.wave_id
)

select
    paper_no,
    student_key,
    school_code,
    z,
    prior_paper_no,
    prior_wave_id,
    prior_z,
    {{ fixed_point('prior_z * prior_z') }} as prior_squared,
    case when prior_z is not null then coalesce(others, 0e0) end as others,
    case when prior_z is not null then case when others is null then 1e0 else 0e0 end end
        as no_others,
    points,
    {{ as_numbers(value_added_covariates()) }}
from matched
