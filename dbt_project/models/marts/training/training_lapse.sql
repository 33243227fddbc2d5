with populations as (
    {{ training_windows() }}
),

persons as (
    select
        populations.population,
        posts.staff_code,
        posts.district_code,
        posts.school_code,
        posts.subject,
        evidence.last_day as as_of
    from {{ ref('int_post_year') }} as posts
    inner join populations on posts.role = populations.population
    inner join {{ ref('int_evidence_day') }} as evidence
        on evidence.last_day between posts.from_day and posts.to_day
),

newest as (
    select
        *,
        row_number() over (
            partition by population, staff_code
            order by
                ended_on desc nulls last, programme_code asc nulls last, session_no asc nulls last
        ) as age
    from {{ ref('int_training_windows') }}
),

records as (
    select min(ended_on) as first_day
    from {{ ref('int_training') }}
    where is_counted
)

select
    persons.population,
    persons.staff_code,
    persons.district_code,
    persons.school_code,
    persons.subject,
    persons.as_of,
    newest.programme_code as last_programme_code,
    newest.ended_on as last_ended_on,
    newest.lapse_on,
    {{ days_between('persons.as_of', 'newest.lapse_on') }} as days_left,
    case
        when newest.lapse_on > persons.as_of then 'covered'
        when newest.lapse_on is not null then 'lapsed'
        when records.first_day is null then 'not_reported'
        else 'never_trained'
    end as status
from persons
cross join records
left join newest
    on
        persons.population = newest.population
        and persons.staff_code = newest.staff_code
        and newest.age = 1
