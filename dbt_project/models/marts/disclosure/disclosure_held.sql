select
    table_name,
    row_key,
    figures
from {{ ref('int_disclosure_held') }}
