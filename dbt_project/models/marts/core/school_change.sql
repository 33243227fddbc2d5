{%- set kept = {
    'renamed': 'school_name', 'moved_district': 'district_code', 'moved_town': 'town',
    'stage_changed': 'stage', 'locale_changed': 'locale', 'ownership_changed': 'ownership',
    'community_changed': 'community_code',
} -%}

with compared as (
    select
        *,
        lag(school_year) over life as year_before,
        {% for column in kept.values() %}
        lag({{ column }}) over life as {{ column }}_before,
        {% endfor %}
        lead(school_year) over life as year_after,
        min(school_year) over () as first_year,
        max(school_year) over () as newest_year
    from {{ ref('dim_school') }}
    window life as (partition by school_code order by school_year)
)

{% for change, column in kept.items() %}
select
    school_code,
    school_year,
    '{{ change }}' as change,
    {{ column }}_before as value_before,
    {{ column }} as value_after
from compared
where year_before is not null and {{ column }}_before is distinct from {{ column }}
union all
{% endfor %}
select
    school_code,
    school_year,
    'opened' as change,
    cast(null as string) as value_before,
    cast(opened_on as string) as value_after
from compared
where year_before is null and school_year > first_year
union all
select
    school_code,
    school_year,
    'closed' as change,
    cast(null as string) as value_before,
    cast(closed_on as string) as value_after
from compared
where
    closed_on is not null
    and (year_after is null or closed_on < {{ year_start('year_after') }})
    and closed_on < {{ next_year_start('school_year') }}
union all
-- Gone from the registers without a day of closing.
select
    school_code,
    school_year,
    'left_out' as change,
    cast(null as string) as value_before,
    cast(null as string) as value_after
from compared
where year_after is null and school_year < newest_year and closed_on is null
