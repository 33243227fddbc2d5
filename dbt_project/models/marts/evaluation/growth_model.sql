with fits as (
    select
        paper_no,
        unnest(fits, recursive := true) -- noqa: AL03
    from {{ ref('int_growth_fits') }}
),

-- A paper of whose students none has an earlier score has no fit, and says so.
every as (
    select
        sat.paper_no,
        coalesce(fits.priors, 1) as priors,
        coalesce(fits.state, 'not_estimated') as state,
        case when fits.priors is null then 'no_priors' else fits.reason end as reason,
        coalesce(fits.n, 0) as n,
        coalesce(fits.used, 0) as used,
        fits.coefficients,
        fits.furthest,
        fits.by_chance
    from (select distinct paper_no from {{ ref('int_value_added_sums') }}) as sat
    left join fits on sat.paper_no = fits.paper_no
)

select
    papers.school_year,
    papers.wave_id,
    cast(papers.grade as int) as grade,
    papers.subject,
    every.priors,
    waves.earlier_wave_id as earliest_wave_id,
    every.state,
    every.reason,
    every.n,
    every.used,
    every.coefficients,
    every.furthest,
    every.by_chance
from every
inner join {{ ref('int_papers') }} as papers on every.paper_no = papers.paper_no
left join {{ ref('int_cohort_wave') }} as waves
    on every.paper_no = waves.paper_no and every.priors = waves.back
