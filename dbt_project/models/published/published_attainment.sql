{{ config(alias='attainment') }}

{%- set shares = {'pass': 'passed', 'good': 'good', 'excellent': 'excellent', 'low': 'low'} %}
{%- set sitting = 'told.is_sitting_told' %}

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
    {{ where_told(is_measured(), held('mean_z', rounded('units.mean_z', 2))) }} as mean_z,
    told.mark
from {{ ref('attainment') }} as units
{{ with_fates('units', 'results', {'stage': "'all'"}) }}
{{ with_held('units', 'attainment') }}
order by
    units.school_year, units.wave_id, units.grade, units.subject, units.level, units.unit_code,
    units.group_kind, units.group_value
