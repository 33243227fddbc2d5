{#- A table that the cluster has made already is read, not computed again: so are its contract, its
    constraints and its tests asked of what is read. EQM_MADE_ON_SPARK tells, as JSON,
    `schema.table` -> its Parquet files. -#}
{% macro duckdb__create_table_as(temporary, relation, compiled_code, language='sql') -%}
    {%- set made = fromjson(env_var('EQM_MADE_ON_SPARK', '{}')) -%}
    {%- set files = made.get(model.schema ~ '.' ~ model.alias) -%}
    {%- set given = compiled_code if files is none
        else "select * from read_parquet('" ~ files ~ "')" -%}
    {{ return(dbt.duckdb__create_table_as(temporary, relation, given, language, **kwargs)) }}
{%- endmacro %}
