-- Who or what a target is about, with the time over which it is. A school's pupils are one row
-- with their number as weight.
with schools as (
    select
        school_code,
        school_year,
        district_code,
        stage,
        locale,
        valid_from,
        coalesce(valid_to, {{ last_of_days() }}) as valid_to
    from {{ ref('int_school') }}
),

-- Every school that was open within the year or in which a check was made, up to the year's end.
schools_of_year as (
    select
        school_code,
        district_code,
        valid_from,
        year_from,
        coalesce(year_to, {{ last_of_days() }}) as valid_to
    from {{ ref('int_school') }}
    where is_open
),

checked as (
    select
        checks.school_code,
        checks.district_code,
        min(checks.observed_on) as valid_from,
        max({{ next_year_start('checks.school_year') }} - 1) as valid_to
    from {{ ref('int_observations') }} as checks
    left join schools_of_year as open_schools
        on
            checks.school_code = open_schools.school_code
            and {{ year_start('checks.school_year') }} >= open_schools.year_from
            and {{ year_start('checks.school_year') }} <= open_schools.valid_to
    where checks.has_check and open_schools.school_code is null
    group by checks.school_code, checks.district_code, checks.school_year
),

duty_kinds as (
    select
        'duty_head' as population_code,
        'principal' as role
    union all
    select
        'duty_head' as population_code,
        'secretary' as role
    union all
    select
        'duty_leader' as population_code,
        'school_leader' as role
    union all
    select
        'duty_official' as population_code,
        'education_official' as role
    union all
    select
        'duty_visitor' as population_code,
        'education_official' as role
),

-- A duty of the year is that of the post held last; what was owed in posts of another kind before
-- it is owed too.
duties as (
    select
        kinds.population_code,
        duty.staff_code as entity_code,
        duty.district_code,
        duty.school_code,
        duty.from_day as valid_from,
        {{ next_year_start('duty.school_year') }} - 1 as valid_to,
        duty.own_days as days_held,
        duty.days_in_year,
        case
            when kinds.population_code = 'duty_visitor' then duty.visit_days - duty.own_visit_days
            else duty.lesson_days - duty.own_lesson_days
        end as owed_elsewhere
    from {{ ref('int_duty_year') }} as duty
    inner join duty_kinds as kinds on duty.role = kinds.role
),

-- Subjects that are taught in a district by a register.
taught as (
    select distinct
        staff.district_code,
        staff.subject,
        years.valid_from,
        years.valid_to
    from {{ ref('stg_staff') }} as staff
    inner join {{ ref('int_plan_staff_year') }} as years on staff.school_year = years.school_year
    where staff.role = 'teacher' and staff.subject is not null
),

taught_anywhere as (
    select distinct
        subject,
        valid_from,
        valid_to
    from taught
),

week_targets as (
    select distinct
        population_code,
        selector
    from {{ ref('int_plan_target') }}
    where population_code like 'school_week/%'
),

-- A week of term is one in which any school entered the activity, from the first day of it.
weeks as (
    select
        targets.population_code,
        {{ monday_of('entries.granted_on') }} as week,
        {{ school_year_of('entries.granted_on') }} as school_year,
        min(entries.granted_on) as first_day
    from {{ ref('stg_programme_register') }} as entries
    inner join week_targets as targets on entries.kind = targets.selector
    group by
        targets.population_code,
        {{ monday_of('entries.granted_on') }},
        {{ school_year_of('entries.granted_on') }}
),

office_populations as (
    select 'institution' as population_code
    union all
    select 'unit' as population_code
),

plain as (
    select
        'school' as population_code,
        school_code as entity_code,
        district_code,
        school_code,
        valid_from,
        valid_to,
        cast(1 as bigint) as weight
    from schools
    union all
    select
        'primary_school' as population_code,
        school_code as entity_code,
        district_code,
        school_code,
        valid_from,
        valid_to,
        cast(1 as bigint) as weight
    from schools
    where stage in ('primary', 'nine_year', 'twelve_year')
    union all
    select
        'rural_school' as population_code,
        school_code as entity_code,
        district_code,
        school_code,
        valid_from,
        valid_to,
        cast(1 as bigint) as weight
    from schools
    where locale = 'rural'
    union all
    select
        'school_of_year' as population_code,
        school_code as entity_code,
        district_code,
        school_code,
        valid_from,
        valid_to,
        cast(1 as bigint) as weight
    from schools_of_year
    union all
    select
        'school_of_year' as population_code,
        school_code as entity_code,
        district_code,
        school_code,
        valid_from,
        valid_to,
        cast(1 as bigint) as weight
    from checked
    union all
    select
        'student' as population_code,
        school_code as entity_code,
        district_code,
        school_code,
        {{ year_start('school_year') }} as valid_from,
        {{ next_year_start('school_year') }} - 1 as valid_to,
        cast(sum(students) as bigint) as weight
    from {{ ref('int_class_year') }}
    group by school_code, district_code, school_year
    union all
    select
        'class' as population_code,
        class_code as entity_code,
        district_code,
        school_code,
        {{ year_start('school_year') }} as valid_from,
        {{ next_year_start('school_year') }} - 1 as valid_to,
        cast(1 as bigint) as weight
    from {{ ref('int_class_year') }}
    union all
    select
        weeks.population_code,
        schools.school_code || '/' || cast(weeks.week as string) as entity_code,
        schools.district_code,
        schools.school_code,
        weeks.first_day as valid_from,
        {{ next_year_start('weeks.school_year') }} - 1 as valid_to,
        cast(1 as bigint) as weight
    from weeks
    inner join schools
        on weeks.first_day >= schools.valid_from and weeks.first_day <= schools.valid_to
    union all
    select
        role as population_code,
        staff_code as entity_code,
        district_code,
        school_code,
        from_day as valid_from,
        to_day as valid_to,
        cast(1 as bigint) as weight
    from {{ ref('int_post_year') }}
    where role in ('teacher', 'principal', 'researcher')
    union all
    select
        'teacher_of_year' as population_code,
        staff_code as entity_code,
        district_code,
        school_code,
        from_day as valid_from,
        {{ next_year_start('school_year') }} - 1 as valid_to,
        cast(1 as bigint) as weight
    from {{ ref('int_teacher_year') }}
    union all
    select
        'researcher_key_teacher' as population_code,
        staff_code as entity_code,
        district_code,
        school_code,
        valid_from,
        valid_to,
        cast(1 as bigint) as weight
    from {{ ref('int_plan_post') }}
    where role = 'researcher' or (role = 'teacher' and key_teacher)
    union all
    select
        'district' as population_code,
        office_code as entity_code,
        district_code,
        cast(null as string) as school_code,
        valid_from,
        valid_to,
        cast(1 as bigint) as weight
    from {{ ref('int_plan_office') }}
    where level = 'district'
    union all
    select
        populations.population_code,
        offices.office_code as entity_code,
        offices.district_code,
        cast(null as string) as school_code,
        offices.valid_from,
        offices.valid_to,
        cast(1 as bigint) as weight
    from {{ ref('int_plan_office') }} as offices
    cross join office_populations as populations
    union all
    select
        'unit' as population_code,
        school_code as entity_code,
        district_code,
        school_code,
        valid_from,
        valid_to,
        cast(1 as bigint) as weight
    from schools
    union all
    select
        'city' as population_code,
        office_code as entity_code,
        district_code,
        cast(null as string) as school_code,
        valid_from,
        valid_to,
        cast(1 as bigint) as weight
    from {{ ref('int_plan_office') }}
    where level = 'city'
    union all
    select
        'residential_area' as population_code,
        area_code as entity_code,
        district_code,
        cast(null as string) as school_code,
        {{ first_of_days() }} as valid_from,
        {{ last_of_days() }} as valid_to,
        cast(1 as bigint) as weight
    from {{ ref('stg_residential_areas') }}
    where area_kind = 'urban' or capable
    union all
    select
        'finding' as population_code,
        finding_id as entity_code,
        district_code,
        school_code,
        known_on as valid_from,
        {{ next_year_start(school_year_of('known_on')) }} - 1 as valid_to,
        cast(1 as bigint) as weight
    from {{ ref('int_finding') }}
    union all
    select
        'subject_taught' as population_code,
        offices.office_code || '/' || taught.subject as entity_code,
        offices.district_code,
        cast(null as string) as school_code,
        greatest(offices.valid_from, taught.valid_from) as valid_from,
        least(offices.valid_to, taught.valid_to) as valid_to,
        cast(1 as bigint) as weight
    from {{ ref('int_plan_office') }} as offices
    inner join taught on offices.district_code = taught.district_code
    union all
    select
        'subject_taught' as population_code,
        '{{ var("unit_code") }}/' || subject as entity_code,
        cast(null as string) as district_code,
        cast(null as string) as school_code,
        valid_from,
        valid_to,
        cast(1 as bigint) as weight
    from taught_anywhere
    union all
    select
        'subject_all' as population_code,
        offices.office_code || '/' || subjects.subject as entity_code,
        offices.district_code,
        cast(null as string) as school_code,
        offices.valid_from,
        offices.valid_to,
        cast(1 as bigint) as weight
    from {{ ref('int_plan_office') }} as offices
    cross join {{ ref('int_plan_subject') }} as subjects
    union all
    select
        'subject' as population_code,
        subject as entity_code,
        cast(null as string) as district_code,
        cast(null as string) as school_code,
        valid_from,
        valid_to,
        cast(1 as bigint) as weight
    from taught_anywhere
),

united as (
    select
        plain.*,
        cast(null as bigint) as days_held,
        cast(null as bigint) as days_in_year,
        cast(null as bigint) as owed_elsewhere
    from plain
    union all
    select
        population_code,
        entity_code,
        district_code,
        school_code,
        valid_from,
        valid_to,
        cast(1 as bigint) as weight,
        days_held,
        days_in_year,
        owed_elsewhere
    from duties
)

-- Who left on the day before coming, by the dates of a register, was never there.
select
    population_code,
    entity_code,
    district_code,
    school_code,
    valid_from,
    valid_to,
    weight,
    days_held,
    days_in_year,
    owed_elsewhere
from united
where valid_from <= valid_to
