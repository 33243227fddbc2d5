{#- Disclosure control of numbers of persons. -#}

{#- What is said instead of a share that fewer than three meet, or do not, in percent: `>=95`,
    `<=5`. -#}
{% macro banded(met, persons) -%}
    case
        {% for least, edge in var('bands').items() | sort(reverse=true) -%}
        when {{ persons }} >= {{ least }} and {{ met }} < {{ var('rare_below') }} then '<={{ 100 - edge }}'
        when {{ persons }} >= {{ least }} then '>={{ edge }}'
        {% endfor -%}
    end
{%- endmacro %}

{#- A percent or a difference of two as published: whole on a small n, else one decimal. -#}
{% macro published_percent(value, n) -%}
    case
        when {{ n }} < {{ var('whole_percent_below') }} then {{ rounded(value, 0) }}
        else {{ rounded(value, 1) }}
    end
{%- endmacro %}

{#- Within so many days it is told who falls out: half a year is time enough to plan a course. -#}
{% macro lapse_days() %}180{% endmacro %}

{#- The join of rows with the fates of the persons that they count, the relation `told`. -#}
{% macro with_persons(rows, topic, period, counted, told='told', join='inner') -%}
    {{ join }} join {{ ref('disclosure_persons') }} as {{ told }}
        on
            {{ told }}.topic = '{{ topic }}'
            and {{ told }}.period = {{ period }}
            and {{ told }}.counted = {{ counted }}
            and {{ told }}.level = {{ rows }}.level
            and {{ told }}.unit_code = {{ rows }}.unit_code
{%- endmacro %}

{#- Whether a number of persons is told: also that they are none. -#}
{% macro is_counted(told='told') %}{{ told }}.fate in ('shown', 'nobody'){% endmacro %}

{#- The mark of a row of persons: withheld too where their share is, or what the fate says. -#}
{% macro mark_of_persons(told='told') -%}
    case when {{ is_told(told) }} and {{ told }}.passed_told is null then 'c' else {{ told }}.mark end
{%- endmacro %}
