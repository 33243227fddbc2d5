{{ config(materialized='view') }}

{% for code in codes('subject') -%}
select '{{ code }}' as subject
{{ 'union all' if not loop.last }}
{% endfor %}
