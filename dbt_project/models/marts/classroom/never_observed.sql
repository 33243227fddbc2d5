with observed as (
    select
        school_year,
        teacher_code,
        max(observed_on) as observed_on
    from {{ ref('fact_observation') }}
    where is_dated
    group by school_year, teacher_code
),

reporting as (
    select distinct
        school_year,
        school_code
    from {{ ref('fact_observation') }}
    where is_dated
),

without as (
    select teachers.*
    from {{ ref('int_teacher_year') }} as teachers
    left join observed
        on
            teachers.school_year = observed.school_year
            and teachers.staff_code = observed.teacher_code
    where observed.teacher_code is null
),

earlier as (
    select
        without.school_year,
        without.staff_code,
        max(observed.observed_on) as last_observed_on
    from without
    inner join observed
        on
            without.staff_code = observed.teacher_code
            and without.school_year > observed.school_year
    group by without.school_year, without.staff_code
)

select
    without.school_year,
    without.staff_code,
    without.district_code,
    without.school_code,
    without.subject,
    without.from_day,
    without.to_day,
    without.days,
    earlier.last_observed_on,
    case when reporting.school_code is null then 'not_reported' else 'not_observed' end as status
from without
left join earlier
    on
        without.school_year = earlier.school_year
        and without.staff_code = earlier.staff_code
left join reporting
    on
        without.school_year = reporting.school_year
        and without.school_code = reporting.school_code
