-- Every row counts once for its stage and once for all stages.
with scopes as (
    select 'all' as scope
    union all
    select 'stage' as scope
),

levels as (
    select 'city' as level
    union all
    select 'district' as level
    union all
    select 'school' as level
),

papers as (
    select
        cells.level,
        cells.unit_code,
        case scopes.scope when 'all' then 'all' else cells.stage end as stage,
        cells.subject,
        cells.school_year,
        cells.n,
        cells.passed
    from {{ ref('int_attainment_cells') }} as cells
    cross join scopes
    where
        {{ is_annual('cells') }}
        and cells.group_kind = 'all'
        and cells.level <> 'class'
        and cells.n > 0
),

-- A single subject: each student sits it once, so that students and results coincide.
by_subject as (
    select
        level,
        unit_code,
        stage,
        subject,
        school_year,
        cast(sum(n) as bigint) as students,
        cast(sum(n) as bigint) as n,
        cast(sum(passed) as bigint) as passed,
        cast(sum(passed) as bigint) as squares_passed,
        cast(sum(passed) as bigint) as products,
        cast(sum(n) as bigint) as squares_sat
    from papers
    group by level, unit_code, stage, subject, school_year
),

sittings as (
    select
        levels.level,
        case levels.level
            when 'city' then '{{ var("unit_code") }}'
            when 'district' then years.district_code
            else years.school_code
        end as unit_code,
        case scopes.scope when 'all' then 'all' else years.stage end as stage,
        years.school_year,
        years.student_key,
        years.sat,
        years.passed
    from {{ ref('int_student_year') }} as years
    cross join levels
    cross join scopes
),

-- Pooled subjects: the student is the cluster, in each unit over all that it sat there.
students as (
    select
        level,
        unit_code,
        stage,
        school_year,
        student_key,
        cast(sum(sat) as bigint) as sat,
        cast(sum(passed) as bigint) as passed
    from sittings
    group by level, unit_code, stage, school_year, student_key
),

pooled as (
    select
        level,
        unit_code,
        stage,
        'all' as subject,
        school_year,
        cast(count(*) as bigint) as students,
        cast(sum(sat) as bigint) as n,
        cast(sum(passed) as bigint) as passed,
        cast(sum(passed * passed) as bigint) as squares_passed,
        cast(sum(passed * sat) as bigint) as products,
        cast(sum(sat * sat) as bigint) as squares_sat
    from students
    group by level, unit_code, stage, school_year
),

united as (
    select
        level,
        unit_code,
        stage,
        subject,
        school_year,
        students,
        n,
        passed,
        squares_passed,
        products,
        squares_sat
    from by_subject
    union all
    select
        level,
        unit_code,
        stage,
        subject,
        school_year,
        students,
        n,
        passed,
        squares_passed,
        products,
        squares_sat
    from pooled
)

-- A grade outside every stage of the settings counts in the whole only.
select
    level,
    unit_code,
    stage,
    subject,
    school_year,
    students,
    n,
    passed,
    squares_passed,
    products,
    squares_sat
from united
where unit_code is not null and stage is not null
