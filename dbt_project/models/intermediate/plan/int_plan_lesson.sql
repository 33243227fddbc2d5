{{ config(materialized='view') }}

-- Observed lessons, for the targets that count by them: of the teacher, the class, the school, or
-- of the observer, by the post that gives the observer's duty of the year. Which records count is
-- what the classroom says.
with lessons as (
    select
        *,
        observer_code || '/' || cast(observed_on as string) || '/' || teacher_code || '/'
        || cast(grade as string) || '-' || class_no || '/' || coalesce(period, '') as record_key,
        coalesce(subject, '') || ' ' || cast(grade as string) || '-' || class_no as title
    from {{ ref('int_observations') }}
)

select
    targets.target_id,
    targets.reading,
    case targets.stream
        when 'standard_lesson_teacher' then lessons.teacher_code
        when 'standard_lesson_class' then lessons.class_code
        else lessons.school_code
    end as entity_code,
    lessons.observed_on as day,
    {{ last_of_days() }} as valid_to,
    -- A lesson that was judged and is not up to standard says that something was handed in.
    cast(
        case
            when targets.stream = 'inclass_school' then lessons.inclass_passed
            when lessons.standard_lesson then 1
            else 0
        end as decimal(18, 3)
    ) as value,
    cast(
        case when targets.stream = 'inclass_school' then lessons.inclass_tested end
        as decimal(18, 3)
    ) as tested,
    cast(null as string) as distinct_key,
    lessons.record_key,
    lessons.title
from lessons
inner join {{ ref('int_plan_target') }} as targets
    on
        (
            targets.stream in ('standard_lesson_teacher', 'standard_lesson_class')
            and lessons.is_dated
            and lessons.standard_lesson is not null
        )
        or (targets.stream = 'inclass_school' and lessons.has_check)
union all
select
    targets.target_id,
    targets.reading,
    lessons.observer_code as entity_code,
    lessons.observed_on as day,
    {{ last_of_days() }} as valid_to,
    cast(lessons.lessons as decimal(18, 3)) as value,
    cast(null as decimal(18, 3)) as tested,
    cast(null as string) as distinct_key,
    lessons.record_key,
    lessons.title
from lessons
inner join {{ ref('int_duty_year') }} as duties
    on
        lessons.observer_code = duties.staff_code
        and lessons.school_year = duties.school_year
inner join {{ ref('int_plan_target') }} as targets
    on
        targets.stream = 'observed_lessons'
        and ' ' || targets.selector || ' ' like '% ' || duties.role || ' %'
where lessons.is_counted
