{{ config(materialized='view') }}

select
    school_code,
    school_year,
    stage,
    students,
    teachers_above_required_degree,
    key_teachers,
    pe_art_teachers,
    teaching_area_m2,
    sports_area_m2,
    equipment_value_yuan,
    multimedia_rooms
from {{ ref('stg_school_resources') }}
