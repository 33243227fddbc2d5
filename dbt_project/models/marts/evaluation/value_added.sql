{%- set published = published_model() -%}

select
    school_year,
    wave_id,
    grade,
    subject,
    level,
    unit_code,
    n,
    effect,
    se,
    ci_low,
    ci_high,
    reliability,
    band,
    simple_effect,
    simple_se,
    present,
    match_rate,
    is_low_match,
    state,
    reason
from {{ ref('value_added_variant') }}
where model = '{{ published }}'
