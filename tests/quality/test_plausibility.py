"""The plausibility queries: silent where nothing is odd, and exact on what was planted."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import fields
from itertools import combinations
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pipelines.feeds import rules
from pipelines.intake.problems import Problem
from pipelines.quality import Finding, plausible
from pipelines.quality.plausibility import MORE, SHOWN
from pipelines.quality.queries import MACROS, QUERIES
from pipelines.quality.queries.people import PEOPLE
from tests.quality.made_up_standing import (
    CLASS,
    ENROLLED,
    ITEMS,
    WAVE,
    YEAR,
    YEARS,
    Frames,
    city,
    school,
    write,
)

HERE = f"school_code == '{school(3)}' and school_year == '{YEAR}'"
FILE = f"monitoring_results/{YEAR}/{school(3)}.csv"
Told = tuple[str, str, str, str]
"""Rule, what it is about, found, expected."""
Plant = Callable[[Frames], Told | list[Told]]


@pytest.fixture(scope="module")
def quiet() -> Frames:
    return city(seed=1)


@pytest.fixture(scope="module")
def quiet_standing(quiet: Frames, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(quiet, tmp_path_factory.mktemp("quiet"))


def told(findings: list[Finding]) -> list[Told]:
    return [(f.rule, f.column, f.found, f.expected) for f in findings]


def as_problem(finding: Finding) -> Problem:
    """As the build shows it: the first fields of a finding are those of a problem."""
    return Problem(**{field.name: getattr(finding, field.name) for field in fields(Problem)})


def percent(x: float) -> str:
    return f"{100 * x:.0f}%"


def test_each_query_asks_by_one_rule_of_its_own() -> None:
    asked = [query.rule for query in QUERIES]
    assert len(set(asked)) == len(asked)
    for rule in asked:
        assert (rules()[rule].severity, rules()[rule].layer) == ("query", "between")
    assert rules()[MORE].severity == "note"


def test_nothing_handed_in_raises_nothing(tmp_path: Path) -> None:
    assert plausible(tmp_path) == []


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_a_city_in_which_nothing_is_odd_raises_nothing(seed: int, tmp_path: Path) -> None:
    """Several thousand units are judged; the level allows one false question in 25 such cities."""
    assert told(plausible(write(city(seed), tmp_path))) == []


def test_coarse_papers_raise_nothing(tmp_path: Path) -> None:
    """Scores in steps of 5, a paper on which most get the full mark, and one of five items."""
    frames = city(seed=5)
    results, items = frames["monitoring_results"], frames["item_results"]
    chinese = results["subject"] == "chinese"
    results.loc[chinese, "score"] = (results.loc[chinese, "score"] / 5).round() * 5
    easy = chinese & (results["grade"] == 8)
    results.loc[easy, "score"] = results.loc[easy, "score"].clip(lower=40) + 40
    results.loc[easy, "score"] = results.loc[easy, "score"].clip(upper=100)
    assert 0.5 < (results.loc[easy, "score"] == 100).mean() < 0.95
    few = ["1", "2", "3", "4", "5"]
    frames["item_results"] = items = items[items["item_no"].isin(few)]
    frames["item_map"] = frames["item_map"].query("item_no in @few")
    total = items.groupby("student_key")["score"].sum()
    mathematics = results.query("wave_id == @WAVE and subject == 'mathematics'")
    results.loc[mathematics.index, "score"] = mathematics["student_key"].map(total) * 5
    items["score"] = items["score"] * 5
    frames["item_map"]["full_mark"] = 20
    assert told(plausible(write(frames, tmp_path))) == []


# What is planted: each changes the frames and answers, from pandas alone, what must be told.


def more_candidates(frames: Frames) -> Told:
    results = frames["monitoring_results"]
    extra = results.query(f"{HERE} and grade == 7").head(9).copy()
    extra["student_key"] = [f"new-{i}" for i in range(9)]
    frames["monitoring_results"] = pd.concat([results, extra])
    return ("candidates_register", f"{WAVE} {school(3)} 七年级", str(ENROLLED + 9), str(ENROLLED))


def fewer_candidates(frames: Frames) -> Told:
    results = frames["monitoring_results"]
    gone = results.query(f"{HERE} and grade == 7")["student_key"].unique()[:20]
    frames["monitoring_results"] = results[~results["student_key"].isin(gone)]
    items = frames["item_results"]
    frames["item_results"] = items[~items["student_key"].isin(gone)]
    return ("candidates_register", f"{WAVE} {school(3)} 七年级", str(ENROLLED - 20), str(ENROLLED))


def on_roll_elsewhere(frames: Frames, **place: str) -> None:
    """Four students of each grade are elsewhere on the register: too few to make a count odd."""
    roll = frames["students"]
    at = roll.query(HERE).groupby("grade").head(4).index
    for column, value in place.items():
        roll.loc[at, column] = value


def other_school(frames: Frames) -> Told:
    on_roll_elsewhere(frames, school_code=school(4))
    return ("results_other_school", WAVE, "8", str(2 * ENROLLED))


def other_class(frames: Frames) -> Told:
    on_roll_elsewhere(frames, class_no="9")
    return ("results_other_class", WAVE, "8", str(2 * ENROLLED))


def two_places(frames: Frames) -> list[Told]:
    results = frames["monitoring_results"]
    chinese = results.query(f"{HERE} and subject == 'chinese'").index
    results.loc[chinese[:3], "class_no"] = "2"
    results.loc[chinese[50:60], "class_no"] = None  # not said is no other class
    results["source_file"] = results["source_file"].mask(results["subject"] == "chinese", "c.csv")
    return [("two_places", WAVE, "3", "")] * 2


def jump(frames: Frames) -> Told:
    """Chinese, grade 7: everybody below the mark gets just what lifts them over it, and more."""
    results = frames["monitoring_results"]
    unit = results.query(f"{HERE} and subject == 'chinese' and grade == 7")
    low = unit[unit["score"] < 62].index
    results.loc[low, "score"] = 70 + np.arange(len(low)) * 7 % 23
    passed = results.assign(passed=results["score"] >= 60)
    rate = passed.pivot_table(
        index=["school_code", "grade", "subject"], columns="school_year", values="passed"
    )
    x = np.arcsin(np.sqrt((rate * ENROLLED + 0.375) / (ENROLLED + 0.75)))
    change = x.diff(axis=1).iloc[:, 1:]
    apart = change - change.groupby(level=["grade", "subject"]).transform("median")
    error = 2 / (4 * ENROLLED + 2)
    own = (school(3), 7, "chinese")
    that_paper = apart.xs((7, "chinese"), level=["grade", "subject"])[YEAR]
    spreads = [stats.median_abs_deviation(a, axis=None) * 1.4826 for a in (apart, that_paper)]
    history = (apart.loc[own, YEARS[1:-1]] ** 2 - error).mean()
    sd = np.sqrt(error + max(0, *(s**2 - error for s in spreads), history))
    z = apart.loc[own, YEAR] / sd
    assert 2 * stats.norm.sf(z) * len(apart) < 0.001
    usual = x.loc[own, YEARS[-2]] + change.loc[own, YEAR] - apart.loc[own, YEAR]
    low_end, high_end = np.sin(np.clip([usual - 4 * sd, usual + 4 * sd], 0, np.pi / 2)) ** 2
    return (
        "pass_rate_jump",
        f"{school(3)} 七年级 语文",
        f"{percent(rate.loc[own, YEARS[-2]])} → {percent(rate.loc[own, YEAR])}",
        f"{percent(low_end)}～{percent(high_end)}",
    )


def rounded(frames: Frames) -> Told:
    results = frames["monitoring_results"]
    at = results.query(f"{HERE} and subject == 'chinese'").index
    results.loc[at, "score"] = (results.loc[at, "score"] / 5).round() * 5
    scores = results.loc[at, "score"]
    n = int(scores.between(3, 97).sum())
    assert stats.chisquare([n, 0, 0, 0, 0]).pvalue < 1e-9
    # Four other years and grades leave the other schools far above the number that is needed.
    others = results.query(f"school_code != '{school(3)}' and wave_id == '{WAVE}'")
    others = others.query("subject == 'chinese' and score >= 3 and score <= 97")["score"]
    share = ((others % 5 == 0).sum() + 1) / (len(others) + 5)
    return (
        "digit_preference", f"{WAVE} {school(3)} 语文", "0/5: 100%", f"{percent(share)} (n = {n})"
    )  # fmt: skip


def heaped(frames: Frames) -> Told:
    results = frames["monitoring_results"]
    unit = results.query(f"{HERE} and subject == 'chinese'")
    # 40 of them just above the mark, none just below; the other bands as they were.
    results.loc[unit[unit["score"].between(57, 59)].index, "score"] = 61
    near = results.loc[unit.index, "score"].between(60, 62).sum()
    more = unit[unit["score"].between(66, 74)].index[: 40 - near]
    results.loc[more, "score"] = 60 + np.arange(len(more)) % 3
    scores = results.loc[unit.index, "score"]
    above = int(scores.between(60, 62).sum())
    above2, below2 = scores.between(63, 65).sum() + 0.5, scores.between(54, 56).sum() + 0.5
    slope = (np.log(above2 / below2) + 3 * np.sqrt(1 / above2 + 1 / below2)) / 3
    others = results.query(
        f"school_code != '{school(3)}' and wave_id == '{WAVE}' and subject == 'chinese'"
    )["score"]
    a, b = others.between(60, 62).sum(), others.between(57, 59).sum()
    share = max(0.5, (a + 1) / (a + b + 2), 1 / (1 + np.exp(-slope)))
    assert stats.binom.sf(above - 1, above, share) * 50 < 0.01
    likely = int(np.floor(above * share + 0.5))
    return (
        "heaped_at_pass_mark", f"{WAVE} {school(3)} 语文", f"{above} : 0",
        f"{likely} : {above - likely}",
    )  # fmt: skip


def one_score_class(frames: Frames) -> Told:
    results = frames["monitoring_results"]
    at = results.query(f"{HERE} and subject == 'chinese' and grade == 7 and class_no == '1'").index
    results.loc[at, "score"] = 71
    frames["monitoring_results"] = results[results["school_year"] == YEAR]  # no change to judge
    return ("one_score_class", f"{WAVE} {school(3)} 七年级1班 语文", str(CLASS), "")


def one_score_school(frames: Frames) -> Told:
    results = frames["monitoring_results"]
    at = results.query(f"{HERE} and subject == 'chinese' and grade == 7").index
    results.loc[at, "score"] = 71
    frames["monitoring_results"] = results[results["school_year"] == YEAR]  # no change to judge
    return ("one_score_school", f"{WAVE} {school(3)} 七年级 语文", str(ENROLLED), "")


def alike(frames: Frames) -> Told:
    """Eight students of a class have the items of a ninth."""
    results, items = frames["monitoring_results"], frames["item_results"]
    unit = results.query(f"{HERE} and subject == 'mathematics' and grade == 7 and class_no == '1'")
    keys = unit["student_key"].tolist()
    middle = unit["score"].sort_values().index[CLASS // 2]
    source = results.loc[middle, "student_key"]
    copied = [k for k in keys if k != source][:8]
    wide = items.pivot(index="student_key", columns="item_no", values="score")
    wide.loc[copied] = wide.loc[source].to_numpy()
    flat = wide.stack().rename("score").reset_index()
    frames["item_results"] = items.drop(columns="score").merge(flat, on=["student_key", "item_no"])
    results.loc[unit[unit["student_key"].isin(copied)].index, "score"] = wide.loc[source].sum()

    sat = results.query(f"wave_id == '{WAVE}' and subject == 'mathematics' and grade == 7")
    total = wide.loc[sat["student_key"]].sum(axis=1)
    sat = sat[((total > 0) & (total < 4 * ITEMS)).to_numpy()]
    vectors = dict(zip(wide.index, map(tuple, wide.to_numpy()), strict=True))
    agree, tried, mine, equal = {}, {}, {}, 0
    in_pairs = set()
    who = sat[["student_key", "school_code", "class_no"]].to_numpy()
    alike_scores = sat["student_key"].map(wide.sum(axis=1)).to_numpy()
    pairs = (p for s in set(alike_scores) for p in combinations(who[alike_scores == s], 2))
    for a, b in pairs:
        va, vb = vectors[a[0]], vectors[b[0]]
        s = sum(va)
        if a[1] != b[1]:
            tried[s] = tried.get(s, 0) + 1
            agree[s] = agree.get(s, 0) + (va == vb)
        elif a[1] == school(3) and a[2] == b[2] == "1":
            mine[s] = mine.get(s, 0) + 1
            equal += va == vb
            in_pairs |= {a[0], b[0]} if va == vb else set()
    mean = 2 * sum(n * (agree.get(s, 0) + 1) / (tried.get(s, 0) + 1) for s, n in mine.items())
    assert equal >= 36 and len(in_pairs) >= 9
    students = len(sat.query(f"school_code == '{school(3)}' and class_no == '1'"))
    return (
        "alike_answers", f"{WAVE} {school(3)} 七年级1班 数学", f"{equal} (n = {students})",
        f"{mean:.1f}",
    )  # fmt: skip


def items_and_score(frames: Frames) -> Told:
    results = frames["monitoring_results"]
    at = results.query(f"{HERE} and subject == 'mathematics' and score > 8").index[:3]
    results.loc[at, "score"] -= 1
    sat = len(results.query(f"wave_id == '{WAVE}' and subject == 'mathematics'"))
    return ("items_and_score", f"{WAVE} 数学", "3", str(sat))


def lesson(frames: Frames, **changed: object) -> None:
    """One more lesson, like the first but for what is changed."""
    lessons = frames["lesson_observations"]
    given = {"observed_on": "2023-12-12", "source_row": 99} | changed
    extra = lessons.head(1).assign(**given)
    frames["lesson_observations"] = pd.concat([lessons, extra], ignore_index=True)


def before_office(frames: Frames) -> Told:
    staff = frames["staff"]
    staff.loc[staff["staff_code"] == "P0", "started_on"] = "2023-11-01"
    return ("observer_not_in_post", "P0", "2023-10-10", "2023-11-01～…")


def after_office(frames: Frames) -> Told:
    staff = frames["staff"]
    staff["left_on"] = None
    staff.loc[staff["staff_code"] == "P0", "left_on"] = "2024-03-04"
    return ("observer_not_in_post", "P0", "2024-03-05～2024-04-04", "2019-08-20～2024-03-04")


def nine_lessons(frames: Frames) -> Told:
    for period in "1245":
        lesson(frames, period=period, lessons=2)
    lesson(frames, period="6", lessons=1)
    return ("lessons_a_day", "P0 2023-12-12", "9", "8")


def torn_observer(frames: Frames) -> Told:
    lesson(frames)
    lesson(frames, school_code=school(1), teacher_code="T1")
    return ("two_schools_one_period", "P0 2023-12-12 3", f"{school(0)}、{school(1)}", "")


def guest_teacher(frames: Frames) -> Told:
    lesson(frames, teacher_code="T1")
    return ("teacher_elsewhere", school(0), "1", school(1))


def class_ten(frames: Frames) -> Told:
    students = frames["students"]
    second = students.query(f"{HERE} and grade == 7 and class_no == '2'").index
    students.loc[second, "class_no"] = "10"
    return ("lessons_lost_zero", f"{school(3)} 七年级1班", "4", "1、10")


def typed_at_once(frames: Frames) -> Told:
    lessons = frames["lesson_observations"]
    extra = lessons.drop_duplicates("observer_code").head(20)
    extra = extra.assign(observed_on="2023-12-12", source_file="lesson_observations/once.csv")
    frames["lesson_observations"] = pd.concat([lessons, extra], ignore_index=True)
    return ("one_date_file", "", "20", "2023-12-12")


def summer_lesson(frames: Frames) -> Told:
    lesson(frames, observed_on="2024-08-01")
    return ("lesson_outside_year", "", "2024-08-01", "2023-08-01～2024-07-31")


def long_days(frames: Frames) -> Told:
    training = frames["training_logs"]
    training["hours"] = training["hours"].astype(float)
    training.loc[0, "hours"] = 40.5
    return ("hours_a_day", "A 1", "40.5", "4 × 10")


def overlap(frames: Frames) -> Told:
    training = frames["training_logs"]
    training.loc[training["programme_code"] == "B", "started_on"] = "2023-10-11"
    return ("overlapping_training", "B 1", "25", "A 1 (2023-10-09～2023-10-12)")


def early_training(frames: Frames) -> Told:
    frames["training_logs"].loc[0, "started_on"] = "2023-07-31"
    return ("training_outside_year", "", "2023-07-31", "2023-08-01～2024-07-31")


def second_principal(frames: Frames) -> Told:
    staff = frames["staff"]
    staff.loc[staff["staff_code"] == "T2", ["role", "started_on"]] = ["principal", "2023-09-01"]
    return ("two_principals", school(2), "P2、T2", "")


def without_principal(frames: Frames) -> Told:
    staff = frames["staff"]
    staff.loc[staff["staff_code"] == "P2", "role"] = "school_leader"
    return ("no_principal", school(2), "2", "")


def more_in_resources(frames: Frames) -> Told:
    frames["school_resources"].loc[0, "students"] += 21
    return ("resources_register", school(0), str(2 * ENROLLED + 21), str(2 * ENROLLED))


def late_wave(frames: Frames) -> Told:
    waves = frames["monitoring_waves"]
    waves.loc[waves["school_year"] == YEAR, "held_on"] = "2024-09-20"
    return ("wave_outside_year", "", "2024-09-20", "2023-08-01～2024-07-31")


def late_visit(frames: Frames) -> Told:
    frames["official_visits"]["visited_on"] = "2024-09-20"
    return ("visit_outside_year", "", "2024-09-20", "2023-08-01～2024-07-31")


PLANTED: dict[str, tuple[Plant, ...]] = {
    "candidates_register": (more_candidates, fewer_candidates),
    "results_other_school": (other_school,),
    "results_other_class": (other_class,),
    "two_places": (two_places,),
    "pass_rate_jump": (jump,),
    "digit_preference": (rounded,),
    "heaped_at_pass_mark": (heaped,),
    "one_score_class": (one_score_class,),
    "one_score_school": (one_score_school,),
    "alike_answers": (alike,),
    "items_and_score": (items_and_score,),
    "observer_not_in_post": (before_office, after_office),
    "lessons_a_day": (nine_lessons,),
    "two_schools_one_period": (torn_observer,),
    "teacher_elsewhere": (guest_teacher,),
    "lessons_lost_zero": (class_ten,),
    "one_date_file": (typed_at_once,),
    "lesson_outside_year": (summer_lesson,),
    "hours_a_day": (long_days,),
    "overlapping_training": (overlap,),
    "training_outside_year": (early_training,),
    "two_principals": (second_principal,),
    "no_principal": (without_principal,),
    "resources_register": (more_in_resources,),
    "wave_outside_year": (late_wave,),
    "visit_outside_year": (late_visit,),
}


ABOUT_PEOPLE = {query.rule for query in PEOPLE}
POINTED = [f"lesson_observations/{YEAR}/l.csv"]
"""The file of lessons writes classes as 7.1."""
LARGE = ("monitoring_results", "item_results")
"""Feeds that queries on people do not look at: left out with them, to save time."""


def test_every_query_has_something_planted() -> None:
    assert list(PLANTED) == [query.rule for query in QUERIES]


@pytest.mark.parametrize(
    ("rule", "plant"), [(rule, plant) for rule, plants in PLANTED.items() for plant in plants]
)
def test_what_was_planted_is_told_once_and_nothing_else(
    rule: str,
    plant: Plant,
    quiet: Frames,
    quiet_standing: Path,
    tmp_path: Path,
) -> None:
    frames = {feed: frame.copy() for feed, frame in quiet.items()}
    expected = plant(frames)
    changed = {feed: frame for feed, frame in frames.items() if not frame.equals(quiet[feed])}
    left_out = [*changed, *(LARGE if rule in ABOUT_PEOPLE else ())]
    standing = tmp_path / "standing"
    shutil.copytree(quiet_standing, standing, copy_function=os.link, ignore=lambda *_: left_out)
    findings = plausible(write(changed, standing), pointed=POINTED)
    # What concerns two files is told in each.
    assert told(findings) == (expected if isinstance(expected, list) else [expected])
    assert {f.rule for f in findings} == {rule}
    assert len({f.file for f in findings}) == len(findings)
    assert not re.search(r"[0-9]{4}-[0-9]{4}-[0-9]|new-", str(findings))  # no student's key
    for finding in findings:
        assert not re.search(r"[{}]|None", as_problem(finding).text("zh"))
        assert as_problem(finding).severity == "query"


def test_a_class_that_is_written_out_has_lost_no_zero(quiet: Frames, tmp_path: Path) -> None:
    frames = {feed: frame.copy() for feed, frame in quiet.items() if feed not in LARGE}
    class_ten(frames)
    assert plausible(write(frames, tmp_path)) == []


def test_one_finding_for_each_file_that_holds_rows_of_the_unit(
    quiet: Frames, tmp_path: Path
) -> None:
    """The candidates of a school, handed in as one file a class: each file is told of the sum."""
    frames = {feed: frame.copy() for feed, frame in quiet.items()}
    more_candidates(frames)
    results = frames["monitoring_results"]
    at = results.query(f"{HERE} and grade == 7 and class_no == '2'").index
    results.loc[at, "source_file"] = "b.csv"
    results.loc[at, "source_row"] = range(2, len(at) + 2)
    findings = plausible(write(frames, tmp_path))
    assert [(f.file, f.row_first, f.row_last, f.count) for f in findings] == [
        ("b.csv", 2, 2 * CLASS + 1, 2 * CLASS),
        (FILE, 2, CLASS + 1, 2 * CLASS + 9),
    ]
    assert {(f.found, f.expected, f.school_code, f.grade) for f in findings} == {
        (str(ENROLLED + 9), str(ENROLLED), school(3), 7)
    }


@pytest.mark.parametrize(
    ("sheets", "where"),
    [
        (["二班"] * 5, ("二班", 99, 99)),
        (["一班", "二班", "一班", "二班", "二班"], ("", None, None)),
    ],
)
def test_rows_are_numbered_where_they_lie_on_one_sheet(
    sheets: list[str], where: tuple[str, int | None, int | None], quiet: Frames, tmp_path: Path
) -> None:
    frames = {feed: quiet[feed].copy() for feed in ("lesson_observations", "staff")}
    nine_lessons(frames)
    lessons = frames["lesson_observations"]
    lessons["source_sheet"] = [""] * (len(lessons) - 5) + sheets
    (found,) = plausible(write(frames, tmp_path))
    assert (found.sheet, found.row_first, found.row_last) == where
    assert (found.rule, found.count) == ("lessons_a_day", 5)


def test_of_many_findings_the_strongest_are_told_and_the_others_counted(tmp_path: Path) -> None:
    lessons = pd.DataFrame(
        {
            "observer_code": [f"P{i:02}" for i in range(SHOWN + 7)],
            "lessons": range(9, SHOWN + 16), "observed_on": "2023-10-10", "teacher_code": "T",
            "school_code": school(0), "grade": 7, "class_no": "1", "subject": "mathematics",
            "source_row": range(2, SHOWN + 9),
            "school_year": YEAR, "source_file": [f"{i:02}.csv" for i in range(SHOWN + 7)],
        }
    )  # fmt: skip
    findings = plausible(write({"lesson_observations": lessons}, tmp_path))
    assert [f.found for f in findings] == [
        *(str(n) for n in range(SHOWN + 15, 15, -1)), "7",
    ]  # fmt: skip
    assert [f.rule for f in findings] == ["lessons_a_day"] * SHOWN + [MORE]
    more = findings[-1]
    assert (more.asked, more.count, more.row_first) == ("lessons_a_day", 7, None)
    assert as_problem(more).text("zh") == (
        f"〔提示〕lesson_observations/{YEAR}：另有 7 条同类情况"
        "（一日听课节数偏多 / Lessons in a day）未列出，已列出差异较大的。"
    )
    assert as_problem(findings[0]).text("zh") == (
        "〔疑问〕56.csv｜第 58 行｜P56 2023-10-10："
        "听课共 65 节，多于每日 8 节。请核对日期和节数；情况属实请填写说明。"
    )


def test_the_same_rows_give_the_same_findings_in_the_same_order(
    quiet: Frames, tmp_path: Path
) -> None:
    frames = {feed: frame.copy() for feed, frame in quiet.items()}
    for plant in (more_candidates, other_class, two_places, rounded, typed_at_once, torn_observer):
        plant(frames)
    frames["staff"] = frames["staff"].query("role != 'teacher' and staff_code < 'P20'")
    first = plausible(write(frames, tmp_path / "a"))
    shuffled = {feed: frame.sample(frac=1, random_state=1) for feed, frame in frames.items()}
    assert len({f.rule for f in first}) >= 6
    assert plausible(write(shuffled, tmp_path / "b")) == first


def test_a_folder_that_names_no_year_stops_nothing(quiet: Frames, tmp_path: Path) -> None:
    frames = {
        feed: frame.assign(
            school_year=frame["school_year"].mask(frame["school_year"] == YEAR, "spring")
        )
        for feed, frame in quiet.items()
    }
    assert told(plausible(write(frames, tmp_path))) == []


def test_settings_reach_the_queries(quiet_standing: Path) -> None:
    """A year that starts in January puts half the lessons outside; a 5-4 city moves grade 6."""
    findings = plausible(quiet_standing, start_month=1)
    assert {f.rule for f in findings} == {
        "lesson_outside_year", "wave_outside_year",
    }  # fmt: skip
    grades = {"primary": range(1, 8), "junior": range(8, 10), "senior": range(10, 13)}
    findings = plausible(quiet_standing, stages=grades)
    assert {(f.rule, f.found, f.expected) for f in findings} == {
        ("resources_register", str(2 * ENROLLED), str(ENROLLED))
    }


@pytest.fixture(scope="module")
def bounds() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        con.execute(MACROS)
        yield con


@given(
    n=st.integers(1, 400), part=st.floats(0, 1), p=st.floats(0.01, 0.99),
    z=st.floats(0.1, 12), mean=st.floats(0.01, 50), x=st.floats(0.1, 150),
)  # fmt: skip
def test_the_tails_are_never_below_the_exact_ones(
    bounds: duckdb.DuckDBPyConnection,
    n: int, part: float, p: float, z: float, mean: float, x: float,
) -> None:  # fmt: skip
    k = round(n * part)
    found = bounds.execute(
        "select normal_tail($1::double), binomial_tail($2::bigint, $3::bigint, $4::double), "
        "poisson_tail($2::bigint, $5::double), chi_square_tail($6::double, 4)",
        [z, k, n, p, mean, x],
    ).fetchall()[0]
    exact = (
        2 * stats.norm.sf(z),
        stats.binom.sf(k - 1, n, p),
        stats.poisson.sf(k - 1, mean),
        stats.chi2.sf(x, 4),
    )
    for bound, tail in zip(found, exact, strict=True):
        assert tail * (1 - 1e-9) <= bound <= 1
