{{ config(materialized='parted', meta={'parts': 'paper_no'}) }}

{%- set columns = ['prior_z', 'prior_squared', 'others', 'no_others'] + used_covariates() -%}
{%- set sums = [] -%}
{%- for c in columns %}{% do sums.append('sum(matched.' ~ c ~ ') as ' ~ c ~ '_sum') %}{% endfor %}

-- Bands hold a twentieth of the students each; those of one prior score stay together, in the band
-- of the middle of their ranks (as `robustness.prior_bands` of the library has it).
with matched as (
    select
        paper_no,
        school_code,
        z,
        {{ columns | join(',\n        ') }}
    from {{ concerned(ref('int_prior_scores'), 'paper_no') }}
    where prior_z is not null
),

counted as (
    select
        paper_no,
        prior_z,
        count(*) as n
    from matched
    group by paper_no, prior_z
),

ranked as (
    select
        paper_no,
        prior_z,
        n,
        sum(n) over (
            partition by paper_no
            order by prior_z asc nulls last
            rows between unbounded preceding and current row
        ) as up_to_here,
        sum(n) over (partition by paper_no) as everyone
    from counted
),

banded as (
    select
        paper_no,
        prior_z,
        cast(floor(20e0 * (up_to_here - n / 2e0) / everyone) as int) + 1 as band
    from ranked
)

select
    matched.paper_no,
    banded.band,
    matched.school_code,
    count(*) as n,
    sum(matched.z) as z_sum,
    sum(matched.z * matched.z) as z_square_sum,
    {{ sums | join(',\n    ') }}
from matched
inner join banded on matched.paper_no = banded.paper_no and matched.prior_z = banded.prior_z
group by matched.paper_no, banded.band, matched.school_code
