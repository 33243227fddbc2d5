select
    kind,
    holder_type,
    holder_code,
    title,
    granted_on,
    school_year,
    handed_in_year,
    district_code,
    school_code,
    staff_code,
    community_code,
    holder_role,
    subject,
    level,
    value,
    covers_all
from {{ ref('int_programme') }}
