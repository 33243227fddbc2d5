{%- set counts = ['persons', 'covered', 'attendances', 'hours_known'] -%}

-- Who is in post or covered is a span of days; a span is an event at its first day and one after
-- its last. Summed up in the order of days, events tell the number on any day: nobody is joined
-- with the days on which counts are taken.
with levels as (
    {{ unit_levels() }}
),

populations as (
    {{ training_windows() }}
),

posts as (
    select
        populations.population,
        posts.staff_code,
        posts.district_code,
        posts.school_code,
        posts.from_day,
        posts.to_day
    from {{ ref('int_post_year') }} as posts
    inner join populations on posts.role = populations.population
),

windows as (
    select
        *,
        max(lapse_on) over (
            partition by population, staff_code
            order by
                ended_on asc nulls last, programme_code asc nulls last, session_no asc nulls last
            rows between unbounded preceding and 1 preceding
        ) as earlier_lapse_on
    from {{ ref('int_training_windows') }}
),

-- Windows that overlap or follow at once are one span of the person.
islands as (
    select
        *,
        sum(case when ended_on <= earlier_lapse_on then 0 else 1 end) over (
            partition by population, staff_code
            order by
                ended_on asc nulls last, programme_code asc nulls last, session_no asc nulls last
            rows between unbounded preceding and current row
        ) as island
    from windows
),

covers as (
    select
        population,
        staff_code,
        min(ended_on) as from_day,
        max(lapse_on) as lapse_on
    from islands
    group by population, staff_code, island
),

spans as (
    select
        population,
        district_code,
        school_code,
        from_day,
        to_day,
        1 as persons,
        0 as covered,
        0 as attendances,
        cast(0 as decimal(18, 3)) as hours,
        0 as hours_known
    from posts
    union all
    select
        posts.population,
        posts.district_code,
        posts.school_code,
        greatest(posts.from_day, covers.from_day) as from_day,
        least(posts.to_day, covers.lapse_on - 1) as to_day,
        0 as persons,
        1 as covered,
        0 as attendances,
        cast(0 as decimal(18, 3)) as hours,
        0 as hours_known
    from posts
    inner join covers
        on
            posts.population = covers.population
            and posts.staff_code = covers.staff_code
            and posts.to_day >= covers.from_day
            and posts.from_day < covers.lapse_on
    union all
    select
        posts.population,
        posts.district_code,
        posts.school_code,
        greatest(posts.from_day, windows.ended_on) as from_day,
        least(posts.to_day, windows.lapse_on - 1) as to_day,
        0 as persons,
        0 as covered,
        1 as attendances,
        coalesce(windows.hours, 0) as hours,
        case when windows.hours is null then 0 else 1 end as hours_known
    from posts
    inner join windows
        on
            posts.population = windows.population
            and posts.staff_code = windows.staff_code
            and posts.to_day >= windows.ended_on
            and posts.from_day < windows.lapse_on
),

ends as (
    select
        population,
        district_code,
        school_code,
        from_day as day,
        {% for count in counts %}
        {{ count }},
        {% endfor %}
        hours
    from spans
    union all
    select
        population,
        district_code,
        school_code,
        to_day + 1 as day,
        {% for count in counts %}
        -{{ count }} as {{ count }},
        {% endfor %}
        -hours as hours
    from spans
),

events as (
    select
        ends.population,
        levels.level,
        {{ unit_of('levels.level', 'ends.district_code', 'ends.school_code') }} as unit_code,
        ends.day,
        {% for count in counts %}
        cast(sum(ends.{{ count }}) as bigint) as {{ count }},
        {% endfor %}
        sum(ends.hours) as hours
    from ends
    cross join levels
    group by
        ends.population, levels.level,
        {{ unit_of('levels.level', 'ends.district_code', 'ends.school_code') }}, ends.day
),

units as (
    select distinct
        population,
        level,
        unit_code
    from events
    where unit_code is not null
),

marked as (
    select
        population,
        level,
        unit_code,
        day,
        {% for count in counts %}
        {{ count }},
        {% endfor %}
        hours,
        false as is_asked
    from events
    where unit_code is not null
    union all
    select
        units.population,
        units.level,
        units.unit_code,
        as_of.as_of as day,
        {% for count in counts %}
        0 as {{ count }},
        {% endfor %}
        0 as hours,
        true as is_asked
    from units
    cross join {{ ref('int_as_of') }} as as_of
),

running as (
    select
        population,
        level,
        unit_code,
        day,
        is_asked,
        {% for count in counts %}
        cast(sum({{ count }}) over life as bigint) as {{ count }},
        {% endfor %}
        cast(sum(hours) over life as decimal(18, 3)) as hours
    from marked
    window life as (
        partition by population, level, unit_code order by day
        range between unbounded preceding and current row
    )
),

records as (
    select min(ended_on) as first_day
    from {{ ref('int_training') }}
    where is_counted
),

counted as (
    select
        running.day as as_of,
        running.population,
        running.level,
        running.unit_code,
        running.persons,
        case when running.day >= records.first_day then running.covered end as covered,
        case when running.day >= records.first_day then running.attendances end as attendances,
        case
            when
                running.hours_known > 0
                or (running.day >= records.first_day and running.attendances = 0)
                then running.hours
        end as hours,
        {{ months_after('running.day', '-populations.months') }} >= evidence.first_day - 1
            as is_whole_window
    from running
    inner join populations on running.population = populations.population
    cross join records
    cross join {{ ref('int_evidence_day') }} as evidence
    where running.is_asked and running.persons > 0
),

rates as (
    select
        *,
        {{ ratio('covered', 'persons') }} as rate
    from counted
)

select
    as_of,
    population,
    level,
    unit_code,
    persons,
    covered,
    rate,
    {{ wilson_low('rate', 'persons') }} as ci_low,
    {{ wilson_high('rate', 'persons') }} as ci_high,
    attendances,
    hours,
    is_whole_window
from rates
