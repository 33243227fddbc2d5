{{ config(materialized='parted', meta={'parts': 'paper_no'}) }}

{%- set measures = attainment_measures() -%}

-- One pass over the scores; every coarser cell is a sum of these.
with finest as (
    select
        paper_no,
        school_code,
        class_no,
        gender,
        {{ student_markers() | join(', ') }},
        grouping(gender) = 0 as by_gender,
        cast(count(*) as bigint) as candidates,
        cast(count(exempt) as bigint) as exempt,
        cast(count(score) as bigint) as n,
        cast(count(passed) as bigint) as passed,
        cast(count(good) as bigint) as good,
        cast(count(excellent) as bigint) as excellent,
        cast(count(low) as bigint) as low,
        cast(coalesce(sum(score), 0) as decimal(19, 3)) as score_sum,
        cast(coalesce(sum(score_square), 0) as decimal(26, 6)) as score_square_sum
    from {{ concerned(ref('int_results'), 'wave_id, grade') }}
    where status <> 'transferred'
    group by {{ finest_sets() }} -- noqa: PRS
)

{{ cells_of_groups(measures) }} -- noqa: PRS
