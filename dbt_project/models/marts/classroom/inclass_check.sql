{%- set share = "cast(" ~ var('inclass_share') ~ " as decimal(6, 4))" -%}

with levels as (
    {{ unit_levels() }}
),

spread as (
    select
        observations.school_year,
        observations.lessons,
        observations.inclass_tested,
        observations.inclass_passed,
        levels.level,
        {{ unit_of(
            'levels.level', 'observations.district_code', 'observations.school_code'
        ) }} as unit_code
    from {{ ref('fact_observation') }} as observations
    cross join levels
    where observations.has_check
),

sums as (
    select
        school_year,
        level,
        unit_code,
        cast(sum(inclass_tested) as bigint) as tested,
        cast(sum(inclass_passed) as bigint) as passed,
        cast(sum(lessons) as bigint) as lessons,
        cast(count(*) as bigint) as checks
    from spread
    where unit_code is not null
    group by school_year, level, unit_code
),

rates as (
    select
        *,
        {{ ratio('passed', 'tested') }} as rate,
        -- In whole numbers: 80 of 100 reach 80 percent.
        passed >= tested * {{ share }} as reaches
    from sums
),

-- Every open school of the year must reach the share, and every school in which a check was made.
schools as (
    select
        school_year,
        school_code,
        district_code
    from {{ ref('dim_school') }}
    where is_open
    union
    select
        school_year,
        school_code,
        district_code
    from {{ ref('fact_observation') }}
    where has_check
),

school_units as (
    select
        schools.school_year,
        levels.level,
        {{ unit_of('levels.level', 'schools.district_code', 'schools.school_code') }} as unit_code,
        cast(count(distinct schools.school_code) as bigint) as schools,
        cast(count(distinct rates.unit_code) as bigint) as schools_checked,
        cast(count(distinct case when rates.reaches then rates.unit_code end) as bigint)
            as schools_met
    from schools
    cross join levels
    left join rates
        on
            rates.level = 'school'
            and schools.school_year = rates.school_year
            and schools.school_code = rates.unit_code
    where levels.level <> 'school'
    group by
        schools.school_year, levels.level,
        {{ unit_of('levels.level', 'schools.district_code', 'schools.school_code') }}
)

select
    rates.school_year,
    rates.level,
    rates.unit_code,
    rates.tested,
    rates.passed,
    rates.rate,
    {{ wilson_low('rates.rate', 'rates.tested') }} as ci_low,
    {{ wilson_high('rates.rate', 'rates.tested') }} as ci_high,
    rates.lessons,
    rates.checks,
    school_units.schools,
    school_units.schools_checked,
    school_units.schools_met,
    {{ ratio('school_units.schools_met', 'school_units.schools_checked') }} as schools_met_rate,
    case
        when rates.level = 'school' then rates.reaches
        when school_units.schools_met < school_units.schools_checked then false
        when school_units.schools_checked = school_units.schools then true
    end as meets
from rates
left join school_units
    on
        rates.school_year = school_units.school_year
        and rates.level = school_units.level
        and rates.unit_code = school_units.unit_code
