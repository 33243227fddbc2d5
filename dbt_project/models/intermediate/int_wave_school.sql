{{ config(materialized='view') }}

-- Also of a grade or subject that has no paper on record: the school has reported all the same.
select distinct
    wave_id,
    school_code
from {{ ref('stg_monitoring_results') }}
