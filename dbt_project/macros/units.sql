{#- Rows (level): the levels at which figures of schools add up. -#}
{% macro unit_levels() -%}
    select 'city' as level
    union all
    select 'district' as level
    union all
    select 'school' as level
{%- endmacro %}

{#- Code of the unit of a level; null where the row belongs to none. -#}
{% macro unit_of(level, district_code, school_code) -%}
    case {{ level }}
        when 'city' then '{{ var("unit_code") }}'
        when 'district' then {{ district_code }}
        else {{ school_code }}
    end
{%- endmacro %}
