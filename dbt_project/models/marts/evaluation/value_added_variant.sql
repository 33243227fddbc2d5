select
    papers.school_year,
    papers.wave_id,
    cast(papers.grade as int) as grade,
    papers.subject,
    units.model,
    units.level,
    units.unit_code,
    units.n,
    units.effect,
    units.se,
    units.ci_low,
    units.ci_high,
    units.reliability,
    units.band,
    units.simple_effect,
    units.simple_se,
    units.present,
    {{ ratio('units.n', 'units.present') }} as match_rate,
    {{ ratio('units.n', 'units.present') }} < {{ var('value_added_match') }} as is_low_match,
    case when units.reason is null then 'estimated' else 'not_estimated' end as state,
    units.reason
from {{ ref('int_value_added_effects') }} as units
inner join {{ ref('int_papers') }} as papers on units.paper_no = papers.paper_no
