{{ config(materialized='parted', meta={'parts': 'wave_id, grade'}) }}

select
    school_year,
    wave_id,
    cast(grade as int) as grade,
    subject,
    level,
    reason,
    reason in ('present', 'absent', 'deferred', 'exempt', 'misconduct', 'no_score') as is_counted,
    students
from {{ ref('int_reconciliation_cells') }}
