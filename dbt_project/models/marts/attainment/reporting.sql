with papers as (
    select distinct
        school_year,
        wave_id,
        grade
    from {{ ref('int_papers') }}
    where {{ is_annual() }}
),

waves as (
    select
        school_year,
        wave_id,
        max(held_on) as held_on
    from {{ ref('int_papers') }}
    where {{ is_annual() }}
    group by school_year, wave_id
),

taught as (
    {{ taught_grades() }}
),

-- Schools in being on the day whose type covers a grade that the wave assesses.
expected as (
    select distinct
        waves.school_year,
        waves.wave_id,
        schools.school_code,
        schools.district_code
    from waves
    inner join papers
        on waves.school_year = papers.school_year and waves.wave_id = papers.wave_id
    inner join taught on papers.grade = taught.grade
    inner join {{ ref('int_school') }} as schools
        on waves.school_year = schools.school_year and taught.stage = schools.stage
    where
        coalesce(schools.opened_on <= waves.held_on, true)
        and coalesce(schools.closed_on > waves.held_on, true)
),

counted as (
    select
        expected.school_year,
        expected.wave_id,
        expected.district_code,
        cast(count(*) as bigint) as schools_expected,
        cast(count(reported.school_code) as bigint) as schools_reported
    from expected
    left join {{ ref('int_wave_school') }} as reported
        on
            expected.wave_id = reported.wave_id
            and expected.school_code = reported.school_code
    group by expected.school_year, expected.wave_id, expected.district_code
),

returned as (
    select
        school_year,
        cast(count(*) as bigint) as files_returned
    from {{ source('ops', 'submission') }}
    where state = 'returned' and feed = 'monitoring_results'
    group by school_year
),

city as (
    select
        waves.school_year,
        waves.wave_id,
        cast(coalesce(sum(counted.schools_expected), 0) as bigint) as schools_expected,
        cast(coalesce(sum(counted.schools_reported), 0) as bigint) as schools_reported
    from waves
    left join counted
        on waves.school_year = counted.school_year and waves.wave_id = counted.wave_id
    group by waves.school_year, waves.wave_id
)

select
    city.school_year,
    city.wave_id,
    'city' as level,
    '{{ var("unit_code") }}' as unit_code,
    city.schools_expected,
    city.schools_reported,
    city.schools_expected - city.schools_reported as schools_not_reported,
    coalesce(returned.files_returned, 0) as files_returned
from city
left join returned on city.school_year = returned.school_year
union all
select
    school_year,
    wave_id,
    'district' as level,
    district_code as unit_code,
    schools_expected,
    schools_reported,
    schools_expected - schools_reported as schools_not_reported,
    cast(null as bigint) as files_returned
from counted
where district_code is not null
