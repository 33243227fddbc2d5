{#- Fails with each combination of the columns that the other relation does not hold under the same
    names, or under `to_columns`; one with a null refers to nothing and passes. -#}
{% test refers_to(model, columns, to, to_columns=none, column_name=none) %}
{%- set others = to_columns or columns %}
with child as (
    select distinct {{ columns | join(', ') }}
    from {{ model }}
    where {{ columns | join(' is not null and ') }} is not null
),

parent as (select distinct {{ others | join(', ') }} from {{ to }})

select child.*
from child
left join parent
    on
        {% for c in columns %}
        child.{{ c }} = parent.{{ others[loop.index0] }}{{ ' and ' if not loop.last }}
        {% endfor %}
where parent.{{ others[0] }} is null
{% endtest %}
