with statuses as (
    {% for status in plan_statuses() -%}
    select
        '{{ status }}' as status,
        {{ loop.index }} as sort_order
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

city as (
    select
        figures.as_of,
        targets.measure,
        figures.status
    from {{ ref('plan_target') }} as figures
    inner join {{ ref('dim_target') }} as targets
        on figures.target_id = targets.target_id and figures.reading = targets.reading
    where figures.level = 'city' and figures.is_default
)

select
    city.as_of,
    city.measure,
    statuses.status,
    statuses.sort_order,
    cast(count_if(city.status = statuses.status) as bigint) as targets
from city
cross join statuses
group by city.as_of, city.measure, statuses.status, statuses.sort_order
