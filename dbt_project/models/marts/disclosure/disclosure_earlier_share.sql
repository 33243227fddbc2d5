select
    outcome,
    sum_no,
    is_total,
    until,
    {{ cell_key() | join(',\n    ') }},
    n,
    met,
    is_band
from {{ ref('int_disclosure_earlier_share') }}
