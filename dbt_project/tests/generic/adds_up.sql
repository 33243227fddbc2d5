{#- Fails with each whole that its parts do not give: counts that are not their sum, means that are
    not theirs weighted. Rows are told apart by `level`, wholes matched to parts by `by`. A whole some
    of whose students are in no part (`outside`: the reason in the reconciliation) is left out. -#}
{% test adds_up(model, whole, parts, by, counts, means, weight, outside=none) %}
with parts as (
    select
        {% for key in by %}
        {{ key }},
        {% endfor %}
        {% for count in counts %}
        sum({{ count }}) as {{ count }},
        {% endfor %}
        {% for mean in means %}
        sum({{ weight }} * {{ mean }}) / nullif(sum(case when {{ mean }} is not null then {{ weight }} end), 0)
            as {{ mean }}{{ ',' if not loop.last }}
        {% endfor %}
    from {{ model }}
    where level = '{{ parts }}'
    group by {{ by | join(', ') }}
)

select whole.*
from {{ model }} as whole
left join parts
    on {% for key in by %}whole.{{ key }} = parts.{{ key }}{{ ' and ' if not loop.last }}{% endfor %}
{% if outside %}
left join {{ ref('attainment_reconciliation') }} as outside
    on
        outside.level = '{{ parts }}'
        and outside.reason = '{{ outside }}'
        {% for key in ['school_year', 'wave_id', 'grade', 'subject'] %}
        and whole.{{ key }} = outside.{{ key }}
        {% endfor %}
{% endif %}
where
    whole.level = '{{ whole }}'
    {{ 'and outside.reason is null' if outside }}
    and (
        {% for count in counts %}
        whole.{{ count }} is distinct from parts.{{ count }} or
        {% endfor %}
        {% for mean in means %}
        (whole.{{ mean }} is null) <> (parts.{{ mean }} is null)
        or abs(whole.{{ mean }} - parts.{{ mean }}) > 1e-9 {{ 'or' if not loop.last }}
        {% endfor %}
    )
{% endtest %}
