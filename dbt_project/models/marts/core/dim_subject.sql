{% for code, name in subject_names().items() -%}
select
    '{{ code }}' as subject,
    '{{ name }}' as subject_zh,
    {{ loop.index }} as sort_order
{{ 'union all' if not loop.last }}
{% endfor %}
