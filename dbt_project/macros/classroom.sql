{#- Rows (role, lessons, visits): what a post owes in a whole school year. -#}
{% macro observation_duties() -%}
    {% for role, owed in var('observation_duties').items() -%}
    select
        '{{ role }}' as role,
        {{ owed['lessons'] }} as lessons,
        {{ owed['visits'] }} as visits
    {{ 'union all' if not loop.last }}
    {% endfor %}
{%- endmacro %}

{#- Least whole number that is not below the ratio of two whole numbers; the quotient of two exact
    whole numbers is exact where it is whole, so that nothing is rounded up twice. -#}
{% macro rounded_up(numerator, denominator) -%}
    cast(ceil({{ ratio(numerator, denominator) }}) as bigint)
{%- endmacro %}

{#- Sample standard deviation (n - 1) from exact sums; null for fewer than two values. -#}
{% macro deviation(n, total, squares) -%}
    {%- set n = 'cast(' ~ n ~ ' as decimal(9, 0))' -%}
    case
        when {{ n }} > 1
            then sqrt({{ ratio(
                n ~ ' * ' ~ squares ~ ' - ' ~ total ~ ' * ' ~ total,
                n ~ ' * (' ~ n ~ ' - 1)'
            ) }})
    end
{%- endmacro %}
