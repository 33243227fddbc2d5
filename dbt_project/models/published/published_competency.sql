{{ config(alias='competency') }}

-- What a paper's results may tell, its parts may. The number of students is left out: beside that
-- of the results it would tell how those did of whom an item is missing.
with cells as (
    select
        parts.*,
        units.parent_code,
        told.places,
        coalesce(told.fate, '') <> 'shown' or not {{ shown('parts.n') }} as is_untold,
        coalesce(told.is_revised, false) as is_revised
    from {{ ref('competency') }} as parts
    inner join {{ ref('unit') }} as units
        on parts.level = units.level and parts.unit_code = units.unit_code
    left join {{ ref('disclosure_cell') }} as told
        on
            told.topic = 'results'
            and told.group_kind = 'all'
            and parts.wave_id = told.wave_id
            and parts.grade = told.grade
            and parts.subject = told.subject
            and parts.level = told.level
            and parts.unit_code = told.unit_code
    where
        parts.level in ('city', 'district', 'school')
        and parts.dimension_kind in ('competency', 'content_domain', 'cognitive_level')
),

-- The whole less what is told of its parts: as many students as may be shown, and never one unit.
together as (
    select
        *,
        row_number() over line as place,
        sum(n) over line as sum_n,
        count_if(is_untold) over (
            partition by
                wave_id, grade, subject, dimension_kind, dimension_value, level, parent_code
        ) as untold
    from cells
    window line as (
        partition by wave_id, grade, subject, dimension_kind, dimension_value, level, parent_code
        order by is_untold desc, n asc, unit_code asc nulls last
        rows between unbounded preceding and current row
    )
),

reached as (
    select
        *,
        min(case when place >= untold and place >= 2 and {{ shown('sum_n') }} then place end) over (
            partition by
                wave_id, grade, subject, dimension_kind, dimension_value, level, parent_code
        ) as enough
    from together
),

hidden as (
    select
        *,
        is_untold
        or (level <> 'city' and untold > 0 and place <= coalesce(enough, place)) as is_hidden
    from reached
),

fates as (
    select
        own.*,
        -- What a correction moves is withheld by itself: what follows from it is revised, too. Were
        -- it counted with the untold, another unit's partner of before would be told beside it.
        own.is_hidden or own.is_revised or coalesce(above.is_hidden, false) as is_withheld
    from hidden as own
    -- All schools of a district tell the district.
    left join hidden as above
        on
            above.level = 'district'
            and own.level = 'school'
            and own.parent_code = above.unit_code
            and own.wave_id = above.wave_id
            and own.grade = above.grade
            and own.subject = above.subject
            and own.dimension_kind = above.dimension_kind
            and own.dimension_value = above.dimension_value
)

select
    school_year,
    wave_id,
    grade,
    subject,
    dimension_kind,
    dimension_value,
    level,
    unit_code,
    items,
    is_few_items,
    case
        when is_withheld then null
        when places = 2 then {{ rounded('score_ratio', 2) }}
        else {{ rounded('score_ratio', 3) }}
    end as score_ratio,
    {% for figure in ['difference_points', 'difference_low', 'difference_high'] %}
    case
        when is_withheld or level = 'city' then null
        when places = 2 then {{ rounded(figure, 0) }}
        else {{ rounded(figure, 1) }}
    end as {{ figure }},
    {% endfor %}
    case
        when is_withheld or level = 'city' then null
        when difference_low > 0 then 'above'
        when difference_high < 0 then 'below'
        when difference_low is not null then 'unclear'
    end as stands,
    case when is_withheld then 'c' else {{ mark('n') }} end as mark
from fates
order by
    school_year, wave_id, grade, subject, dimension_kind, dimension_value, level, unit_code
