-- A failing row is a person or the city in a school year of which lessons, visits or records handed
-- in are more or fewer than those counted in a mart and those that the facts name a reason for
-- leaving out.
with lessons as (
    select * from {{ ref('fact_observation') }}
),

visits as (
    select * from {{ ref('fact_visit') }}
),

observers as (
    select
        school_year,
        observer_code as staff_code,
        sum(lessons) as told,
        sum(case when not_counted_reason is not null then lessons else 0 end) as left_out
    from lessons
    group by school_year, observer_code
),

visitors as (
    select
        school_year,
        official_code as staff_code,
        count(*) as told,
        count(not_counted_reason) as left_out
    from visits
    group by school_year, official_code
),

records as (
    select
        school_year,
        count(*) as told,
        sum(lessons) as lessons_told,
        count(*) filter (where not_counted_reason = 'dated_after_year') as misdated,
        sum(case when not_counted_reason = 'dated_after_year' then lessons else 0 end)
            as lessons_misdated,
        count(unchecked_reason) as unchecked,
        sum(case when unchecked_reason is not null then lessons else 0 end) as lessons_unchecked,
        -- Observed by someone of no school, or at the own one: no link between schools.
        count(*) filter (
            where
            is_dated and (observer_school_code is null or observer_school_code = school_code)
        ) as unlinked
    from lessons
    group by school_year
),

quality as (
    select
        school_year,
        sum(case when subject = 'all' then records else 0 end) as records,
        sum(case when subject = 'all' then lessons else 0 end) as lessons,
        sum(case when subject <> 'all' then records else 0 end) as records_of_subjects,
        sum(case when subject <> 'all' then lessons else 0 end) as lessons_of_subjects
    from {{ ref('observed_quality') }}
    where level = 'city'
    group by school_year
),

checks as (
    select *
    from {{ ref('inclass_check') }}
    where level = 'city'
),

network as (
    select
        school_year,
        sum(records) as records
    from {{ ref('observation_network') }}
    group by school_year
),

units as (
    select
        school_year,
        role,
        sum(persons) as persons,
        sum(done) as done,
        sum(visits_done) as visits_done
    from {{ ref('observation_duty_unit') }}
    where level = 'city' and role <> 'principal_or_secretary'
    group by school_year, role
),

persons as (
    select
        school_year,
        role,
        count(*) as persons,
        sum(done) as done,
        sum(visits_done) as visits_done
    from {{ ref('observation_duty') }}
    group by school_year, role
),

taught as (
    select distinct
        school_year,
        teacher_code
    from lessons
    where is_dated
),

-- Of a person without a post that owes lessons none count; of one with such a post all that do.
found as (
    select
        'lessons of observation_duty' as figure,
        school_year,
        staff_code as whose,
        observers.told,
        observers.left_out,
        duty.done as counted
    from observers
    full outer join {{ ref('observation_duty') }} as duty using (school_year, staff_code)
    union all
    select
        'visits of observation_duty' as figure,
        school_year,
        staff_code as whose,
        visitors.told,
        visitors.left_out,
        duty.visits_done as counted
    from visitors
    full outer join {{ ref('observation_duty') }} as duty using (school_year, staff_code)
    {% for figure, told, left_out, counted, relation in [
        ('records of observed_quality', 'told', 'misdated', 'records', 'quality'),
        ('lessons of observed_quality', 'lessons_told', 'lessons_misdated', 'lessons', 'quality'),
        ('records by subject', 'told', 'misdated', 'records_of_subjects', 'quality'),
        ('lessons by subject', 'lessons_told', 'lessons_misdated', 'lessons_of_subjects', 'quality'),
        ('checks of inclass_check', 'told', 'unchecked', 'checks', 'checks'),
        ('lessons of inclass_check', 'lessons_told', 'lessons_unchecked', 'lessons', 'checks'),
        ('records of observation_network', 'told', 'misdated + unlinked', 'records', 'network'),
    ] %}
    union all
    select
        '{{ figure }}' as figure,
        school_year,
        'city' as whose,
        {{ told }} as told,
        {{ left_out }} as left_out,
        {{ relation }}.{{ counted }} as counted
    from records
    full outer join {{ relation }} using (school_year)
    {% endfor %}
    {% for figure in ['persons', 'done', 'visits_done'] %}
    union all
    select
        '{{ figure }} of observation_duty_unit' as figure,
        school_year,
        role as whose,
        persons.{{ figure }} as told,
        0 as left_out,
        units.{{ figure }} as counted
    from persons
    full outer join units using (school_year, role)
    {% endfor %}
    union all
    -- A teacher was observed in the year, or is on the list of those who were not.
    select
        'teachers of never_observed' as figure,
        school_year,
        teachers.staff_code as whose,
        count(distinct teachers.staff_code) as told,
        count(distinct taught.teacher_code) as left_out,
        count(distinct unseen.staff_code) as counted
    from {{ ref('int_teacher_year') }} as teachers
    full outer join {{ ref('never_observed') }} as unseen using (school_year, staff_code)
    left join taught
        on
            teachers.school_year = taught.school_year
            and teachers.staff_code = taught.teacher_code
    group by school_year, teachers.staff_code
    union all
    -- What counts has no reason not to, what does not has one.
    select
        'reasons of fact_observation' as figure,
        school_year,
        observer_code as whose,
        1 as told,
        0 as left_out,
        case
            when
                is_counted = (not_counted_reason is null)
                and has_check = (unchecked_reason is null)
                then 1
            else 0
        end as counted
    from lessons
    union all
    select
        'reasons of fact_visit' as figure,
        school_year,
        official_code as whose,
        1 as told,
        0 as left_out,
        case when is_counted = (not_counted_reason is null) then 1 else 0 end as counted
    from visits
)

select *
from found
where coalesce(told, 0) <> coalesce(left_out, 0) + coalesce(counted, 0)
