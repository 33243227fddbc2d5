-- Training as of the last day counted in the school year, beside the checks of that year.
with newest as (
    select
        school_year,
        max(as_of) as as_of
    from {{ ref('int_as_of') }}
    group by school_year
)

select
    newest.school_year,
    coverage.unit_code as school_code,
    schools.district_code,
    schools.stage,
    newest.as_of,
    coverage.persons,
    coverage.covered,
    coverage.rate as training_rate,
    checks.tested,
    checks.passed,
    checks.rate as inclass_rate
from newest
inner join {{ ref('training_coverage') }} as coverage
    on newest.as_of = coverage.as_of
inner join {{ ref('inclass_check') }} as checks
    on
        checks.level = 'school'
        and newest.school_year = checks.school_year
        and coverage.unit_code = checks.unit_code
left join {{ ref('int_school_span') }} as schools
    on
        coverage.unit_code = schools.school_code
        and newest.school_year >= schools.first_year
        and newest.school_year < schools.year_after
where
    coverage.level = 'school'
    and coverage.population = 'teacher'
    and coverage.rate is not null
