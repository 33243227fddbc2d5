{{ config(alias='paper_quality') }}

-- Papers of waves of the whole city.
with waves as (
    select wave_id
    from {{ ref('dim_wave') }}
    where wave_level in ('city', 'province')
)

{%- set told = 'papers.students_complete >= ' ~ var('small_below') %}

select
    papers.school_year,
    papers.wave_id,
    papers.grade,
    papers.subject,
    papers.evidence,
    papers.full_mark,
    papers.items,
    papers.mapped_items,
    {% for figure in ['mean_difficulty', 'mean_discrimination', 'cronbach_alpha'] %}
    {{ where_told(told, held(figure, rounded('papers.' ~ figure, 2))) }} as {{ figure }},
    {% endfor %}
    {{ where_told(told, held('measurement_error', rounded('papers.measurement_error', 1))) }}
        as measurement_error,
    {{ where_told(told, held('sum_agrees_share', rounded('papers.sum_agrees_share', 2))) }}
        as sum_agrees_share,
    case
        when papers.evidence in ('none', 'map_only') then 'x'
        when not coalesce({{ told }}, false) then 'c'
        when {{ held('mean_difficulty', 'papers.mean_difficulty') }} is null then 'c'
    end as mark
from {{ ref('paper_quality') }} as papers
inner join waves on papers.wave_id = waves.wave_id
{{ with_held('papers', 'paper_quality') }}
order by papers.school_year, papers.wave_id, papers.grade, papers.subject
