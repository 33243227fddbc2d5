{{ config(materialized='parted', meta={'parts': 'wave_id, grade'}) }}

{%- set levels = {
    'city': "'" ~ var('unit_code') ~ "'", 'district': 'district_code', 'school': 'school_code',
    'class': 'class_code',
} -%}
{%- set measures = {'n': 'bigint', 'passed_all': 'bigint'} -%}

-- The first paper of a wave and grade stands for them all.
with papers as (
    select
        wave_id,
        grade,
        min(paper_no) as paper_no,
        cast(count(*) as int) as papers
    from {{ ref('int_papers') }}
    group by wave_id, grade
),

sittings as (
    select
        papers.paper_no,
        papers.papers,
        students.*
    from {{ concerned(ref('int_student_wave'), 'wave_id, grade') }} as students
    inner join papers on students.wave_id = papers.wave_id and students.grade = papers.grade
),

finest as (
    select
        paper_no,
        school_code,
        class_no,
        gender,
        {{ student_markers() | join(', ') }},
        grouping(gender) = 0 as by_gender,
        cast(count(*) as bigint) as n,
        cast(count(case when passed = papers then 1 end) as bigint) as passed_all
    from sittings
    where sat = papers
    group by {{ finest_sets() }} -- noqa: PRS
),

counted as (
    {{ cells_of_groups(measures) }} -- noqa: PRS
),

{{ units_of_cells(measures) }},

-- Who sat all subjects, but not all of them in one class, counts in the units that hold them all.
divided as (
    select
        paper_no,
        student_key,
        papers
    from sittings
    where sat < papers
    group by paper_no, student_key, papers
    having count(*) > 1 and sum(sat) = papers
),

parts as (
    select
        sittings.paper_no,
        sittings.student_key,
        sittings.papers,
        schools.district_code,
        sittings.school_code,
        sittings.school_code || '-' || cast(sittings.grade as string) || '-' || sittings.class_no
            as class_code,
        'all' as whole,
        coalesce(schools.locale, 'unknown') as locale,
        coalesce(schools.ownership, 'unknown') as ownership,
        coalesce(sittings.gender, 'unknown') as gender,
        {% for marker in student_markers() %}
        {{ yes_no('sittings.' ~ marker) }} as {{ marker }},
        {% endfor %}
        sittings.sat,
        sittings.passed
    from sittings
    inner join divided
        on
            sittings.paper_no = divided.paper_no
            and sittings.student_key = divided.student_key
    left join {{ ref('stg_schools') }} as schools
        on
            sittings.school_code = schools.school_code
            and sittings.school_year = schools.school_year
),

spread as (
    {% for level, unit in levels.items() %}
    {% set level_loop = loop %}
    {% for kind in group_kinds() if level != 'class' or kind in ['all'] + var('class_groups') %}
    select
        paper_no,
        student_key,
        papers,
        '{{ level }}' as level,
        {{ unit }} as unit_code,
        '{{ kind }}' as group_kind,
        {{ 'whole' if kind == 'all' else kind }} as group_value,
        sat,
        passed
    from parts
    {{ 'union all' if not (loop.last and level_loop.last) }}
    {% endfor %}
    {% endfor %}
),

together as (
    select
        paper_no,
        level,
        unit_code,
        group_kind,
        group_value,
        cast(1 as bigint) as n,
        case when sum(passed) = papers then cast(1 as bigint) else cast(0 as bigint) end
            as passed_all
    from spread
    where unit_code is not null
    group by paper_no, student_key, papers, level, unit_code, group_kind, group_value
    having sum(sat) = papers
),

united as (
    select
        paper_no,
        level,
        unit_code,
        group_kind,
        group_value,
        n,
        passed_all
    from units
    union all
    select
        paper_no,
        level,
        unit_code,
        group_kind,
        group_value,
        n,
        passed_all
    from together
)

select
    papers.school_year,
    papers.wave_id,
    papers.wave_level,
    papers.grade,
    united.level,
    united.unit_code,
    united.group_kind,
    united.group_value,
    cast(sum(united.n) as bigint) as n,
    cast(sum(united.passed_all) as bigint) as passed_all
from united
inner join {{ ref('int_papers') }} as papers on united.paper_no = papers.paper_no
group by
    papers.school_year, papers.wave_id, papers.wave_level, papers.grade,
    united.level, united.unit_code, united.group_kind, united.group_value
