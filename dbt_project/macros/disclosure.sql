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

{#- A rate (0 to 1) as published: whole percent on a small n, else one decimal. -#}
{% macro published_rate(rate, n) -%}
    case
        when {{ n }} < {{ var('whole_percent_below') }} then {{ rounded(rate, 2) }}
        else {{ rounded(rate, 3) }}
    end
{%- endmacro %}
