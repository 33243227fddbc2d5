{{ config(alias='metric') }}

-- By the table and the column that each is read from. What `published.equity` leaves out is left
-- out.
select
    metrics.place,
    metrics.name,
    metrics.zh,
    metrics.en,
    metrics.formula,
    metrics.unit,
    metrics.better,
    metrics.model as table_name,
    metrics.column_name,
    metrics.method_source
from {{ ref('metric') }} as metrics
where
    metrics.model <> 'equity'
    or metrics.name in (
        {% for measure in published_equity_measures() %}
        '{{ measure }}'{{ ',' if not loop.last }}
        {% endfor %}
    )
order by metrics.place
