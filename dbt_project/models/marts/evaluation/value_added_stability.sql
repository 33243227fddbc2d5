with pairs as (
    select
        school_year,
        grade,
        subject,
        level,
        unnest(pairs, recursive := true) -- noqa: AL03
    from {{ ref('int_value_added_years') }}
),

waves as (
    select distinct
        school_year,
        grade,
        subject,
        wave_id
    from {{ ref('int_value_added_annual') }}
)

select
    pairs.school_year,
    pairs.earlier_year,
    later.wave_id,
    earlier.wave_id as earlier_wave_id,
    pairs.grade,
    pairs.subject,
    pairs.level,
    pairs.correlation,
    pairs.ci_low,
    pairs.ci_high,
    pairs.n,
    pairs.true_correlation,
    pairs.state,
    pairs.reason
from pairs
inner join waves as later
    on
        pairs.school_year = later.school_year
        and pairs.grade = later.grade
        and pairs.subject = later.subject
inner join waves as earlier
    on
        pairs.earlier_year = earlier.school_year
        and pairs.grade = earlier.grade
        and pairs.subject = earlier.subject
