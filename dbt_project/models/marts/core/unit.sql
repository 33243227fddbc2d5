-- Each unit as its newest register has it. A unit that only results or the list of schools name
-- is kept under its code, so that every figure has a unit to belong to.
with registered as (
    select
        'district' as level,
        district_code as unit_code,
        district_name as unit_name,
        '{{ var("unit_code") }}' as parent_code,
        school_year
    from {{ ref('int_district') }}
    union all
    select
        'school' as level,
        school_code as unit_code,
        school_name as unit_name,
        district_code as parent_code,
        school_year
    from {{ ref('int_school') }}
    union all
    select
        'district' as level,
        district_code as unit_code,
        district_code as unit_name,
        '{{ var("unit_code") }}' as parent_code,
        '' as school_year
    from {{ ref('int_school') }}
    where district_code is not null
    union all
    select
        'school' as level,
        unit_code,
        unit_code as unit_name,
        cast(null as string) as parent_code,
        '' as school_year
    from {{ ref('int_attainment_cells') }}
    where level = 'school'
),

ranked as (
    select
        level,
        unit_code,
        unit_name,
        parent_code,
        row_number() over (
            partition by level, unit_code
            order by school_year desc nulls last, unit_name asc nulls last
        ) as age
    from registered
)

select
    'city' as level,
    '{{ var("unit_code") }}' as unit_code,
    '{{ var("unit_name_zh") | replace("'", "''") }}' as unit_name,
    cast(null as string) as parent_code
union all
select
    level,
    unit_code,
    unit_name,
    parent_code
from ranked
where age = 1
