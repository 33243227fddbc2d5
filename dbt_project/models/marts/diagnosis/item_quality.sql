{{ config(materialized='parted', meta={'parts': 'wave_id'}) }}

{#- When an item asks to be looked at. Difficulty is a share of the full mark: high is easy. -#}
{%- set too_easy, too_hard, weak = '0.9', '0.2', '0.2' -%}
{%- set easy, medium = '0.7', '0.4' -%}
{#- Two alphas that differ by less are one, of differently rounded sums. -#}
{%- set rounding = '1e-12' -%}

with judged as (
    select
        papers.school_year,
        items.*,
        items.complete >= {{ var('small_below') }} as is_enough,
        items.n >= {{ var('small_below') }} as is_often
    from {{ ref('int_item_figures') }} as items
    inner join {{ ref('int_papers') }} as papers
        on
            items.wave_id = papers.wave_id
            and items.grade = papers.grade
            and items.subject = papers.subject
),

flagged as (
    select
        *,
        case when is_often then difficulty > {{ too_easy }} end as is_too_easy,
        case when is_often then difficulty < {{ too_hard }} end as is_too_hard,
        case when is_enough then discrimination < {{ weak }} end as is_weak,
        case when is_enough then item_rest_correlation < 0 end as is_reversed,
        case when is_enough then alpha_without - alpha > {{ rounding }} end as lowers_alpha
    from judged
)

select
    school_year,
    wave_id,
    grade,
    subject,
    item_no,
    full_mark,
    competency,
    content_domain,
    cognitive_level,
    is_on_map,
    students,
    n,
    complete as n_complete,
    mean_score,
    difficulty as item_difficulty,
    case
        when difficulty >= {{ easy }} then 'easy'
        when difficulty >= {{ medium }} then 'medium'
        when difficulty < {{ medium }} then 'hard'
    end as difficulty_word,
    discrimination,
    item_rest_correlation,
    alpha_without,
    full_share,
    zero_share,
    missing_share,
    n_out_of_range,
    is_too_easy,
    is_too_hard,
    is_weak,
    is_reversed,
    lowers_alpha,
    nullif(
        concat_ws(
            ',',
            case when has_map and not is_on_map then 'not_on_map' end,
            case when not has_map then 'no_map' end,
            case when is_on_map and n = 0 then 'no_results' end,
            case when n_out_of_range > 0 then 'out_of_range' end,
            case when is_too_easy then 'too_easy' end,
            case when is_too_hard then 'too_hard' end,
            case when is_weak then 'weak' end,
            case when is_reversed then 'reversed' end,
            case when lowers_alpha then 'lowers_alpha' end,
            case when n > 0 and not is_often then 'few_students' end
        ),
        ''
    ) as look_at
from flagged
