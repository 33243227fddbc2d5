{#- A table or a view takes its former's place within one transaction. dbt would make it under another
    name, rename the former and it, and drop the former: for most of these models that takes longer
    than their rows. One in Python is made aside, since it may read its own former rows meanwhile. -#}
{% materialization table, adapter='duckdb', supported_languages=['sql', 'python'] %}
    {%- set language = model['language'] -%}
    {%- set former = load_cached_relation(this) -%}
    {%- set relation = this.incorporate(type='table') -%}
    {%- set is_aside = language == 'python' and former is not none -%}
    {%- set made = make_intermediate_relation(relation) if is_aside else relation -%}
    {%- if is_aside -%}
        {{ drop_relation_if_exists(load_cached_relation(made)) }}
    {%- endif -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {% call statement('main', language=language) -%}
        {{ _without(former) if not is_aside }}
        {{ create_table_as(False, made, compiled_code, language) }}
    {%- endcall %}
    {%- if is_aside -%}
        {{ adapter.drop_relation(former) }}
        {{ adapter.rename_relation(made, relation) }}
    {%- endif -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [relation]}) }}
{% endmaterialization %}

{% materialization view, adapter='duckdb' %}
    {%- set relation = this.incorporate(type='view') -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {% call statement('main') -%}
        {{ _without(load_cached_relation(this)) }}
        {{ create_view_as(relation, compiled_code) }}
    {%- endcall %}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [relation]}) }}
{% endmaterialization %}

{% macro _without(former) -%}
    {%- if former is not none -%}
    drop {{ former.type }} {{ former }};
    {%- endif -%}
{%- endmacro %}
