-- Where a teacher changed schools within the year the one held last speaks.
select
    school_year,
    staff_code,
    nullif(max_by(coalesce(school_code, ''), from_day), '') as school_code,
    nullif(max_by(coalesce(district_code, ''), from_day), '') as district_code,
    nullif(max_by(coalesce(subject, ''), from_day), '') as subject,
    min(from_day) as from_day,
    max(to_day) as to_day,
    cast(sum(days) as bigint) as days
from {{ ref('int_post_year') }}
where role = 'teacher'
group by school_year, staff_code
