{{ config(materialized='parted', meta={'parts': 'wave_id'}) }}

-- The items of a paper are those with points of anybody: one that nobody has points on adds nothing
-- to any sum. Who lacks one of them has no sum to be ranked by.
with counted as (
    select
        wave_id,
        grade,
        subject,
        item_no,
        sitting_no,
        score
    from {{ concerned(ref('int_item_points'), 'wave_id') }}
    where counted_as = 'counted'
),

item_list as (
    select distinct
        wave_id,
        grade,
        subject,
        item_no
    from counted
),

papers as (
    select
        wave_id,
        grade,
        subject,
        cast(count(*) as bigint) as items
    from item_list
    group by wave_id, grade, subject
),

sums as (
    select
        sitting_no,
        cast(count(*) as bigint) as items_counted,
        cast(sum(score) as decimal(9, 3)) as total
    from counted
    group by sitting_no
),

placed as (
    select
        sums.sitting_no,
        sittings.wave_id,
        sittings.grade,
        sittings.subject,
        papers.items,
        sums.items_counted,
        sums.items_counted = papers.items as is_complete,
        sums.total
    from sums
    inner join {{ concerned(ref('int_item_sittings'), 'wave_id') }} as sittings
        on sums.sitting_no = sittings.sitting_no
    inner join papers
        on
            sittings.wave_id = papers.wave_id
            and sittings.grade = papers.grade
            and sittings.subject = papers.subject
),

distribution as (
    select
        wave_id,
        grade,
        subject,
        total,
        cast(count(*) as bigint) as tied
    from placed
    where is_complete
    group by wave_id, grade, subject, total
),

ranked as (
    select
        *,
        cast(sum(tied) over (
            partition by wave_id, grade, subject
        ) as bigint) as n,
        cast(sum(tied) over (
            partition by wave_id, grade, subject
            order by total asc nulls last
            rows between unbounded preceding and current row
        ) as bigint) as up_to
    from distribution
),

-- 27 % of the students are seldom a whole number, and the sum at which the cut falls is mostly
-- shared by many. All who share it count alike, each for the part that is missing to 27 %: whom the
-- files happen to name first plays no part, and a city of twice each student has the same figures.
ends as (
    select
        wave_id,
        grade,
        subject,
        total,
        case
            when 100 * (n - up_to + tied) <= 27 * n then 'whole'
            when 100 * (n - up_to) < 27 * n then 'cut'
        end as upper_end,
        case
            when 100 * up_to <= 27 * n then 'whole'
            when 100 * (up_to - tied) < 27 * n then 'cut'
        end as lower_end
    from ranked
)

select
    placed.sitting_no,
    placed.wave_id,
    placed.grade,
    placed.subject,
    placed.items,
    placed.items_counted,
    placed.is_complete,
    placed.total,
    ends.upper_end,
    ends.lower_end
from placed
left join ends
    on
        placed.is_complete
        and placed.wave_id = ends.wave_id
        and placed.grade = ends.grade
        and placed.subject = ends.subject
        and placed.total = ends.total
