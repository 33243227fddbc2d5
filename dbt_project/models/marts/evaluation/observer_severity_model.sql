select
    school_year,
    state,
    reason,
    n,
    observers_fitted as observers,
    teachers_fitted as teachers,
    parts,
    terms,
    coefficients,
    standard_errors,
    dropped,
    variance_residual,
    variance_observer,
    variance_teacher,
    lr_statistic,
    lr_p
from {{ ref('int_severity_fits') }}
