{#- Fails with each target that has not exactly one reading by default. -#}
{% test one_default_reading(model) %}
select target_id
from {{ model }}
group by target_id
having count_if(is_default = 'true') <> 1
{% endtest %}
