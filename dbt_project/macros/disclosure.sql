{#- Whether a figure on so many students may be shown at all. -#}
{% macro shown(students) %}{{ students }} >= {{ var('withhold_below') }}{% endmacro %}

{#- Mark of a published row: c withheld, u small sample, null otherwise. -#}
{% macro mark(students) -%}
    case
        when {{ shown(students) }} and {{ students }} >= {{ var('small_below') }}
            then cast(null as string)
        when {{ shown(students) }} then 'u'
        else 'c'
    end
{%- endmacro %}

{#- Half-up rounding in decimals, so that a tie falls the same way on every engine. -#}
{% macro rounded(value, digits) -%}
    cast(round(cast({{ value }} as decimal(18, 9)), {{ digits }}) as double)
{%- endmacro %}

{#- Groups of students by which figures leave the house: of schools and what is above them, since
    more groups are more ways to subtract, and a class has too few for any. -#}
{% macro published_groups() -%}
    {{ return(['all', 'locale', 'gender']) }}
{%- endmacro %}

{#- Measures of equity that leave the house, which are metrics of these names. Gaps of pass rates do
    not: beside a rate that is told they tell the other. -#}
{% macro published_equity_measures() -%}
    {{ return([
        'coefficient_of_variation', 'gini', 'theil', 'theil_between', 'theil_within',
        'between_share', 'gradient_within', 'gradient_between', 'gap_d', 'gap_v'
    ]) }}
{%- endmacro %}

{#- Kinds of dimensions of which competencies leave the house. -#}
{% macro published_dimensions() -%}
    {{ return(['competency', 'content_domain', 'cognitive_level']) }}
{%- endmacro %}

{#- The score ratio of a sum of points, in the digits in which it is told of many. -#}
{% macro told_ratio(alias='') -%}
    {%- set dot = alias ~ '.' if alias else '' -%}
    {{ rounded(ratio(dot ~ 'points', dot ~ 'n * ' ~ dot ~ 'full_marks'), 3) }}
{%- endmacro %}

{#- What tells a cell of disclosure control from all others. -#}
{% macro cell_key() -%}
    {{ return([
        'topic', 'school_year', 'wave_id', 'grade', 'subject', 'stage', 'level', 'unit_code',
        'group_kind', 'group_value',
    ]) }}
{%- endmacro %}

{#- Columns of counts: added up, less those of another relation, or none. -#}
{% macro counts_added(names) -%}
    {%- for name in names -%}
    cast(sum({{ name }}) as bigint) as {{ name }}{{ ', ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro counts_left(whole, parts, names) -%}
    {%- for name in names -%}
    {{ whole }}.{{ name }} - coalesce({{ parts }}.{{ name }}, 0) as {{ name }}
    {{- ', ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro counts_none(names) -%}
    {%- for name in names -%}
    cast(null as bigint) as {{ name }}{{ ', ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{#- The key of a part's total, which differs from the part's in what `changed` says. -#}
{% macro key_of_total(changed) -%}
    {%- for column in cell_key() -%}
    {{ changed.get(column, column) }} as {{ column }}{{ ', ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro same_key(one, other, columns=none) -%}
    {%- for column in columns or cell_key() -%}
    {{ one }}.{{ column }} = {{ other }}.{{ column }}{{ ' and ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{#- The join of rows with the fates of their cells, the relation `told`. Key columns that the rows
    do not have are given as expressions in `same`. -#}
{% macro with_fates(rows, topic, same={}, told='told', join='inner') -%}
    {{ join }} join {{ ref('disclosure_cell') }} as {{ told }}
        on
            {{ told }}.topic = '{{ topic }}'
            {% for column in cell_key() if column != 'topic' %}
            and {{ told }}.{{ column }} = {{ same.get(column, rows ~ '.' ~ column) }}
            {% endfor %}
{%- endmacro %}

{#- Whether a row's number of students, and all that rests on it, is told. -#}
{% macro is_told(told='told') %}{{ told }}.fate = 'shown'{% endmacro %}

{#- Whether figures that rest on the number are told, too: not where a few were corrected since. -#}
{% macro is_measured(told='told') -%}
    {{ is_told(told) }} and {{ told }}.is_revised is not true
{%- endmacro %}

{#- Whether the share of those who passed (or are good, excellent, low) is told as it is, or as a
    band. -#}
{% macro is_exact(outcome, told='told') %}{{ told }}.{{ outcome }}_told = 'exact'{% endmacro %}

{% macro band_told(outcome, told='told') -%}
    case
        when {{ told }}.{{ outcome }}_told = 'band'
            then {{ banded(told ~ '.' ~ outcome, told ~ '.n') }}
    end
{%- endmacro %}

{#- A figure where a condition says that it is told. -#}
{% macro where_told(condition, figure) -%}
    case when {{ condition }} then {{ figure }} end
{%- endmacro %}

{#- A rate (0 to 1) in as many places as the fate of its cell allows. -#}
{% macro rate_told(rate, told='told') -%}
    case when {{ told }}.places = 2 then {{ rounded(rate, 2) }} else {{ rounded(rate, 3) }} end
{%- endmacro %}

{#- A difference of two rates in percentage points: in whole ones where one of them is. -#}
{% macro points_told(points, first, second) -%}
    case
        when {{ first }}.places = 2 or {{ second }}.places = 2 then {{ rounded(points, 0) }}
        else {{ rounded(points, 1) }}
    end
{%- endmacro %}

{#- A figure that rests on more students than those of its row (`held` lists them): as it was told
    last, while fewer than ten of these are others than then; of fewer students than many not even
    that, since it could be another by then. -#}
{% macro held(figure, now, type='double') -%}
    case
        when moved.is_many is null then {{ now }}
        else cast(held.figures['{{ figure }}'] as {{ type }})
    end
{%- endmacro %}

{#- The joins that `held` looks at: the rows' papers, where a few moved them, as the relation `moved`
    (made of this name before, or of `disclosure_moved`), and what was told of the rows, as `held`. -#}
{% macro with_held(rows, table, moved=none) -%}
    {%- set told = var('held')[table] -%}
    left join {{ moved or ref('disclosure_moved') }} as moved
        on
            {% if not moved -%}
            moved.rests_on = '{{ told.rests_on }}'
            and {{ rows }}.wave_id = moved.wave_id
            and {{ rows }}.grade = moved.grade
            and {{ rows }}.subject = moved.subject
            {%- else -%}
            {{ rows }}.stage = moved.stage
            and {{ rows }}.subject = moved.subject
            {%- endif %}
    left join {{ ref('disclosure_held') }} as held
        on
            moved.is_many
            and held.table_name = '{{ table }}'
            and held.row_key = {{ row_key(told.key, rows) }}
{%- endmacro %}

{#- What tells a row of a published table from all others, as `pipelines.quality.disclosure` has it. -#}
{% macro row_key(columns, rows) -%}
    concat_ws('|'
        {%- for column in columns %}, coalesce(cast({{ rows }}.{{ column }} as string), ''){% endfor -%}
    )
{%- endmacro %}

{#- Where a difference stands by its interval; null where it has none. -#}
{% macro stands(low, high) -%}
    case
        when {{ low }} > 0 then 'above'
        when {{ high }} < 0 then 'below'
        when {{ low }} is not null then 'unclear'
    end
{%- endmacro %}
