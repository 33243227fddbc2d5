"""Value added finds what the sample's generator put in, and is as sure of it as it says.

**Estimand.** What `<out>.truth/value_added.csv` holds as `effect` (`pipelines.sample.progress`):
how far students of a school are expected to come beyond students of the mean school who stood where
they stood. It holds what the school adds of its own (0.15 standard deviations of students) and what
of its level, its district's and its locale's their earlier scores do not show yet; of a junior or
senior school, whose students come from elsewhere, that is nearly all of it.

**Trials.** Each city of another seed has waves of its own, so that it is estimated by itself: large
ones, of 190 primary, 96 junior and 42 senior schools, and cities of the usual size, of some 40, 20
and 9. In some nothing tells schools apart. One build computes all.

**Random.** Schools are drawn with their effects, as the model has it; then students, their talents
and the luck of both days. Papers of a school share its students, so shares are averaged within
schools first and are held against the binomial distribution of as many trials as there are schools
(`test_truth` says more of such bands).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.sample import ALIKE, USUAL, Differences
from pipelines.sample.city import make_schools
from pipelines.sample.papers import levels_of, make_papers, school_effects, sit, value_added
from pipelines.sample.people import Students
from pipelines.sample.progress import expected_effects, scores_of
from tests.conftest import Once

from .conftest import City, run_dbt
from .sampled import CODES, SCHOOL, apart, band, results_of, waves_of

CITIES = {
    "L": ("large", 100_000, USUAL),
    "M": ("large", 100_000, USUAL),
    **dict.fromkeys("ABCDEF", ("usual", 15000, USUAL)),
    **dict.fromkeys("UVWXYZ", ("alike", 15000, ALIKE)),
}
"""Mark of a city, which is its seed too → size, students, and how far its schools differ."""
FIRST, LAST = 2023, 2025
TESTED = {2023: (4, 6, 9), 2024: (8,), 2025: (6, 8, 9, 11)}
"""Year → grades that are handed in: those of the last year, and where their students sat before."""
SELECT = "+value_added +value_added_model"


@dataclass(frozen=True)
class Drawn:
    """Effects of schools beside the truth, and the models that gave them."""

    effects: pd.DataFrame
    models: pd.DataFrame


def draw(
    mark: str, students: int, differences: Differences
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """A city as standing rows, and the effects of its schools in the last year's wave."""
    seed, years = ord(mark), LAST - FIRST + 1
    schools = make_schools(students, FIRST, years, seed, differences)
    panel = Students.start(schools, students, FIRST, years, seed)
    added = value_added(len(schools), seed, differences)
    kept: dict[str, list[pd.DataFrame]] = {}
    scores = []
    for year, grades in TESTED.items():
        if year > FIRST:
            panel.advance(year)
        papers = [paper for paper in make_papers(year, seed) if paper.grade in grades]
        levels = levels_of(school_effects(schools, year, seed, differences), added)
        sittings, _ = sit(panel, papers, levels, year, seed)
        scores.append(scores_of(sittings, panel.roll))
        frames = {"schools": [schools[SCHOOL]], "monitoring_waves": [waves_of(papers, year)]}
        frames["monitoring_results"] = [results_of(sitting, panel) for sitting in sittings]
        for feed, parts in frames.items():
            year_of = pd.concat(parts).assign(school_year=f"{year}-{year + 1}")
            kept.setdefault(feed, []).append(apart(year_of, mark, [*CODES, "wave_id"]))
    truth = expected_effects(scores[-1], pd.concat(scores[:-1]))
    codes = schools["school_code"].to_numpy()[truth.pop("school").astype(int)]
    truth["unit_code"] = [mark + code for code in codes]
    return {feed: pd.concat(parts) for feed, parts in kept.items()}, truth


@pytest.fixture(scope="module")
def drawn(once: Once) -> Drawn:
    """All cities in one warehouse."""

    def build(home: Path) -> None:
        feeds: dict[str, list[pd.DataFrame]] = {}
        truths = []
        for mark, (size, students, differences) in CITIES.items():
            handed_in, truth = draw(mark, students, differences)
            for feed, frame in handed_in.items():
                feeds.setdefault(feed, []).append(frame)
            truths.append(truth.assign(mark=mark, size=size))
        whole = {feed: pd.concat(parts, ignore_index=True) for feed, parts in feeds.items()}
        run_dbt(home, whole, SELECT, tests=False)
        pd.concat(truths).to_parquet(home / "truth.parquet")

    home = once("value_added_drawn", build)
    city = City({}, home / "work.duckdb")
    truth = pd.read_parquet(home / "truth.parquet").rename(columns={"effect": "truth"})
    found = city.table("marts.value_added").query("level == 'school' and n > 0")
    found = found.assign(mark=found["wave_id"].str[0])
    both = found.merge(truth, on=["mark", "grade", "subject", "unit_code"], validate="1:1")
    # Every school of the truth is found, with as many students.
    assert len(both) == len(truth) and (both["n"] == both["students"]).all()
    both = both[both["state"] == "estimated"]
    models = city.table("marts.value_added_model").query("levels == 2 and state == 'estimated'")
    sizes = {mark: size for mark, (size, *_) in CITIES.items()}
    return Drawn(both, models.assign(size=models["wave_id"].str[0].map(sizes)))


def off(drawn: pd.DataFrame, weight: pd.Series | float, error: pd.Series) -> float:
    """How many standard errors the sum of weighted errors is from 0; schools are the trials."""
    sums = (weight * error).groupby(drawn["unit_code"]).sum()
    return float(sums.sum() / np.sqrt((sums**2).sum()))


@pytest.mark.parametrize("size", ["large", "usual"])
def test_effects_are_unbiased(drawn: Drawn, size: str) -> None:
    """Neither too high nor too low, in small and large schools; and what is said to be 0.1 is 0.1
    on average. Without shrinkage a school's residual is right for each true effect as well."""
    own = drawn.effects[drawn.effects["size"] == size]
    assert own["unit_code"].nunique() > 300
    error = own["truth"] - own["effect"]
    for some in (own["n"] > 0, own["n"] < 40, own["n"] >= 40):
        assert abs(off(own[some], 1.0, error[some])) < 3.3
    assert abs(off(own, own["effect"], error)) < 3.3
    raw = own["effect"] / own["reliability"]
    assert abs(off(own, own["truth"], raw - own["truth"])) < 3.3
    # It would be seen if effects were off by a tenth.
    assert abs(off(own, own["effect"], error + 0.1 * own["effect"])) > 3.3


def covered(own: pd.DataFrame) -> tuple[float, int]:
    """Share of intervals that hold the truth, averaged within schools; and the number of these."""
    held = own["truth"].between(own["ci_low"], own["ci_high"])
    by_school = held.groupby(own["unit_code"]).mean()
    return float(by_school.mean()), len(by_school)


def test_intervals_hold_the_truth_as_often_as_they_say(drawn: Drawn) -> None:
    large = drawn.effects[drawn.effects["size"] == "large"]
    for own in (large, *(part for _, part in large.groupby("grade"))):
        share, trials = covered(own)
        low, high = band(trials)
        assert low <= share <= high, (share, trials)
    assert band(covered(large)[1])[0] > 0.91


def test_in_a_city_of_few_schools_intervals_hold_it_nearly_as_often(drawn: Drawn) -> None:
    """The variance between 9 or 20 schools is itself not well known, and an interval given the
    variance does not say so: about 94 of 100 hold the truth."""
    share, trials = covered(drawn.effects[drawn.effects["size"] == "usual"])
    assert 0.91 < share <= band(trials)[1]


def test_reliability_is_the_squared_correlation_with_the_truth(drawn: Drawn) -> None:
    large = drawn.effects[drawn.effects["size"] == "large"]
    for lowest, highest in ((0.4, 0.65), (0.65, 0.8), (0.8, 0.9), (0.9, 1.0)):
        own = large[large["reliability"].between(lowest, highest)]
        trials = own["unit_code"].nunique()
        assert trials > 100
        squared = np.corrcoef(own["effect"], own["truth"])[0, 1] ** 2
        error = 2 * np.sqrt(squared) * (1 - squared) / np.sqrt(trials)
        assert abs(squared - own["reliability"].mean()) < 3.3 * error
        assert error < 0.06


def test_a_band_is_seldom_on_the_wrong_side(drawn: Drawn) -> None:
    """Of the schools called above or below few are not; and of those far off most are called."""
    own = drawn.effects[drawn.effects["size"] == "large"]
    called = own[own["band"] != "as_expected"]
    wrong = (called["band"] == "above") != (called["truth"] > 0)
    assert len(called) > 500 and wrong.mean() < 0.025
    far = own[own["truth"].abs() > 0.4]
    assert len(far) > 100 and (far["band"] != "as_expected").mean() > 0.8


def test_where_schools_do_not_differ_few_are_called_above_or_below(drawn: Drawn) -> None:
    own = drawn.effects[drawn.effects["size"] == "alike"]
    # What is left of the truth comes of girls and boys alone.
    assert own["unit_code"].nunique() > 300 and own["truth"].abs().max() < 0.1
    share = (own["band"] != "as_expected").groupby(own["unit_code"]).mean().mean()
    assert share <= 0.05
    models = drawn.models[drawn.models["size"] == "alike"]
    assert len(models) >= 60
    # Four subjects of a grade share their students: of the cities' grades, not of papers.
    differ = (models["lr_p"] < 0.05).groupby([models["wave_id"], models["grade"]]).mean()
    assert differ.mean() <= 1 - band(len(differ))[0]
