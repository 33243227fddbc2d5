-- A spell speaks for the school years whose register shows it, and for the year before the first of
-- them if the post was taken within that year. A day of taking office long before the person's
-- first register does not put the person into registers that leave the person out.
with begun as (
    select min(school_year) as first_year
    from {{ ref('stg_staff') }}
),

years as (
    select school_year
    from {{ ref('stg_staff') }}
    union
    select as_of.school_year
    from {{ ref('int_as_of') }} as as_of
    inner join begun on as_of.school_year > begun.first_year
),

clamped as (
    select
        *,
        case
            when
                spell_no = 1
                and held_from < {{ months_after(year_start('first_year'), -12) }}
                then {{ year_start('first_year') }}
            else held_from
        end as known_from,
        max(held_to) over (
            partition by staff_code order by spell_no
            rows between unbounded preceding and 1 preceding
        ) as earlier_to
    from {{ ref('int_staff_spell') }}
),

-- Nobody is in two posts on one day, whatever the days say: the earlier one ends first.
posts as (
    select
        *,
        case
            when earlier_to >= known_from then earlier_to + 1
            else known_from
        end as post_from
    from clamped
),

pieces as (
    select
        posts.staff_code,
        posts.spell_no,
        years.school_year,
        posts.role,
        posts.level,
        posts.school_code,
        posts.district_code,
        posts.subject,
        greatest(posts.post_from, {{ year_start('years.school_year') }}) as from_day,
        least(
            coalesce(posts.held_to, {{ next_year_start('years.school_year') }} - 1),
            {{ next_year_start('years.school_year') }} - 1
        ) as to_day,
        {{ days_between(year_start('years.school_year'), next_year_start('years.school_year')) }}
            as days_in_year
    from posts
    cross join years
)

select
    pieces.staff_code,
    pieces.spell_no,
    pieces.school_year,
    pieces.role,
    pieces.level,
    pieces.school_code,
    nullif(coalesce(schools.district_code, pieces.district_code), '{{ var("unit_code") }}')
        as district_code,
    pieces.subject,
    pieces.from_day,
    pieces.to_day,
    {{ days_between('pieces.from_day', 'pieces.to_day') }} + 1 as days,
    pieces.days_in_year
from pieces
left join {{ ref('int_school_span') }} as schools
    on
        pieces.school_code = schools.school_code
        and pieces.school_year >= schools.first_year
        and pieces.school_year < schools.year_after
where pieces.from_day <= pieces.to_day
