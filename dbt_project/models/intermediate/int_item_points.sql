{{ config(materialized='parted', meta={'parts': 'wave_id'}) }}

with mapped as (
    select distinct
        wave_id,
        grade,
        subject
    from {{ ref('int_paper_items') }}
)

-- The feed of items names neither grade nor school: both are those of the student's result. Points
-- outside an item's marks cannot be told from a slip, so they are kept and counted nowhere.
select
    coalesce(sittings.school_year, results.school_year) as school_year,
    results.wave_id,
    sittings.grade,
    results.subject,
    results.student_key,
    results.item_no,
    sittings.sitting_no,
    sittings.district_code,
    sittings.school_code,
    sittings.class_code,
    results.score,
    items.full_mark,
    case
        when sittings.sitting_no is null then 'no_result'
        when not sittings.is_present then 'not_present'
        when not sittings.has_paper then 'no_paper'
        when mapped.wave_id is not null and items.item_no is null then 'not_on_map'
        when results.score is null then 'missing'
        when results.score < 0 or results.score > items.full_mark then 'out_of_range'
        else 'counted'
    end as counted_as
from {{ concerned(ref('stg_item_results'), 'wave_id') }} as results
left join {{ concerned(ref('int_item_sittings'), 'wave_id') }} as sittings
    on
        results.wave_id = sittings.wave_id
        and results.subject = sittings.subject
        and results.student_key = sittings.student_key
left join mapped
    on
        sittings.wave_id = mapped.wave_id
        and sittings.grade = mapped.grade
        and sittings.subject = mapped.subject
left join {{ ref('int_paper_items') }} as items
    on
        sittings.wave_id = items.wave_id
        and sittings.grade = items.grade
        and sittings.subject = items.subject
        and results.item_no = items.item_no
