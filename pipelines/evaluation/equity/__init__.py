"""How evenly a city's schools and its groups of students do, each figure with its uncertainty.

Everything is computed for many cells at once (say, all subjects of a grade) from aggregates of
schools: students, mean, sum of squared deviations. Arrays are (cells, schools) unless said
otherwise; a cell in which a school has no student has n = 0 there, and its mean is not looked at.

Two kinds of interval stand beside each other where both make sense. The *analytic* one takes
students as independent. The *clustered* one takes schools as drawn, students of a school being
alike: it is the wider and the safer one, above all for groups of whole schools (locale, ownership).
"""

from pipelines.evaluation.equity.cells import Cells
from pipelines.evaluation.equity.convergence import Convergence, convergence
from pipelines.evaluation.equity.gaps import (
    Gap,
    Parity,
    parity,
    rank_gap,
    rank_gap_of_scores,
    standardised_gap,
)
from pipelines.evaluation.equity.gradient import Gradient, of_members, social_gradient
from pipelines.evaluation.equity.inequality import Inequality, inequality
from pipelines.evaluation.equity.shares import Shares, shares

__all__ = [
    "Cells",
    "Convergence",
    "Gap",
    "Gradient",
    "Inequality",
    "Parity",
    "Shares",
    "convergence",
    "inequality",
    "of_members",
    "parity",
    "rank_gap",
    "rank_gap_of_scores",
    "shares",
    "social_gradient",
    "standardised_gap",
]
