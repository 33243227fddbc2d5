{{ config(alias='attainment') }}

{%- set rates = [
    'score_ratio', 'pass_rate', 'pass_low', 'pass_high', 'good_rate', 'excellent_rate', 'low_rate'
] %}
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
    {{ where_told(is_told(), rounded('units.mean_score', 1)) }} as mean_score,
    {{ where_told(sitting, rate_told('units.participation_rate')) }} as participation_rate,
    {% for rate in rates %}
    {{ where_told(is_told(), rate_told('units.' ~ rate)) }} as {{ rate }},
    {% endfor %}
    {{ where_told(is_told(), rounded('units.mean_z', 2)) }} as mean_z,
    told.mark
from {{ ref('attainment') }} as units
{{ with_fates('units', 'results', {'stage': "'all'"}) }}
order by
    units.school_year, units.wave_id, units.grade, units.subject, units.level, units.unit_code,
    units.group_kind, units.group_value
