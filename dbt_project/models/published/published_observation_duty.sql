{{ config(alias='observation_duty') }}

{%- set exact = is_exact('passed') %}

select
    duty.school_year,
    duty.level,
    duty.unit_code,
    duty.role,
    {{ where_told(is_counted(), 'duty.persons') }} as persons,
    {{ where_told(exact, 'duty.met') }} as met,
    {{ where_told(exact, rate_told('duty.met / duty.persons')) }} as rate,
    {{ band_told('passed') }} as band,
    {{ where_told(is_counted(), 'duty.not_reported = duty.persons') }} as is_silent,
    {{ where_told(is_counted(), 'duty.owed_by_all') }} as owed,
    {{ where_told(is_counted(), 'duty.done') }} as done,
    {{ mark_of_persons() }} as mark
from {{ ref('observation_duty_unit') }} as duty
{{ with_persons('duty', 'duty', 'duty.school_year', 'duty.role') }}
order by duty.school_year, duty.level, duty.unit_code, duty.role
