{#- Fails with each row in which a column lies outside its closed range; null passes. -#}
{% test within(model, bounds) %}
select {{ bounds | join(', ') }}
from {{ model }}
where
    {% for column, (low, high) in bounds.items() %}
    {{ column }} not between {{ low }} and {{ high }}
    {{- ' or ' if not loop.last }}
    {% endfor %}
{% endtest %}
