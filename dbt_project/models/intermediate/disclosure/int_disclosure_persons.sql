-- Beside students by their results: observers by their duty, teachers observed, persons trained and
-- about to fall out, students checked in lessons, and the persons of the plan's targets.
with last_day as (
    select max(as_of) as as_of
    from {{ ref('plan_target') }}
),

last_of_training as (
    select max(as_of) as as_of
    from {{ ref('training_coverage') }}
),

levels as (
    {{ unit_levels() }}
),

duty as (
    select
        school_year as period,
        role as counted,
        level,
        unit_code,
        persons as n,
        met as passed
    from {{ ref('observation_duty_unit') }}
    -- Principals and secretaries together, as the plan asks: beside the two of them their sum would
    -- tell the one from the other.
    where
        level in ('city', 'district')
        and role in ('principal_or_secretary', 'school_leader', 'education_official')
),

without as (
    select
        teachers.school_year,
        levels.level,
        {{ unit_of('levels.level', 'teachers.district_code', 'teachers.school_code') }}
            as unit_code,
        count_if(teachers.status = 'not_observed') as never,
        count_if(teachers.status = 'not_reported') as silent
    from {{ ref('never_observed') }} as teachers
    cross join levels
    where levels.level <> 'school'
    group by
        teachers.school_year, levels.level,
        {{ unit_of('levels.level', 'teachers.district_code', 'teachers.school_code') }}
),

-- Of teachers whose schools have not reported nobody knows.
observed as (
    select
        totals.school_year as period,
        'teacher' as counted,
        totals.level,
        totals.unit_code,
        totals.total - coalesce(without.silent, 0) as n,
        totals.total - coalesce(without.silent, 0) - coalesce(without.never, 0) as passed
    from {{ ref('standard_lesson_coverage') }} as totals
    left join without
        on
            totals.school_year = without.school_year
            and totals.level = without.level
            and totals.unit_code = without.unit_code
    where totals.population = 'teacher' and totals.level in ('city', 'district')
),

-- The last day, and the ends of school years before it: days close to one another would tell of
-- single persons who came in between.
training as (
    select
        cast(coverage.as_of as string) as period,
        coverage.population as counted,
        coverage.level,
        coverage.unit_code,
        coverage.persons as n,
        coverage.covered as passed
    from {{ ref('training_coverage') }} as coverage
    cross join last_of_training
    where
        coverage.level in ('city', 'district')
        and (
            coverage.as_of = last_of_training.as_of
            or extract(month from coverage.as_of)
            = {{ (var('school_year_start_month') + 10) % 12 + 1 }}
        )
),

lapse as (
    select
        cast(persons.as_of as string) as period,
        persons.population as counted,
        levels.level,
        {{ unit_of('levels.level', 'persons.district_code', 'persons.school_code') }}
            as unit_code,
        count(*) as n,
        count_if(persons.status = 'covered' and persons.days_left <= {{ lapse_days() }}) as passed
    from {{ ref('training_lapse') }} as persons
    cross join levels
    where
        levels.level <> 'school'
        and {{ unit_of('levels.level', 'persons.district_code', 'persons.school_code') }}
        is not null
    group by
        persons.population, persons.as_of, levels.level,
        {{ unit_of('levels.level', 'persons.district_code', 'persons.school_code') }}
),

checks as (
    select
        school_year as period,
        'student' as counted,
        level,
        unit_code,
        tested as n,
        passed
    from {{ ref('inclass_check') }}
),

-- A student has at most one result a subject, so that many results are at least so many students.
subjects as (
    select count(*) as subjects
    from {{ ref('dim_subject') }}
),

fewest as (
    select
        level,
        unit_code,
        min(students) as students
    from {{ ref('pass_rate_trend') }}
    where stage = 'all' and subject = 'all'
    group by level, unit_code
),

plan as (
    select
        cast(figures.as_of as string) as period,
        figures.target_id || ' ' || figures.reading as counted,
        figures.level,
        figures.unit_code,
        coalesce(case
            when targets.rule <> 'growth' then figures.denominator
            when fewest.students < figures.denominator / subjects.subjects then fewest.students
            else figures.denominator / subjects.subjects
        end, 0) as n,
        case when figures.is_share then figures.numerator end as passed
    from {{ ref('plan_target') }} as figures
    inner join last_day on figures.as_of = last_day.as_of
    inner join {{ ref('dim_target') }} as targets
        on figures.target_id = targets.target_id and figures.reading = targets.reading
    cross join subjects
    left join fewest
        on figures.level = fewest.level and figures.unit_code = fewest.unit_code
    where
        figures.level in ('city', 'district')
        and (
            targets.rule = 'growth'
            or (targets.rule = 'rate_threshold' and not figures.is_share)
            or (
                figures.is_share
                and (targets.entity_type = 'person' or targets.population_code = 'student')
            )
        )
),

united as (
    {% for topic in ['duty', 'observed', 'training', 'lapse', 'checks', 'plan'] %}
    select
        '{{ topic }}' as topic,
        period,
        counted,
        level,
        unit_code,
        cast(floor(n) as bigint) as n,
        cast(passed as bigint) as passed
    from {{ topic }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

-- What is no share, such as a rise, has no parts.
counts as (
    select
        united.*,
        case
            when united.topic <> 'plan' or united.passed is not null then units.parent_code
        end as parent_code,
        true as is_published
    from united
    left join {{ ref('unit') }} as units
        on united.level = units.level and united.unit_code = units.unit_code
),

sums as (
    select
        topic,
        period,
        counted,
        level,
        parent_code,
        sum(n) as n,
        sum(passed) as passed
    from counts
    where parent_code is not null
    group by topic, period, counted, level, parent_code
),

-- Those of a unit's own, whom none of its parts has, such as researchers of the city.
rest as (
    select
        whole.topic,
        whole.period,
        whole.counted,
        sums.level,
        whole.unit_code || '-' as unit_code,
        cast(whole.n - sums.n as bigint) as n,
        cast(whole.passed - sums.passed as bigint) as passed,
        whole.unit_code as parent_code,
        false as is_published
    from counts as whole
    inner join sums
        on
            whole.topic = sums.topic
            and whole.period = sums.period
            and whole.counted = sums.counted
            and whole.unit_code = sums.parent_code
            and whole.level = case sums.level when 'school' then 'district' else 'city' end
    where whole.n > sums.n
),

listed as (
    {% for part in ['counts', 'rest'] %}
    select
        topic,
        period,
        counted,
        level,
        unit_code,
        parent_code,
        is_published,
        n,
        passed
    from {{ part }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select
    cast(
        row_number() over (
            order by
                topic asc nulls last, period asc nulls last, counted asc nulls last,
                level asc nulls last, unit_code asc nulls last
        ) - 1 as bigint
    ) as cell_no,
    *
from listed
