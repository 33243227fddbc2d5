{#- Fails with each row whose parts do not add up to the whole; a null part counts as none. -#}
{% test parts_make_whole(model, whole, parts) %}
select {{ whole }}, {{ parts | join(', ') }}
from {{ model }}
where
    {{ whole }} <> {% for part in parts -%}
        coalesce({{ part }}, 0){{ ' + ' if not loop.last }}
    {%- endfor %}
{% endtest %}
