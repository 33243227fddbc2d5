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

sat_papers as (
    select
        cells.level,
        cells.unit_code,
        case scopes.scope when 'all' then 'all' else cells.stage end as stage,
        cells.subject,
        cells.school_year,
        cells.grade,
        cells.n,
        cells.passed,
        -- In decimals, so that papers add up to the same in any order; a paper in which all scores
        -- are equal has no z.
        cast(
            {{ sum_above_mean('cells') }} / nullif(sqrt(cast(papers.wave_spread as double)), 0)
            as decimal(24, 12)
        ) as z_sum,
        case when papers.wave_spread > 0 then cells.n else 0 end as z_n
    from {{ ref('int_attainment_cells') }} as cells
    inner join {{ ref('int_paper_population') }} as papers
        on
            cells.wave_id = papers.wave_id
            and cells.grade = papers.grade
            and cells.subject = papers.subject
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
    from sat_papers
    group by level, unit_code, stage, subject, school_year
),

-- Pooled subjects: the student is the cluster, in each unit over all that it sat there. A student
-- with one row a year is the same cluster in the school, its district and the city.
moved as (
    select
        school_year,
        student_key
    from {{ ref('int_student_year') }}
    group by school_year, student_key
    having count(*) > 1
),

settled as (
    select
        years.school_year,
        years.stage,
        years.district_code,
        years.school_code,
        cast(count(*) as bigint) as students,
        cast(sum(years.sat) as bigint) as n,
        cast(sum(years.passed) as bigint) as passed,
        cast(sum(years.passed * years.passed) as bigint) as squares_passed,
        cast(sum(years.passed * years.sat) as bigint) as products,
        cast(sum(years.sat * years.sat) as bigint) as squares_sat
    from {{ ref('int_student_year') }} as years
    left join moved
        on years.school_year = moved.school_year and years.student_key = moved.student_key
    where moved.student_key is null
    group by years.school_year, years.stage, years.district_code, years.school_code
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
    inner join moved
        on years.school_year = moved.school_year and years.student_key = moved.student_key
    cross join levels
    cross join scopes
),

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

clusters as (
    select
        levels.level,
        case levels.level
            when 'city' then '{{ var("unit_code") }}'
            when 'district' then settled.district_code
            else settled.school_code
        end as unit_code,
        case scopes.scope when 'all' then 'all' else settled.stage end as stage,
        settled.school_year,
        settled.students,
        settled.n,
        settled.passed,
        settled.squares_passed,
        settled.products,
        settled.squares_sat
    from settled
    cross join levels
    cross join scopes
    union all
    select
        level,
        unit_code,
        stage,
        school_year,
        cast(1 as bigint) as students,
        sat as n,
        passed,
        passed * passed as squares_passed,
        passed * sat as products,
        sat * sat as squares_sat
    from students
),

pooled as (
    select
        level,
        unit_code,
        stage,
        'all' as subject,
        school_year,
        cast(sum(students) as bigint) as students,
        cast(sum(n) as bigint) as n,
        cast(sum(passed) as bigint) as passed,
        cast(sum(squares_passed) as bigint) as squares_passed,
        cast(sum(products) as bigint) as products,
        cast(sum(squares_sat) as bigint) as squares_sat
    from clusters
    group by level, unit_code, stage, school_year
),

united as (
    {% for part in ['by_subject', 'pooled'] %}
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
    from {{ part }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

-- What does not depend on how hard a paper is, and which papers there were.
of_papers as (
    select
        level,
        unit_code,
        stage,
        subject,
        school_year,
        grade,
        sum(z_sum) as z_sum,
        cast(sum(z_n) as bigint) as z_n
    from sat_papers
    group by level, unit_code, stage, subject, school_year, grade
),

matched as (
    select
        of_papers.*,
        case when baseline.grade is not null then 1 end as in_baseline
    from of_papers
    left join of_papers as baseline
        on
            of_papers.level = baseline.level
            and of_papers.unit_code = baseline.unit_code
            and of_papers.stage = baseline.stage
            and of_papers.subject = baseline.subject
            and of_papers.grade = baseline.grade
            and baseline.school_year = '{{ var("plan_baseline_year") }}'
),

standing as (
    {% for subject in ['subject', "'all'"] %}
    select
        level,
        unit_code,
        stage,
        {{ subject }} as subject,
        school_year,
        cast(sum(z_sum) as decimal(24, 12)) as z_sum,
        cast(sum(z_n) as bigint) as z_n,
        cast(count(*) as bigint) as papers,
        cast(count(in_baseline) as bigint) as papers_in_baseline
    from matched
    group by level, unit_code, stage, {{ "subject, " if loop.first }}school_year
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

-- A grade outside every stage of the settings counts in the whole only.
select
    united.level,
    united.unit_code,
    united.stage,
    united.subject,
    united.school_year,
    united.students,
    united.n,
    united.passed,
    united.squares_passed,
    united.products,
    united.squares_sat,
    standing.z_sum,
    standing.z_n,
    standing.papers,
    standing.papers_in_baseline
from united
inner join standing
    on
        united.level = standing.level
        and united.unit_code = standing.unit_code
        and united.stage = standing.stage
        and united.subject = standing.subject
        and united.school_year = standing.school_year
