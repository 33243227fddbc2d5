{{ config(materialized='parted', meta={'parts': 'wave_id'}) }}

-- First each student's points on each dimension, then at once the classes' sums of them: rows of
-- students and dimensions are many times those of classes and are never kept. Both are grouped by
-- plain numbers only, which costs a fifth of grouping by codes.
with dimensions as (
    select distinct
        dimension_no,
        wave_id,
        items
    from {{ ref('int_item_dimensions') }}
),

numbers as (
    select distinct
        wave_id,
        grade,
        subject,
        item_no,
        paper_item_no
    from {{ ref('int_item_dimensions') }}
),

places as (
    select distinct
        place_no,
        district_code,
        school_code,
        class_code
    from {{ concerned(ref('int_item_sittings'), 'wave_id') }}
),

points as (
    select
        facts.sitting_no,
        numbers.paper_item_no,
        facts.score
    from {{ concerned(ref('int_item_points'), 'wave_id') }} as facts
    inner join numbers
        on
            facts.wave_id = numbers.wave_id
            and facts.grade = numbers.grade
            and facts.subject = numbers.subject
            and facts.item_no = numbers.item_no
    where facts.counted_as = 'counted'
),

{% for kind in dimension_kinds() %}
{{ kind }}_students as (
    select
        points.sitting_no,
        dimensions.dimension_no,
        count(*) as items_counted,
        sum(points.score) as points
    from points
    inner join {{ ref('int_item_dimensions') }} as dimensions
        on points.paper_item_no = dimensions.paper_item_no
    where dimensions.dimension_kind = '{{ kind }}'
    group by points.sitting_no, dimensions.dimension_no
),

{{ kind }}_known as (
    select
        students.dimension_no,
        sittings.place_no,
        case
            when students.items_counted = dimensions.items
                then cast(students.points as decimal(9, 3))
        end as points
    from {{ kind }}_students as students
    inner join dimensions on students.dimension_no = dimensions.dimension_no
    inner join {{ ref('int_item_sittings') }} as sittings
        on students.sitting_no = sittings.sitting_no
),

{{ kind }}_classes as (
    select
        dimension_no,
        place_no,
        cast(count(*) as bigint) as students,
        cast(count(points) as bigint) as n,
        sum(points) as points_sum,
        sum(points * points) as square_sum
    from {{ kind }}_known
    group by dimension_no, place_no
),

{% endfor %}

classes as (
    {% for kind in dimension_kinds() %}
    select * from {{ kind }}_classes
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

levels as (
    select 'city' as level
    union all
    select 'district' as level
    union all
    select 'school' as level
    union all
    select 'class' as level
),

spread as (
    select
        classes.*,
        dimensions.wave_id,
        levels.level,
        case levels.level
            when 'city' then '{{ var("unit_code") }}'
            when 'district' then places.district_code
            when 'school' then places.school_code
            else places.class_code
        end as unit_code
    from classes
    inner join places on classes.place_no = places.place_no
    inner join dimensions on classes.dimension_no = dimensions.dimension_no
    cross join levels
)

-- A school outside the register has no district, a result without a class no class.
select
    wave_id,
    dimension_no,
    level,
    unit_code,
    cast(sum(students) as bigint) as students,
    cast(sum(n) as bigint) as n,
    cast(sum(points_sum) as decimal(19, 3)) as points_sum,
    cast(sum(square_sum) as decimal(26, 6)) as square_sum
from spread
where unit_code is not null
group by wave_id, dimension_no, level, unit_code
