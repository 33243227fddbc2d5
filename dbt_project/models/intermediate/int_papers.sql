{{ config(materialized='view') }}

-- Empty marks are the default shares of the full mark. A number is a shorter name than three words
-- for what millions of rows are grouped by.
select
    cast(
        row_number() over (
            order by
                wave_id asc nulls last, grade asc nulls last, subject asc nulls last
        ) as int
    ) as paper_no,
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
    {{ stage_of('grade') }} as stage,
    cast(full_mark as decimal(9, 3)) as full_mark,
    {{ mark_or_default('pass_mark', 'pass_share') }} as pass_mark,
    {{ mark_or_default('good_mark', 'good_share') }} as good_mark,
    {{ mark_or_default('excellent_mark', 'excellent_share') }} as excellent_mark,
    {{ mark_or_default('low_mark', 'low_share') }} as low_mark
from {{ ref('stg_monitoring_waves') }}
