{{ config(materialized='parted', meta={'parts': 'wave_id'}) }}

{%- set properties = ['competency', 'content_domain', 'cognitive_level'] -%}

-- An item of which the map leaves a property empty is in no dimension of that property.
with items as (
    select
        wave_id,
        grade,
        subject,
        item_no,
        full_mark,
        competency,
        content_domain,
        cognitive_level
    from {{ ref('int_item_figures') }}
    where is_on_map and n > 0
),

valued as (
    {% for kind, columns in dimension_kinds().items() %}
    select
        wave_id,
        grade,
        subject,
        item_no,
        full_mark,
        '{{ kind }}' as dimension_kind,
        {% for property in properties %}
        {{ property if property in columns else 'cast(null as string) as ' ~ property }},
        {% endfor %}
        {{ columns | join(" || ' × ' || ") }} as dimension_value
    from items
    where {{ columns | join(' is not null and ') }} is not null
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

numbered as (
    select
        valued.*,
        {{ number_within_wave(
            'dense_rank()', 'valued.wave_id, waves.wave_no',
            ['grade', 'subject', 'dimension_kind'] + properties
        ) }} as dimension_no,
        {{ number_within_wave(
            'dense_rank()', 'valued.wave_id, waves.wave_no', ['grade', 'subject', 'item_no']
        ) }} as paper_item_no
    from valued
    inner join {{ ref('int_wave') }} as waves on valued.wave_id = waves.wave_id
)

select
    dimension_no,
    wave_id,
    grade,
    subject,
    dimension_kind,
    dimension_value,
    competency,
    content_domain,
    cognitive_level,
    item_no,
    paper_item_no,
    cast(count(*) over (partition by dimension_no) as bigint) as items,
    cast(sum(full_mark) over (partition by dimension_no) as decimal(9, 3)) as full_marks
from numbered
