{#- Fails with each row in which a column holds none of its values; null passes. -#}
{% test only_values(model, values) %}
select {{ values | join(', ') }}
from {{ model }}
where
    {% for column, allowed in values.items() %}
    {{ column }} not in ({% for value in allowed -%}
        {{ value if value is number else "'" ~ value ~ "'" }}{{ ', ' if not loop.last }}
    {%- endfor %})
    {{- ' or ' if not loop.last }}
    {% endfor %}
{% endtest %}
