select
    students.school_year,
    students.school_code,
    schools.district_code,
    students.grade,
    students.class_no,
    students.school_code || '-' || cast(students.grade as string) || '-' || students.class_no
        as class_code,
    cast(count(*) as bigint) as students
from {{ ref('stg_students') }} as students
left join {{ ref('stg_schools') }} as schools
    on
        students.school_code = schools.school_code
        and students.school_year = schools.school_year
group by
    students.school_year, students.school_code, schools.district_code, students.grade,
    students.class_no
