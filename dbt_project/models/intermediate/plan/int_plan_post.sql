-- What the registers of a spell say of a person, each from its school year up to the next one; the
-- first speaks for the year before it too.
with lines as (
    select
        staff.*,
        spells.spell_no,
        staff.school_year = spells.first_year as is_first,
        lead(staff.school_year) over (
            partition by staff.staff_code, spells.spell_no
            order by staff.school_year asc nulls last
        ) as year_after
    from {{ ref('stg_staff') }} as staff
    inner join {{ ref('int_staff_spell') }} as spells
        on
            staff.staff_code = spells.staff_code
            and staff.school_year >= spells.first_year
            and staff.school_year <= spells.last_year
            and staff.role = spells.role
            and coalesce(staff.school_code, '') = coalesce(spells.school_code, '')
)

select
    posts.staff_code,
    posts.spell_no,
    posts.school_year,
    posts.role,
    lines.level,
    posts.district_code,
    posts.school_code,
    lines.subject,
    lines.degree,
    lines.degree_field,
    lines.full_time,
    lines.key_teacher,
    posts.from_day as valid_from,
    posts.to_day as valid_to
from {{ ref('int_post_year') }} as posts
inner join lines
    on
        posts.staff_code = lines.staff_code
        and posts.spell_no = lines.spell_no
        and (posts.school_year >= lines.school_year or lines.is_first)
        and (lines.year_after is null or posts.school_year < lines.year_after)
