select
    rests_on,
    wave_id,
    cast(grade as int) as grade,
    subject,
    stage,
    is_annual,
    is_many
from {{ ref('int_disclosure_moved') }}
