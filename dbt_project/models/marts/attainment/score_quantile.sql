{{ config(materialized='parted', meta={'parts': 'wave_id, grade'}) }}

-- Quantile p of n scores lies at place (n - 1) p from the lowest, between two scores in proportion
-- (Hyndman & Fan 1996, type 7; the PERCENTILE.INC of spreadsheets).
{%- set percents = [10, 25, 50, 75, 90] %}

with ends as (
    select
        school_year,
        wave_id,
        grade,
        subject,
        level,
        unit_code,
        unit_n,
        {% for p in percents %}
        {% for side, whole in {'under': 'floor', 'over': 'ceil'}.items() %}
        min(
            case when below + n > {{ whole }}((unit_n - 1) * {{ p }} / 100) then score end
        ) as {{ side }}_{{ p }},
        {% endfor %}
        {% endfor %}
        cast(sum(n) as bigint) as n
    from {{ ref('int_score_distribution') }}
    where {{ within_organiser('level', 'wave_level') }}
    group by school_year, wave_id, grade, subject, level, unit_code, unit_n
)

select
    school_year,
    wave_id,
    cast(grade as int) as grade,
    subject,
    level,
    unit_code,
    n,
    {{ between_scores(10) }} as p10,
    {{ between_scores(25) }} as p25,
    {{ between_scores(50) }} as p50,
    {{ between_scores(75) }} as p75,
    {{ between_scores(90) }} as p90
from ends
