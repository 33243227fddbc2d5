-- Every record that a target may count, cut at the end of its window; within a window the first
-- record of what counts once only.
with collected as (
    {% for feed in ['register', 'lesson', 'training', 'roster', 'office_record'] -%}
    select {{ plan_evidence_columns() | indent(4) }}
    from {{ ref('int_plan_' ~ feed) }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

placed as (
    select
        collected.*,
        windows.window_from,
        least(collected.valid_to, windows.window_to) as counts_to
    from collected
    inner join {{ ref('int_plan_window') }} as windows
        on
            collected.target_id = windows.target_id
            and collected.reading = windows.reading
            and collected.day >= windows.window_from
            and collected.day <= windows.window_to
    where collected.entity_code is not null
),

repeatable as (
    select
        *,
        row_number() over (
            partition by target_id, reading, entity_code, window_from, distinct_key
            order by day asc nulls last, record_key asc nulls last, title asc nulls last
        ) = 1 as is_counted
    from placed
    where distinct_key is not null
)

select
    target_id,
    reading,
    entity_code,
    day,
    counts_to,
    value,
    tested,
    is_counted,
    record_key,
    title
from repeatable
union all
select
    target_id,
    reading,
    entity_code,
    day,
    counts_to,
    value,
    tested,
    true as is_counted,
    record_key,
    title
from placed
where distinct_key is null
