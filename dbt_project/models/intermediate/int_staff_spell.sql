-- A register names the post of a year's beginning; who changed posts within the year is told by
-- `started_on` of the next register.
with registered as (
    select
        *,
        lag(role) over life as role_before,
        lag(school_code) over life as school_before,
        lag(school_year) over life as year_before,
        max(school_year) over () as newest_year
    from {{ ref('stg_staff') }}
    window life as (partition by staff_code order by school_year)
),

compared as (
    select
        *,
        year_before is null
        or role <> role_before
        or coalesce(school_code, '') <> coalesce(school_before, '') as is_new
    from registered
),

-- A day of taking the post that lies before a register which shows the person in another post is
-- that of an earlier appointment: then the post begins with the register's year.
entered as (
    select
        *,
        case
            when is_new and started_on < {{ year_start('year_before') }}
                then {{ year_start('school_year') }}
            else coalesce(started_on, {{ year_start('school_year') }})
        end as entered_on
    from compared
),

numbered as (
    select
        *,
        sum(case when is_new then 1 else 0 end) over (
            partition by staff_code order by school_year
            rows between unbounded preceding and current row
        ) as spell_no
    from entered
),

from_the_last as (
    select
        *,
        row_number() over (
            partition by staff_code, spell_no order by school_year desc
        ) as years_back
    from numbered
),

-- What the last register says holds, also where it says nothing: who is no longer marked as having
-- left has returned.
spells as (
    select
        staff_code,
        cast(spell_no as int) as spell_no,
        role,
        school_code,
        max(case when years_back = 1 then district_code end) as district_code,
        max(case when years_back = 1 then level end) as level,
        max(case when years_back = 1 then subject end) as subject,
        min_by(entered_on, school_year) as held_from,
        max(case when years_back = 1 then left_on end) as left_on,
        min(school_year) as first_year,
        max(school_year) as last_year,
        max(newest_year) as newest_year
    from from_the_last
    group by staff_code, spell_no, role, school_code
),

followed as (
    select
        *,
        lead(held_from) over (partition by staff_code order by spell_no) as next_from
    from spells
)

select
    staff_code,
    spell_no,
    role,
    level,
    district_code,
    school_code,
    subject,
    first_year,
    last_year,
    held_from,
    case
        when left_on is not null and (next_from is null or left_on < next_from) then left_on
        when next_from is not null then next_from - 1
        when last_year < newest_year then {{ next_year_start('last_year') }} - 1
    end as held_to
from followed
