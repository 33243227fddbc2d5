"""Two- and three-level models against lme4 on real data, and against published figures."""

from typing import Any

import numpy as np
import pytest

from pipelines.evaluation.multilevel import Fit, fit, moments
from tests.evaluation.lme4 import covariates, far, fits, label, table, upper_of_groups

EXACT = 1e-6
CASES = [*fits("two"), *fits("three")]


def estimated(case: dict[str, Any]) -> Fit:
    data = table(case["set"])
    weight = data["weight"] if case["weighted"] else None
    x = covariates(case["set"], case["terms"])
    statistics, _ = moments(x, data["y"], data["group"], weight)
    upper = upper_of_groups(case["set"]) if "upper" in case["effects"] else None
    return fit(statistics, case["terms"], upper, case["method"])


@pytest.mark.parametrize("case", CASES, ids=label)
def test_agrees_with_lme4(case: dict[str, Any]) -> None:
    found = estimated(case)
    assert found.state == "estimated"
    assert found.convergence is not None and found.convergence.converged
    assert found.terms == ("constant", *case["terms"])
    assert far(found.coefficients, case["coefficients"]) < EXACT
    assert far(found.covariance, np.atleast_2d(case["covariance"])) < EXACT
    variances = {
        "Residual": (found.variance_student, found.interval_student),
        "group": (found.variance_school, found.interval_school),
        "upper": (found.variance_district, found.interval_district),
    }
    for name, expected in case["variances"].items():
        assert variances[name][0] == pytest.approx(expected, rel=EXACT, abs=1e-12)
    if case["intervals"] is not None:
        for name, ends in zip(case["component_order"], case["intervals"], strict=True):
            assert variances[name][1] == pytest.approx(ends, rel=EXACT, abs=1e-9)
    assert found.log_likelihood == pytest.approx(case["log_likelihood"], rel=1e-10)
    effects = {
        "group": (found.effect, found.effect_variance),
        "upper": (found.upper_effect, found.upper_effect_variance),
    }
    for name, expected in case["effects"].items():
        assert far(effects[name][0], expected["effect"]) < EXACT or found.variance_school == 0
        assert far(effects[name][1], expected["variance"]) < EXACT or found.variance_school == 0


def test_enough_sets_of_both_kinds() -> None:
    assert {case["set"] for case in fits("two")} >= {"exam", "star", "chem", "hsb", "sleep"}
    assert {case["set"] for case in fits("three")} >= {"star", "chem", "growth", "pastes"}


def test_figures_of_the_methods_page() -> None:
    """mlmRev's Exam by REML; ML as MLwiN's manual prints it, and Goldstein et al. 1993's ICC."""
    data = table("exam")
    statistics, _ = moments(data["lrt"][:, None], data["y"], data["group"])
    reml = fit(statistics, ["lrt"])
    assert reml.coefficients == pytest.approx([0.002322823, 0.563306914], abs=5e-10)
    assert reml.variance_school == pytest.approx(0.093838988, abs=5e-10)
    assert reml.variance_student == pytest.approx(0.565865310, abs=5e-10)
    ml = fit(statistics, ["lrt"], method="ml")
    printed = [*ml.coefficients, ml.variance_school, ml.variance_student]
    assert np.round(printed, 3).tolist() == [0.002, 0.563, 0.092, 0.566]


def test_a_variance_of_nought_is_found_as_such() -> None:
    """Dyestuff2 is known for it: lme4 ends on the boundary too."""
    data = table("dyestuff2")
    statistics, _ = moments(np.empty((30, 0)), data["y"], data["group"])
    found = fit(statistics, [])
    assert found.variance_school == 0 == found.icc
    assert (found.lr_statistic, found.lr_p) == (0.0, 1.0)
    assert found.convergence is not None and found.convergence.at_zero == (0,)
    assert not found.effect.any() and not found.reliability.any()
    assert found.interval_school[0] == 0 < found.interval_school[1]
    # The ordinary mean and variance are all that is left.
    assert found.coefficients == pytest.approx([data["y"].mean()])
    assert found.variance_student == pytest.approx(data["y"].var(ddof=1))
