-- Stretches of as-of days over which an entity of the population stands unchanged.
with running as (
    select
        target_id,
        reading,
        entity_code,
        slot as slot_from,
        lead(slot) over life as slot_next,
        cast(sum(value) over so_far as decimal(18, 3)) as value,
        cast(sum(tested) over so_far as decimal(18, 3)) as tested,
        cast(sum(records) over so_far as bigint) as records
    from {{ ref('int_plan_step') }}
    window
        life as (
            partition by target_id, reading, entity_code order by slot asc nulls last
        ),
        so_far as (
            partition by target_id, reading, entity_code order by slot asc nulls last
            rows between unbounded preceding and current row
        )
),

last_slot as (
    select max(slot) as slot from {{ ref('int_plan_as_of') }}
),

standing as (
    select
        running.*,
        coalesce(running.slot_next, last_slot.slot + 1) as slot_until
    from running
    cross join last_slot
    where running.records > 0
),

joined as (
    select
        standing.target_id,
        standing.reading,
        standing.entity_code,
        members.district_code,
        members.school_code,
        greatest(standing.slot_from, members.slot_from) as slot_from,
        least(standing.slot_until, members.slot_until) as slot_until,
        standing.value,
        standing.tested,
        standing.records,
        members.weight,
        targets.rule,
        targets.population_code,
        targets.target_value,
        {{ plan_minimum('targets', 'members') }} as minimum
    from standing
    inner join {{ ref('int_plan_target') }} as targets
        on standing.target_id = targets.target_id and standing.reading = targets.reading
    inner join {{ ref('int_plan_member') }} as members
        on
            standing.entity_code = members.entity_code
            and targets.population_code = members.population_code
            and standing.slot_from < members.slot_until
            and standing.slot_until > members.slot_from
    where
        targets.population_districts = ''
        or ' ' || targets.population_districts || ' ' like '% ' || members.district_code || ' %'
),

judged as (
    select
        *,
        case rule
            when 'rate_threshold' then tested > 0 and 100 * value >= target_value * tested
            else value >= minimum
        end as is_met
    from joined
)

-- Of pupils as many are covered as were counted, never more than there are.
select
    target_id,
    reading,
    entity_code,
    district_code,
    school_code,
    slot_from,
    slot_until,
    value,
    tested,
    records,
    minimum,
    is_met,
    cast(case
        when population_code = 'student' then least(value, weight)
        when is_met then weight
        else 0
    end as decimal(18, 3)) as covered
from judged
where slot_from < slot_until
