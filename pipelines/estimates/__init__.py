"""Between the warehouse and the statistics: sums and cells in, tables of estimates out.

dbt's Python models call these functions, one a model; `pipelines.evaluation` knows no table and no
column, and the models hold no statistics. Rows come and go as Arrow tables. Rows are put in order
before anything is added up, so that a figure does not hang on the order in which they came.
"""

from pipelines.estimates.checks import fairness, measurement_error, standing, years
from pipelines.estimates.equity import communities, equity, resources
from pipelines.estimates.growth import growth
from pipelines.estimates.severity import severity
from pipelines.estimates.value_added import value_added

__all__ = [
    "communities",
    "equity",
    "fairness",
    "growth",
    "measurement_error",
    "resources",
    "severity",
    "standing",
    "value_added",
    "years",
]
