{#- Disclosure control of counts of persons whose parts add up to a published whole. -#}

{#- The fewest persons that may stand on one side of a published share. -#}
{% macro rarest() %}3{% endmacro %}

{#- Whether a share tells too exactly of a few: those who meet it, or those who do not. -#}
{% macro is_rare(met, persons) -%}
    ({{ met }} < {{ rarest() }} or {{ persons }} - {{ met }} < {{ rarest() }})
{%- endmacro %}

{#- What is said of such a share instead of itself, in percent: `>=95`, `<=5`. -#}
{% macro banded(met, persons) -%}
    case
        {% for least, edge in [(300, 99), (100, 98), (40, 95), (20, 90), (0, 80)] -%}
        when {{ persons }} >= {{ least }} and {{ met }} < {{ rarest() }} then '<={{ 100 - edge }}'
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
