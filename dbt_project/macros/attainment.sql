{#- The yes/no markers of a student on the roll, by which figures are grouped. -#}
{% macro student_markers() -%}
    {{ return(['boarding', 'left_behind', 'migrant', 'subsidised', 'rural_household']) }}
{%- endmacro %}

{#- Every way of grouping students in attainment; `all` is the unit as a whole. -#}
{% macro group_kinds() -%}
    {{ return(['all', 'locale', 'ownership', 'gender'] + student_markers()) }}
{%- endmacro %}

{#- Word of a marker as a group. -#}
{% macro yes_no(marker) -%}
    case when {{ marker }} then 'yes' when not {{ marker }} then 'no' else 'unknown' end
{%- endmacro %}

{#- Two sets over results or students: gender class by class, and the markers together school by
    school. The first pass groups into these; single markers are sums of the second set. -#}
{% macro finest_sets() -%}
    grouping sets (
        (paper_no, school_code, class_no, gender),
        (
            paper_no, school_code,
            {{- ' class_no,' if _markers_of_class() | trim }} {{ student_markers() | join(', ') }}
        )
    )
{%- endmacro %}

{#- Whether any marker is one by which classes are taken apart. -#}
{% macro _markers_of_class() -%}
    {{ 'yes' if student_markers() | select('in', var('class_groups')) | list }}
{%- endmacro %}

{#- From `finest`, the cells of these sets (`by_gender` says which), the select of the cells of one
    group each: gender, and every marker by itself. All markers together are as many as students. -#}
{% macro cells_of_groups(measures) -%}
    select
        paper_no,
        school_code,
        class_no,
        'gender' as group_kind,
        coalesce(gender, 'unknown') as group_value,
        {{ measures.keys() | join(', ') }}
    from finest
    where by_gender
    union all
    select
        paper_no,
        school_code,
        {{ 'class_no' if _markers_of_class() | trim else 'cast(null as string) as class_no' }},
        case
            {% for marker in student_markers() %}
            when grouping({{ marker }}) = 0 then '{{ marker }}'
            {% endfor %}
        end as group_kind,
        case
            {% for marker in student_markers() %}
            when grouping({{ marker }}) = 0 then {{ yes_no(marker) }}
            {% endfor %}
        end as group_value,
        {{ _summed(measures) }}
    from finest
    where not by_gender
    group by grouping sets (
        {% for marker in student_markers() %}
        (
            paper_no, school_code,
            {{- ' class_no,' if marker in var('class_groups') }} {{ marker }}
        ){{ ',' if not loop.last }}
        {% endfor %}
    )
{%- endmacro %}

{#- From `counted`, the cells of the groups, the relation `units`: every level, unit and group of a
    paper with the sums of its measures (name -> type). A setting says by which groups classes are
    taken apart. -#}
{% macro units_of_cells(measures) -%}
{%- set cells = ['paper_no', 'group_kind', 'group_value'] + measures.keys() | list -%}
{%- set of_class = var('class_groups') -%}
{%- set summed_measures = _summed(measures) -%}
{#- Groups of students that are counted class by class; the others are school by school already. -#}
{%- set of_student -%}
    'gender'{% for marker in student_markers() if marker in of_class %}, '{{ marker }}'{% endfor %}
{%- endset -%}
-- Students with their school and class, each whole and by what the roll says of students.
in_school as (
    select
        paper_no,
        school_code,
        group_kind,
        group_value,
        {{ summed_measures }}
    from counted
    where group_kind in ({{ of_student }})
    group by paper_no, school_code, group_kind, group_value
    union all
    select
        paper_no,
        school_code,
        group_kind,
        group_value,
        {{ measures.keys() | join(', ') }}
    from counted
    where group_kind not in ({{ of_student }})
    union all
    select
        paper_no,
        school_code,
        'all' as group_kind,
        'all' as group_value,
        {{ summed_measures }}
    from counted
    where group_kind = 'gender'
    group by paper_no, school_code
),

in_class as (
    select
        paper_no,
        school_code,
        class_no,
        group_kind,
        group_value,
        {{ measures.keys() | join(', ') }}
    from counted
    where
        class_no is not null
        and group_kind in ('{{ of_class | join("', '") }}')
    union all
    select
        paper_no,
        school_code,
        class_no,
        'all' as group_kind,
        'all' as group_value,
        {{ summed_measures }}
    from counted
    where group_kind = 'gender' and class_no is not null
    group by paper_no, school_code, class_no
),

kept as (
    select
        'school' as level,
        school_code,
        school_code as unit_code,
        {{ cells | join(', ') }}
    from in_school
    union all
    select
        'class' as level,
        in_class.school_code,
        in_class.school_code || '-' || cast(papers.grade as string) || '-' || in_class.class_no
            as unit_code,
        in_class.{{ cells | join(', in_class.') }}
    from in_class
    inner join {{ ref('int_papers') }} as papers on in_class.paper_no = papers.paper_no
),

-- The school's district, locale and ownership are those of the wave's school year.
placed as (
    select
        kept.level,
        kept.unit_code,
        kept.{{ cells | join(', kept.') }},
        schools.district_code,
        coalesce(schools.locale, 'unknown') as locale,
        coalesce(schools.ownership, 'unknown') as ownership
    from kept
    inner join {{ ref('int_papers') }} as papers on kept.paper_no = papers.paper_no
    left join {{ ref('stg_schools') }} as schools
        on
            kept.school_code = schools.school_code
            and papers.school_year = schools.school_year
),

-- A school, and a class, is as a whole of one locale and one ownership.
grouped as (
    select
        level,
        unit_code,
        district_code,
        {{ cells | join(', ') }}
    from placed
    {% for kind in ['locale', 'ownership'] %}
    union all
    select
        level,
        unit_code,
        district_code,
        paper_no,
        '{{ kind }}' as group_kind,
        {{ kind }} as group_value,
        {{ measures.keys() | join(', ') }}
    from placed
    where group_kind = 'all'{{ " and level = 'school'" if kind not in of_class }}
    {% endfor %}
),

units as (
    select
        level,
        unit_code,
        {{ cells | join(', ') }}
    from grouped
    union all
    -- A school outside the register has no district.
    select
        'district' as level,
        district_code as unit_code,
        paper_no,
        group_kind,
        group_value,
        {{ summed_measures }}
    from grouped
    where level = 'school' and district_code is not null
    group by district_code, paper_no, group_kind, group_value
    union all
    select
        'city' as level,
        '{{ var("unit_code") }}' as unit_code,
        paper_no,
        group_kind,
        group_value,
        {{ summed_measures }}
    from grouped
    where level = 'school'
    group by paper_no, group_kind, group_value
)
{%- endmacro %}

{% macro _summed(measures) -%}
    {%- for name, type in measures.items() -%}
    cast(sum({{ name }}) as {{ type }}) as {{ name }}{{ ', ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{#- Sum over a cell's students of score - wave mean, times the number who sat the wave. Joined with
    `papers`, the population: over the root of `wave_spread` it is the sum of their z. -#}
{% macro sum_above_mean(cells) -%}
    cast(
        papers.wave_n * {{ cells }}.score_sum
        - cast({{ cells }}.n as decimal(12, 0)) * papers.wave_sum
        as double
    )
{%- endmacro %}

{#- Whether a wave speaks of a unit: one of a district or a school says nothing about the units
    above its organiser. -#}
{% macro within_organiser(level, wave_level) -%}
    (
        {{ level }} in ('school', 'class')
        or ({{ level }} = 'district' and {{ wave_level }} <> 'school')
        or ({{ level }} = 'city' and {{ wave_level }} in ('city', 'province'))
    )
{%- endmacro %}

{#- The quantile between the scores under and over its place; the percent of the way in integers. -#}
{% macro between_scores(p) -%}
    (cast(
        100 * under_{{ p }} + ((n - 1) * {{ p }} % 100) * (over_{{ p }} - under_{{ p }}) as double
    ) / 100e0)
{%- endmacro %}

{#- Counts and exact sums of attainment, with their types. -#}
{% macro attainment_measures() -%}
    {{ return({
        'candidates': 'bigint', 'exempt': 'bigint', 'n': 'bigint', 'passed': 'bigint',
        'good': 'bigint', 'excellent': 'bigint', 'low': 'bigint',
        'score_sum': 'decimal(19, 3)', 'score_square_sum': 'decimal(26, 6)',
    }) }}
{%- endmacro %}
