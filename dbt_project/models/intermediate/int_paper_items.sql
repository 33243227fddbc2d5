{{ config(materialized='view', meta={'parts': 'wave_id, grade'}) }}

select
    wave_id,
    grade,
    subject,
    item_no,
    cast(full_mark as decimal(9, 3)) as full_mark,
    competency,
    content_domain,
    cognitive_level
from {{ ref('stg_item_map') }}
