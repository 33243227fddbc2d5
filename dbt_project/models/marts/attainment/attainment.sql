-- Each figure divides exact sums once; see the macros for the formulas and their sources.
with cells as (
    select * from {{ ref('int_attainment_cells') }}
),

-- The moments of the whole paper, against which every z is taken.
papers as (
    select
        wave_id,
        grade,
        subject,
        cast(n as decimal(12, 0)) as wave_n,
        score_sum as wave_sum,
        cast(n as decimal(12, 0)) * score_square_sum - score_sum * score_sum as wave_spread
    from cells
    where level = 'city' and group_kind = 'all'
),

rates as (
    select
        cells.*,
        papers.wave_n,
        papers.wave_sum,
        papers.wave_spread,
        {{ ratio('cells.passed', 'cells.n') }} as pass_rate
    from cells
    inner join papers
        on
            cells.wave_id = papers.wave_id
            and cells.grade = papers.grade
            and cells.subject = papers.subject
    where
        -- A wave of a district or a school says nothing about the units above its organiser.
        cells.level in ('school', 'class')
        or (cells.level = 'district' and cells.wave_level <> 'school')
        or (cells.level = 'city' and cells.wave_level in ('city', 'province'))
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
    -- (mean - wave mean) / population deviation, with both denominators cleared.
    cast(wave_n * score_sum - cast(n as decimal(12, 0)) * wave_sum as double)
    / nullif(cast(n as double) * sqrt(cast(wave_spread as double)), 0) as mean_z
from rates
