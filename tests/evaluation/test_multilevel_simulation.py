"""Where the truth is known: what the intervals, the reliability and the flags are worth."""

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipelines.evaluation.multilevel import Fit, fit, moments

TRIALS = 150
SCHOOL, STUDENT, SLOPE = 0.09, 0.4, 0.7


class Trial(NamedTuple):
    found: Fit
    effect: NDArray[Any]


@cache
def trials(school: float, trials: int = TRIALS) -> list[Trial]:
    """A city of 50 schools of 5 to 60 students, again and again."""
    rng = np.random.default_rng(20)
    out = []
    for _ in range(trials):
        group = np.repeat(np.arange(50), rng.integers(5, 61, 50))
        effect = rng.normal(0, np.sqrt(school), 50)
        prior = rng.normal(size=len(group)) + rng.normal(0, 0.4, 50)[group]
        y = 0.2 + SLOPE * prior + effect[group] + rng.normal(0, np.sqrt(STUDENT), len(group))
        out.append(Trial(fit(moments(prior[:, None], y, group)[0], ["prior"]), effect))
    return out


def off(share: float, count: int, expected: float = 0.95) -> float:
    """How many standard errors a share of independent trials is from the expected one."""
    return (share - expected) / np.sqrt(expected * (1 - expected) / count)


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    found = [trial.found for trial in trials(SCHOOL)]
    covered = [
        [f.interval_school[0] <= SCHOOL <= f.interval_school[1] for f in found],
        [f.interval_student[0] <= STUDENT <= f.interval_student[1] for f in found],
        [abs(f.coefficients[0] - 0.2) < 1.96 * f.standard_errors[0] for f in found],
        [abs(f.coefficients[1] - SLOPE) < 1.96 * f.standard_errors[1] for f in found],
    ]
    for each in covered:
        assert abs(off(np.mean(each), TRIALS)) < 3


def test_estimates_are_unbiased() -> None:
    for name, truth in (("variance_school", SCHOOL), ("variance_student", STUDENT)):
        values = np.array([getattr(trial.found, name) for trial in trials(SCHOOL)])
        assert abs(values.mean() - truth) < 3 * values.std() / np.sqrt(TRIALS)
    slopes = np.array([trial.found.coefficients[1] for trial in trials(SCHOOL)])
    assert abs(slopes.mean() - SLOPE) < 3 * slopes.std() / np.sqrt(TRIALS)


def test_effects_are_as_sure_as_they_say() -> None:
    errors = np.array(
        [
            (t.found.effect - t.effect) / np.sqrt(t.found.effect_error_variance)
            for t in trials(SCHOOL)
        ]
    )
    # Errors of one city's schools hang together, so the count is that of the cities.
    assert abs(off(np.mean(np.abs(errors) < 1.959964), TRIALS)) < 2
    assert abs(np.mean(errors**2) - 1) < 0.05


def test_reliability_is_the_squared_correlation_with_the_truth() -> None:
    """In classes of size, so that the size itself does not correlate."""
    effect = np.concatenate([t.found.effect for t in trials(SCHOOL)])
    truth = np.concatenate([t.effect for t in trials(SCHOOL)])
    reliability = np.concatenate([t.found.reliability for t in trials(SCHOOL)])
    for low, high in ((0.4, 0.7), (0.7, 0.85), (0.85, 0.95)):
        chosen = (low < reliability) & (reliability < high)
        assert chosen.sum() > 500
        squared = np.corrcoef(effect[chosen], truth[chosen])[0, 1] ** 2
        assert abs(squared - reliability[chosen].mean()) < 0.05


def test_without_school_effects_few_schools_are_flagged() -> None:
    null = trials(0.0)
    for variance in ("effect_variance", "effect_error_variance"):
        flagged = [
            np.abs(t.found.effect) > 1.959964 * np.sqrt(getattr(t.found, variance)) for t in null
        ]
        assert np.mean(flagged) <= 0.05
    # Half the variances are 0, and the test of the mixture says "effects" one time in twenty.
    assert abs(off(np.mean([t.found.variance_school == 0 for t in null]), TRIALS, 0.5)) < 4
    assert off(np.mean([t.found.lr_p < 0.05 for t in null]), TRIALS, 0.05) < 3
