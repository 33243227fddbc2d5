{{ config(materialized='parted', meta={'parts': 'wave_id'}) }}

-- Every row of the feed counts somewhere, and so does every student whom it names: as counted with
-- one item or more, else for the reason that kept the student out.
with sittings as (
    select
        school_year,
        wave_id,
        subject,
        sitting_no,
        case when sitting_no is null then student_key end as unknown_key,
        case
            when count(*) filter (where counted_as = 'counted') > 0 then 'counted'
            else min(counted_as)
        end as outcome
    from {{ concerned(ref('int_item_points'), 'wave_id') }}
    group by
        school_year, wave_id, subject, sitting_no,
        case when sitting_no is null then student_key end
),

parts as (
    select
        school_year,
        wave_id,
        subject,
        counted_as,
        cast(count(*) as bigint) as item_rows,
        cast(0 as bigint) as students
    from {{ concerned(ref('int_item_points'), 'wave_id') }}
    group by school_year, wave_id, subject, counted_as
    union all
    select
        school_year,
        wave_id,
        subject,
        outcome as counted_as,
        cast(0 as bigint) as item_rows,
        cast(count(*) as bigint) as students
    from sittings
    group by school_year, wave_id, subject, outcome
)

select
    school_year,
    wave_id,
    subject,
    counted_as,
    cast(sum(item_rows) as bigint) as item_rows,
    cast(sum(students) as bigint) as students
from parts
group by school_year, wave_id, subject, counted_as
