"""Growth percentiles of one subject of a full city, beside R's quantreg: `python -m bench.growth`.
100 quantiles on one prior and 100 on two for every grade. Seconds of one grade are CPU seconds of
the fits and percentiles (of quantreg, of the fits alone); those of all grades are wall seconds.

Marks are in half points of 150 with a ceiling, so that ties are as they are in such tests. quantreg
solves the same grade on the same basis, where Rscript and quantreg are there; `br`, the method that
the package SGP uses, fits every tenth quantile only (`--every`), and its seconds are scaled up.
Every objective is held against quantreg's: ours may be larger by a share of 1e-8 at most.
"""

import argparse
import csv
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.measure import Measure, StepFailed, report, timed
from pipelines.evaluation.growth import TAUS, Growth, growth_percentiles
from pipelines.warehouse import ONE_THREAD

SEED = 20260301
PEER = Path(__file__).with_name("peers") / "quantreg.R"
ONE_GRADE = """
import sys
from bench.growth import one_grade
one_grade(int(sys.argv[1]), sys.argv[2])
"""
ALL_GRADES = """
import sys
from bench.growth import all_grades
all_grades(int(sys.argv[1]), int(sys.argv[2]))
"""


def grade(number: int, students: int) -> NDArray[np.float64]:
    """(n, 3) score and two priors, the latest first, of an invented grade."""
    rng = np.random.default_rng([SEED, number])
    ability = rng.normal(size=(students, 1))
    marks = 90 + 22 * (0.9 * ability + 0.44 * rng.normal(size=(students, 3)))
    marks[:, 0] += 4 * ability[:, 0] * rng.normal(size=students)
    return np.clip(np.round(2 * marks) / 2, 0, 150)


def one_grade(students: int, objectives: str) -> None:
    """Fit the first grade, write its objectives, print the CPU seconds."""
    marks = grade(0, students)
    start = time.process_time()
    made = growth_percentiles(marks[:, 0], marks[:, 1:])
    spent = time.process_time() - start
    _proven(made)
    np.save(objectives, [fit.band.objective for fit in made.fits if fit.band is not None])
    print(spent)


def _cell(marks: NDArray[np.float64]) -> Growth:
    return growth_percentiles(marks[:, 0], marks[:, 1:])


def all_grades(students: int, grades: int) -> None:
    """Fit all grades in a pool of two processes, print the wall seconds."""
    marks = [grade(number, students) for number in range(grades)]
    start = time.perf_counter()
    with ProcessPoolExecutor(2) as pool:
        made = list(pool.map(_cell, marks))
    seconds = time.perf_counter() - start
    for each in made:
        _proven(each)
    print(seconds)


def _proven(made: Growth) -> None:
    for fit in made.fits:
        if fit.state != "estimated" or fit.band is None or not fit.band.verified.all():
            sys.exit(f"order {fit.order}: {fit.state} {fit.reason}")


def worse_by(ours: Path, theirs: Path) -> float:
    """The largest share by which an objective of ours lies above quantreg's."""
    kept = np.load(ours)
    with theirs.open(encoding="utf-8") as text:
        rows = list(csv.DictReader(text))
    apart = [
        kept[int(row["order"]) - 1][np.abs(TAUS - float(row["tau"])).argmin()]
        / float(row["objective"])
        - 1
        for row in rows
    ]
    return float(max(apart))


def peers(students: int, folder: Path, ours: Path, every: int) -> tuple[list[Measure], str]:
    """quantreg's two methods on the first grade; its versions. Nothing where R is not."""
    rscript = shutil.which("Rscript")
    asked = [str(rscript), "-e", "library(quantreg)"]
    if rscript is None or subprocess.run(asked, capture_output=True).returncode:
        print("quantreg is not here; the peer is left out")
        return [], ""
    table = folder / "grade.csv"
    header = "score,prior1,prior2"
    np.savetxt(table, grade(0, students), fmt="%g", delimiter=",", header=header, comments="")
    found = []
    for name, method, step in (("quantreg pfn", "pfn", 1), ("quantreg br", "br", every)):
        out = folder / f"{method}.csv"
        command = [rscript, str(PEER), str(table), method, str(step), str(out)]
        found.append(timed(name, command, students, ONE_THREAD))
        worse = worse_by(ours, out)
        print(f"{method}: our objective is above by a share of at most {worse:.1e}", flush=True)
        if worse > 1e-8:
            raise StepFailed(f"{method} found a better solution, by {worse}")
    told = "cat(as.character(getRversion()), as.character(packageVersion('quantreg')))"
    versions = subprocess.run([rscript, "-e", told], capture_output=True, text=True, check=True)
    return found, versions.stdout.strip()


def main() -> None:
    """Measure, print, write `bench/results/growth.json`."""
    parser = argparse.ArgumentParser(description="Measure growth percentiles.")
    parser.add_argument("--students", type=int, default=58_000, help="Of one grade.")
    parser.add_argument("--grades", type=int, default=12)
    parser.add_argument("--peer", type=int, default=1, choices=(0, 1), help="Whether R runs.")
    parser.add_argument("--every", type=int, default=10, help="Which quantiles `br` fits.")
    given = parser.parse_args()
    students, versions = given.students, ""
    with tempfile.TemporaryDirectory() as name:
        ours = Path(name) / "ours.npy"
        command = [sys.executable, "-c", ONE_GRADE, str(students), str(ours)]
        single = [timed("one grade", command, students, ONE_THREAD)]
        if given.peer:
            found, versions = peers(students, Path(name), ours, given.every)
            single += found
    size = [str(students), str(given.grades)]
    command = [sys.executable, "-c", ALL_GRADES, *size]
    city = timed("all grades in two processes", command, students * given.grades, ONE_THREAD)
    told = {"students": students, "grades": given.grades, "quantiles": 100, "priors": 2}
    told["br_every"] = given.every
    report("growth", {**told, "R_and_quantreg": versions or "not run"}, [single, [city]])


if __name__ == "__main__":
    main()
