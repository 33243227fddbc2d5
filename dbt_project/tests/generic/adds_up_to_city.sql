{#- Fails with each key whose schools do not add up to the city: in students, in those who count,
    or in the mean of a rate weighted by them. Every student sits in one school. -#}
{% test adds_up_to_city(model, keys, rate) %}
with parts as (
    select
        {{ keys | join(', ') }},
        sum(case when level = 'city' then students else 0 end) as city_students,
        sum(case when level = 'school' then students else 0 end) as school_students,
        sum(case when level = 'city' then n else 0 end) as city_n,
        sum(case when level = 'school' then n else 0 end) as school_n,
        sum(case when level = 'city' then n * {{ rate }} else 0 end) as city_sum,
        sum(case when level = 'school' then n * {{ rate }} else 0 end) as school_sum
    from {{ model }}
    where level in ('city', 'school')
    group by {{ keys | join(', ') }}
    having count(*) filter (where level = 'city') > 0
)

select *
from parts
where
    city_students <> school_students
    or city_n <> school_n
    or abs(city_sum - school_sum) > 1e-9 * greatest(city_n, 1)
{% endtest %}
