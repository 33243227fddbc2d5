{{ config(materialized='view') }}

-- Evidence that registers give. A register lists everybody: who is not on it is not there, so that
-- a row of value 0 says that the register was handed in.
with register_years as (
    select distinct
        years.school_year,
        years.valid_from,
        years.valid_to,
        staff.school_code,
        staff.district_code
    from {{ ref('stg_staff') }} as staff
    inner join {{ ref('int_plan_staff_year') }} as years on staff.school_year = years.school_year
),

-- The offices whose staff is on a register, with every subject.
office_subjects as (
    select distinct
        offices.office_code || '/' || subjects.subject as entity_code,
        years.school_year,
        years.valid_from,
        years.valid_to
    from register_years as years
    inner join {{ ref('int_plan_office') }} as offices
        on offices.level = 'city' or years.district_code = offices.district_code
    cross join {{ ref('int_plan_subject') }} as subjects
),

rural as (
    select
        school_code,
        school_year,
        community_code,
        valid_from,
        coalesce(valid_to, {{ last_of_days() }}) as valid_to
    from {{ ref('int_school') }}
    where locale = 'rural'
),

others as (
    select
        school_code,
        school_name,
        community_code,
        valid_from,
        coalesce(valid_to, {{ last_of_days() }}) as valid_to
    from {{ ref('int_school') }}
    where locale <> 'rural'
),

-- Stretches of time in which a rural school and another are of one community.
pairs as (
    select
        rural.school_code,
        others.school_code as other_code,
        others.school_name as title,
        greatest(rural.valid_from, others.valid_from) as valid_from,
        least(rural.valid_to, others.valid_to) as valid_to
    from rural
    inner join others
        on
            rural.community_code = others.community_code
            and rural.valid_from <= others.valid_to
            and rural.valid_to >= others.valid_from
),

held as (
    select
        posts.*,
        case when posts.level = 'city' then '{{ var("unit_code") }}' else posts.district_code end
        || '/' || posts.subject as office_subject
    from {{ ref('int_plan_post') }} as posts
),

found as (
    select
        'post_role' as stream,
        role as selector,
        school_code as entity_code,
        valid_from as day,
        valid_to,
        1 as value,
        staff_code as record_key,
        role as title
    from held
    where school_code is not null
    union all
    select
        'post_stem_master' as stream,
        subject as selector,
        school_code as entity_code,
        valid_from as day,
        valid_to,
        1 as value,
        staff_code as record_key,
        degree as title
    from held
    where school_code is not null and degree in ('master', 'doctor') and degree_field = 'stem'
    union all
    select
        'post_subject' as stream,
        role as selector,
        office_subject as entity_code,
        valid_from as day,
        valid_to,
        1 as value,
        staff_code as record_key,
        subject as title
    from held
    where full_time and level <> 'school'
    union all
    select
        'pairing' as stream,
        '' as selector,
        school_code as entity_code,
        valid_from as day,
        valid_to,
        1 as value,
        other_code as record_key,
        title
    from pairs
),

registers as (
    select
        'school' as register,
        school_code as entity_code,
        valid_from as day,
        valid_to
    from register_years
    where school_code is not null
    union all
    select
        'office' as register,
        entity_code,
        valid_from as day,
        valid_to
    from office_subjects
    union all
    select
        'rural' as register,
        school_code as entity_code,
        valid_from as day,
        valid_to
    from rural
)

select
    targets.target_id,
    targets.reading,
    found.entity_code,
    found.day,
    found.valid_to,
    cast(found.value as decimal(18, 3)) as value,
    cast(null as decimal(18, 3)) as tested,
    cast(null as string) as distinct_key,
    found.record_key,
    found.title
from found
inner join {{ ref('int_plan_target') }} as targets
    on found.stream = targets.stream and found.selector = targets.selector
where found.day <= found.valid_to and found.entity_code is not null
union all
select
    targets.target_id,
    targets.reading,
    registers.entity_code,
    registers.day,
    registers.valid_to,
    cast(0 as decimal(18, 3)) as value,
    cast(null as decimal(18, 3)) as tested,
    cast(null as string) as distinct_key,
    cast(null as string) as record_key,
    cast(null as string) as title
from registers
inner join {{ ref('int_plan_target') }} as targets
    on
        (registers.register = 'school' and targets.stream in ('post_role', 'post_stem_master'))
        or (registers.register = 'office' and targets.stream = 'post_subject')
        or (registers.register = 'rural' and targets.stream = 'pairing')
where registers.day <= registers.valid_to
