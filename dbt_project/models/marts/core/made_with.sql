select
    kind,
    name,
    value
from {{ source('ops', 'made_with') }}
