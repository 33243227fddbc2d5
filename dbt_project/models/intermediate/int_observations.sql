with dated as (
    select
        *,
        school_year as handed_in_year,
        observed_on < {{ next_year_start('school_year') }} as is_dated,
        {{ school_year_of('observed_on') }} as held_year
    from {{ ref('stg_lesson_observations') }}
),

duties as (
    {{ observation_duties() }}
),

placed as (
    select
        dated.*,
        schools.district_code,
        posts.role as observer_role,
        posts.school_code as observer_school_code,
        posts.district_code as observer_district_code,
        case
            when not dated.is_dated then 'dated_after_year'
            when
                dated.lessons < 1 or dated.lessons > {{ var('lessons_a_record') }}
                then 'lessons_out_of_range'
            when posts.role is null then 'no_post'
            when duties.role is null or duties.lessons = 0 then 'no_duty'
        end as reason
    from dated
    left join {{ ref('int_school_span') }} as schools
        on
            dated.school_code = schools.school_code
            and dated.held_year >= schools.first_year
            and dated.held_year < schools.year_after
    left join {{ ref('int_post_year') }} as posts
        on
            dated.observer_code = posts.staff_code
            and dated.held_year = posts.school_year
            and dated.observed_on between posts.from_day and posts.to_day
    left join duties on posts.role = duties.role
),

-- A teacher gives one lesson in a period: who writes it down for a second class saw the same one.
written_twice as (
    select
        observer_code,
        observed_on,
        teacher_code,
        period,
        min(class_no) as class_no
    from placed
    where reason is null and period is not null
    group by observer_code, observed_on, teacher_code, period
    having count(*) > 1
),

-- Two observers who tell the same figures of one lesson's check tell of one check.
told_twice as (
    select
        observed_on,
        teacher_code,
        school_code,
        grade,
        class_no,
        period,
        inclass_tested,
        inclass_passed,
        min(observer_code) as observer_code
    from placed
    where is_dated and period is not null and inclass_tested > 0
    group by
        observed_on, teacher_code, school_code, grade, class_no, period, inclass_tested,
        inclass_passed
    having count(*) > 1
),

in_two_schools as (
    select
        observer_code,
        observed_on,
        period
    from placed
    where period is not null
    group by observer_code, observed_on, period
    having min(school_code) <> max(school_code)
),

observer_days as (
    select
        observer_code,
        observed_on,
        cast(sum(lessons) as bigint) as lessons
    from placed
    group by observer_code, observed_on
)

select
    placed.observed_on,
    placed.observer_code,
    placed.teacher_code,
    placed.class_no,
    placed.period,
    placed.held_year as school_year,
    placed.handed_in_year,
    placed.school_code,
    placed.district_code,
    placed.grade,
    placed.school_code || '-' || cast(placed.grade as string) || '-' || placed.class_no
        as class_code,
    placed.subject,
    placed.lessons,
    placed.score,
    placed.design_score,
    placed.process_score,
    placed.effect_score,
    placed.literacy_score,
    placed.standard_lesson,
    placed.inclass_tested,
    placed.inclass_passed,
    placed.observer_role,
    placed.observer_school_code,
    placed.observer_district_code,
    placed.is_dated,
    placed.reason is null and coalesce(placed.class_no = written_twice.class_no, true)
        as is_counted,
    case
        when placed.reason is null and placed.class_no <> written_twice.class_no then 'duplicate'
        else placed.reason
    end as not_counted_reason,
    coalesce(
        placed.is_dated
        and placed.inclass_tested > 0
        and placed.inclass_passed between 0 and placed.inclass_tested
        and coalesce(placed.observer_code = told_twice.observer_code, true),
        false
    ) as has_check,
    case
        when not placed.is_dated then 'dated_after_year'
        when coalesce(placed.inclass_tested, 0) <= 0 then 'nobody_tested'
        when not coalesce(placed.inclass_passed between 0 and placed.inclass_tested, false)
            then 'passed_out_of_range'
        when placed.observer_code <> told_twice.observer_code then 'told_twice'
    end as unchecked_reason,
    observer_days.lessons as lessons_that_day,
    observer_days.lessons > {{ var('lessons_a_day') }} as is_crowded_day,
    in_two_schools.period is not null as two_schools_at_once,
    {{ weekday('placed.observed_on') }} > 5 as is_weekend
from placed
inner join observer_days
    on
        placed.observer_code = observer_days.observer_code
        and placed.observed_on = observer_days.observed_on
left join written_twice
    on
        placed.observer_code = written_twice.observer_code
        and placed.observed_on = written_twice.observed_on
        and placed.teacher_code = written_twice.teacher_code
        and placed.period = written_twice.period
left join told_twice
    on
        placed.observed_on = told_twice.observed_on
        and placed.teacher_code = told_twice.teacher_code
        and placed.school_code = told_twice.school_code
        and placed.grade = told_twice.grade
        and placed.class_no = told_twice.class_no
        and placed.period = told_twice.period
        and placed.inclass_tested = told_twice.inclass_tested
        and placed.inclass_passed = told_twice.inclass_passed
left join in_two_schools
    on
        placed.observer_code = in_two_schools.observer_code
        and placed.observed_on = in_two_schools.observed_on
        and placed.period = in_two_schools.period
