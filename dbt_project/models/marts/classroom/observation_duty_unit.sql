-- Principals and secretaries owe the same; the plan asks after both together.
with levels as (
    {{ unit_levels() }}
),

roles as (
    select
        duty.*,
        duty.role as duty_role
    from {{ ref('observation_duty') }} as duty
    union all
    select
        duty.*,
        'principal_or_secretary' as duty_role
    from {{ ref('observation_duty') }} as duty
    where duty.role in ('principal', 'secretary')
),

spread as (
    select
        roles.*,
        levels.level as unit_level,
        {{ unit_of('levels.level', 'roles.district_code', 'roles.school_code') }} as unit_code,
        roles.status in ('reached', 'on_pace', 'behind') as is_judged
    from roles
    cross join levels
),

counted as (
    select
        school_year,
        unit_level as level,
        unit_code,
        duty_role as role,
        cast(count(*) as bigint) as persons,
        cast(count(*) filter (where is_judged) as bigint) as judged,
        cast(count(*) filter (where status = 'reached') as bigint) as met,
        cast(count(*) filter (where status = 'on_pace') as bigint) as on_pace,
        cast(count(*) filter (where status = 'behind') as bigint) as behind,
        cast(count(*) filter (where status = 'not_reported') as bigint) as not_reported,
        cast(count(*) filter (where status = 'not_due') as bigint) as not_due,
        cast(count(*) filter (where lesson_status = 'reached') as bigint) as lessons_met,
        cast(count(*) filter (where visit_status = 'reached') as bigint) as visits_met,
        cast(sum(owed) as bigint) as owed_by_all,
        cast(sum(owed) filter (where done is not null) as bigint) as owed,
        cast(sum(done) as bigint) as done,
        cast(sum(visits_owed) filter (where visits_done is not null) as bigint) as visits_owed,
        cast(sum(visits_done) as bigint) as visits_done
    from spread
    where unit_code is not null
    group by school_year, unit_level, unit_code, duty_role
),

rates as (
    select
        *,
        {{ ratio('met', 'judged') }} as rate
    from counted
)

select
    school_year,
    level,
    unit_code,
    role,
    persons,
    judged,
    met,
    on_pace,
    behind,
    not_reported,
    not_due,
    rate,
    {{ wilson_low('rate', 'judged') }} as ci_low,
    {{ wilson_high('rate', 'judged') }} as ci_high,
    lessons_met,
    visits_met,
    owed_by_all,
    owed,
    done,
    visits_owed,
    visits_done
from rates
