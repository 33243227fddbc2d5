{{ config(alias='competency') }}

{%- set paper = ['wave_id', 'grade', 'subject'] %}
{%- set kinds = published_dimensions() | join("', '") %}
{%- set part = paper + ['dimension_kind', 'dimension_value'] %}

-- What a paper's results may tell, its parts may. The number of students is left out: beside that
-- of the results it would tell how those did of whom an item is missing.
with told as (
    select
        parts.*,
        units.parent_code,
        case parts.level
            when 'district' then parts.unit_code
            when 'school' then units.parent_code
        end as within_code,
        results.places,
        coalesce(results.fate, '') <> 'shown' or not {{ shown('parts.n') }} as is_untold,
        coalesce(results.is_revised, false) as has_others,
        coalesce(points.is_revised, false) as is_counted_otherwise
    from {{ ref('competency') }} as parts
    inner join {{ ref('unit') }} as units
        on parts.level = units.level and parts.unit_code = units.unit_code
    left join {{ ref('disclosure_cell') }} as results
        on
            results.topic = 'results'
            and results.group_kind = 'all'
            and {{ same_key('parts', 'results', paper + ['level', 'unit_code']) }}
    left join {{ ref('disclosure_points') }} as points
        on {{ same_key('parts', 'points', part + ['level', 'unit_code']) }}
    where
        parts.level in ('city', 'district', 'school')
        and parts.dimension_kind in ('{{ kinds }}')
),

-- By what holds a part that was counted otherwise this could be told, unless of so many that it is
-- lost in the digits.
cells as (
    select
        *,
        has_others
        or is_counted_otherwise
        or (
            n < {{ var('many_from') }}
            and case level
                when 'city' then count_if(is_counted_otherwise) over of_city > 0
                when 'district' then count_if(is_counted_otherwise) over of_district > 0
                else false
            end
        ) as is_revised
    from told
    window
        of_city as (partition by {{ part | join(', ') }}),
        of_district as (partition by {{ part | join(', ') }}, within_code)
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
),

-- A difference rests on the city's own ratio, too: where that is another by a few, it is held.
differences as (
    select
        fates.*,
        {% for figure in ['difference_points', 'difference_low', 'difference_high'] %}
        case
            when fates.is_withheld or fates.level = 'city' then null
            else {{ held(figure, "case when fates.places = 2 then " ~ rounded('fates.' ~ figure, 0)
                ~ " else " ~ rounded('fates.' ~ figure, 1) ~ " end") }}
        end as {{ figure }}_told,
        {% endfor %}
        case
            when fates.is_withheld or fates.level = 'city' then null
            else {{ held(
                'stands', stands('fates.difference_low', 'fates.difference_high'), 'string'
            ) }}
        end as stands
    from fates
    {{ with_held('fates', 'competency') }}
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
    difference_points_told as difference_points,
    difference_low_told as difference_low,
    difference_high_told as difference_high,
    stands,
    case when is_withheld then 'c' else {{ mark('n') }} end as mark,
    case
        when level <> 'city' and is_withheld then 'c'
        when level = 'city' or difference_points is null then 'z'
        when difference_points_told is null then 'c'
    end as difference_mark
from differences
order by
    school_year, wave_id, grade, subject, dimension_kind, dimension_value, level, unit_code
