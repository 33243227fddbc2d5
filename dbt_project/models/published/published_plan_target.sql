{{ config(alias='plan_target') }}

-- The last day alone: of persons, days beside one another would tell who came in between.
with last_day as (
    select max(as_of) as as_of
    from {{ ref('plan_target') }}
),

levels as (
    {{ unit_levels() }}
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

fates as (
    select
        figures.*,
        targets.rule,
        told.n,
        case when told.n > 0 then told.passed end as passed,
        told.fate,
        told.places,
        told.passed_told,
        told.mark,
        -- What is counted of no persons is told.
        told.topic is null
        or ({{ is_counted() }} and silent.unit_code is null)
            as is_told
    from {{ ref('plan_target') }} as figures
    inner join {{ ref('dim_target') }} as targets
        on figures.target_id = targets.target_id and figures.reading = targets.reading
    inner join last_day on figures.as_of = last_day.as_of
    {{ with_persons(
        'figures', 'plan', 'cast(figures.as_of as string)',
        "figures.target_id || ' ' || figures.reading", join='left'
    ) }}
    left join silent
        on
            figures.target_id = silent.target_id
            and figures.reading = silent.reading
            and figures.level = silent.level
            and figures.unit_code = silent.unit_code
    where figures.level in ('city', 'district')
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

{#- Where no share is told, be it as a band, neither is whether it is enough. -#}
{%- set told = 'fates.is_told' %}
{%- set exact = 'fates.is_told and (fates.passed is null or ' ~ is_exact('passed', 'fates') ~ ')' %}
{%- set judged = 'fates.is_told and (fates.passed is null or fates.passed_told is not null)' %}

select
    fates.target_id,
    fates.reading,
    fates.is_default,
    fates.as_of,
    fates.level,
    fates.unit_code,
    case
        when ({{ exact }}) and (fates.is_share or fates.rule = 'rate_threshold')
            then {{ published_percent('fates.actual', 'fates.denominator') }}
        when {{ exact }} then {{ rounded('fates.actual', 1) }}
    end as actual,
    {{ band_told('passed', 'fates') }} as band,
    fates.threshold,
    case
        when ({{ exact }}) and (fates.is_share or fates.rule = 'rate_threshold')
            then {{ published_percent('fates.gap', 'fates.denominator') }}
        when {{ exact }} then {{ rounded('fates.gap', 1) }}
    end as gap,
    {{ rounded('fates.pace', 1) }} as pace,
    case when {{ judged }} then fates.status end as status,
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
        when not ({{ judged }}) then 'c'
        when fates.status = 'not_reported' then 'x'
        when fates.actual is null then 'z'
        else fates.mark
    end as mark
from fates
left join counted
    on
        fates.target_id = counted.target_id
        and fates.reading = counted.reading
        and fates.level = counted.level
        and fates.unit_code = counted.unit_code
order by fates.target_id, fates.reading, fates.level, fates.unit_code
