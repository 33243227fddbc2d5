{%- set counts = ['candidates', 'exempt', 'n', 'passed', 'good', 'excellent', 'low'] -%}

-- One pass over the scores into the finest cells; every coarser cell is a sum of these.
with finest as (
    select
        school_year,
        wave_id,
        wave_level,
        wave_kind,
        grade,
        stage,
        subject,
        full_mark,
        district_code,
        school_code,
        class_code,
        locale,
        gender,
        cast(count(*) as bigint) as candidates,
        cast(sum(is_exempt) as bigint) as exempt,
        cast(sum(is_scored) as bigint) as n,
        cast(sum(is_pass) as bigint) as passed,
        cast(sum(is_good) as bigint) as good,
        cast(sum(is_excellent) as bigint) as excellent,
        cast(sum(is_low) as bigint) as low,
        coalesce(sum(cast(score as decimal(9, 3))), 0) as score_sum,
        coalesce(sum(cast(score as decimal(9, 3)) * cast(score as decimal(9, 3))), 0)
            as score_square_sum
    from {{ ref('int_scores') }}
    group by
        school_year, wave_id, wave_level, wave_kind, grade, stage, subject, full_mark,
        district_code, school_code, class_code, locale, gender
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

kinds as (
    select 'all' as group_kind
    union all
    select 'locale' as group_kind
    union all
    select 'gender' as group_kind
),

-- Each finest cell once for every coarser cell that it is a part of.
spread as (
    select
        finest.*,
        levels.level,
        kinds.group_kind,
        case levels.level
            when 'city' then '{{ var("unit_code") }}'
            when 'district' then finest.district_code
            when 'school' then finest.school_code
            else finest.class_code
        end as unit_code,
        case kinds.group_kind
            when 'locale' then finest.locale
            when 'gender' then finest.gender
            else 'all'
        end as group_value
    from finest
    cross join levels
    cross join kinds
)

-- A school outside the register has no district, a result without a class no class.
select
    school_year,
    wave_id,
    wave_level,
    wave_kind,
    grade,
    stage,
    subject,
    full_mark,
    level,
    unit_code,
    group_kind,
    group_value,
    {% for count in counts %}
    cast(sum({{ count }}) as bigint) as {{ count }},
    {% endfor %}
    cast(sum(score_sum) as decimal(19, 3)) as score_sum,
    cast(sum(score_square_sum) as decimal(26, 6)) as score_square_sum
from spread
where unit_code is not null
group by
    school_year, wave_id, wave_level, wave_kind, grade, stage, subject, full_mark,
    level, unit_code, group_kind, group_value
