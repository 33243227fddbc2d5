select
    school_code,
    school_year,
    school_name,
    district_code,
    town,
    stage,
    locale,
    ownership,
    community_code,
    opened_on,
    closed_on,
    valid_from,
    valid_to,
    is_open,
    is_newest
from {{ ref('int_school') }}
