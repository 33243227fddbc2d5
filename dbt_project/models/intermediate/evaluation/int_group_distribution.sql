{{ config(materialized='parted', meta={'parts': 'wave_id, grade'}) }}

-- Grouped once, by all that tells groups apart; a student's school says district, locale and
-- ownership.
{%- set kinds = group_kinds()[1:] + ['district'] %}

with scores as (
    select
        *,
        coalesce(district_code, 'unknown') as district
    from {{ ref('int_scores') }}
    where score is not null and wave_level in ('city', 'province')
),

counted as (
    select
        wave_id,
        grade,
        subject,
        score,
        {{ kinds | join(', ') }},
        count(*) as n
    from scores
    group by {{ one_of_each(['wave_id', 'grade', 'subject', 'score'], kinds) }} -- noqa: PRS
)

select
    wave_id,
    grade,
    subject,
    case
        {% for kind in kinds %}
        when {{ kind }} is not null then '{{ kind }}'
        {% endfor %}
    end as group_kind,
    coalesce({{ kinds | join(', ') }}) as group_value,
    score,
    n
from counted
