{{ config(alias='item_quality') }}

-- Items of waves of the whole city, over all its students.
with waves as (
    select wave_id
    from {{ ref('dim_wave') }}
    where wave_level in ('city', 'province')
)

{%- set told = 'items.n >= ' ~ var('small_below') %}

select
    items.school_year,
    items.wave_id,
    items.grade,
    items.subject,
    items.item_no,
    items.full_mark,
    items.competency,
    items.content_domain,
    items.cognitive_level,
    {% for figure in ['item_difficulty', 'discrimination', 'item_rest_correlation'] %}
    case when {{ told }} then {{ rounded('items.' ~ figure, 2) }} end as {{ figure }},
    {% endfor %}
    case when {{ told }} then items.difficulty_word end as difficulty_word,
    case when {{ told }} then items.look_at end as look_at,
    case
        when items.n = 0 then 'x'
        when not ({{ told }}) then 'c'
    end as mark
from {{ ref('item_quality') }} as items
inner join waves on items.wave_id = waves.wave_id
order by items.school_year, items.wave_id, items.grade, items.subject, items.item_no
