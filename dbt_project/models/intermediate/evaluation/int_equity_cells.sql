{{ config(materialized='parted', meta={'parts': 'wave_id, grade'}) }}

-- The school's rows of attainment in waves of the city, as sums about the paper's own mean.
with cells as (
    select
        cells.*,
        {{ sum_above_mean('cells') }} / nullif(sqrt(cast(papers.wave_spread as double)), 0)
            as z_sum,
        cast(papers.wave_spread as double) / nullif(power(cast(papers.wave_n as double), 2), 0)
            as variance
    from {{ ref('int_attainment_cells') }} as cells
    inner join {{ ref('int_paper_population') }} as papers
        on
            cells.wave_id = papers.wave_id
            and cells.grade = papers.grade
            and cells.subject = papers.subject
    where cells.level = 'school' and cells.wave_level in ('city', 'province') and cells.n > 0
)

select
    cells.school_year,
    cells.wave_id,
    cells.grade,
    cells.subject,
    cells.unit_code as school_code,
    schools.district_code,
    cells.group_kind,
    cells.group_value,
    cells.n,
    cells.passed,
    {{ ratio('cells.score_sum', 'cells.n * cells.full_mark') }} as score_ratio,
    cells.z_sum / cast(cells.n as double) as mean_z,
    {{ ratio(
        'cast(cells.n as decimal(12, 0)) * cells.score_square_sum'
        ' - cells.score_sum * cells.score_sum',
        'cells.n'
    ) }} / nullif(cells.variance, 0) as squares_z
from cells
left join {{ ref('int_school') }} as schools
    on cells.unit_code = schools.school_code and cells.school_year = schools.school_year
