-- A school that a later register leaves out is in being until that register's year; the newest
-- register holds until the next one.
with years as (
    select
        school_year,
        lead(school_year) over (order by school_year) as year_after
    from (select distinct school_year from {{ ref('stg_schools') }}) as registers
),

registered as (
    select
        schools.*,
        years.year_after,
        {{ year_start('schools.school_year') }} as year_from,
        case when years.year_after is not null then {{ year_start('years.year_after') }} - 1 end
            as year_to
    from {{ ref('stg_schools') }} as schools
    inner join years on schools.school_year = years.school_year
)

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
    year_from,
    year_to,
    greatest(year_from, coalesce(opened_on, year_from)) as valid_from,
    case
        when closed_on is null then year_to
        when year_to is null then closed_on - 1
        else least(year_to, closed_on - 1)
    end as valid_to,
    coalesce(opened_on < coalesce(year_to + 1, opened_on + 1), true)
    and coalesce(closed_on > year_from, true) as is_open,
    year_after is null as is_newest
from registered
