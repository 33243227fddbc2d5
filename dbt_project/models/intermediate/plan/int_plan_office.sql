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
    valid_from,
    coalesce(valid_to, {{ last_of_days() }}) as valid_to
from {{ ref('int_district') }}
where district_kind is distinct from 'city_run'
