-- The seven indicators of balanced quality (Ministry of Education 2017), each for one student or
-- for a hundred.
{%- set indicators = {
    'teachers_above_required_degree': 100, 'key_teachers': 100, 'pe_art_teachers': 100,
    'teaching_area_m2': 1, 'sports_area_m2': 1, 'equipment_value_yuan': 1, 'multimedia_rooms': 100,
} %}

{% for indicator, students in indicators.items() %}
select
    resources.school_year,
    resources.stage,
    '{{ indicator }}' as indicator,
    resources.school_code,
    schools.district_code,
    resources.students as n,
    {{ ratio(students ~ ' * resources.' ~ indicator, 'resources.students') }} as per_student
from {{ ref('int_resource') }} as resources
left join {{ ref('int_school') }} as schools
    on
        resources.school_code = schools.school_code
        and resources.school_year = schools.school_year
where resources.students > 0 and resources.{{ indicator }} is not null
{{ 'union all' if not loop.last }}
{% endfor %}
