-- The earlier waves, that of most students first.
with counted as (
    select
        priors.paper_no,
        earlier.wave_id,
        cast(sum(priors.n) as bigint) as n
    from {{ ref('int_value_added_priors') }} as priors
    inner join {{ ref('int_papers') }} as earlier on priors.prior_paper_no = earlier.paper_no
    group by priors.paper_no, earlier.wave_id
),

waves as (
    select
        paper_no,
        list(wave_id order by n desc, wave_id asc) as prior_waves,
        list(n order by n desc, wave_id asc) as prior_students
    from counted
    group by paper_no
)

select
    papers.school_year,
    papers.wave_id,
    cast(papers.grade as int) as grade,
    papers.subject,
    fits.model,
    fits.levels,
    fits.state,
    fits.reason,
    fits.n,
    fits.schools,
    fits.formula,
    fits.terms,
    fits.coefficients,
    fits.standard_errors,
    fits.dropped,
    fits.variance_student,
    fits.variance_school,
    fits.variance_district,
    fits.icc,
    fits.r_squared,
    {{ ratio('fits.n', 'fits.present') }} as match_rate,
    coalesce(waves.prior_waves, []) as prior_waves,
    coalesce(waves.prior_students, []) as prior_students,
    fits.r_squared_conditional,
    fits.variance_school_low,
    fits.variance_school_high,
    fits.variance_district_low,
    fits.variance_district_high,
    fits.log_likelihood,
    fits.lr_statistic,
    fits.lr_p,
    fits.lr_statistic_district,
    fits.lr_p_district,
    fits.simple_correlation,
    fits.evaluations,
    fits.converged
from {{ ref('int_value_added_fits') }} as fits
inner join {{ ref('int_papers') }} as papers on fits.paper_no = papers.paper_no
left join waves on fits.paper_no = waves.paper_no
