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
    {{ where_told(told, held(figure, rounded('items.' ~ figure, 2))) }} as {{ figure }},
    {% endfor %}
    {{ where_told(told, held('difficulty_word', 'items.difficulty_word', 'string')) }}
        as difficulty_word,
    {{ where_told(told, held('look_at', 'items.look_at', 'string')) }} as look_at,
    case
        when items.n = 0 then 'x'
        when not ({{ told }}) then 'c'
        when {{ held('item_difficulty', 'items.item_difficulty') }} is null then 'c'
    end as mark
from {{ ref('item_quality') }} as items
inner join waves on items.wave_id = waves.wave_id
{{ with_held('items', 'item_quality') }}
order by items.school_year, items.wave_id, items.grade, items.subject, items.item_no
