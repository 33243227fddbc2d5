-- On the last day with evidence: each record that a target may count, and each entity that does
-- not meet what is asked of it; of a figure that others work out, the figure of each unit.
with last_day as (
    select
        slot,
        as_of
    from {{ ref('int_plan_as_of') }}
    where is_latest
),

members as (
    select
        targets.target_id,
        targets.reading,
        targets.rule,
        targets.entity_type,
        members.entity_code,
        members.district_code,
        members.school_code,
        {{ plan_minimum('targets', 'members') }} as minimum,
        last_day.slot
    from {{ ref('int_plan_member') }} as members
    cross join last_day
    inner join {{ ref('int_plan_target') }} as targets
        on members.population_code = targets.population_code
    where
        targets.rule not in ('growth', 'rank')
        and members.slot_from <= last_day.slot
        and members.slot_until > last_day.slot
        and (
            targets.population_districts = ''
            or ' ' || targets.population_districts || ' '
            like '% ' || members.district_code || ' %'
        )
),

-- An entity is of the population once, even if two of its rows hold on the day.
standing as (
    select
        entities.target_id,
        entities.reading,
        entities.entity_code,
        max(entities.value) as value,
        max(entities.tested) as tested,
        bool_or(entities.is_met) as is_met
    from {{ ref('int_plan_entity') }} as entities
    inner join last_day
        on entities.slot_from <= last_day.slot and entities.slot_until > last_day.slot
    group by entities.target_id, entities.reading, entities.entity_code
),

records as (
    select
        evidence.*,
        targets.entity_type,
        last_day.as_of
    from {{ ref('int_plan_evidence') }} as evidence
    inner join {{ ref('int_plan_target') }} as targets
        on evidence.target_id = targets.target_id and evidence.reading = targets.reading
    cross join last_day
    where
        evidence.record_key is not null
        and evidence.day <= last_day.as_of
        and evidence.counts_to >= last_day.as_of
),

units as (
    select
        level,
        unit_code,
        case level when 'district' then unit_code when 'school' then parent_code end
            as district_code,
        case when level = 'school' then unit_code end as school_code
    from {{ ref('unit') }}
),

listed as (
    select
        records.target_id,
        records.reading,
        records.as_of,
        records.entity_type,
        records.entity_code,
        members.district_code,
        members.school_code,
        case
            when members.entity_code is null then 'outside'
            when not records.is_counted then 'repeated'
            when records.value = 0 and coalesce(records.tested, 0) = 0 then 'not_met'
            else 'counts'
        end as reason,
        records.day,
        records.record_key,
        records.title,
        records.value,
        records.tested,
        cast(null as decimal(18, 3)) as minimum
    from records
    left join members
        on
            records.target_id = members.target_id
            and records.reading = members.reading
            and records.entity_code = members.entity_code
    union all
    select
        members.target_id,
        members.reading,
        last_day.as_of,
        members.entity_type,
        members.entity_code,
        members.district_code,
        members.school_code,
        case when standing.entity_code is null then 'missing' else 'short' end as reason,
        cast(null as date) as day,
        cast(null as string) as record_key,
        cast(null as string) as title,
        standing.value,
        standing.tested,
        members.minimum
    from members
    cross join last_day
    left join standing
        on
            members.target_id = standing.target_id
            and members.reading = standing.reading
            and members.entity_code = standing.entity_code
    where
        members.rule not in ('count', 'count_cycle')
        and not coalesce(standing.is_met, false)
    union all
    select
        figures.target_id,
        figures.reading,
        figures.as_of,
        targets.entity_type,
        figures.unit_code as entity_code,
        units.district_code,
        units.school_code,
        case when figures.status = 'reached' then 'counts' else 'short' end as reason,
        measured.day,
        coalesce(
            measured.record_key, 'pass_rate_trend/' || figures.level || '/' || figures.unit_code
        ) as record_key,
        cast(null as string) as title,
        cast(figures.actual as decimal(18, 3)) as value,
        cast(figures.denominator as decimal(18, 3)) as tested,
        targets.target_value as minimum
    from {{ ref('plan_target') }} as figures
    inner join last_day on figures.as_of = last_day.as_of
    inner join {{ ref('int_plan_target') }} as targets
        on figures.target_id = targets.target_id and figures.reading = targets.reading
    left join units on figures.level = units.level and figures.unit_code = units.unit_code
    left join {{ ref('int_plan_measured') }} as measured
        on
            figures.target_id = measured.target_id
            and figures.reading = measured.reading
            and figures.level = measured.level
            and figures.unit_code = measured.unit_code
            and figures.as_of >= measured.day
            and figures.as_of <= measured.valid_to
    where targets.rule in ('growth', 'rank') and figures.actual is not null
)

select
    target_id,
    reading,
    as_of,
    entity_type,
    entity_code,
    district_code,
    school_code,
    reason = 'counts' as counts,
    reason,
    day,
    record_key,
    title,
    value,
    tested,
    minimum
from listed
