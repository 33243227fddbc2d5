{{ config(alias='value_added') }}

{#- A district's number is withheld with that of one of its schools; its effect tells no number. So
    is that of a school where all but one or two of those who sat are matched, and the share of
    these is told as a band. A reliability is as good as a number. -#}
{%- set named = "told.fate in ('shown', 'total') and told.is_revised is not true" %}
{%- set estimated = named ~ " and units.state = 'estimated'" %}
{#- Where the variance between units is 0, so is every effect, and its interval claims to know. -#}
{%- set apart = estimated ~ ' and units.se > 0' %}
{%- set numbered = estimated ~ ' and ' ~ is_told() %}
{%- set same = {'stage': "'all'", 'group_kind': "'all'", 'group_value': "'all'"} %}

-- Of nobody there is nothing to withhold: such a row has no cell.
select
    units.school_year,
    units.wave_id,
    papers.held_on,
    units.grade,
    units.subject,
    units.level,
    units.unit_code,
    {{ where_told(is_told(), 'units.n') }} as n,
    {{ where_told(estimated, held('effect', rounded('units.effect', 2))) }} as effect,
    {{ where_told(apart, held('ci_low', rounded('units.ci_low', 2))) }} as ci_low,
    {{ where_told(apart, held('ci_high', rounded('units.ci_high', 2))) }} as ci_high,
    {{ where_told(numbered, held('reliability', rounded('units.reliability', 2))) }}
        as reliability,
    {{ where_told(estimated, held('band', 'units.band', 'string')) }} as band,
    {{ where_told(is_measured(), rounded('units.match_rate', 2)) }} as match_rate,
    case
        when told.fate = 'total' and {{ named }} and units.level = 'school'
            then {{ banded('units.n', 'units.present') }}
    end as match_band,
    {{ where_told(named, 'units.is_low_match') }} as is_low_match,
    case
        when units.n = 0 then 'z'
        when {{ named }} and units.state <> 'estimated' then 'z'
        when {{ named }} and {{ held('effect', 'units.effect') }} is null then 'c'
        else told.mark
    end as mark
from {{ ref('value_added') }} as units
inner join {{ ref('dim_paper') }} as papers
    on
        units.wave_id = papers.wave_id
        and units.grade = papers.grade
        and units.subject = papers.subject
{{ with_fates('units', 'matched', same, join='left') }}
{{ with_held('units', 'value_added') }}
order by
    units.school_year, units.wave_id, units.grade, units.subject, units.level, units.unit_code
