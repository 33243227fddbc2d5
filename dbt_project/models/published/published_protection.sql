{{ config(alias='protection') }}

{#- Topics of numbers → the published tables that tell them. -#}
{%- set students = {
    'results': 'attainment', 'trend': 'pass_rate_trend', 'matched': 'value_added',
} -%}
{%- set persons = {
    'duty': 'observation_duty', 'observed': 'never_observed', 'training': 'training_coverage',
    'lapse': 'training_lapse', 'checks': 'inclass_check', 'plan': 'plan_target',
} -%}
-- In whole percent and over a whole table, so that the shares add nothing to subtract.
with cells as (
    {% for relation, tables in [('disclosure_cell', students), ('disclosure_persons', persons)] %}
    select
        case topic
            {% for topic, table in tables.items() -%}
            when '{{ topic }}' then '{{ table }}'
            {% endfor %}
        end as table_name,
        case
            {%- if relation == 'disclosure_cell' %}
            when is_revised then 'share'
            {%- endif %}
            when fate <> 'shown' or passed is null or passed_told = 'exact' then fate
            when passed_told = 'band' then 'band'
            else 'share'
        end as fate,
        n
    from {{ ref(relation) }}
    where is_published
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

counted as (
    select
        table_name,
        fate,
        cast(count(*) as double) as cells,
        cast(sum(n) as double) as persons
    from cells
    where table_name is not null
    group by table_name, fate
)

select
    table_name,
    fate,
    {{ rounded('cells / sum(cells) over of_table', 2) }} as cell_share,
    {{ rounded('persons / nullif(sum(persons) over of_table, 0)', 2) }} as student_share
from counted
window of_table as (partition by table_name)
order by table_name, fate
