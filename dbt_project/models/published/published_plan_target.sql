{{ config(alias='plan_target') }}

-- The last day alone: of persons, days beside one another would tell who came in between.
with last_day as (
    select max(as_of) as as_of
    from {{ ref('plan_target') }}
),

levels as (
    {{ unit_levels() }}
),

figures as (
    select
        figures.*,
        targets.rule,
        targets.rule = 'growth'
        or (targets.rule = 'rate_threshold' and not figures.is_share)
        or (
            figures.is_share
            and (targets.entity_type = 'person' or targets.population_code = 'student')
        ) as is_of_persons
    from {{ ref('plan_target') }} as figures
    inner join {{ ref('dim_target') }} as targets
        on figures.target_id = targets.target_id and figures.reading = targets.reading
    inner join last_day on figures.as_of = last_day.as_of
    where figures.level in ('city', 'district')
),

-- A student has at most one result a subject, so that many results are at least so many students.
subjects as (
    select count(*) as subjects
    from {{ ref('dim_subject') }}
),

smallest as (
    select
        level,
        unit_code,
        min(students) as students
    from {{ ref('pass_rate_trend') }}
    where stage = 'all' and subject = 'all'
    group by level, unit_code
),

sized as (
    select
        figures.*,
        coalesce(case
            when figures.rule <> 'growth' then figures.denominator
            when smallest.students < figures.denominator / subjects.subjects
                then smallest.students
            else figures.denominator / subjects.subjects
        end, 0) as persons
    from figures
    cross join subjects
    left join smallest
        on figures.level = smallest.level and figures.unit_code = smallest.unit_code
),

-- A change and the results behind it are told where the years are that it compares.
years as (
    select
        *,
        school_year = '{{ var("plan_baseline_year") }}'
        or school_year = max(school_year) over (partition by topic, level, unit_code)
            as is_compared
    from {{ ref('disclosure_cell') }}
    where n > 0 and group_kind = 'all'
),

silent as (
    select distinct
        targets.target_id,
        targets.reading,
        years.level,
        years.unit_code
    from years
    left join {{ ref('dim_wave') }} as waves on years.wave_id = waves.wave_id
    inner join {{ ref('dim_target') }} as targets
        on
            (
                targets.stream = 'trend'
                and years.topic = 'trend'
                and years.stage = 'all'
                and years.subject = 'all'
                and years.is_compared
            )
            or (
                targets.stream = 'exam_growth'
                and years.topic = 'results'
                and waves.wave_kind = targets.selector
            )
    where years.fate <> 'shown' or coalesce(years.passed_told, '') <> 'exact'
),

cells as (
    select
        target_id,
        reading,
        level,
        unit_code,
        persons,
        numerator as met
    from sized
    where is_of_persons and is_share and numerator is not null
),

partners as (
    {{ partners('cells', ['target_id', 'reading']) }}
),

fates as (
    select
        sized.*,
        sized.is_of_persons and (
            (sized.persons > 0 and not {{ shown('sized.persons') }})
            or partners.unit_code is not null
            or silent.unit_code is not null
        ) as is_withheld,
        sized.is_of_persons and sized.numerator is not null
        and {{ is_rare('sized.numerator', 'sized.persons') }} as is_banded
    from sized
    left join partners
        on
            sized.level = 'district'
            and sized.target_id = partners.target_id
            and sized.reading = partners.reading
            and sized.unit_code = partners.unit_code
    left join silent
        on
            sized.target_id = silent.target_id
            and sized.reading = silent.reading
            and sized.level = silent.level
            and sized.unit_code = silent.unit_code
),

counted as (
    select
        evidence.target_id,
        evidence.reading,
        levels.level,
        {{ unit_of('levels.level', 'evidence.district_code', 'cast(null as string)') }}
            as unit_code,
        cast(count_if(evidence.counts) as bigint) as records,
        cast(count_if(not evidence.counts and evidence.record_key is not null) as bigint)
            as records_apart,
        cast(count_if(evidence.reason = 'short') as bigint) as entities_short,
        cast(count_if(evidence.reason = 'missing') as bigint) as entities_missing
    from {{ ref('plan_evidence') }} as evidence
    cross join levels
    inner join {{ ref('dim_target') }} as targets
        on evidence.target_id = targets.target_id and evidence.reading = targets.reading
    where levels.level <> 'school' and targets.rule not in ('growth', 'rank')
    group by
        evidence.target_id, evidence.reading, levels.level,
        {{ unit_of('levels.level', 'evidence.district_code', 'cast(null as string)') }}
)

{%- set told = 'not fates.is_withheld' %}
{%- set exact = 'not fates.is_withheld and not fates.is_banded' %}

select
    fates.target_id,
    fates.reading,
    fates.is_default,
    fates.as_of,
    fates.level,
    fates.unit_code,
    case
        when not ({{ exact }}) then null
        when fates.is_share or fates.rule = 'rate_threshold'
            then {{ published_percent('fates.actual', 'fates.denominator') }}
        else {{ rounded('fates.actual', 1) }}
    end as actual,
    case
        when {{ told }} and fates.is_banded then {{ banded('fates.numerator', 'fates.persons') }}
    end as band,
    fates.threshold,
    case
        when not ({{ exact }}) then null
        when fates.is_share or fates.rule = 'rate_threshold'
            then {{ published_percent('fates.gap', 'fates.denominator') }}
        else {{ rounded('fates.gap', 1) }}
    end as gap,
    {{ rounded('fates.pace', 1) }} as pace,
    case when {{ told }} then fates.status end as status,
    case when {{ exact }} then fates.numerator end as numerator,
    case when {{ told }} then fates.denominator end as denominator,
    fates.is_share,
    fates.line_from,
    fates.line_to,
    case when {{ exact }} then counted.records end as records,
    case when {{ exact }} then counted.records_apart end as records_apart,
    case when {{ exact }} then counted.entities_short end as entities_short,
    case when {{ exact }} then counted.entities_missing end as entities_missing,
    case
        when fates.is_withheld then 'c'
        when fates.status = 'not_reported' then 'x'
        when fates.actual is null then 'z'
        when fates.is_of_persons then {{ mark('fates.persons') }}
    end as mark
from fates
left join counted
    on
        fates.target_id = counted.target_id
        and fates.reading = counted.reading
        and fates.level = counted.level
        and fates.unit_code = counted.unit_code
order by fates.target_id, fates.reading, fates.level, fates.unit_code
