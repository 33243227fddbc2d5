{#- The conditions, by kind of parts, of what a build replaces of the model at hand; none where it
    makes the model as a whole. `pipelines/parts.py` says what parts are. -#}
{% macro _concerned() -%}
    {%- set told = fromjson(env_var('EQM_PARTS', '{"of": {}}')) -%}
    {{ return(told['sets'][told['of'][model.unique_id]] if model.unique_id in told['of'] else none) }}
{%- endmacro %}

{#- A relation, or of it the rows of the parts that the model at hand is asked for. The model's own
    rows are restricted anyhow: this is for a query that DuckDB would not see through. -#}
{% macro concerned(relation, by) -%}
    {%- set conditions = _concerned() -%}
    {%- if conditions is none -%}
    {{ relation }}
    {%- else -%}
    (select * from {{ relation }} where {{ conditions[by] }})
    {%- endif -%}
{%- endmacro %}

{#- A table of which the last build's rows stand but for some parts: these are taken out and made
    anew, under the table's own constraints. Any other time it is a table as any. -#}
{% materialization parted, adapter='duckdb' %}
    {%- set conditions = _concerned() -%}
    {%- if conditions is none -%}
        {{ return(materialization_table_duckdb()) }}
    {%- endif -%}
    {%- set of_parts = conditions[config.meta_get('parts')] -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {% call statement('main') -%}
        delete from {{ this }} where {{ of_parts }};
        insert into {{ this }} by name
        select * from (
            {{ compiled_code }}
        ) as made
        where {{ of_parts }}
    {%- endcall %}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [this.incorporate(type='table')]}) }}
{% endmaterialization %}

{% materialization parted, adapter='spark' %}
    {{ return(dbt.materialization_table_spark()) }}
{% endmaterialization %}
