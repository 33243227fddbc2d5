"""The example of `docs/value-added.md`, worked by hand there, is what the library finds."""

import re
from pathlib import Path

import numpy as np
import pytest

from pipelines.evaluation import multilevel, robustness
from pipelines.evaluation.resampling import Z

PAGE = Path(__file__).parents[2] / "docs" / "value-added.md"
NUMBER = re.compile(r"−?\d+(?:\.\d+)?")


def text() -> str:
    """The page."""
    return PAGE.read_text(encoding="utf-8")


def numbers(cell: str) -> list[float]:
    return [float(found.replace("−", "-")) for found in NUMBER.findall(cell)]


def table(name: str) -> list[list[str]]:
    """The cells of the table under the comment of that name, the head left out."""
    found = re.search(rf"<!-- {name}: a test reads this table -->\n(.*?)\n\n", text(), re.DOTALL)
    assert found
    return [[c.strip() for c in line.strip("|").split("|")] for line in found[1].split("\n")[2:]]


def said(pattern: str) -> float:
    """The one number of the page in bold or after a sign, where the pattern finds it."""
    (found,) = re.findall(pattern, text())
    return numbers(found)[-1]


@pytest.fixture(scope="module")
def students() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = table("the students")
    prior, score = ([v for row in rows for v in numbers(row[i])] for i in (1, 2))
    school = [row[0] for row in rows for _ in numbers(row[1])]
    return np.array(prior)[:, None], np.array(score), np.array(school)


def test_the_sums_of_the_schools(students: tuple[np.ndarray, ...]) -> None:
    moments, labels = multilevel.moments(*students)
    rows = table("the schools")
    assert [row[0] for row in rows] == [*labels, "within"]
    for i, row in enumerate(rows[:-1]):
        found = [moments.weight[i], *moments.mean[i], *moments.cross[i][[0, 0, 1], [0, 1, 1]]]
        assert [numbers(cell)[0] for cell in row[1:]] == pytest.approx(found, abs=1e-9)
    within = moments.cross.sum(axis=0)[[0, 0, 1], [0, 1, 1]]
    assert [numbers(cell)[0] for cell in rows[-1][4:]] == pytest.approx(within, abs=1e-9)
    size, mean = moments.weight, moments.mean - np.average(moments.mean, axis=0)
    for name, (i, j) in {"pp": (0, 0), "py": (0, 1), "yy": (1, 1)}.items():
        between = float(size @ (mean[:, i] * mean[:, j]))
        assert said(rf"- {name}: .* = ([−\d.]+)\n") == pytest.approx(between, abs=1e-9)


def test_the_effects_by_hand_are_the_library_s(students: tuple[np.ndarray, ...]) -> None:
    moments, labels = multilevel.moments(*students)
    fit = multilevel.fit(moments, ["p"])
    assert said(r"t² / s² = ([\d.]+);") == pytest.approx(
        fit.variance_school / fit.variance_student, abs=5e-7
    )
    assert said(r"= \*\*([\d.]+)\*\*, and b0") == pytest.approx(fit.coefficients[1], abs=5e-7)
    assert said(r"b0 = .* = \*\*([\d.]+)\*\*") == pytest.approx(fit.coefficients[0], abs=5e-7)
    assert said(r"s² = \*\*([\d.]+)\*\*") == pytest.approx(fit.variance_student, abs=5e-7)
    assert said(r"t² = .* = \*\*([\d.]+)\*\*") == pytest.approx(fit.variance_school, abs=5e-7)
    error = np.sqrt(fit.effect_variance)
    assert said(r"its root \*\*([\d.]+)\*\*") == pytest.approx(error[0], abs=5e-7)
    assert fit.reliability == pytest.approx([0.5] * 3, abs=5e-7)
    bands = robustness.bands(fit.effect, fit.effect_variance)
    rows = table("the effects")
    assert [row[0] for row in rows] == list(labels)
    for i, (_, residual, effect, interval, band) in enumerate(rows):
        assert numbers(effect)[0] == pytest.approx(fit.effect[i], abs=5e-7)
        assert numbers(residual)[-1] / 2 == pytest.approx(fit.effect[i], abs=5e-7)
        ends = [fit.effect[i] - Z * error[i], fit.effect[i] + Z * error[i]]
        assert numbers(interval) == pytest.approx(ends, abs=5.1e-7)
        assert band == bands[i]
