{#- Relation of all standing rows of a feed. Naming the source keeps the feed in the lineage, and
    lets a unit test give rows in its place. -#}
{% macro read_landing(feed) %}
    {%- set given = source('standing', feed) -%}
    {{ return(given if given.is_cte else adapter.dispatch('read_landing')(feed)) }}
{% endmacro %}

{% macro default__read_landing(feed) -%}
    read_parquet(
        '{{ env_var("EQM_STANDING", "") }}/{{ feed }}/*/*.parquet', union_by_name = true
    )
{%- endmacro %}

{% macro spark__read_landing(feed) -%}
    parquet.`{{ env_var("EQM_STANDING", "") }}/{{ feed }}/*/*.parquet`
{%- endmacro %}
