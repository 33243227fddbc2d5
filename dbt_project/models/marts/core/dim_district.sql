select
    district_code,
    school_year,
    district_name,
    district_kind,
    '{{ var("unit_code") }}' as city_code,
    valid_from,
    valid_to,
    is_newest
from {{ ref('int_district') }}
