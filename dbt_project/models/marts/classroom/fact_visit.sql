select
    official_code,
    school_code,
    visited_on,
    school_year,
    handed_in_year,
    district_code,
    topic,
    problems_solved,
    official_role,
    official_district_code,
    is_dated,
    is_counted,
    not_counted_reason
from {{ ref('int_visits') }}
