{{ config(alias='submission_problem') }}

select
    submission_id,
    place,
    feed,
    school_year,
    level,
    unit_code,
    state,
    file,
    return_workbook,
    severity,
    rule,
    title_zh,
    title_en,
    sheet,
    row_first,
    row_last,
    cells,
    column_name,
    says_zh,
    says_en
from {{ ref('submission_problem') }}
order by school_year, feed, file, submission_id, place
