{{ config(materialized='parted', meta={'parts': 'wave_id'}) }}

with items as (
    select
        wave_id,
        grade,
        subject,
        cast(count(*) filter (where n > 0) as bigint) as items,
        cast(count(*) filter (where is_on_map) as bigint) as mapped_items,
        cast(sum(full_mark) filter (where is_on_map) as decimal(9, 3)) as items_full_mark,
        cast(count(*) filter (where is_on_map and n = 0) as bigint) as mapped_without_results,
        cast(count(*) filter (where not is_on_map) as bigint) as results_without_map,
        max(students) as students_with_items,
        max(complete) as students_complete,
        max(total_spread) as total_spread,
        max(alpha) as alpha,
        {{ ratio('sum(cast(difficulty as decimal(18, 12)))', 'count(difficulty)') }}
            as mean_difficulty,
        {{ ratio('sum(cast(discrimination as decimal(18, 12)))', 'count(discrimination)') }}
            as mean_discrimination
    from {{ ref('int_item_figures') }}
    group by wave_id, grade, subject
),

sittings as (
    select
        sittings.wave_id,
        sittings.grade,
        sittings.subject,
        cast(count(*) as bigint) as students,
        cast(count(*) filter (where sittings.paper_score = 0) as bigint) as floored,
        cast(count(*) filter (where sittings.paper_score >= sittings.paper_mark) as bigint)
            as topped,
        cast(
            count(*) filter (where totals.is_complete and sittings.paper_score is not null)
            as bigint
        ) as n_compared,
        cast(
            count(*) filter (where totals.is_complete and totals.total = sittings.paper_score)
            as bigint
        ) as n_agreeing
    from {{ concerned(ref('int_item_sittings'), 'wave_id') }} as sittings
    left join {{ concerned(ref('int_item_totals'), 'wave_id') }} as totals
        on sittings.sitting_no = totals.sitting_no
    where sittings.is_present and sittings.has_paper
    group by sittings.wave_id, sittings.grade, sittings.subject
),

-- The moments of the whole paper, as marts.attainment has them.
scores as (
    select
        wave_id,
        grade,
        subject,
        n,
        score_sum,
        score_square_sum
    from {{ ref('int_attainment_cells') }}
    where level = 'city' and group_kind = 'all'
),

-- Sums over the students of a paper are told only where points of its items were handed in.
joined as (
    select
        papers.school_year,
        papers.wave_id,
        papers.grade,
        papers.subject,
        papers.full_mark,
        case
            when items.items > 0 and items.mapped_items > 0 then 'items_and_map'
            when items.items > 0 then 'items_only'
            when items.mapped_items > 0 then 'map_only'
            else 'none'
        end as evidence,
        items.mapped_items,
        items.items_full_mark,
        items.mapped_without_results,
        items.results_without_map,
        case when items.items > 0 then items.items end as items,
        items.students_with_items,
        items.students_complete,
        items.total_spread,
        items.alpha,
        items.mean_difficulty,
        items.mean_discrimination,
        sittings.students,
        scores.n,
        scores.score_sum,
        {{ spread(
            'scores.n', 'scores.score_square_sum', 'scores.score_sum', 'scores.score_sum'
        ) }} as score_spread,
        sittings.floored,
        sittings.topped,
        sittings.n_compared,
        sittings.n_agreeing
    from {{ ref('int_papers') }} as papers
    left join items
        on
            papers.wave_id = items.wave_id
            and papers.grade = items.grade
            and papers.subject = items.subject
    left join sittings
        on
            papers.wave_id = sittings.wave_id
            and papers.grade = sittings.grade
            and papers.subject = sittings.subject
            and items.items > 0
    left join scores
        on
            papers.wave_id = scores.wave_id
            and papers.grade = scores.grade
            and papers.subject = scores.subject
            and items.items > 0
)

select
    school_year,
    wave_id,
    grade,
    subject,
    evidence,
    students,
    n,
    case when items > 0 then students_with_items end as students_with_items,
    case when items > 0 then students_complete end as students_complete,
    full_mark,
    mapped_items,
    items_full_mark,
    items_full_mark = full_mark as full_marks_agree,
    items,
    mapped_without_results,
    results_without_map,
    {{ ratio('score_sum', 'n') }} as mean_score,
    sqrt(cast(score_spread as double)) / nullif(cast(n as double), 0) as standard_deviation,
    {{ ratio('floored', 'n') }} as floor_share,
    {{ ratio('topped', 'n') }} as ceiling_share,
    mean_difficulty,
    mean_discrimination,
    alpha as cronbach_alpha,
    sqrt(cast(total_spread as double)) / nullif(cast(students_complete as double), 0)
        as total_deviation,
    sqrt(cast(total_spread as double) * (1e0 - alpha))
    / nullif(cast(students_complete as double), 0) as measurement_error,
    n_compared,
    {{ ratio('n_agreeing', 'n_compared') }} as sum_agrees_share
from joined
