"""All equity figures of a full city with their intervals: `python -m bench.equity`.

Aggregates of schools are made up at a full city's size: twelve grades of 58,000 students, 1,500
schools (1,050 primary, 350 junior, 100 senior) in eight districts, nine subjects in every grade. Of
each grade and subject, in the city and in each district: coefficient of variation, range ratio,
Gini and Theil; gaps (d and V) and parity of pass rates of eight pairs of groups; social gradients
and shares of the variance; and the convergence of 80 communities over three years. Every interval
over schools is of 999 draws. Beside the first stands SciPy's vectorised BCa bootstrap, which is
given one grade and one figure. Seconds are of the processor, whatever else the machine does,
without the making of the aggregates.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import stats

from bench.landing import step
from bench.measure import report, timed
from pipelines.evaluation import equity
from pipelines.evaluation.equity import Cells
from pipelines.evaluation.resampling import Figures, Resampling
from pipelines.warehouse import ONE_THREAD

GRADES, SUBJECTS, STUDENTS, DISTRICTS, COMMUNITIES = 12, 9, 58_000, 8, 80
STAGES = ((range(1, 7), 1_050), (range(7, 10), 350), (range(10, 13), 100))
SCORES = 201
"""Scores 0 to 100 in halves."""
BY_SCHOOL = ("locale", "ownership")
GROUPS = ("gender", "boarding", "left_behind", "migrant", "subsidised", "rural_household")
R = Resampling(seed=1)
COLUMNS = ("n", "mean", "squares")
STEP = """
import sys, time
from bench import equity
print(equity.seconds(sys.argv[1]))
"""
PEER = """
from bench import equity
print(equity.by_scipy())
"""


@dataclass(frozen=True)
class Grade:
    """Aggregates of one grade: of all students, and of the two groups of each pair."""

    district: np.ndarray
    whole: Cells
    """Scores, (subjects, schools)."""
    pairs: list[tuple[Cells, Cells]]
    passed: list[tuple[np.ndarray, np.ndarray]]
    counts: tuple[np.ndarray, np.ndarray]
    """Students by school and score of one pair and subject, used for every pair and subject."""


def grade(number: int) -> Grade:
    """A grade's made-up aggregates; the same number gives the same."""
    rng = np.random.default_rng(number)
    schools = next(count for grades, count in STAGES if number in grades)
    district = np.sort(rng.integers(0, DISTRICTS, schools))
    n = rng.multinomial(STUDENTS, rng.dirichlet(np.full(schools, 3.0)))
    level = 60 + 7 * rng.standard_normal((SUBJECTS, schools))
    level += 4 * rng.standard_normal((SUBJECTS, DISTRICTS))[:, district]

    def cells(size: np.ndarray, gap: float) -> Cells:
        size = np.broadcast_to(size, level.shape).astype(float)
        chance = 15 * rng.standard_normal(level.shape) / np.sqrt(np.maximum(size, 1))
        mean = np.clip(level + gap + chance, 1, 100)
        return Cells(size, mean, 225 * np.maximum(size - 1, 0))

    pairs, passed = [], []
    for name in (*BY_SCHOOL, *GROUPS):
        # A group of schools is one of whole schools; of students, one of part of each school's.
        part = rng.random(schools) < 0.4 if name in BY_SCHOOL else rng.uniform(0.2, 0.7, schools)
        inside = np.round(part * n)
        both = cells(inside, -2.0), cells(n - inside, 0.0)
        pairs.append(both)
        passed.append(tuple(np.round(g.n * np.clip(g.mean / 100, 0, 1)) for g in both))
    counts = tuple(
        np.ascontiguousarray(rng.poisson(g.n[0] / SCORES, (SCORES, schools)).T, dtype=float)
        for g in pairs[2]
    )
    return Grade(district, cells(n, 0.0), pairs, passed, counts)  # type: ignore[arg-type]


def places(district: np.ndarray) -> list[slice]:
    """Schools of the city and of each district, whose schools stand together."""
    ends = np.searchsorted(district, np.arange(DISTRICTS + 1)).tolist()
    return [slice(0, len(district)), *(slice(a, b) for a, b in pairwise(ends))]


def cut(cells: Cells, place: slice) -> Cells:
    """The aggregates of some of the schools."""
    return Cells(cells.n[:, place], cells.mean[:, place], cells.squares[:, place])


def between_schools(g: Grade) -> list[Figures]:
    """Inequality between schools."""
    found = equity.inequality(g.whole.n, g.whole.mean, g.district, resampling=R)
    return [figure for figure in vars(found).values() if isinstance(figure, Figures)]


def gaps(g: Grade) -> list[Figures]:
    """Cohen's d of all pairs of groups, of the city and of each district."""
    found = []
    for place in places(g.district):
        a, b = (
            Cells(*(np.concatenate([getattr(p[i], v)[:, place] for p in g.pairs]) for v in COLUMNS))
            for i in (0, 1)
        )
        gap = equity.standardised_gap(a, b, resampling=R)
        found += [gap.analytic, gap.clustered]
    return found


def rank_gaps(g: Grade) -> list[Figures]:
    """V of all pairs of groups, of the city and of each district."""
    found = []
    for _ in range(SUBJECTS * len(g.pairs)):
        for place in places(g.district):
            gap = equity.rank_gap(g.counts[0][place], g.counts[1][place])
            found += [gap.analytic, gap.clustered]
    return found


def parities(g: Grade) -> list[Figures]:
    """Parity of pass rates of all pairs of groups, of the city and of each district."""
    found = []
    for place in places(g.district):
        sides = []
        for i in (0, 1):
            sides.append(np.concatenate([k[i][:, place] for k in g.passed]))
            sides.append(np.concatenate([p[i].n[:, place] for p in g.pairs]))
        parity = equity.parity(*sides, resampling=R)
        found += [
            f for gap in (parity.ratio, parity.difference) for f in (gap.analytic, gap.clustered)
        ]
    return found


def slopes_and_shares(g: Grade) -> list[Figures]:
    """Social gradients and shares of the variance, of the city and of each district."""
    yes, no = g.pairs[2 + GROUPS.index("subsidised")]
    found = []
    for place in places(g.district):
        a, b = cut(yes, place), cut(no, place)
        slopes = equity.social_gradient(*equity.of_members(a.n, a.mean, b.n, b.mean), resampling=R)
        found += [slopes.within, slopes.between, slopes.contextual]
        city = len(found) == 3
        shares = equity.shares(cut(g.whole, place), g.district if city else None)
        found += [shares.between_schools]
        found += [shares.between_districts, shares.within_districts] if city else []
    return found


def communities(g: Grade) -> list[Figures]:
    """Convergence of communities over three years, each subject."""
    schools = min(4 * COMMUNITIES, g.whole.n.shape[1])
    rows = np.tile(np.arange(schools), 3)
    year = np.repeat([2022, 2023, 2024], schools)
    found = []
    for subject in range(SUBJECTS):
        columns = (getattr(g.whole, v)[subject, rows] for v in COLUMNS)
        told = equity.convergence(rows // 4, year, rows % 4 == 0, *columns, resampling=R)
        found += [told.gap, told.change, told.overall_gap, told.overall_change]
    return found


PARTS: dict[str, Callable[[Grade], list[Figures]]] = {
    "between schools": between_schools,
    "gaps, d": gaps,
    "gaps, V": rank_gaps,
    "parity": parities,
    "gradients, shares": slopes_and_shares,
    "communities": communities,
}


def seconds(part: str) -> float:
    """Seconds of one part, or of `all`, over all grades; says how many figures there are."""
    chosen = list(PARTS) if part == "all" else [part]
    taken, told, missing = 0.0, 0, 0
    for number in range(1, GRADES + 1):
        made = grade(number)
        start = time.process_time()
        found = [figure for name in chosen for figure in PARTS[name](made)]
        taken += time.process_time() - start
        told += sum(figure.value.size for figure in found)
        missing += sum(int((figure.reason != "").sum()) for figure in found)
    print(f"{told:,} figures, {missing:,} not estimated", file=sys.stderr)
    return taken


def by_scipy() -> float:
    """Seconds of SciPy's BCa for the coefficient of variation of one grade's subjects."""
    g = grade(1)
    start = time.process_time()

    def variation(size: np.ndarray, mean: np.ndarray, axis: int = -1) -> np.ndarray:
        weight = size / size.sum(axis=axis, keepdims=True)
        mu = (weight * mean).sum(axis=axis, keepdims=True)
        return np.asarray(np.sqrt((weight * (mean - mu) ** 2).sum(axis=axis)) / mu.squeeze(axis))

    stats.bootstrap(
        (g.whole.n, g.whole.mean),
        variation,
        n_resamples=R.draws,
        paired=True,
        vectorized=True,
        axis=1,
        rng=np.random.default_rng(1),
    )
    return time.process_time() - start


ONE = """
import time
from bench import equity
g = equity.grade(1)
start = time.process_time()
equity.between_schools(g)
print(time.process_time() - start)
"""


def main() -> None:
    """Measure, print, write `bench/results/equity.json`."""
    rows = GRADES * SUBJECTS * STUDENTS
    one = SUBJECTS * STUDENTS
    whole = [timed("all figures", step(STEP, "all"), rows, ONE_THREAD)]
    whole += [timed(part, step(STEP, part), rows, ONE_THREAD) for part in PARTS]
    peer = [
        timed("SciPy's BCa, one figure, one grade", step(PEER), one, ONE_THREAD),
        timed("all between schools, one grade", step(ONE), one, ONE_THREAD),
    ]
    size = {
        "grades": GRADES,
        "subjects": SUBJECTS,
        "students_a_grade": STUDENTS,
        "schools": sum(count for _, count in STAGES),
        "districts": DISTRICTS,
        "pairs_of_groups": len(BY_SCHOOL) + len(GROUPS),
        "draws": R.draws,
    }
    report("equity", size, [whole, peer])


if __name__ == "__main__":
    main()
