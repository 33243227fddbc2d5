{%- set counts = ['passed', 'good', 'excellent', 'low'] -%}
{%- set groups = published_groups() | join("', '") -%}
{%- set numbers = ['n', 'absent', 'exempt'] + counts + ['score_thousandths'] -%}
-- Every number of students that published figures rest on, once a table that tells it: students of
-- a paper, of a unit's year (results, and the students behind pooled ones), and those matched.
with schools as (
    select
        school_year,
        school_code,
        district_code
    from {{ ref('stg_schools') }}
),

results as (
    select
        cells.school_year,
        cells.wave_id,
        cells.grade,
        cells.subject,
        cells.level,
        cells.unit_code,
        cells.group_kind,
        cells.group_value,
        case cells.level
            when 'class' then split_part(cells.unit_code, '-', 1)
            when 'school' then coalesce(schools.district_code, '{{ var("unit_code") }}')
            when 'district' then '{{ var("unit_code") }}'
        end as parent_code,
        case
            when cells.level = 'class' then 'school'
            when cells.level = 'school' and schools.district_code is not null then 'district'
            when cells.level <> 'city' then 'city'
        end as parent_level,
        -- Where the trend counts it: in a stage, or in the whole alone.
        case
            when
                {{ is_annual('cells') }}
                and cells.level <> 'class'
                and cells.group_kind = 'all'
                and cells.n > 0
                then coalesce(cells.stage, 'all')
        end as trend_stage,
        cells.n,
        cells.candidates - cells.exempt - cells.n as absent,
        cells.exempt,
        cells.{{ counts | join(', cells.') }},
        cast(cells.score_sum * 1000 as bigint) as score_thousandths
    from {{ ref('int_attainment_cells') }} as cells
    left join schools
        on
            cells.level = 'school'
            and cells.unit_code = schools.school_code
            and cells.school_year = schools.school_year
    where
        {{ within_organiser('cells.level', 'cells.wave_level') }}
        and cells.group_kind in ('{{ groups }}')
        and (cells.level <> 'class' or cells.group_kind = 'all')
),

-- Students without a class make what a school has more than its classes.
classes as (
    select
        wave_id,
        grade,
        subject,
        parent_code,
        {{ counts_added(numbers) }}
    from results
    where level = 'class'
    group by wave_id, grade, subject, parent_code
),

without_class as (
    select
        whole.school_year,
        whole.wave_id,
        whole.grade,
        whole.subject,
        'class' as level,
        whole.unit_code || '-' as unit_code,
        whole.group_kind,
        whole.group_value,
        whole.unit_code as parent_code,
        'school' as parent_level,
        cast(null as string) as trend_stage,
        {{ counts_left('whole', 'classes', numbers) }}
    from results as whole
    left join classes
        on
            whole.wave_id = classes.wave_id
            and whole.grade = classes.grade
            and whole.subject = classes.subject
            and whole.unit_code = classes.parent_code
    where
        whole.level = 'school'
        and whole.group_kind = 'all'
        and whole.n > coalesce(classes.n, 0)
),

trend as (
    select
        trend.*,
        case
            when trend.level = 'school' and schools.district_code is not null then 'district'
            when trend.level <> 'city' then 'city'
        end as parent_level,
        case
            when trend.level = 'school'
                then coalesce(schools.district_code, '{{ var("unit_code") }}')
            when trend.level = 'district' then '{{ var("unit_code") }}'
        end as parent_code
    from {{ ref('int_trend_cells') }} as trend
    left join schools
        on
            trend.level = 'school'
            and trend.unit_code = schools.school_code
            and trend.school_year = schools.school_year
),

-- All scores that an effect is made of, by which it is known whether they are still what they were.
points as (
    {% for level in ['school', 'district'] %}
    select
        paper_no,
        '{{ level }}' as level,
        {{ level }}_code as unit_code,
        sum(points_sum) as points_sum
    from {{ ref('int_value_added_sums') }}
    where {{ level }}_code is not null
    group by paper_no, {{ level }}_code
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

matched as (
    select
        papers.school_year,
        papers.wave_id,
        papers.grade,
        papers.subject,
        units.level,
        units.unit_code,
        schools.district_code,
        units.n,
        cast(points.points_sum * 1000 as bigint) as score_thousandths
    from {{ ref('int_value_added_effects') }} as units
    inner join {{ ref('int_papers') }} as papers on units.paper_no = papers.paper_no
    inner join points
        on
            units.paper_no = points.paper_no
            and units.level = points.level
            and units.unit_code = points.unit_code
    left join {{ ref('int_school') }} as schools
        on
            units.level = 'school'
            and units.unit_code = schools.school_code
            and papers.school_year = schools.school_year
    where units.model = '{{ published_model() }}' and units.n > 0
),

united as (
    {% for relation in ['results', 'without_class'] %}
    select
        'results' as topic,
        school_year,
        wave_id,
        cast(grade as int) as grade,
        subject,
        'all' as stage,
        level,
        unit_code,
        group_kind,
        group_value,
        parent_level,
        parent_code,
        trend_stage,
        {{ 'true' if relation == 'results' else 'false' }} as is_published,
        {{ numbers | join(', ') }}
    from {{ relation }}
    union all
    {% endfor %}
    {% for topic in ['trend', 'students'] %}
    select
        '{{ topic }}' as topic,
        school_year,
        'all' as wave_id,
        0 as grade,
        subject,
        stage,
        level,
        unit_code,
        'all' as group_kind,
        'all' as group_value,
        parent_level,
        parent_code,
        cast(null as string) as trend_stage,
        {{ 'true' if topic == 'trend' else "level <> 'school'" }} as is_published,
        {{ 'n' if topic == 'trend' else 'students' }} as n,
        cast(null as bigint) as absent,
        cast(null as bigint) as exempt,
        {{ 'passed' if topic == 'trend' else 'cast(null as bigint)' }} as passed,
        {{ counts_none(counts[1:] + ['score_thousandths']) }}
    from trend
    {{ "where subject = 'all'" if topic == 'students' }}
    union all
    {% endfor %}
    select
        'matched' as topic,
        school_year,
        wave_id,
        cast(grade as int) as grade,
        subject,
        'all' as stage,
        level,
        unit_code,
        'all' as group_kind,
        'all' as group_value,
        case when level = 'school' then 'district' end as parent_level,
        case when level = 'school' then district_code end as parent_code,
        cast(null as string) as trend_stage,
        true as is_published,
        n,
        {{ counts_none(numbers[1:-1]) }},
        score_thousandths
    from matched
)

select
    cast(
        row_number() over (
            order by {{ cell_key() | join(' asc nulls last, ') }} asc nulls last
        ) - 1 as bigint
    ) as cell_no,
    *
from united
