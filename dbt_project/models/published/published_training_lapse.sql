{{ config(alias='training_lapse') }}

{%- set exact = is_exact('passed') %}

select
    told.counted as population,
    cast(told.period as date) as as_of,
    {{ lapse_days() }} as within_days,
    told.level,
    told.unit_code,
    {{ where_told(is_counted(), 'told.n') }} as persons,
    {{ where_told(exact, 'told.passed') }} as lapsing,
    {{ where_told(exact, rate_told('told.passed / told.n')) }} as rate,
    {{ band_told('passed') }} as band,
    {{ mark_of_persons() }} as mark
from {{ ref('disclosure_persons') }} as told
where told.topic = 'lapse' and told.is_published
order by population, told.level, told.unit_code
