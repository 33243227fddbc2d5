{{ config(alias='protection') }}

-- In whole percent and over a whole table, so that the shares add nothing to subtract.
with counted as (
    select
        topic,
        fate,
        cast(count(*) as double) as cells,
        cast(sum(n) as double) as students
    from {{ ref('disclosure_cell') }}
    where is_published and topic in ('results', 'trend', 'matched')
    group by topic, fate
)

select
    case topic
        when 'results' then 'attainment'
        when 'trend' then 'pass_rate_trend'
        else 'value_added'
    end as table_name,
    fate,
    {{ rounded('cells / sum(cells) over of_table', 2) }} as cell_share,
    {{ rounded('students / nullif(sum(students) over of_table, 0)', 2) }} as student_share
from counted
window of_table as (partition by topic)
order by table_name, fate
