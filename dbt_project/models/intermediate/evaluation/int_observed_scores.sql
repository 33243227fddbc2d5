select
    school_year,
    observer_code,
    teacher_code,
    school_code,
    subject,
    cast(score as double) as score
from {{ ref('int_observations') }}
where is_dated and score is not null and observer_code is not null and teacher_code is not null
