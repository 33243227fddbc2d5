{#- Stage (primary, junior, senior) of a grade, by the setting `stages`. -#}
{% macro stage_of(grade) -%}
    case
        {%- for stage, grades in var('stages').items() %}
        when {{ grade }} in ({{ grades | join(', ') }}) then '{{ stage }}'
        {%- endfor %}
    end
{%- endmacro %}

{#- Rows (stage, grade): which grades a school of each type teaches. -#}
{% macro taught_grades() -%}
    {%- set spans = {
        'primary': ['primary'], 'junior': ['junior'], 'senior': ['senior'],
        'nine_year': ['primary', 'junior'], 'secondary': ['junior', 'senior'],
        'twelve_year': ['primary', 'junior', 'senior'],
    } -%}
    {%- set rows = [] -%}
    {%- for kind, stages in spans.items() -%}
        {%- for stage in stages -%}
            {%- for grade in var('stages').get(stage, []) -%}
                {%- do rows.append("select '" ~ kind ~ "' as stage, " ~ grade ~ " as grade") -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ rows | join(' union all ') }}
{%- endmacro %}

{#- Calendar year in which a school year (`2023-2024`) starts. -#}
{% macro start_year(school_year) %}cast(substr({{ school_year }}, 1, 4) as int){% endmacro %}

{#- A mark of the paper, or its default share of the full mark. -#}
{% macro mark_or_default(mark, share) -%}
    coalesce(
        cast({{ mark }} as decimal(9, 3)),
        cast(full_mark * cast({{ var(share) }} as decimal(6, 4)) as decimal(9, 3))
    )
{%- endmacro %}

{#- Whether a paper belongs to the annual monitoring that the plan judges. -#}
{% macro is_annual(alias='') -%}
    {%- set dot = alias ~ '.' if alias else '' -%}
    {{ dot }}wave_kind = 'annual_monitoring' and {{ dot }}wave_level = 'city'
{%- endmacro %}
