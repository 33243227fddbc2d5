select
    papers.school_year,
    papers.wave_id,
    cast(papers.grade as int) as grade,
    papers.subject,
    found.model,
    found.characteristic,
    found.correlation,
    found.ci_low,
    found.ci_high,
    found.n,
    found.state,
    found.reason
from {{ ref('int_value_added_fairness') }} as found
inner join {{ ref('int_papers') }} as papers on found.paper_no = papers.paper_no
