{{ config(materialized='parted', meta={'parts': 'wave_id, grade'}) }}

{#- In thousandths of a mark: a score on the edge of a band falls the same way on every engine. -#}
{%- set band -%}
    cast(least(19, greatest(0, floor(
        cast(20000 * score as bigint) / cast(1000 * full_mark as bigint)
    ))) as int)
{%- endset -%}

-- Bands of five points of the score ratio; a full mark lies in the last one.
with bands as (
    select
        school_year,
        wave_id,
        grade,
        subject,
        level,
        unit_code,
        unit_n,
        {{ band }} as band,
        cast(sum(n) as bigint) as n
    from {{ ref('int_score_distribution') }}
    where {{ within_organiser('level', 'wave_level') }}
    group by
        school_year, wave_id, grade, subject, level, unit_code, unit_n,
        {{ band }}
)

select
    school_year,
    wave_id,
    cast(grade as int) as grade,
    subject,
    level,
    unit_code,
    cast(band as double) / 20e0 as band_from,
    cast(band + 1 as double) / 20e0 as band_to,
    n,
    {{ ratio('n', 'unit_n') }} as share,
    {{ ratio('sum(n) over up_to', 'unit_n') }} as cumulative_share
from bands
window up_to as (
    partition by wave_id, grade, subject, level, unit_code
    order by band asc nulls last
    rows between unbounded preceding and current row
)
