{#- Fails with each combination of the columns that the other relation does not hold. -#}
{% test refers_to(model, columns, to) %}
with child as (select * from {{ model }}),

parent as (select * from {{ to }})

select distinct {% for c in columns %}child.{{ c }}{{ ', ' if not loop.last }}{% endfor %}
from child
left join parent
    on {% for c in columns %}child.{{ c }} = parent.{{ c }}{{ ' and ' if not loop.last }}{% endfor %}
where parent.{{ columns[0] }} is null
{% endtest %}
