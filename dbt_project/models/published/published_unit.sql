{{ config(alias='unit') }}

select
    level,
    unit_code,
    unit_name,
    parent_code
from {{ ref('unit') }}
order by level, unit_code
