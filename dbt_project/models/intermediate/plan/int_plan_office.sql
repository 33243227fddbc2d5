-- Offices of the city: the city's own, and the districts', without the unit under which the city
-- runs schools itself, which is no district.
select
    'city' as level,
    '{{ var("unit_code") }}' as office_code,
    cast(null as string) as district_code,
    {{ first_of_days() }} as valid_from,
    {{ last_of_days() }} as valid_to
union all
select
    'district' as level,
    district_code as office_code,
    district_code,
    {{ year_start('school_year') }} as valid_from,
    case
        when year_after is null and school_year = newest_year then {{ last_of_days() }}
        else {{ year_start('coalesce(year_after, newest_year)') }} - 1
    end as valid_to
from (
    select
        *,
        lead(school_year) over (
            partition by district_code order by school_year asc nulls last
        ) as year_after,
        max(school_year) over () as newest_year
    from {{ ref('stg_districts') }}
) as registers
where district_kind is distinct from 'city_run'
