{{ config(materialized='view') }}

-- Any wave of the city may hold a prior score of any later one within reach.
{%- set reach = var('prior_months') %}

select distinct
    earlier.wave_id,
    papers.wave_id as following_wave_id
from {{ ref('int_papers') }} as papers
inner join {{ ref('int_papers') }} as earlier
    on
        earlier.wave_level in ('city', 'province')
        and earlier.held_on >= {{ months_after('papers.held_on', -reach.most) }}
        and earlier.held_on <= {{ months_after('papers.held_on', -reach.least) }}
