{{ config(alias='dictionary') }}

{#- What the project says of the published tables, which is also what its documentation shows. A
    description is a name in Chinese, a dot in the middle, and what it means in English. -#}
{%- set quoted = [] -%}
{%- if execute -%}
    {%- set described = {} -%}
    {%- for node in graph.nodes.values() -%}
        {%- if node.resource_type == 'model' and node.config.schema == 'published' -%}
            {%- do described.update({node.alias: node}) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- for table, node in described | dictsort -%}
        {%- do quoted.append([table, 0, '', '', node.description]) -%}
        {%- for column in node.columns.values() -%}
            {%- do quoted.append(
                [table, loop.index, column.name, column.data_type, column.description]
            ) -%}
        {%- endfor -%}
    {%- endfor -%}
{%- endif %}

with described as (
    {% for table, place, column, type, words in quoted %}
    {{ 'union all' if not loop.first }}
    select
        '{{ table }}' as table_name,
        {{ place }} as place,
        '{{ column }}' as column_name,
        '{{ type }}' as data_type,
        '{{ words | replace("\n", " ") | trim | replace("'", "''") }}' as words
    {% else %}
    select
        '' as table_name,
        0 as place,
        '' as column_name,
        '' as data_type,
        '' as words
    {% endfor %}
)

select
    table_name,
    place,
    column_name,
    data_type,
    words
from described
order by table_name, place
