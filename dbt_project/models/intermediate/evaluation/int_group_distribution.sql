-- Grouped once, by all that tells groups apart; a student's school says the locale and ownership.
{%- set kinds = group_kinds()[1:] %}

with counted as (
    select
        wave_id,
        grade,
        subject,
        score,
        {{ kinds | join(', ') }},
        count(*) as n
    from {{ ref('int_scores') }}
    where score is not null and wave_level in ('city', 'province')
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
