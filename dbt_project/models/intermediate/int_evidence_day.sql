-- What the figures can speak of ends on the last day from which anything was handed in. A day
-- beyond the school year of its own row is a slip of the pen and moves nothing.
with dated as (
    select
        waves.held_on as day,
        waves.school_year
    from {{ ref('stg_monitoring_waves') }} as waves
    where waves.wave_id in (select sat.wave_id from {{ ref('int_wave') }} as sat)
    union all
    select
        observed_on as day,
        school_year
    from {{ ref('stg_lesson_observations') }}
    union all
    select
        ended_on as day,
        school_year
    from {{ ref('stg_training_logs') }}
    union all
    select
        granted_on as day,
        school_year
    from {{ ref('stg_programme_register') }}
    union all
    select
        visited_on as day,
        school_year
    from {{ ref('stg_official_visits') }}
    union all
    select
        found_on as day,
        school_year
    from {{ ref('stg_supervision_findings') }}
    union all
    select
        closed_on as day,
        school_year
    from {{ ref('stg_supervision_findings') }}
),

begun as (
    select min(school_year) as first_year
    from {{ ref('stg_schools') }}
)

select
    {{ year_start('begun.first_year') }} as first_day,
    max(dated.day) as last_day
from begun
left join dated
    on
        dated.day < {{ next_year_start('dated.school_year') }}
        and dated.day >= {{ year_start('begun.first_year') }}
group by begun.first_year
