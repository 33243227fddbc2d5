{{ config(alias='community_gap') }}

-- All communities together; of the single ones, which are a few schools, how many move which way.
with counted as (
    select
        stage,
        subject,
        cast(count(*) as bigint) as communities,
        cast(count_if(ci_high < 0) as bigint) as closing,
        cast(count_if(ci_low > 0) as bigint) as opening
    from {{ ref('community_gap') }}
    where community_code <> 'all' and measure = 'change' and state = 'estimated'
    group by stage, subject
),

gaps as (
    select
        gaps.stage,
        gaps.subject,
        gaps.measure,
        coalesce(gaps.school_year, '') as school_year,
        gaps.value,
        gaps.ci_low,
        gaps.ci_high,
        gaps.n,
        gaps.state,
        gaps.reason,
        coalesce(counted.communities, 0) as communities,
        coalesce(counted.closing, 0) as closing,
        coalesce(counted.opening, 0) as opening
    from {{ ref('community_gap') }} as gaps
    left join counted
        on gaps.stage = counted.stage and gaps.subject = counted.subject
    where gaps.community_code = 'all'
),

-- A gap rests on the papers of all years.
moved_papers as (
    select
        stage,
        subject,
        min(is_many) as is_many
    from {{ ref('disclosure_moved') }}
    where rests_on = 'paper' and is_annual
    group by stage, subject
)

{%- set told = "gaps.state = 'estimated' and " ~ shown('gaps.n') %}

select
    gaps.stage,
    gaps.subject,
    gaps.measure,
    gaps.school_year,
    {% for figure in ['value', 'ci_low', 'ci_high'] %}
    {{ where_told(told, held(figure, rounded('gaps.' ~ figure, 2))) }} as {{ figure }},
    {% endfor %}
    {{ where_told("gaps.measure = 'change'", 'gaps.communities') }} as communities,
    {% for number in ['closing', 'opening'] %}
    {{ where_told("gaps.measure = 'change'", held(number, 'gaps.' ~ number, 'bigint')) }}
        as {{ number }},
    {% endfor %}
    gaps.reason,
    case
        when gaps.state <> 'estimated' then 'z'
        when {{ held('value', 'gaps.value') }} is null then 'c'
        else {{ mark('gaps.n') }}
    end as mark
from gaps
{{ with_held('gaps', 'community_gap', 'moved_papers') }}
order by gaps.stage, gaps.subject, gaps.measure, gaps.school_year
