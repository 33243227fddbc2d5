{{ config(materialized='view') }}

-- A year without a register of the school is spoken for by the newest one before it.
select
    school_code,
    school_year as first_year,
    coalesce(
        lead(school_year) over (partition by school_code order by school_year), '9999-9999'
    ) as year_after,
    district_code,
    stage,
    locale,
    community_code
from {{ ref('stg_schools') }}
