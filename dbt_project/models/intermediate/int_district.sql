{{ config(materialized='view') }}

-- A district that a later register leaves out holds until the newest register.
with registers as (
    select
        *,
        lead(school_year) over (
            partition by district_code order by school_year asc nulls last
        ) as year_after,
        max(school_year) over () as newest_year
    from {{ ref('stg_districts') }}
)

select
    district_code,
    school_year,
    district_name,
    district_kind,
    {{ year_start('school_year') }} as valid_from,
    case
        when school_year < newest_year
            then {{ year_start('coalesce(year_after, newest_year)') }} - 1
    end as valid_to,
    school_year = newest_year as is_newest
from registers
