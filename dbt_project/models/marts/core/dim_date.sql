-- From the first school year on record to the end of the newest.
with spans as (
    select
        {{ year_start('min(school_year)') }} as first_day,
        {{ next_year_start('max(school_year)') }} - 1 as last_day
    from {{ ref('int_school') }}
),

days as (
    {{ days_from_to('first_day', 'last_day', 'spans') }}
),

placed as (
    select
        day,
        {{ school_year_of('day') }} as school_year
    from days
)

select
    day,
    school_year,
    cast(extract(year from day) as int) as calendar_year,
    cast(extract(month from day) as int) as month,
    cast({{ days_between(year_start('school_year'), 'day') }} + 1 as int) as day_of_school_year,
    {{ days_between(year_start('school_year'), next_year_start('school_year')) }}
        as days_in_school_year,
    {{ weekday('day') }} as weekday
from placed
