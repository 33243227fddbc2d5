{{ config(materialized='view') }}

-- What is entered in the register of programmes, for the targets that count by it. Who holds an
-- entry is the entity, except where the city counts, a subject is meant, or a community's schools.
with entries as (
    select
        *,
        kind || '/' || holder_code || '/' || cast(granted_on as string) as record_key,
        cast({{ monday_of('granted_on') }} as string) as week
    from {{ ref('stg_programme_register') }}
),

-- A number reported again for the same holder takes the earlier one's place.
numbers as (
    select
        kind,
        holder_code,
        title,
        granted_on,
        value,
        kind || '/' || holder_code || '/' || cast(granted_on as string) as record_key,
        lead(granted_on) over (
            partition by kind, holder_code
            order by granted_on asc nulls last, title asc nulls last
        ) - 1 as valid_to
    from {{ ref('stg_programme_register') }}
    where value is not null
),

communities as (
    select
        entries.kind,
        entries.title,
        entries.granted_on,
        entries.record_key || '/' || schools.school_code as record_key,
        schools.school_code
    from entries
    inner join {{ ref('int_school') }} as schools
        on
            entries.holder_code = schools.community_code
            and entries.granted_on >= schools.valid_from
            and entries.granted_on <= coalesce(schools.valid_to, {{ last_of_days() }})
)

select
    targets.target_id,
    targets.reading,
    case
        when targets.entity_type = 'city' then '{{ var("unit_code") }}'
        when targets.stream = 'register_subject' then entries.subject
        when targets.stream = 'register_week'
            then entries.holder_code || '/' || entries.week
        else entries.holder_code
    end as entity_code,
    entries.granted_on as day,
    {{ last_of_days() }} as valid_to,
    cast(1 as decimal(18, 3)) as value,
    cast(null as decimal(18, 3)) as tested,
    case targets.distinct_by
        when 'holder' then entries.holder_code
        when 'holder_subject' then entries.holder_code || '/' || coalesce(entries.subject, '')
        when 'holder_week' then entries.holder_code || '/' || entries.week
    end as distinct_key,
    entries.record_key,
    entries.title
from entries
inner join {{ ref('int_plan_target') }} as targets on entries.kind = targets.selector
where
    targets.stream in ('register', 'register_week')
    or (targets.stream = 'register_subject' and entries.subject is not null)
    or (targets.stream = 'register_covering' and entries.covers_all)
union all
select
    targets.target_id,
    targets.reading,
    numbers.holder_code as entity_code,
    numbers.granted_on as day,
    coalesce(numbers.valid_to, {{ last_of_days() }}) as valid_to,
    cast(numbers.value as decimal(18, 3)) as value,
    cast(null as decimal(18, 3)) as tested,
    cast(null as string) as distinct_key,
    numbers.record_key,
    numbers.title
from numbers
inner join {{ ref('int_plan_target') }} as targets on numbers.kind = targets.selector
where
    targets.stream = 'register_value'
    and coalesce(numbers.valid_to, {{ last_of_days() }}) >= numbers.granted_on
union all
select
    targets.target_id,
    targets.reading,
    '{{ var("unit_code") }}' as entity_code,
    communities.granted_on as day,
    {{ last_of_days() }} as valid_to,
    cast(1 as decimal(18, 3)) as value,
    cast(null as decimal(18, 3)) as tested,
    communities.school_code as distinct_key,
    communities.record_key,
    communities.title
from communities
inner join {{ ref('int_plan_target') }} as targets on communities.kind = targets.selector
where targets.stream = 'community_school'
