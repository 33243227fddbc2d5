{#- Relation of all standing rows of a feed. Naming the source keeps the feed in the lineage. -#}
{% macro read_landing(feed) %}
    {%- do source('standing', feed) -%}
    {{ return(adapter.dispatch('read_landing')(feed)) }}
{% endmacro %}

{% macro default__read_landing(feed) -%}
    read_parquet(
        '{{ env_var("EQM_STANDING", "") }}/{{ feed }}/*/*.parquet', union_by_name = true
    )
{%- endmacro %}

{% macro spark__read_landing(feed) -%}
    parquet.`{{ env_var("EQM_STANDING", "") }}/{{ feed }}/*/*.parquet`
{%- endmacro %}
