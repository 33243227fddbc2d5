"""What these tests share: students as cells, made-up cities, how often an interval holds."""

import numpy as np

from pipelines.evaluation.equity import Cells
from pipelines.evaluation.resampling import Figures, Resampling

R = Resampling(seed=7)
QUICK = Resampling(draws=99, seed=7)
MEASURES = ("coefficient_of_variation", "range_ratio", "gini", "theil")
Schools = tuple[np.ndarray, np.ndarray]


def cells(score: np.ndarray, school: np.ndarray, schools: int) -> Cells:
    """One cell from single students."""
    n = np.bincount(school, minlength=schools).astype(float)
    mean = np.bincount(school, score, minlength=schools) / np.maximum(n, 1)
    squares = np.bincount(school, (score - mean[school]) ** 2, minlength=schools)
    return Cells(n, mean, squares)


def draw_city(rng: np.random.Generator, cities: int, count: int) -> Schools:
    """Students and mean of each of so many schools, in so many cities."""
    n = rng.integers(20, 160, (cities, count)).astype(float)
    return n, 60 + 8 * rng.standard_normal(n.shape) + 10 * rng.standard_normal(n.shape) / np.sqrt(n)


def holds(figure: Figures, truth: float) -> float:
    """The share of intervals in which the truth lies."""
    assert (figure.reason == "").all()
    return float(((figure.low <= truth) & (truth <= figure.high)).mean())
