-- Changes are summed by unit and as-of day, and then added up along the days: no entity is
-- looked at twice.
with every_level as (
    {{ unit_levels() }}
),

scopes as (
    select distinct
        population_code,
        population_districts
    from {{ ref('int_plan_target') }}
),

levels as (
    select
        targets.*,
        levels.level
    from {{ ref('int_plan_target') }} as targets
    inner join every_level as levels
        on ' ' || targets.levels || ' ' like '% ' || levels.level || ' %'
    where targets.rule not in ('growth', 'rank')
),

members as (
    select
        scopes.population_code,
        scopes.population_districts,
        levels.level,
        {{ unit_of('levels.level', 'members.district_code', 'members.school_code') }} as unit_code,
        members.slot_from,
        members.slot_until,
        members.weight
    from {{ ref('int_plan_member') }} as members
    inner join scopes on members.population_code = scopes.population_code
    cross join every_level as levels
    where
        scopes.population_districts = ''
        or ' ' || scopes.population_districts || ' ' like '% ' || members.district_code || ' %'
),

member_changes as (
    select
        population_code,
        population_districts,
        level,
        unit_code,
        slot_from as slot,
        weight
    from members
    union all
    select
        population_code,
        population_districts,
        level,
        unit_code,
        slot_until as slot,
        -weight as weight
    from members
),

population_changes as (
    select
        population_code,
        population_districts,
        level,
        unit_code,
        slot,
        sum(weight) as weight
    from member_changes
    where unit_code is not null
    group by population_code, population_districts, level, unit_code, slot
),

-- The city has a row even where there is nobody to count.
units as (
    select distinct
        population_code,
        population_districts,
        level,
        unit_code
    from population_changes
    union
    select
        population_code,
        population_districts,
        'city' as level,
        '{{ var("unit_code") }}' as unit_code
    from scopes
),

populations as (
    select
        units.population_code,
        units.population_districts,
        units.level,
        units.unit_code,
        days.slot,
        cast(sum(coalesce(changes.weight, 0)) over (
            partition by
                units.population_code, units.population_districts, units.level, units.unit_code
            order by days.slot asc nulls last
            rows between unbounded preceding and current row
        ) as bigint) as population
    from units
    cross join {{ ref('int_plan_as_of') }} as days
    left join population_changes as changes
        on
            units.population_code = changes.population_code
            and units.population_districts = changes.population_districts
            and units.level = changes.level
            and units.unit_code = changes.unit_code
            and days.slot = changes.slot
),

entities as (
    select
        entities.target_id,
        entities.reading,
        levels.level,
        {{ unit_of('levels.level', 'entities.district_code', 'entities.school_code') }}
            as unit_code,
        entities.slot_from,
        entities.slot_until,
        entities.covered,
        entities.value,
        entities.tested
    from {{ ref('int_plan_entity') }} as entities
    inner join levels
        on entities.target_id = levels.target_id and entities.reading = levels.reading
),

entity_changes as (
    select
        target_id,
        reading,
        level,
        unit_code,
        slot_from as slot,
        covered,
        value,
        tested,
        1 as reported
    from entities
    union all
    select
        target_id,
        reading,
        level,
        unit_code,
        slot_until as slot,
        -covered as covered,
        -value as value,
        -tested as tested,
        -1 as reported
    from entities
),

unit_changes as (
    select
        target_id,
        reading,
        level,
        unit_code,
        slot,
        sum(covered) as covered,
        sum(value) as value,
        sum(tested) as tested,
        sum(reported) as reported
    from entity_changes
    where unit_code is not null
    group by target_id, reading, level, unit_code, slot
),

added_up as (
    select
        levels.target_id,
        levels.reading,
        levels.level,
        populations.unit_code,
        populations.slot,
        populations.population,
        sum(coalesce(changes.covered, 0)) over so_far as covered,
        sum(coalesce(changes.value, 0)) over so_far as value,
        sum(coalesce(changes.tested, 0)) over so_far as tested,
        sum(coalesce(changes.reported, 0)) over so_far as reported
    from levels
    inner join populations
        on
            levels.population_code = populations.population_code
            and levels.population_districts = populations.population_districts
            and levels.level = populations.level
    left join unit_changes as changes
        on
            levels.target_id = changes.target_id
            and levels.reading = changes.reading
            and levels.level = changes.level
            and populations.unit_code = changes.unit_code
            and populations.slot = changes.slot
    window so_far as (
        partition by levels.target_id, levels.reading, levels.level, populations.unit_code
        order by populations.slot asc nulls last
        rows between unbounded preceding and current row
    )
)

select
    target_id,
    reading,
    level,
    unit_code,
    slot,
    population,
    cast(reported as bigint) as reported,
    cast(covered as bigint) as covered,
    cast(value as decimal(18, 3)) as value,
    cast(tested as bigint) as tested
from added_up
where population > 0 or level = 'city'
