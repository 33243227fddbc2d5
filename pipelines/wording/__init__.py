"""The one message catalogue, the glossary and the formats of numbers.

Msgids are English; `zh_CN.po` holds the Chinese. The catalogue is read as text and compiled in
memory, so there is no compiled file to forget. This room knows nothing of the others.
"""

from pipelines.wording.catalogue import LANGUAGES, Lang, bilingual, translator
from pipelines.wording.cells import inert
from pipelines.wording.glossary import Term, load_glossary
from pipelines.wording.numbers import (
    count,
    day,
    deviations,
    deviations_interval,
    interval,
    measured,
    p_value,
    percent,
    percent_band,
    percent_change,
    percent_interval,
    points,
    points_interval,
    school_year,
    span,
)

__all__ = [
    "LANGUAGES",
    "Lang",
    "Term",
    "bilingual",
    "count",
    "day",
    "deviations",
    "deviations_interval",
    "inert",
    "interval",
    "load_glossary",
    "measured",
    "p_value",
    "percent",
    "percent_band",
    "percent_change",
    "percent_interval",
    "points",
    "points_interval",
    "school_year",
    "span",
    "translator",
]
