{{ config(alias='resource_equity') }}

-- Of schools, not of persons: nothing is withheld. Told in the digits of the limits, with one more.
select
    school_year,
    stage,
    indicator,
    level,
    unit_code,
    {% for figure in ['value', 'ci_low', 'ci_high'] %}
    {{ rounded(figure, 3) }} as {{ figure }},
    {% endfor %}
    schools,
    highest,
    is_within,
    reason,
    case when state <> 'estimated' then 'z' end as mark
from {{ ref('resource_equity') }}
order by school_year, stage, indicator, level, unit_code
