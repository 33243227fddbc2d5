{{ config(materialized='parted', meta={'parts': 'wave_id'}) }}

{#- A dimension of fewer items says more of these items than of the competency. -#}
{%- set few_items = 3 -%}

-- Points stay exact sums until the one division; a mean of points over the full marks is a ratio.
with dimensions as (
    select distinct
        dimension_no,
        wave_id,
        grade,
        subject,
        dimension_kind,
        dimension_value,
        competency,
        content_domain,
        cognitive_level,
        items,
        full_marks
    from {{ ref('int_item_dimensions') }}
),

cells as (
    select * from {{ concerned(ref('int_competency_cells'), 'wave_id') }}
),

-- A wave of a district or a school says nothing about the units above its organiser; there is no
-- city to differ from.
placed as (
    select
        papers.school_year,
        dimensions.*,
        cells.level,
        cells.unit_code,
        cells.students,
        cells.n,
        cells.points_sum,
        {{ spread('cells.n', 'cells.square_sum', 'cells.points_sum', 'cells.points_sum') }}
            as unit_spread,
        city.n as city_n,
        city.points_sum as city_sum,
        {{ spread('city.n', 'city.square_sum', 'city.points_sum', 'city.points_sum') }}
            as city_spread,
        -- The students of the city outside the unit.
        city.n - cells.n as rest_n,
        {{ spread(
            '(city.n - cells.n)',
            '(city.square_sum - cells.square_sum)',
            '(city.points_sum - cells.points_sum)',
            '(city.points_sum - cells.points_sum)'
        ) }} as rest_spread
    from cells
    inner join dimensions on cells.dimension_no = dimensions.dimension_no
    inner join {{ ref('int_papers') }} as papers
        on
            dimensions.wave_id = papers.wave_id
            and dimensions.grade = papers.grade
            and dimensions.subject = papers.subject
    left join cells as city
        on
            cells.dimension_no = city.dimension_no
            and city.level = 'city'
            and papers.wave_level in ('city', 'province')
    where
        cells.level in ('school', 'class')
        or (cells.level = 'district' and papers.wave_level <> 'school')
        or (cells.level = 'city' and papers.wave_level in ('city', 'province'))
),

figures as (
    select
        *,
        {{ ratio('points_sum', 'n * full_marks') }} as score_ratio,
        sqrt(cast(city_spread as double))
        / nullif(cast(city_n as double) * cast(full_marks as double), 0) as city_sd,
        cast(city_n as decimal(12, 0)) * points_sum - cast(n as decimal(12, 0)) * city_sum as gap,
        case
            when n > 1 and rest_n > 1
                then
                    100e0 * cast(rest_n as double)
                    / nullif(cast(city_n as double) * cast(full_marks as double), 0)
                    * sqrt(
                        cast(unit_spread as double)
                        / (cast(n as double) * cast(n as double) * cast(n - 1 as double))
                        + cast(rest_spread as double)
                        / (
                            cast(rest_n as double) * cast(rest_n as double)
                            * cast(rest_n - 1 as double)
                        )
                    )
        end as difference_se
    from placed
),

differences as (
    select
        *,
        100e0 * cast(gap as double)
        / nullif(cast(n as double) * cast(city_n as double) * cast(full_marks as double), 0)
            as difference_points,
        -- Both denominators cleared.
        cast(gap as double) / nullif(cast(n as double) * sqrt(cast(city_spread as double)), 0)
            as difference_in_sd
    from figures
)

select
    school_year,
    wave_id,
    grade,
    subject,
    dimension_kind,
    dimension_value,
    competency,
    content_domain,
    cognitive_level,
    level,
    unit_code,
    items,
    cast(full_marks as decimal(9, 3)) as full_marks,
    students,
    n,
    score_ratio,
    difference_points,
    difference_se,
    difference_points - {{ z95() }} * difference_se as difference_low,
    difference_points + {{ z95() }} * difference_se as difference_high,
    city_sd,
    difference_in_sd,
    items < {{ few_items }} as is_few_items
from differences
