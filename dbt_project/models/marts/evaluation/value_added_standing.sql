with corrections as (
    select
        paper_no,
        unnest(effects, recursive := true) -- noqa: AL03
    from {{ ref('int_value_added_error') }}
)

select
    papers.school_year,
    papers.wave_id,
    cast(papers.grade as int) as grade,
    papers.subject,
    schools.school_code,
    schools.n,
    schools.effect,
    schools.band,
    schools.raw_residual,
    schools.raw_low,
    schools.raw_high,
    schools.ranked,
    schools.rank_low,
    schools.rank_median,
    schools.rank_high,
    schools.above_probability,
    schools.as_expected_probability,
    schools.below_probability,
    schools.same_band_probability,
    schools.turning_shift,
    schools.factor_strength,
    schools.robustness_value,
    schools.one_less_low,
    schools.one_less_high,
    schools.one_less_turns,
    schools.missing,
    schools.missing_low,
    schools.missing_high,
    schools.missing_turns,
    schools.missing_break_even,
    schools.models,
    schools.model_low,
    schools.model_median,
    schools.model_high,
    schools.models_above,
    schools.models_as_expected,
    schools.models_below,
    schools.is_same_in_all,
    corrections.linear_effect,
    corrections.linear_band,
    corrections.corrected_effect,
    corrections.corrected_se,
    corrections.corrected_band,
    schools.state,
    schools.reason
from {{ ref('int_value_added_standing') }} as schools
inner join {{ ref('int_papers') }} as papers on schools.paper_no = papers.paper_no
left join corrections
    on
        schools.paper_no = corrections.paper_no
        and schools.school_code = corrections.school_code
