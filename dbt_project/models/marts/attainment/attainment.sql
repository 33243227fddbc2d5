{{ config(materialized='parted', meta={'parts': 'wave_id, grade'}) }}

-- Each figure divides exact sums once; see the macros for the formulas and their sources.
with cells as (
    select * from {{ ref('int_attainment_cells') }}
),

rates as (
    select
        cells.*,
        {{ ratio('cells.passed', 'cells.n') }} as pass_rate,
        -- (mean - wave mean) / population deviation, with both denominators cleared.
        {{ sum_above_mean('cells') }}
        / nullif(cast(cells.n as double) * sqrt(cast(papers.wave_spread as double)), 0) as mean_z
    from cells
    inner join {{ ref('int_paper_population') }} as papers
        on
            cells.wave_id = papers.wave_id
            and cells.grade = papers.grade
            and cells.subject = papers.subject
    where {{ within_organiser('cells.level', 'cells.wave_level') }}
)

select
    school_year,
    wave_id,
    cast(grade as int) as grade,
    subject,
    level,
    unit_code,
    group_kind,
    group_value,
    candidates,
    n,
    {{ ratio('n', 'candidates - exempt') }} as participation_rate,
    {{ ratio('score_sum', 'n') }} as mean_score,
    {{ ratio('score_sum', 'n * full_mark') }} as score_ratio,
    pass_rate,
    {{ wilson_low('pass_rate', 'n') }} as pass_low,
    {{ wilson_high('pass_rate', 'n') }} as pass_high,
    {{ ratio('good', 'n') }} as good_rate,
    {{ ratio('excellent', 'n') }} as excellent_rate,
    {{ ratio('low', 'n') }} as low_rate,
    mean_z,
    exempt,
    sqrt(cast(cast(n as decimal(12, 0)) * score_square_sum - score_sum * score_sum as double))
    / nullif(cast(n as double), 0) as sd_score,
    50e0 + 10e0 * mean_z as mean_t
from rates
