with windows as (
    {{ training_windows() }}
)

select
    windows.population,
    training.staff_code,
    training.programme_code,
    training.session_no,
    training.ended_on,
    {{ lapse_day('training.ended_on', 'windows.months') }} as lapse_on,
    training.hours
from {{ ref('int_training') }} as training
inner join windows on coalesce(windows.mode, training.mode) = training.mode
where training.is_counted and training.completed
