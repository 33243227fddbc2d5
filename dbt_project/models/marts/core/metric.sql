select
    metrics.place,
    metrics.name,
    metrics.zh,
    metrics.en,
    metrics.formula,
    metrics.unit,
    metrics.better,
    metrics.model,
    metrics.column as column_name,
    metrics.n,
    metrics.low,
    metrics.high,
    metrics.source as method_source
from {{ source('ops', 'metric') }} as metrics
