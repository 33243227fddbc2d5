{{ config(materialized='parted', meta={'parts': 'wave_id'}) }}

-- Items of the map and items of the feed; what only one of them names is kept, to be told.
with named as (
    select
        wave_id,
        grade,
        subject,
        item_no
    from {{ ref('int_paper_items') }}
    union
    select
        wave_id,
        grade,
        subject,
        item_no
    from {{ ref('int_item_sums') }}
),

mapped as (
    select distinct
        wave_id,
        grade,
        subject
    from {{ ref('int_paper_items') }}
),

students as (
    select
        wave_id,
        grade,
        subject,
        cast(count(*) as bigint) as students
    from {{ concerned(ref('int_item_totals'), 'wave_id') }}
    group by wave_id, grade, subject
),

spreads as (
    select
        *,
        {{ spread('complete', 'sum_xx', 'sum_x', 'sum_x') }} as item_spread,
        {{ spread('complete', 'sum_xt', 'sum_x', 'sum_t') }} as joint_spread,
        {{ spread('complete', 'sum_tt', 'sum_t', 'sum_t') }} as total_spread
    from {{ ref('int_item_sums') }}
    where n > 0
),

-- All items of a paper have the same complete students, so that each knows the spread of the sum.
papers as (
    select
        *,
        cast(count(*) over (partition by wave_id, grade, subject) as bigint) as items,
        cast(sum(item_spread) over (partition by wave_id, grade, subject) as decimal(38, 6))
            as item_spreads
    from spreads
),

joined as (
    select
        named.wave_id,
        named.grade,
        named.subject,
        named.item_no,
        items.full_mark,
        items.competency,
        items.content_domain,
        items.cognitive_level,
        items.item_no is not null as is_on_map,
        mapped.wave_id is not null as has_map,
        coalesce(students.students, 0) as students,
        coalesce(sums.n, 0) as n,
        coalesce(sums.n_out_of_range, 0) as n_out_of_range,
        coalesce(sums.n_not_on_map, 0) as n_not_on_map,
        papers.score_sum,
        papers.n_full,
        papers.n_zero,
        coalesce(papers.complete, 0) as complete,
        papers.items,
        papers.item_spread,
        papers.joint_spread,
        papers.total_spread,
        papers.item_spreads,
        papers.upper_whole,
        papers.upper_whole_sum,
        papers.upper_cut,
        papers.upper_cut_sum,
        papers.lower_whole,
        papers.lower_whole_sum,
        papers.lower_cut,
        papers.lower_cut_sum
    from named
    left join {{ ref('int_paper_items') }} as items
        on
            named.wave_id = items.wave_id
            and named.grade = items.grade
            and named.subject = items.subject
            and named.item_no = items.item_no
    left join mapped
        on
            named.wave_id = mapped.wave_id
            and named.grade = mapped.grade
            and named.subject = mapped.subject
    left join students
        on
            named.wave_id = students.wave_id
            and named.grade = students.grade
            and named.subject = students.subject
    left join {{ ref('int_item_sums') }} as sums
        on
            named.wave_id = sums.wave_id
            and named.grade = sums.grade
            and named.subject = sums.subject
            and named.item_no = sums.item_no
    left join papers
        on
            named.wave_id = papers.wave_id
            and named.grade = papers.grade
            and named.subject = papers.subject
            and named.item_no = papers.item_no
)

select
    wave_id,
    grade,
    subject,
    item_no,
    full_mark,
    competency,
    content_domain,
    cognitive_level,
    is_on_map,
    has_map,
    students,
    n,
    n_out_of_range,
    n_not_on_map,
    complete,
    items,
    total_spread,
    {{ ratio('score_sum', 'n') }} as mean_score,
    {{ ratio('score_sum', 'n * full_mark') }} as difficulty,
    case
        when total_spread > 0 and full_mark > 0
            then {{ discrimination('complete', 'full_mark') }}
    end as discrimination,
    {{ item_rest('item_spread', 'joint_spread', 'total_spread') }} as item_rest_correlation,
    {{ cronbach_alpha('items', 'item_spreads', 'total_spread') }} as alpha,
    {{ cronbach_alpha(
        '(items - 1)',
        'item_spreads - item_spread',
        rest_spread('total_spread', 'item_spread', 'joint_spread')
    ) }} as alpha_without,
    case when full_mark is not null then {{ ratio('n_full', 'n') }} end as full_share,
    {{ ratio('n_zero', 'n') }} as zero_share,
    case when is_on_map or not has_map then {{ ratio('students - n', 'students') }} end
        as missing_share
from joined
