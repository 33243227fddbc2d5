select
    sum_no,
    kind,
    is_loose,
    beyond,
    is_total,
    until,
    {{ cell_key() | join(',\n    ') }},
    n,
    is_told,
    is_published
from {{ ref('int_disclosure_earlier') }}
