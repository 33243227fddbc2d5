select
    cells.cell_no,
    cells.{{ cell_key() | join(',\n    cells.') }},
    cells.is_published,
    cells.n,
    cells.absent,
    cells.exempt,
    cells.passed,
    cells.good,
    cells.excellent,
    cells.low,
    fates.fate,
    fates.mark,
    fates.places,
    fates.is_sitting_told,
    fates.passed_told,
    fates.good_told,
    fates.excellent_told,
    fates.low_told
from {{ ref('int_disclosure_cell') }} as cells
inner join {{ ref('int_disclosure_fate') }} as fates on cells.cell_no = fates.cell_no
