{{ config(alias='attainment') }}

{%- set shares = {'pass': 'passed', 'good': 'good', 'excellent': 'excellent', 'low': 'low'} %}
{%- set sitting = 'told.is_sitting_told' %}

-- Papers of which a few are others, or were graded otherwise, than when figures of their organiser,
-- the highest level with cells, were last told. Each z rests on all who sat the paper: by those of
-- all units, before and after, could be told how far off their mean the few were.
with moved as (
    select
        wave_id,
        grade,
        subject
    from {{ ref('disclosure_cell') }}
    where topic = 'results' and group_kind = 'all'
    group by wave_id, grade, subject
    having
        case
            when count_if(level = 'city') > 0
                then count_if(level = 'city' and last_n is not null)
            when count_if(level = 'district') > 0
                then count_if(level = 'district' and last_n is not null)
            else count_if(level = 'school' and last_n is not null)
        end > 0
)

select
    units.school_year,
    units.wave_id,
    units.grade,
    units.subject,
    units.level,
    units.unit_code,
    units.group_kind,
    units.group_value,
    {{ where_told(sitting, 'units.candidates') }} as candidates,
    {{ where_told(is_told(), 'units.n') }} as n,
    {{ where_told(is_measured(), rounded('units.mean_score', 1)) }} as mean_score,
    {{ where_told(sitting, rate_told('units.participation_rate')) }} as participation_rate,
    {{ where_told(is_measured(), rate_told('units.score_ratio')) }} as score_ratio,
    {% for figure in ['pass_low', 'pass_high'] %}
    {{ where_told(is_exact('passed'), rate_told('units.' ~ figure)) }} as {{ figure }},
    {% endfor %}
    {% for share, outcome in shares.items() %}
    {{ where_told(is_exact(outcome), rate_told('units.' ~ share ~ '_rate')) }}
        as {{ share }}_rate,
    {{ band_told(outcome) }} as {{ share }}_band,
    {% endfor %}
    {{ where_told(is_measured() ~ ' and moved.wave_id is null', rounded('units.mean_z', 2)) }}
        as mean_z,
    told.mark
from {{ ref('attainment') }} as units
{{ with_fates('units', 'results', {'stage': "'all'"}) }}
left join moved
    on
        units.wave_id = moved.wave_id
        and units.grade = moved.grade
        and units.subject = moved.subject
order by
    units.school_year, units.wave_id, units.grade, units.subject, units.level, units.unit_code,
    units.group_kind, units.group_value
