{{ config(materialized='view') }}

with years as (
    select distinct school_year from {{ ref('stg_staff') }}
),

followed as (
    select
        school_year,
        lead(school_year) over (order by school_year asc nulls last) as year_after
    from years
)

select
    school_year,
    {{ year_start('school_year') }} as valid_from,
    case
        when year_after is null then {{ last_of_days() }}
        else {{ year_start('year_after') }} - 1
    end as valid_to
from followed
