{{ config(materialized='parted', meta={'parts': 'wave_id, grade'}) }}

with rates as (
    select
        *,
        {{ ratio('passed_all', 'n') }} as rate
    from {{ ref('int_pass_all_cells') }}
    where {{ within_organiser('level', 'wave_level') }}
)

select
    school_year,
    wave_id,
    cast(grade as int) as grade,
    level,
    unit_code,
    group_kind,
    group_value,
    n,
    passed_all,
    rate,
    {{ wilson_low('rate', 'n') }} as low,
    {{ wilson_high('rate', 'n') }} as high
from rates
