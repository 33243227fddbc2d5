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
)

{%- set told = "gaps.state = 'estimated' and " ~ shown('gaps.n') %}

select
    gaps.stage,
    gaps.subject,
    gaps.measure,
    coalesce(gaps.school_year, '') as school_year,
    {% for figure in ['value', 'ci_low', 'ci_high'] %}
    case when {{ told }} then {{ rounded('gaps.' ~ figure, 2) }} end as {{ figure }},
    {% endfor %}
    case when gaps.measure = 'change' then coalesce(counted.communities, 0) end as communities,
    case when gaps.measure = 'change' then coalesce(counted.closing, 0) end as closing,
    case when gaps.measure = 'change' then coalesce(counted.opening, 0) end as opening,
    gaps.reason,
    case
        when gaps.state <> 'estimated' then 'z'
        else {{ mark('gaps.n') }}
    end as mark
from {{ ref('community_gap') }} as gaps
left join counted
    on gaps.stage = counted.stage and gaps.subject = counted.subject
where gaps.community_code = 'all'
order by gaps.stage, gaps.subject, gaps.measure, school_year
