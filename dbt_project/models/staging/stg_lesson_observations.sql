-- Written by `python -m pipelines.feeds.staging` from lesson_observations.yml; not to be edited.
select
    cast(observed_on as date) as observed_on,
    cast(observer_code as string) as observer_code,
    cast(teacher_code as string) as teacher_code,
    cast(school_code as string) as school_code,
    cast(grade as int) as grade,
    cast(class_no as string) as class_no,
    cast(subject as string) as subject,
    cast(period as string) as period,
    coalesce(cast(lessons as int), 1) as lessons,
    cast(score as decimal(18, 3)) as score,
    cast(design_score as decimal(18, 3)) as design_score,
    cast(process_score as decimal(18, 3)) as process_score,
    cast(effect_score as decimal(18, 3)) as effect_score,
    cast(literacy_score as decimal(18, 3)) as literacy_score,
    cast(standard_lesson as boolean) as standard_lesson,
    cast(inclass_tested as int) as inclass_tested,
    cast(inclass_passed as int) as inclass_passed,
    cast(school_year as string) as school_year
from {{ read_landing('lesson_observations') }}
