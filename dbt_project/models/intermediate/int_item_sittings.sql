{{ config(materialized='parted', meta={'parts': 'wave_id'}) }}

-- Plain numbers stand for wave, student and subject, and for the class: millions of rows are joined
-- and grouped by them. Students without points belong here too, if their paper has points of
-- others.
with named as (
    select distinct
        wave_id,
        subject,
        student_key
    from {{ concerned(ref('stg_item_results'), 'wave_id') }}
),

itemised as (
    select distinct
        results.wave_id,
        results.grade,
        results.subject
    from named
    inner join {{ concerned(ref('stg_monitoring_results'), 'wave_id') }} as results
        on
            named.wave_id = results.wave_id
            and named.subject = results.subject
            and named.student_key = results.student_key
),

sittings as (
    select
        papers.school_year,
        results.wave_id,
        results.grade,
        results.subject,
        results.student_key,
        results.school_code,
        schools.district_code,
        results.school_code || '-' || cast(results.grade as string) || '-' || results.class_no
            as class_code,
        results.status = 'present' as is_present,
        papers.wave_id is not null as has_paper,
        waves.wave_no,
        case when results.status = 'present' then results.score end as paper_score,
        papers.full_mark as paper_mark
    from {{ concerned(ref('stg_monitoring_results'), 'wave_id') }} as results
    inner join {{ ref('int_wave') }} as waves on results.wave_id = waves.wave_id
    inner join itemised
        on
            results.wave_id = itemised.wave_id
            and results.grade = itemised.grade
            and results.subject = itemised.subject
    left join {{ ref('int_papers') }} as papers
        on
            results.wave_id = papers.wave_id
            and results.grade = papers.grade
            and results.subject = papers.subject
    left join {{ ref('stg_schools') }} as schools
        on
            results.school_code = schools.school_code
            and papers.school_year = schools.school_year
)

select
    {{ number_within_wave(
        'row_number()', 'wave_id, wave_no', ['subject', 'student_key']
    ) }} as sitting_no,
    {{ number_within_wave(
        'dense_rank()', 'wave_id, wave_no', ['school_code', 'district_code', 'class_code']
    ) }} as place_no,
    school_year,
    wave_id,
    grade,
    subject,
    student_key,
    school_code,
    district_code,
    class_code,
    is_present,
    has_paper,
    paper_score,
    paper_mark
from sittings
