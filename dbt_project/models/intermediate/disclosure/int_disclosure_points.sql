{#- Of so many, what a few do is lost in the digits of a ratio, unless it comes to be another. -#}
{%- set many = var('many_from') %}
{%- set kinds = published_dimensions() | join("', '") %}
{%- set key = [
    'wave_id', 'grade', 'subject', 'dimension_kind', 'dimension_value', 'level', 'unit_code',
    'full_marks',
] %}

-- Items come in files of their own, so that they may be corrected where no result is.
with dimensions as (
    select distinct
        dimension_no,
        wave_id,
        grade,
        subject,
        dimension_kind,
        dimension_value,
        full_marks
    from {{ ref('int_item_dimensions') }}
    where dimension_kind in ('{{ kinds }}')
),

points as (
    select
        dimensions.wave_id,
        dimensions.grade,
        dimensions.subject,
        dimensions.dimension_kind,
        dimensions.dimension_value,
        cells.level,
        cells.unit_code,
        cast(dimensions.full_marks as decimal(9, 3)) as full_marks,
        cells.n,
        cells.points_sum as points
    from {{ ref('int_competency_cells') }} as cells
    inner join dimensions on cells.dimension_no = dimensions.dimension_no
    where cells.level <> 'class' and cells.n > 0
    union all
    select
        wave_id,
        grade,
        subject,
        'item' as dimension_kind,
        item_no as dimension_value,
        'city' as level,
        '{{ var("unit_code") }}' as unit_code,
        cast(coalesce(full_mark, 0) as decimal(9, 3)) as full_marks,
        n,
        cast(round(mean_score * n, 3) as decimal(19, 3)) as points
    from {{ ref('int_item_figures') }}
    where n > 0
),

-- Held against what was counted when figures were last told.
compared as (
    select
        points.*,
        coalesce(told.last_n, told.n) as told_n,
        case when told.last_n is null then told.points else told.last_points end as told_points,
        coalesce(told.last_ratio, {{ told_ratio('told') }}) as told_ratio
    from points
    left join {{ ref('int_disclosure_told_points') }} as told
        on {{ same_key('points', 'told', key) }}
),

-- At least so many are others: one can make no more than the full marks of difference.
changes as (
    select
        *,
        {{ shown('told_n') }}
        and (n <> told_n or told_points is null or points <> told_points)
        and greatest(
            abs(n - told_n),
            coalesce(abs(points - told_points) / nullif(full_marks, 0), 0)
        ) < {{ var('revised_below') }} as is_few
    from compared
)

-- Where others are counted now the points of then are not kept: less those of now, they would be
-- those of who was taken out.
select
    {{ key | join(',\n    ') }},
    n,
    points,
    case when is_few then told_n end as last_n,
    case when is_few and n = told_n then told_points end as last_points,
    case when is_few then told_ratio end as last_ratio,
    coalesce(is_few and (n < {{ many }} or {{ told_ratio() }} <> told_ratio), false)
        as is_revised
from changes
