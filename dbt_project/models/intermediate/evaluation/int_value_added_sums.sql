{{ config(materialized='parted', meta={'parts': 'wave_id, grade'}) }}

{%- set columns = ['z', 'prior_z', 'prior_squared', 'others', 'no_others'] + used_covariates() -%}

-- The one pass over the students: what the exact likelihood needs of a school, and no more.
with summed as (
    select
        paper_no,
        school_code,
        count(*) as present,
        count(prior_z) as n,
        cast(sum(points) as decimal(19, 3)) as points_sum,
        {{ sums_of_products(columns, 'prior_z is not null') }}
    from {{ concerned(ref('int_prior_scores'), 'paper_no') }}
    group by paper_no, school_code
)

select
    papers.school_year,
    papers.wave_id,
    papers.grade,
    papers.subject,
    schools.district_code,
    summed.*
from summed
inner join {{ ref('int_papers') }} as papers on summed.paper_no = papers.paper_no
left join {{ ref('int_school') }} as schools
    on
        summed.school_code = schools.school_code
        and papers.school_year = schools.school_year
