-- What checks of the published model need of a school beside its effect. Residuals are of the fixed
-- part alone; a paper without an estimate has none.
{%- set columns = ['prior_z', 'prior_squared', 'others', 'no_others'] + used_covariates() -%}
{%- set values = {'school_prior': 'intakes.intake'} -%}
{%- for column in columns -%}{%- do values.update({column: 'scores.' ~ column}) -%}{%- endfor %}

with intakes as (
    select
        paper_no,
        school_code,
        present,
        n,
        {{ ratio('sum_prior_z', 'n') }} as intake
    from {{ ref('int_value_added_sums') }}
),

-- Of the students whose roll says it.
subsidised as (
    select
        paper_no,
        school_code,
        sum(case when group_value = 'yes' then n end) as yes,
        sum(case when group_value = 'no' then n end) as no
    from {{ ref('int_attainment_counts') }}
    where group_kind = 'subsidised' and n > 0
    group by paper_no, school_code
),

shares as (
    select
        paper_no,
        school_code,
        {{ ratio('coalesce(yes, 0)', 'coalesce(yes, 0) + coalesce(no, 0)') }} as subsidised_share
    from subsidised
),

fits as (
    select
        paper_no,
        {{ coefficients_of(['constant'] + values.keys() | list) }}
    from {{ ref('int_value_added_fits') }}
    where model = '{{ published_model() }}' and levels = 2 and state = 'estimated'
),

residuals as (
    select
        scores.paper_no,
        scores.school_code,
        scores.z - (
            {{ fixed_part('fits', values) }}
        ) as residual
    from {{ ref('int_prior_scores') }} as scores
    inner join fits on scores.paper_no = fits.paper_no
    inner join intakes
        on scores.paper_no = intakes.paper_no and scores.school_code = intakes.school_code
    where scores.prior_z is not null
),

ends as (
    select
        paper_no,
        school_code,
        min(residual) as lowest,
        max(residual) as highest
    from residuals
    group by paper_no, school_code
)

select
    intakes.paper_no,
    intakes.school_code,
    intakes.present,
    intakes.n,
    intakes.intake,
    shares.subsidised_share,
    ends.lowest,
    ends.highest
from intakes
left join shares
    on intakes.paper_no = shares.paper_no and intakes.school_code = shares.school_code
left join ends
    on intakes.paper_no = ends.paper_no and intakes.school_code = ends.school_code
