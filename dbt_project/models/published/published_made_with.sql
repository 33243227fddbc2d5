{{ config(alias='made_with') }}

select
    kind,
    name,
    value
from {{ ref('made_with') }}
order by kind, name
