{{ config(materialized='parted', meta={'parts': 'wave_id'}) }}

-- The analysts' copy: what the platform itself works out reads the layer before.
select
    school_year,
    wave_id,
    grade,
    subject,
    student_key,
    item_no,
    sitting_no,
    district_code,
    school_code,
    class_code,
    score,
    full_mark,
    counted_as
from {{ ref('int_item_points') }}
