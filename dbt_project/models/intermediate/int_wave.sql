{{ config(meta={'parts_alone': true}) }}

-- Which waves have results, and nothing else of these. A number stands for the wave in numbers that
-- are given within it, so that those of one wave don't hang on another's rows.
select
    wave_id,
    cast(row_number() over (order by wave_id asc nulls last) as bigint) as wave_no
from {{ ref('stg_monitoring_results') }}
group by wave_id
