{{ config(materialized='parted', meta={'parts': 'wave_id, grade'}) }}

-- Everyone who sat the paper, wherever: the population of its organiser.
with counted as (
    select
        paper_no,
        cast(sum(n) as decimal(12, 0)) as wave_n,
        cast(sum(score_sum) as decimal(19, 3)) as wave_sum,
        cast(sum(score_square_sum) as decimal(26, 6)) as wave_square_sum
    from {{ ref('int_attainment_counts') }}
    where group_kind = 'gender'
    group by paper_no
)

select
    papers.wave_id,
    papers.grade,
    papers.subject,
    counted.wave_n,
    counted.wave_sum,
    -- n squared times the population variance, exactly
    counted.wave_n * counted.wave_square_sum - counted.wave_sum * counted.wave_sum as wave_spread
from counted
inner join {{ ref('int_papers') }} as papers on counted.paper_no = papers.paper_no
