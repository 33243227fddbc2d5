{{ config(materialized='view') }}

-- Empty marks are the default shares of the full mark.
select
    wave_id,
    grade,
    subject,
    school_year,
    wave_name,
    level as wave_level,
    wave_kind,
    district_code,
    school_code,
    held_on,
    cast(full_mark as decimal(9, 3)) as full_mark,
    {{ mark_or_default('pass_mark', 'pass_share') }} as pass_mark,
    {{ mark_or_default('good_mark', 'good_share') }} as good_mark,
    {{ mark_or_default('excellent_mark', 'excellent_share') }} as excellent_mark,
    {{ mark_or_default('low_mark', 'low_share') }} as low_mark
from {{ ref('stg_monitoring_waves') }}
