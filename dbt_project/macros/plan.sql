{#- Open ends of time, so that every stretch has two. -#}
{% macro first_of_days() %}make_date(1, 1, 1){% endmacro %}

{% macro last_of_days() %}make_date(9998, 12, 31){% endmacro %}

{#- Columns of every model of evidence: one row a record, under the target and reading that it
    may count for. -#}
{% macro plan_evidence_columns() -%}
    target_id,
    reading,
    entity_code,
    day,
    valid_to,
    value,
    tested,
    distinct_key,
    record_key,
    title
{%- endmacro %}

{#- First day of the week (Monday) in which a day lies. -#}
{% macro monday_of(day) -%}
    ({{ day }} - ({{ weekday(day) }} - 1))
{%- endmacro %}

{#- Rows of a relation with stretches `from` to `to` (days) as stretches of as-of days: `slot_from`
    is the first as-of day that sees the row, `slot_until` the first that no longer does. Rows that
    no as-of day sees are left out. -#}
{% macro plan_slots(relation, from, to) -%}
    select
        rows_of.*,
        begins.slot as slot_from,
        coalesce(ends.slot, edge.last_slot + 1) as slot_until
    from {{ relation }} as rows_of
    cross join (
        select
            min(day) as first_day,
            max(slot) as last_slot
        from {{ ref('int_plan_slot') }}
    ) as edge
    inner join {{ ref('int_plan_slot') }} as begins
        on greatest(rows_of.{{ from }}, edge.first_day) = begins.day
    left join {{ ref('int_plan_slot') }} as ends
        on greatest(rows_of.{{ to }} + 1, edge.first_day) = ends.day
    where begins.slot < coalesce(ends.slot, edge.last_slot + 1)
{%- endmacro %}

{#- What an entity itself has to reach. A duty of a year is owed for the days in the post, rounded
    up, with what was owed in another post before it; whoever is to be covered needs one record; of
    a number of pupils, all. -#}
{% macro plan_minimum(targets, members) -%}
    case
        when {{ members }}.days_held is not null
            then cast({{ rounded_up(
                targets ~ '.target_value * ' ~ members ~ '.days_held + '
                ~ members ~ '.owed_elsewhere',
                members ~ '.days_in_year'
            ) }} as decimal(18, 3))
        when {{ targets }}.rule <> 'coverage' then {{ targets }}.target_value
        when {{ targets }}.population_code = 'student'
            then cast({{ members }}.weight as decimal(18, 3))
        else cast(1 as decimal(18, 3))
    end
{%- endmacro %}

{#- Statuses of a target, in the order in which pages name them. -#}
{% macro plan_statuses() -%}
    {{ return(['reached', 'on_pace', 'behind', 'overdue', 'not_reported', 'not_due']) }}
{%- endmacro %}
