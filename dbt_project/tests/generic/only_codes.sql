{#- Fails with each row in which a column holds a value outside its code set; null passes. -#}
{% test only_codes(model, code_sets) %}
select {{ code_sets | join(', ') }}
from {{ model }}
where
    {% for column, code_set in code_sets.items() %}
    {{ column }} not in ({% for code in codes(code_set) -%}
        {{ code if code is number else "'" ~ code ~ "'" }}{{ ', ' if not loop.last }}
    {%- endfor %})
    {{- ' or ' if not loop.last }}
    {% endfor %}
{% endtest %}
