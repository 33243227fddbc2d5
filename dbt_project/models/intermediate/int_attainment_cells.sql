{{ config(materialized='parted', meta={'parts': 'wave_id, grade'}) }}

{%- set measures = attainment_measures() -%}

with counted as (
    select * from {{ concerned(ref('int_attainment_counts'), 'paper_no') }}
),

{{ units_of_cells(measures) }}

select
    papers.school_year,
    papers.wave_id,
    papers.wave_level,
    papers.wave_kind,
    papers.grade,
    papers.stage,
    papers.subject,
    papers.full_mark,
    units.level,
    units.unit_code,
    units.group_kind,
    units.group_value,
    units.{{ measures.keys() | join(', units.') }}
from units
inner join {{ ref('int_papers') }} as papers on units.paper_no = papers.paper_no
