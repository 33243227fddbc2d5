{{ config(materialized='parted', meta={'parts': 'wave_id, grade'}) }}

with handed_in as (
    select
        paper_no,
        school_year,
        wave_id,
        wave_level,
        grade,
        subject,
        school_code,
        roll_school_code,
        case when status = 'present' and score is null then 'no_score' else status end as status,
        class_no is not null as has_class,
        coalesce(roll_grade = grade, false) as on_roll,
        cast(count(*) as bigint) as students
    from {{ concerned(ref('int_results'), 'wave_id, grade') }}
    group by
        paper_no, school_year, wave_id, wave_level, grade, subject, school_code, roll_school_code,
        case when status = 'present' and score is null then 'no_score' else status end,
        class_no is not null, coalesce(roll_grade = grade, false)
),

placed as (
    select
        handed_in.*,
        schools.district_code,
        roll_schools.district_code as roll_district_code
    from handed_in
    left join {{ ref('stg_schools') }} as schools
        on
            handed_in.school_code = schools.school_code
            and handed_in.school_year = schools.school_year
    left join {{ ref('stg_schools') }} as roll_schools
        on
            handed_in.roll_school_code = roll_schools.school_code
            and handed_in.school_year = roll_schools.school_year
),

levels as (
    select 'city' as level
    union all
    select 'district' as level
    union all
    select 'school' as level
    union all
    select 'class' as level
),

-- Each row once a level: counted there under its status, or left out for the first reason that
-- holds.
explained as (
    select
        placed.school_year,
        placed.wave_id,
        placed.grade,
        placed.subject,
        levels.level,
        case
            when placed.status = 'transferred' then 'transferred'
            when not {{ within_organiser('levels.level', 'placed.wave_level') }}
                then 'above_organiser'
            when levels.level = 'district' and placed.district_code is null then 'no_district'
            when levels.level = 'class' and not placed.has_class then 'no_class'
            else placed.status
        end as reason,
        placed.students
    from placed
    cross join levels
),

without_paper as (
    select
        results.school_year,
        results.wave_id,
        results.grade,
        results.subject,
        cast(count(*) as bigint) as students
    from {{ concerned(ref('stg_monitoring_results'), 'wave_id, grade') }} as results
    left join {{ ref('int_papers') }} as papers
        on
            results.wave_id = papers.wave_id
            and results.grade = papers.grade
            and results.subject = papers.subject
    where papers.wave_id is null
    group by results.school_year, results.wave_id, results.grade, results.subject
),

rolls as (
    select
        students.school_year,
        students.grade,
        students.school_code,
        schools.district_code,
        cast(count(*) as bigint) as students
    from {{ ref('stg_students') }} as students
    left join {{ ref('stg_schools') }} as schools
        on
            students.school_code = schools.school_code
            and students.school_year = schools.school_year
    group by
        students.school_year, students.grade, students.school_code, schools.district_code
),

-- On the roll of the grade, in a school of the organiser's; a province assesses the whole city.
due as (
    select
        papers.paper_no,
        cast(sum(rolls.students) as bigint) as students
    from {{ ref('int_papers') }} as papers
    inner join rolls
        on papers.school_year = rolls.school_year and papers.grade = rolls.grade
    where
        papers.wave_level in ('city', 'province')
        or (papers.wave_level = 'district' and rolls.district_code = papers.district_code)
        or (papers.wave_level = 'school' and rolls.school_code = papers.school_code)
    group by papers.paper_no
),

found as (
    select
        papers.paper_no,
        cast(sum(placed.students) as bigint) as students
    from {{ ref('int_papers') }} as papers
    inner join placed on papers.paper_no = placed.paper_no
    where
        placed.on_roll
        and (
            papers.wave_level in ('city', 'province')
            or (
                papers.wave_level = 'district'
                and placed.roll_district_code = papers.district_code
            )
            or (papers.wave_level = 'school' and placed.roll_school_code = papers.school_code)
        )
    group by papers.paper_no
),

absent_from_files as (
    select
        papers.school_year,
        papers.wave_id,
        papers.grade,
        papers.subject,
        due.students - coalesce(found.students, 0) as students
    from due
    inner join {{ ref('int_papers') }} as papers on due.paper_no = papers.paper_no
    left join found on due.paper_no = found.paper_no
),

united as (
    select
        school_year,
        wave_id,
        grade,
        subject,
        level,
        reason,
        students
    from explained
    union all
    select
        without_paper.school_year,
        without_paper.wave_id,
        without_paper.grade,
        without_paper.subject,
        levels.level,
        'no_paper' as reason,
        without_paper.students
    from without_paper
    cross join levels
    union all
    select
        absent_from_files.school_year,
        absent_from_files.wave_id,
        absent_from_files.grade,
        absent_from_files.subject,
        levels.level,
        'no_result' as reason,
        absent_from_files.students
    from absent_from_files
    cross join levels
    where absent_from_files.students > 0
)

select
    school_year,
    wave_id,
    grade,
    subject,
    level,
    reason,
    cast(sum(students) as bigint) as students
from united
group by school_year, wave_id, grade, subject, level, reason
