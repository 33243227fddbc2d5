{{ plan_slots(ref('int_plan_population'), 'valid_from', 'valid_to') }}
