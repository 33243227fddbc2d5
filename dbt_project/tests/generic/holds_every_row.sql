{#- Fails with each value of the keys (own name -> name in the other relation) of which the other
    relation has more or fewer rows than the model. A row of the model stands for one, or for as
    many as its column `rows_of` says. -#}
{% test holds_every_row(model, of, keys, rows_of=none) %}
with held as (
    select
        {{ keys.keys() | join(', ') }},
        {{ 'sum(' ~ rows_of ~ ')' if rows_of else 'count(*)' }} as found
    from {{ model }}
    group by {{ keys.keys() | join(', ') }}
),

given as (
    select
        {% for ours, theirs in keys.items() %}
        {{ theirs }} as {{ ours }},
        {% endfor %}
        count(*) as expected
    from {{ of }}
    group by {{ keys.values() | join(', ') }}
)

select *
from given
full outer join held using ({{ keys.keys() | join(', ') }})
where coalesce(found, 0) <> coalesce(expected, 0)
{% endtest %}
