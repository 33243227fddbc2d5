-- The rise of the pass rate is that of the trend, from the day of one wave to that of the next.
with wave_days as (
    select
        waves.school_year,
        min(waves.held_on) as held_on
    from {{ ref('dim_wave') }} as waves
    where {{ is_annual('waves') }}
    group by waves.school_year
),

trend as (
    select
        targets.target_id,
        targets.reading,
        trend.level,
        trend.unit_code,
        wave_days.held_on as day,
        coalesce(
            lead(wave_days.held_on) over (
                partition by targets.target_id, targets.reading, trend.level, trend.unit_code
                order by trend.school_year asc nulls last
            ) - 1,
            {{ last_of_days() }}
        ) as valid_to,
        case targets.selector
            when 'points' then trend.change_points
            when 'percent' then trend.change_percent
        end as actual,
        trend.n as denominator
    from {{ ref('pass_rate_trend') }} as trend
    inner join wave_days on trend.school_year = wave_days.school_year
    inner join {{ ref('int_plan_target') }} as targets on targets.stream = 'trend'
    where trend.stage = 'all' and trend.subject = 'all'
),

measured as (
    select
        target_id,
        reading,
        level,
        unit_code,
        day,
        valid_to,
        actual,
        denominator
    from {{ ref('int_plan_measured') }}
    union all
    select
        target_id,
        reading,
        level,
        unit_code,
        day,
        valid_to,
        actual,
        denominator
    from trend
),

seen as (
    {{ plan_slots('measured', 'day', 'valid_to') }}
),

measured_on as (
    select
        seen.target_id,
        seen.reading,
        seen.level,
        seen.unit_code,
        days.slot,
        seen.actual,
        seen.denominator
    from seen
    inner join {{ ref('int_plan_as_of') }} as days
        on seen.slot_from <= days.slot and seen.slot_until > days.slot
),

-- The city has a row on every day, whether anything was handed in or not.
units as (
    select distinct
        target_id,
        reading,
        level,
        unit_code,
        slot
    from measured_on
    union
    select
        targets.target_id,
        targets.reading,
        'city' as level,
        '{{ var("unit_code") }}' as unit_code,
        days.slot
    from {{ ref('int_plan_target') }} as targets
    cross join {{ ref('int_plan_as_of') }} as days
    where targets.rule in ('growth', 'rank')
),

-- Where the unit is itself the entity its own value is judged, else the share of those that meet
-- what is asked of each.
counted as (
    select
        cells.target_id,
        cells.reading,
        cells.level,
        cells.unit_code,
        cells.slot,
        cells.reported > 0 as is_reported,
        targets.rule = 'coverage'
        or (
            targets.rule in ('per_entity_minimum', 'rate_threshold')
            and targets.entity_type not in (cells.level, 'unit')
        ) as is_share,
        targets.rule = 'rate_threshold' as is_rate,
        targets.rule in ('count', 'count_cycle') as is_count,
        cells.covered,
        cells.population,
        cells.value,
        cells.tested,
        cells.reported
    from {{ ref('int_plan_cell') }} as cells
    inner join {{ ref('int_plan_target') }} as targets
        on cells.target_id = targets.target_id and cells.reading = targets.reading
),

figures as (
    select
        target_id,
        reading,
        level,
        unit_code,
        slot,
        is_share,
        case
            when not is_reported then cast(null as double)
            when is_share then {{ ratio('100 * covered', 'population') }}
            when is_rate then {{ ratio('100 * value', 'tested') }}
            else cast(value as double)
        end as actual,
        cast(case when is_reported and is_share then covered end as bigint) as numerator,
        case
            when is_share then population
            when is_rate then tested
            when not is_count then population
        end as denominator,
        case when not is_count then reported end as reported,
        is_reported as is_told
    from counted
    union all
    select
        units.target_id,
        units.reading,
        units.level,
        units.unit_code,
        units.slot,
        false as is_share,
        measured_on.actual,
        cast(null as bigint) as numerator,
        measured_on.denominator,
        cast(null as bigint) as reported,
        measured_on.target_id is not null as is_told
    from units
    left join measured_on
        on
            units.target_id = measured_on.target_id
            and units.reading = measured_on.reading
            and units.level = measured_on.level
            and units.unit_code = measured_on.unit_code
            and units.slot = measured_on.slot
),

placed as (
    select
        figures.*,
        targets.is_default,
        targets.comparator,
        pace.as_of,
        pace.line_from,
        pace.line_to,
        pace.is_before,
        pace.is_past_deadline,
        cast(
            case
                when figures.is_share and targets.rule <> 'coverage' then 100
                else targets.target_value
            end as double
        ) as threshold,
        pace.elapsed_share
    from figures
    inner join {{ ref('int_plan_target') }} as targets
        on figures.target_id = targets.target_id and figures.reading = targets.reading
    inner join {{ ref('int_plan_pace') }} as pace
        on
            figures.target_id = pace.target_id
            and figures.reading = pace.reading
            and figures.slot = pace.slot
),

paced as (
    select
        *,
        threshold * elapsed_share as pace
    from placed
)

select
    target_id,
    reading,
    is_default,
    as_of,
    level,
    unit_code,
    actual,
    threshold,
    actual - threshold as gap,
    pace,
    case
        when is_before then 'not_due'
        when not is_told then 'not_reported'
        when actual is null then 'not_due'
        when comparator = '<=' and actual <= threshold then 'reached'
        when comparator <> '<=' and actual >= threshold then 'reached'
        when is_past_deadline then 'overdue'
        when comparator <> '<=' and actual >= pace then 'on_pace'
        else 'behind'
    end as status,
    numerator,
    denominator,
    reported,
    is_share,
    line_from,
    line_to
from paced
