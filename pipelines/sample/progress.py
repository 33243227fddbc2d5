"""What value added should find: how far students of a school come beyond like students elsewhere.

A school's whole effect on scores is known, but a student's earlier scores hold part of it already.
What is left beside them is, of one grade and subject in one year,

    mean over its students of (y - b1 p - b2 p² - b3 o - b4 m), less the mean over all schools:

y, p and o are the z scores now, in the last earlier wave in which the student has a score in the
subject, and there in the other subjects (m is 1 and o 0 where there are none), each *as expected of
students of the same school and gender*, so without anybody's luck or talent; b are the slopes of
the real scores of the city's students on one another within schools. Students without an earlier
score are left out.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from pipelines.sample.papers import Sitting

MOST_YEARS = 5
"""An earlier score counts for so many years."""
FEWEST = 100
"""Students beyond one a school below which slopes are not known: those of a paper that only pupils
who repeat a grade have sat before."""
PAPER = ["grade", "subject"]


def scores_of(sittings: Iterable[Sitting], roll: pd.DataFrame) -> pd.DataFrame:
    """The scores of one year, one row a student and paper: `z`, and `expected`, the z expected of
    students of the same school and gender. A paper on which all scores are equal has no rows."""
    frames = [pd.DataFrame(columns=["year", *PAPER, "student", "school", "z", "expected"])]
    for sitting in sittings:
        own = roll.iloc[sitting.rows]
        for i, subject in enumerate(sitting.subjects):
            present = sitting.status[:, i] == 0
            points = sitting.halves[present, i] / 2
            if not len(points) or not points.std():
                continue
            scale = {
                name: (values - points.mean()) / points.std()
                for name, values in (("z", points), ("expected", sitting.expected[present, i]))
            }
            who = {name: own[name].to_numpy()[present] for name in ("student", "school")}
            paper = {"year": sitting.year, "grade": sitting.grade, "subject": subject}
            frames.append(pd.DataFrame(paper | who | scale))
    return pd.concat(frames[1:] or frames, ignore_index=True)


def expected_effects(now: pd.DataFrame, earlier: pd.DataFrame) -> pd.DataFrame:
    """The effects that value added estimates, as `scores_of` gives a year and those before it.

    One row a grade, subject and school (its row among the schools): `students`, those with an
    earlier score, and `effect` in standard deviations of all scores of the paper. Papers without
    enough such students have no rows.
    """
    both = now.merge(_priors(earlier[earlier["year"] >= now["year"].max() - MOST_YEARS]),
                     on=["student", "subject"])  # fmt: skip
    found = [pd.DataFrame(columns=[*PAPER, "school", "students", "effect"])]
    for (grade, subject), own in both.groupby(PAPER):
        schools = own["school"].to_numpy()
        if len(own) - len(np.unique(schools)) < FEWEST:
            continue
        real, known = (_columns(own, kind) for kind in ("z", "expected"))
        within = real - pd.DataFrame(real).groupby(schools).transform("mean").to_numpy()
        slopes = np.linalg.lstsq(within[:, 1:], within[:, 0], rcond=None)[0]
        rest = pd.Series(known[:, 0] - known[:, 1:] @ slopes).groupby(schools)
        effect = rest.mean()
        found.append(
            pd.DataFrame(
                {
                    "grade": grade,
                    "subject": subject,
                    "school": effect.index,
                    "students": rest.size().to_numpy(),
                    "effect": (effect - effect.mean()).to_numpy(),
                }
            )
        )
    return pd.concat(found[1:] or found, ignore_index=True)


def _priors(earlier: pd.DataFrame) -> pd.DataFrame:
    """Each student's last earlier score in a subject, and what stood beside it in that wave."""
    wave = earlier.groupby(["student", "year"])[["z", "expected"]].agg(["sum", "size"])
    wave.columns = pd.Index(["z_sum", "papers", "expected_sum", "_"])
    last = earlier.sort_values("year").drop_duplicates(["student", "subject"], keep="last")
    last = last.merge(wave.reset_index(), on=["student", "year"])
    others = last["papers"] - 1
    priors = last[["student", "subject"]].assign(none=(others == 0).astype(float))
    for kind in ("z", "expected"):
        priors[f"{kind}_prior"] = last[kind]
        rest = (last[f"{kind}_sum"] - last[kind]) / others.where(others > 0)
        priors[f"{kind}_others"] = rest.fillna(0.0)
    return priors


def _columns(own: pd.DataFrame, kind: str) -> np.ndarray:
    """y, p, p², o and m of each student; of the scores or of what was expected."""
    prior = own[f"{kind}_prior"]
    columns = [own[kind], prior, prior**2, own[f"{kind}_others"], own["none"]]
    return np.column_stack([column.to_numpy(dtype=float) for column in columns])
