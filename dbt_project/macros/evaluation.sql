{#- A double cut to 18 binary digits after the point, so that sums of it and of its products are
    exact, and thus the same in any order, on any number of threads and on any engine: up to 2^17
    for products. A standard deviation is told to 0.000004 of itself. -#}
{% macro fixed_point(x) -%}
    (cast(floor({{ x }} * 262144e0 + 5e-1) as double) / 262144e0)
{%- endmacro %}

{#- The student's characteristics that a model of value added may take in, as numbers: 1 where the
    roll says so, else 0, the unknown among them. -#}
{% macro value_added_covariates() -%}
    {{ return(student_markers() + ['female']) }}
{%- endmacro %}

{#- Columns of yes and no as 1 and 0. -#}
{% macro as_numbers(columns) -%}
    {%- set cases = [] -%}
    {%- for name in columns -%}
        {%- do cases.append('case when ' ~ name ~ ' then 1e0 else 0e0 end as ' ~ name) -%}
    {%- endfor -%}
    {{ cases | join(',\n    ') }}
{%- endmacro %}

{#- The characteristics that some model of the setting `value_added_models` takes in. -#}
{% macro used_covariates() -%}
    {%- set used = [] -%}
    {%- for name in value_added_covariates() -%}
        {%- for terms in var('value_added_models').values() if name in terms -%}
            {%- if name not in used -%}{%- do used.append(name) -%}{%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(used) }}
{%- endmacro %}

{#- Columns of the sums of columns and of the products of each two of them (`sum_a`, `sum_a_b`) over
    the rows that a condition holds of, in one grouped pass. -#}
{% macro sums_of_products(columns, condition) -%}
    {%- set sums = [] -%}
    {%- for one in columns -%}
        {%- do sums.append('sum(case when ' ~ condition ~ ' then ' ~ one ~ ' end) as sum_' ~ one) -%}
    {%- endfor -%}
    {%- for one in columns -%}
        {%- for other in columns[loop.index0:] -%}
            {%- do sums.append(
                'sum(case when ' ~ condition ~ ' then ' ~ one ~ ' * ' ~ other ~ ' end) as sum_'
                ~ one ~ '_' ~ other
            ) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ sums | join(',\n        ') }}
{%- endmacro %}

{#- Columns `score_1`, `score_2`, … of earlier scores that are told apart by `back`. -#}
{% macro scores_back(most) -%}
    {%- for back in range(1, most + 1) -%}
    max(case when back = {{ back }} then score end) as score_{{ back }}
    {{- ',\n        ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro names_back(relation, most) -%}
    {%- for back in range(1, most + 1) -%}
    {{ relation }}.score_{{ back }}{{ ',\n    ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{#- Grouping sets of some columns, each set with one of these kinds. -#}
{% macro one_of_each(columns, kinds) -%}
    grouping sets (
        {%- for kind in kinds %}
        ({{ columns | join(', ') }}, {{ kind }}){{ ',' if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}

{#- The name of the published model of value added: the first of the setting. -#}
{% macro published_model() -%}
    {{ return(var('value_added_models').keys() | first) }}
{%- endmacro %}

{#- Columns `of_term` of the coefficients of some terms. A term that was dropped adds nothing. -#}
{% macro coefficients_of(terms) -%}
    {%- for term in terms -%}
    coalesce(coefficients[list_position(terms, '{{ term }}')], 0e0) as of_{{ term }}
    {{- ',\n        ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{#- The sum of terms times their coefficients, from a relation of each. -#}
{% macro fixed_part(fits, values) -%}
    {{ fits }}.of_constant
    {%- for term, value in values.items() %}
        + {{ fits }}.of_{{ term }} * {{ value }}
    {%- endfor -%}
{%- endmacro %}
