with fits as (
    select
        paper_no,
        unnest(fits, recursive := true) -- noqa: AL03
    from {{ ref('int_growth_fits') }}
)

select
    papers.school_year,
    papers.wave_id,
    cast(papers.grade as int) as grade,
    papers.subject,
    fits.priors,
    priors.earlier_wave_id as earliest_wave_id,
    fits.state,
    fits.reason,
    fits.n,
    fits.used,
    fits.coefficients,
    fits.furthest
from fits
inner join {{ ref('int_papers') }} as papers on fits.paper_no = papers.paper_no
left join {{ ref('int_cohort_wave') }} as priors
    on fits.paper_no = priors.paper_no and fits.priors = priors.back
