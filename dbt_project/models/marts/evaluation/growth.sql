with units as (
    select
        paper_no,
        unnest(units, recursive := true) -- noqa: AL03
    from {{ ref('int_growth_fits') }}
)

select
    papers.school_year,
    papers.wave_id,
    cast(papers.grade as int) as grade,
    papers.subject,
    units.level,
    units.unit_code,
    units.n,
    units.median as median_growth_percentile,
    units.mean as mean_growth_percentile,
    units.median_low as ci_low,
    units.median_high as ci_high,
    units.mean_low,
    units.mean_high
from units
inner join {{ ref('int_papers') }} as papers on units.paper_no = papers.paper_no
