{#- Fails with each combination of the columns that occurs more than once or lacks a value, and with
    each that has rows in which one of the columns of `never_null` is null. Of all rows only digests
    are held: which combinations occur more than once is asked of those whose digests do. -#}
{% test primary_key(model, columns, never_null=[]) %}
with repeated as (
    select hash({{ columns | join(', ') }}) as digest
    from {{ model }}
    group by digest
    having count(*) > 1
),

suspects as (
    select *
    from {{ model }}
    where
        hash({{ columns | join(', ') }}) in (select digest from repeated)
        or {{ (columns + never_null) | join(' is null or ') }} is null
)

select
    {{ columns | join(', ') }},
    count(*) as occurrences
    {%- for column in never_null %},
    count(*) - count({{ column }}) as without_{{ column }}
    {%- endfor %}
from suspects
group by {{ columns | join(', ') }}
having
    count(*) > 1
    or {{ columns | join(' is null or ') }} is null
    {%- for column in never_null %}
    or count(*) > count({{ column }})
    {%- endfor %}
{% endtest %}
