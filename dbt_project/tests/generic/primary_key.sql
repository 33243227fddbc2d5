{#- Fails with each combination of the columns that occurs more than once or lacks a value, and with
    each that has rows in which one of the columns of `never_null` is null. -#}
{% test primary_key(model, columns, never_null=[]) %}
with keys as (
    select
        {{ columns | join(', ') }},
        count(*) as occurrences
        {%- for column in never_null %},
        count(*) - count({{ column }}) as without_{{ column }}
        {%- endfor %}
    from {{ model }}
    group by {{ columns | join(', ') }}
)

select *
from keys
where
    occurrences > 1
    or {{ columns | join(' is null or ') }} is null
    {%- for column in never_null %}
    or without_{{ column }} > 0
    {%- endfor %}
{% endtest %}
