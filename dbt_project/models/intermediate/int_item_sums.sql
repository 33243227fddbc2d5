{{ config(materialized='parted', meta={'parts': 'wave_id'}) }}

-- One pass over the points. x and t are a complete student's points on the item and on the paper.
with points as (
    select
        facts.wave_id,
        facts.grade,
        facts.subject,
        facts.item_no,
        facts.counted_as,
        facts.score,
        case when facts.counted_as = 'counted' then facts.score end as counted_score,
        case when facts.counted_as = 'counted' then facts.full_mark end as full_mark,
        case when facts.counted_as = 'counted' and totals.is_complete then facts.score end as x,
        case when facts.counted_as = 'counted' and totals.is_complete then totals.total end as t,
        case when facts.counted_as = 'counted' then totals.upper_end end as upper_end,
        case when facts.counted_as = 'counted' then totals.lower_end end as lower_end
    from {{ concerned(ref('int_item_points'), 'wave_id') }} as facts
    left join {{ concerned(ref('int_item_totals'), 'wave_id') }} as totals
        on facts.sitting_no = totals.sitting_no
    where facts.counted_as in ('counted', 'missing', 'not_on_map', 'out_of_range')
)

select
    wave_id,
    grade,
    subject,
    item_no,
    cast(count(*) as bigint) as item_rows,
    cast(count(counted_score) as bigint) as n,
    cast(count(*) filter (where counted_score = full_mark) as bigint) as n_full,
    cast(count(*) filter (where counted_score = 0) as bigint) as n_zero,
    cast(count(*) filter (where counted_as = 'out_of_range') as bigint) as n_out_of_range,
    cast(count(score) filter (where counted_as = 'not_on_map') as bigint) as n_not_on_map,
    cast(sum(counted_score) as decimal(19, 3)) as score_sum,
    {% for end, part in [
        ('upper', 'whole'), ('upper', 'cut'), ('lower', 'whole'), ('lower', 'cut')
    ] %}
    cast(count(*) filter (where {{ end }}_end = '{{ part }}') as bigint) as {{ end }}_{{ part }},
    cast(
        coalesce(sum(x) filter (where {{ end }}_end = '{{ part }}'), 0) as decimal(19, 3)
    ) as {{ end }}_{{ part }}_sum,
    {% endfor %}
    cast(count(x) as bigint) as complete,
    cast(sum(x) as decimal(19, 3)) as sum_x,
    cast(sum(t) as decimal(19, 3)) as sum_t,
    cast(sum(x * x) as decimal(26, 6)) as sum_xx,
    cast(sum(x * t) as decimal(26, 6)) as sum_xt,
    cast(sum(t * t) as decimal(26, 6)) as sum_tt
from points
group by wave_id, grade, subject, item_no
