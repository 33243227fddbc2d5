select
    cells.cell_no,
    cells.topic,
    cells.period,
    cells.counted,
    cells.level,
    cells.unit_code,
    cells.parent_code,
    cells.is_published,
    cells.n,
    cells.passed,
    fates.fate,
    fates.was_told,
    fates.mark,
    fates.places,
    fates.passed_told,
    fates.passed_was_told
from {{ ref('int_disclosure_persons') }} as cells
inner join {{ ref('int_disclosure_persons_fate') }} as fates on cells.cell_no = fates.cell_no
