-- Of a school of which no lesson was judged in a school year nothing is known: it counts in the
-- total, and its unit has no covered number before one school of it has.
with levels as (
    {{ unit_levels() }}
),

judged as (
    select
        school_year,
        school_code,
        district_code,
        class_code,
        teacher_code,
        standard_lesson
    from {{ ref('fact_observation') }}
    where is_dated and standard_lesson is not null
),

members as (
    select
        school_year,
        'class' as population,
        class_code as member,
        school_code,
        district_code
    from {{ ref('int_class_year') }}
    union all
    select
        school_year,
        'teacher' as population,
        staff_code as member,
        school_code,
        district_code
    from {{ ref('int_teacher_year') }}
),

met as (
    select distinct
        school_year,
        'class' as population,
        class_code as member
    from judged
    where standard_lesson
    union all
    select distinct
        school_year,
        'teacher' as population,
        teacher_code as member
    from judged
    where standard_lesson
),

evidence as (
    select distinct
        judged.school_year,
        levels.level,
        {{ unit_of('levels.level', 'judged.district_code', 'judged.school_code') }} as unit_code
    from judged
    cross join levels
),

spread as (
    select
        members.school_year,
        levels.level,
        {{ unit_of('levels.level', 'members.district_code', 'members.school_code') }} as unit_code,
        members.population,
        case when met.member is not null then 1 else 0 end as is_covered
    from members
    left join met
        on
            members.school_year = met.school_year
            and members.population = met.population
            and members.member = met.member
    cross join levels
),

counted as (
    select
        spread.school_year,
        spread.level,
        spread.unit_code,
        spread.population,
        cast(count(*) as bigint) as total,
        case
            when count(evidence.unit_code) > 0 or sum(spread.is_covered) > 0
                then cast(sum(spread.is_covered) as bigint)
        end as covered
    from spread
    left join evidence
        on
            spread.school_year = evidence.school_year
            and spread.level = evidence.level
            and spread.unit_code = evidence.unit_code
    where spread.unit_code is not null
    group by spread.school_year, spread.level, spread.unit_code, spread.population
)

select
    school_year,
    level,
    unit_code,
    population,
    total,
    covered,
    total - covered as not_covered,
    {{ ratio('covered', 'total') }} as rate
from counted
