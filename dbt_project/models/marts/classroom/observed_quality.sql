{%- set scores = ['score', 'design_score', 'process_score', 'effect_score', 'literacy_score'] -%}

with levels as (
    {{ unit_levels() }}
),

subjects as (
    select 'one' as scope
    union all
    select 'all' as scope
),

-- One pass over the records; every coarser cell is a sum of these.
finest as (
    select
        school_year,
        district_code,
        school_code,
        subject,
        teacher_code,
        count(*) as records,
        sum(lessons) as lessons,
        {% for score in scores %}
        count({{ score }}) as {{ score }}_n,
        cast(sum({{ score }}) as decimal(19, 3)) as {{ score }}_sum,
        cast(sum({{ score }} * {{ score }}) as decimal(20, 6)) as {{ score }}_squares,
        {% endfor %}
        count(standard_lesson) as judged,
        count(*) filter (where standard_lesson) as standard
    from {{ ref('fact_observation') }}
    where is_dated
    group by school_year, district_code, school_code, subject, teacher_code
),

spread as (
    select
        finest.*,
        levels.level,
        {{ unit_of('levels.level', 'finest.district_code', 'finest.school_code') }} as unit_code,
        case subjects.scope when 'all' then 'all' else finest.subject end as of_subject
    from finest
    cross join levels
    cross join subjects
),

sums as (
    select
        school_year,
        level,
        unit_code,
        of_subject as subject,
        cast(sum(records) as bigint) as records,
        cast(sum(lessons) as bigint) as lessons,
        cast(count(distinct teacher_code) as bigint) as teachers,
        {% for score in scores %}
        cast(sum({{ score }}_n) as bigint) as {{ score }}_n,
        cast(sum({{ score }}_sum) as decimal(19, 3)) as {{ score }}_sum,
        cast(sum({{ score }}_squares) as decimal(20, 6)) as {{ score }}_squares,
        {% endfor %}
        cast(sum(judged) as bigint) as judged,
        cast(sum(standard) as bigint) as standard
    from spread
    where unit_code is not null
    group by school_year, level, unit_code, of_subject
),

rates as (
    select
        *,
        {{ ratio('standard', 'judged') }} as standard_rate
    from sums
)

select
    school_year,
    level,
    unit_code,
    subject,
    records,
    lessons,
    teachers,
    {% for score in scores %}
    {{ score }}_n,
    {{ ratio(score ~ '_sum', score ~ '_n') }} as mean_{{ score }},
    {{ deviation(score ~ '_n', score ~ '_sum', score ~ '_squares') }} as sd_{{ score }},
    {% endfor %}
    judged,
    standard,
    standard_rate,
    {{ wilson_low('standard_rate', 'judged') }} as standard_low,
    {{ wilson_high('standard_rate', 'judged') }} as standard_high
from rates
