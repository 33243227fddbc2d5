"""The made-up city: its files against the contracts, and what was planted against the truth."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.feeds import codes, load_contracts
from pipelines.sample import ALIKE, SampleReport, write_sample

MODULUS = "10X98765432"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> SampleReport:
    return write_sample(tmp_path_factory.mktemp("city") / "raw", students=4000, years=4, seed=7)


def as_codes(feed: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Canonical names and codes, whatever the file shows."""
    contract = load_contracts()[feed]
    frame = frame.rename(columns={c.header: c.name for c in contract.columns})
    for column in contract.columns:
        if column.code_set and column.name in frame:
            words = {w: c for c, ws in codes()[column.code_set].items() for w in ws}
            frame[column.name] = frame[column.name].replace(words)
    return frame


def sheets(path: Path) -> list[pd.DataFrame]:
    if path.suffix == ".xlsx":
        book = pd.read_excel(path, sheet_name=None, dtype=str, engine="calamine").values()
        return [sheet.replace(r" 00:00:00$", "", regex=True) for sheet in book]
    return [pd.read_csv(path, dtype=str, encoding="utf-8-sig")]


def read(report: SampleReport, feed: str) -> pd.DataFrame:
    parts = [
        as_codes(feed, sheet.fillna("")).assign(school_year=path.parent.name)
        for path in sorted((report.out / feed).rglob("*.*"))
        for sheet in sheets(path)
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def feeds(report: SampleReport) -> dict[str, pd.DataFrame]:
    """Every feed but scores, as text, from the written files."""
    return {
        feed.name: read(report, feed.name)
        for feed in report.out.iterdir()
        if feed.name not in ("monitoring_results", "item_results")
    }


@pytest.fixture(scope="module")
def items(report: SampleReport) -> pd.DataFrame:
    """Points on items in the long form."""
    parts = []
    for path in sorted((report.out / "item_results").rglob("*.*")):
        (sheet,) = sheets(path)
        frame = as_codes("item_results", sheet.fillna("")).assign(school_year=path.parent.name)
        own = ["wave_id", "student_no", "subject", "school_year"]
        long = frame.melt(own, var_name="item_no", value_name="points")
        long["item_no"] = long["item_no"].str.removeprefix("第").str.strip("T题")
        parts.append(long)
    long = pd.concat(parts, ignore_index=True)
    return long.assign(points=long["points"].astype(float))


@pytest.fixture(scope="module")
def results(report: SampleReport) -> pd.DataFrame:
    """The results in the long form, with the totals checked on the way."""
    subject = {w: c for c, ws in codes()["subject"].items() for w in (c, *ws)}
    status = {w: c for c, ws in codes()["score_status"].items() for w in (c, *ws)}
    parts = []
    for path in sorted((report.out / "monitoring_results").rglob("*.*")):
        for sheet in sheets(path):
            frame = as_codes("monitoring_results", sheet.fillna(""))
            frame["school_year"] = path.parent.name
            wide = [c for c in frame if c in subject]
            if wide:
                points = frame[wide].apply(pd.to_numeric, errors="coerce")
                if "总分" in frame:
                    total = pd.to_numeric(frame.pop("总分"))
                    assert (total.fillna(0) == points.sum(axis=1)).all()
                kept = [c for c in frame if c not in wide]
                frame = frame.melt(kept, wide, "subject", "score")
                word = frame["score"].where(pd.to_numeric(frame["score"], "coerce").isna(), "")
                frame["status"] = word
            frame["subject"] = frame["subject"].map(lambda s: subject.get(s, s))
            frame["status"] = frame["status"].map(lambda s: status.get(s, s)).replace("", "present")
            frame["score"] = pd.to_numeric(frame["score"], errors="coerce")
            parts.append(frame)
    return pd.concat(parts, ignore_index=True)


def truth(report: SampleReport, name: str) -> pd.DataFrame:
    return pd.read_csv(report.truth / f"{name}.csv", dtype={"school_code": str, "unit_code": str})


def digest(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def test_same_arguments_give_same_bytes(tmp_path: Path) -> None:
    runs = [write_sample(tmp_path / n, students=3000, years=2, seed=5) for n in ("a", "b")]
    first, second = (digest(r.out) for r in runs)
    assert first == second
    assert any(name.endswith(".xlsx") for name in first)
    assert digest(runs[0].truth) == digest(runs[1].truth)
    assert len(first) == runs[0].files
    other = write_sample(tmp_path / "c", students=3000, years=2, seed=6)
    assert digest(other.out) != first


def test_report_counts_what_is_on_disk(
    report: SampleReport, feeds: dict[str, pd.DataFrame], results: pd.DataFrame
) -> None:
    newest = {name: f[f["school_year"] == report.years[-1]] for name, f in feeds.items()}
    assert report.years == ["2022-2023", "2023-2024", "2024-2025", "2025-2026"]
    assert report.students == newest["students"]["student_no"].nunique() == 4000
    assert report.staff == len(newest["staff"])
    assert report.schools == (newest["schools"]["closed_on"] == "").sum()
    assert report.results == len(results)
    assert report.files == sum(p.is_file() for p in report.out.rglob("*"))


def test_forms_differ(report: SampleReport) -> None:
    heads = {}
    for path in (report.out / "monitoring_results").rglob("*.csv"):
        heads[path] = path.read_bytes().split(b"\n")[0]
    for mark in ("学籍号", "student_no", "总分", "成绩", "score"):
        assert any(mark.encode() in head for head in heads.values()), mark
    bom = {head.startswith(b"\xef\xbb\xbf") for head in heads.values()}
    assert bom == {True, False}
    assert list((report.out / "students").rglob("*.xlsx"))


def test_columns_keys_and_codes_keep_the_contracts(
    feeds: dict[str, pd.DataFrame], results: pd.DataFrame
) -> None:
    for name, frame in {**feeds, "monitoring_results": results}.items():
        contract = load_contracts()[name]
        known = [c.name for c in contract.columns]
        assert set(frame) <= {*known, "school_year"}, name
        assert not frame.duplicated([*dict.fromkeys([*contract.key, "school_year"])]).any(), name
        for column in contract.columns:
            if column.required:
                assert (frame[column.name] != "").all(), (name, column.name)
            if column.name not in frame:
                continue
            values = frame[column.name][frame[column.name] != ""]
            if column.code_set:
                assert set(values) <= set(codes()[column.code_set]), (name, column.name)
            if column.pattern:
                assert values.str.fullmatch(column.pattern).all(), (name, column.name)


def test_references_hold_within_the_year(
    feeds: dict[str, pd.DataFrame], results: pd.DataFrame
) -> None:
    everything = {**feeds, "monitoring_results": results}
    for name, frame in everything.items():
        for column in load_contracts()[name].columns:
            if not column.references or column.name not in frame:
                continue
            feed, there = column.references.split(".")
            known = set(everything[feed]["school_year"] + everything[feed][there])
            used = frame[frame[column.name] != ""]
            assert set(used["school_year"] + used[column.name]) <= known, (name, column.name)
    enrolled = feeds["students"][["student_no", "school_year", "school_code", "grade", "class_no"]]
    sat = results.merge(enrolled, on=list(enrolled))
    assert len(sat) == len(results)
    # No student is on the roll of a school that has closed.
    closed = feeds["schools"].query("closed_on != ''")
    assert len(closed)
    assert enrolled.merge(closed, on=["school_code", "school_year"]).empty


def test_scores_lie_on_the_paper(feeds: dict[str, pd.DataFrame], results: pd.DataFrame) -> None:
    waves = feeds["monitoring_waves"].drop(columns=["school_year", "level"])
    rows = results.merge(waves, on=["wave_id", "grade", "subject"], how="left")
    assert rows["full_mark"].notna().all()
    present = rows["status"] == "present"
    assert (present == rows["score"].notna()).all()
    assert rows.loc[present, "score"].between(0, rows.loc[present, "full_mark"].astype(float)).all()
    assert (rows["score"].dropna() * 2 % 1 == 0).all()
    primary = rows["grade"].astype(int) <= 6
    assert (rows.loc[present & primary, "score"] % 1 == 0).all()
    assert set(waves["pass_mark"] == "") == {True, False}
    assert 0.01 < 1 - present.mean() < 0.04
    assert {"absent", "deferred", "exempt", "transferred"} <= set(rows["status"])
    assert waves["wave_id"].nunique() == 4


def test_student_numbers_check(feeds: dict[str, pd.DataFrame]) -> None:
    weights = [2**i % 11 for i in range(17, 0, -1)]
    students = feeds["students"].drop_duplicates("student_no")
    for row in students.sample(300, random_state=1).itertuples():
        number = row.student_no
        assert len(number) == 19
        assert number.startswith("G37049")
        total = sum(int(d) * w for d, w in zip(number[1:18], weights, strict=True))
        assert number[18] == MODULUS[total % 11]
        assert number[7:15] == row.birth_date.replace("-", "")
        assert (int(number[17]) % 2 == 1) == (row.gender == "male")


def test_students_move_up_through_the_years(feeds: dict[str, pd.DataFrame]) -> None:
    roll = feeds["students"].assign(grade=feeds["students"]["grade"].astype(int))
    roll["year"] = roll["school_year"].str[:4].astype(int)
    later = roll.assign(year=roll["year"] - 1)
    pairs = roll.merge(later, on=["student_no", "year"], suffixes=("", "_next"))
    step = pairs["grade_next"] - pairs["grade"]
    assert set(step) == {0, 1}
    assert (step == 1).mean() > 0.98
    assert (pairs["gender"] == pairs["gender_next"]).all()
    assert (pairs["birth_date"] == pairs["birth_date_next"]).all()
    same_stage = pairs[~pairs["grade"].isin([6, 9]) & (step == 1)]
    moved = (same_stage["school_code"] != same_stage["school_code_next"]).mean()
    assert 0.003 < moved < 0.06
    sizes = roll.groupby(["school_year", "school_code", "grade", "class_no"]).size()
    assert sizes.max() <= 45
    assert (roll.groupby("school_year").size() == 4000).all()
    ages = roll["year"] - roll["birth_date"].str[:4].astype(int) - roll["grade"]
    assert ages.between(4, 8).all()


def test_lessons_are_of_classes_that_exist(feeds: dict[str, pd.DataFrame]) -> None:
    lessons = feeds["lesson_observations"]
    classes = ["school_year", "school_code", "grade", "class_no"]
    roll = feeds["students"].groupby(classes).size().rename("size").reset_index()
    held = lessons.merge(roll, on=classes)
    assert len(held) == len(lessons) > 50
    tested = held["inclass_tested"].astype(int)
    assert (tested <= held["size"]).all()
    assert (held["inclass_passed"].astype(int) <= tested).all()
    assert (lessons["observer_code"] != lessons["teacher_code"]).all()


def test_nobody_observes_in_two_rooms_or_out_of_office(feeds: dict[str, pd.DataFrame]) -> None:
    lessons, staff = feeds["lesson_observations"], feeds["staff"]
    assert not lessons.duplicated(["school_year", "observer_code", "observed_on", "period"]).any()
    held = lessons.merge(
        staff, left_on=["school_year", "observer_code"], right_on=["school_year", "staff_code"]
    )
    assert len(held) == len(lessons)
    assert (held["observed_on"] >= held["started_on"]).all()
    left = held["left_on"] != ""
    assert (held.loc[left, "observed_on"] < held.loc[left, "left_on"]).all()
    starts = held["school_year"].str[:4] + "-08-01"
    assert ((held["observed_on"] >= starts) & (held["observed_on"] < _next(starts))).all()
    # Parts add up to the score, so that no query comes of it.
    parts = ["design_score", "process_score", "effect_score", "literacy_score"]
    assert (lessons[parts].astype(int).sum(axis=1) == lessons["score"].astype(int)).all()


def _next(days: pd.Series) -> pd.Series:
    return (days.str[:4].astype(int) + 1).astype(str) + days.str[4:]


def test_heads_observe_as_many_lessons_as_the_plan_asks_and_some_fewer(
    feeds: dict[str, pd.DataFrame],
) -> None:
    lessons, staff = feeds["lesson_observations"], feeds["staff"]
    role = staff.set_index(["school_year", "staff_code"])["role"]
    counted = lessons.assign(n=lessons["lessons"].astype(int))
    counts = counted.groupby(["school_year", "observer_code"])["n"].sum()
    for name, asked in {"principal": 40, "secretary": 40, "school_leader": 80}.items():
        own = counts[role.loc[counts.index].to_numpy() == name]
        full_year = own[own > asked / 2]
        assert abs(full_year.mean() - asked) < 5, name
        assert 0.15 < (own < asked).mean() < 0.75, name


def test_items_follow_the_map_and_add_up_to_the_score(
    feeds: dict[str, pd.DataFrame], results: pd.DataFrame, items: pd.DataFrame
) -> None:
    key = ["school_year", "wave_id", "student_no", "subject"]
    assert not items.duplicated([*key, "item_no"]).any()
    scores = results[results["status"] == "present"]
    sums = items.groupby(key, as_index=False)["points"].sum().merge(scores, on=key)
    assert len(sums) == len(items[key].drop_duplicates())
    assert (sums["points"] == sums["score"]).all()
    # Everyone who sat an itemised paper is there.
    papers = feeds["item_map"][["school_year", "grade", "subject"]].drop_duplicates()
    assert len(scores.merge(papers, on=list(papers))) == len(sums)
    with_grade = items.merge(sums[[*key, "grade"]], on=key)
    mapped = with_grade.merge(
        feeds["item_map"], on=["school_year", "wave_id", "grade", "subject", "item_no"]
    )
    assert len(mapped) == len(items)
    assert mapped["points"].ge(0).all()
    assert (mapped["points"] <= mapped["full_mark"].astype(float)).all()
    full = feeds["item_map"].astype({"full_mark": float})
    waves = feeds["monitoring_waves"].set_index(["school_year", "grade", "subject"])["full_mark"]
    for paper, total in (
        full.groupby(["school_year", "grade", "subject"])["full_mark"].sum().items()
    ):
        assert total == float(waves.loc[paper])


def test_planted_ease_of_items_is_found(report: SampleReport, items: pd.DataFrame) -> None:
    planted = truth(report, "items").astype({"item_no": str})
    found = (
        items[items["subject"] == "english"].groupby(["school_year", "item_no"])["points"].mean()
    )
    own = planted[planted["subject"] == "english"].set_index(["school_year", "item_no"])
    choices = own[own["choice"]]
    share = found.loc[choices.index] / choices["full_mark"]
    assert np.corrcoef(share, choices["ease"])[0, 1] > 0.9


def test_every_feed_is_handed_in_and_its_rows_are_told(
    report: SampleReport, feeds: dict[str, pd.DataFrame], results: pd.DataFrame, items: pd.DataFrame
) -> None:
    everything = {**feeds, "monitoring_results": results, "item_results": items}
    assert set(everything) == set(load_contracts())
    told = truth(report, "rows").set_index(["feed", "school_year"])["rows"]
    found = {
        (name, year): n
        for name, frame in everything.items()
        for year, n in frame["school_year"].value_counts().items()
    }
    assert told.to_dict() == found


def test_register_holds_what_the_plan_counts(
    report: SampleReport, feeds: dict[str, pd.DataFrame]
) -> None:
    rows = feeds["programme_register"]
    kinds = set(rows.loc[rows["school_year"] == "2023-2024", "kind"])
    assert {"sizheng_lesson_case", "offcampus_practice_base", "society_activity"} <= kinds
    holders = {
        "school": set(feeds["schools"]["school_code"]),
        "person": set(feeds["staff"]["staff_code"]),
        "district": set(feeds["districts"]["district_code"]),
        "community": set(feeds["schools"]["community_code"])
        | set(feeds["residential_areas"]["area_code"]),
    }
    for kind, known in holders.items():
        of_kind = rows.loc[rows["holder_type"] == kind, "holder_code"]
        assert len(of_kind)
        assert set(of_kind) <= known, kind
    groups = rows.loc[rows["holder_type"] == "student_group", "holder_code"]
    assert set(groups.str[:10]) <= holders["school"]
    start = rows["school_year"].str[:4]
    assert (rows["granted_on"] >= start + "-08-01").all()
    plan = rows["kind"].isin(["sizheng_lesson_case", "master_teacher_candidate"])
    assert (rows.loc[plan, "granted_on"] >= "2024-03-11").all()
    members = rows[rows["kind"] == "society_membership"]
    enrolled = feeds["students"].groupby(["school_year", "school_code"]).size()
    at = pd.MultiIndex.from_frame(members[["school_year", "holder_code"]])
    assert (members["value"].astype(int).to_numpy() <= enrolled.loc[at].to_numpy()).all()
    # A standing entry is granted once.
    bases = rows[rows["kind"] == "offcampus_practice_base"]
    assert bases["holder_code"].is_unique
    counts = truth(report, "programme_counts")
    assert counts["entries"].sum() == len(rows)


def test_offices_hand_in_what_holds_together(feeds: dict[str, pd.DataFrame]) -> None:
    findings = feeds["supervision_findings"]
    assert findings["finding_id"].is_unique
    assert (findings["due_on"] > findings["found_on"]).all()
    closed = findings[findings["closed_on"] != ""]
    assert (closed["closed_on"] > closed["found_on"]).all()
    late = (closed["closed_on"] > closed["due_on"]).mean()
    assert 0.02 < late < 0.4
    visits = feeds["official_visits"].merge(
        feeds["staff"],
        left_on=["school_year", "official_code"],
        right_on=["school_year", "staff_code"],
    )
    assert len(visits) == len(feeds["official_visits"]) > 0
    assert set(visits["role"]) == {"education_official"}
    resources = feeds["school_resources"]
    stage = np.where(feeds["students"]["grade"].astype(int) <= 6, "primary", "junior")
    young = feeds["students"].assign(stage=stage)
    young = young[young["grade"].astype(int) <= 9]
    sizes = young.groupby(["school_year", "school_code", "stage"]).size()
    at = pd.MultiIndex.from_frame(resources[["school_year", "school_code", "stage"]])
    assert (sizes.loc[at].to_numpy() == resources["students"].astype(int)).all()
    assert len(sizes) == len(resources)
    training = feeds["training_logs"]
    assert (training["ended_on"] >= training["started_on"]).all()
    held = training.drop_duplicates(["programme_code", "session_no"])
    kinds = held.groupby(["school_year", "programme_kind"]).size().unstack()
    assert (kinds["principal_course"] == 2).all()
    assert (kinds["grand_lecture"] >= 9).all()


def test_one_principal_a_school(feeds: dict[str, pd.DataFrame]) -> None:
    staff = feeds["staff"]
    heads = staff[staff["role"] == "principal"].groupby(["school_year", "school_code"]).size()
    assert (heads == 1).all()
    attended = feeds["students"].groupby(["school_year", "school_code"]).size()
    assert set(attended.index) <= set(heads.index)


def test_some_people_have_names_like_real_ones(feeds: dict[str, pd.DataFrame]) -> None:
    for feed in ("students", "staff"):
        names = feeds[feed]["name"]
        assert names.str.startswith("虚").all()
        short = names.str.fullmatch("虚[\u4e00-\u9fff]{1,2}")
        assert 0.005 < short.mean() < 0.1
        assert {"虚云", "虚小山"} <= set(names[short])


def test_names_are_unique_and_districts_complete(feeds: dict[str, pd.DataFrame]) -> None:
    schools = feeds["schools"]
    # One name belongs to two schools, of different districts, as in every city.
    twice = schools[schools.duplicated(["school_year", "school_name"], keep=False)]
    assert set(twice["school_name"]) == {"实验小学"}
    assert (twice.groupby("school_year")["district_code"].nunique() == 2).all()
    assert schools.groupby("school_year")["district_code"].nunique().eq(8).all()
    assert schools.groupby("school_code")["school_name"].nunique().eq(1).all()


def test_cells_are_what_the_files_hold(
    report: SampleReport, feeds: dict[str, pd.DataFrame], results: pd.DataFrame
) -> None:
    waves = feeds["monitoring_waves"][["wave_id", "grade", "subject", "full_mark", "pass_mark"]]
    register = feeds["schools"][["school_year", "school_code", "district_code"]]
    rows = results.merge(waves, on=["wave_id", "grade", "subject"])
    rows = rows.merge(register, on=["school_year", "school_code"])
    rows = rows[rows["status"] != "transferred"].assign(city="370400")
    line = pd.to_numeric(rows["pass_mark"]).fillna(0.6 * rows["full_mark"].astype(float))
    rows["passed"] = rows["score"] >= line
    levels = {"city": "city", "district": "district_code", "school": "school_code"}
    counted = pd.concat(
        rows.assign(level=level, unit_code=rows[column], exempt=rows["status"] == "exempt")
        .groupby(["school_year", "grade", "subject", "level", "unit_code"])
        .agg(
            candidates=("status", "size"),
            exempt=("exempt", "sum"),
            n=("score", "count"),
            passes=("passed", "sum"),
            mean_score=("score", "mean"),
        )
        .reset_index()
        for level, column in levels.items()
    )
    counted["grade"] = counted["grade"].astype(int)
    key = ["school_year", "grade", "subject", "level", "unit_code"]
    told = truth(report, "cells").sort_values(key, ignore_index=True)
    counted = counted.sort_values(key, ignore_index=True)
    pd.testing.assert_frame_equal(
        counted, told[list(counted)], check_dtype=False, check_exact=False, rtol=1e-12
    )
    students = truth(report, "school_students")
    own = feeds["students"].groupby(["school_year", "school_code", "grade"]).size()
    assert own.sum() == students["students"].sum() == 16_000
    assert len(own) == len(students)


def test_checks_are_what_the_files_hold_and_near_what_was_to_be_expected(
    report: SampleReport, feeds: dict[str, pd.DataFrame]
) -> None:
    lessons = feeds["lesson_observations"]
    numbers = {"tested": "inclass_tested", "passed": "inclass_passed"}
    rows = lessons.assign(**{k: pd.to_numeric(lessons[v]) for k, v in numbers.items()})
    rows = rows[rows["tested"] > 0]
    key = ["school_year", "school_code"]
    counted = rows.groupby(key).agg(
        checks=("tested", "size"), tested=("tested", "sum"), passed=("passed", "sum")
    )
    told = truth(report, "inclass_checks").set_index(key).sort_index()
    pd.testing.assert_frame_equal(counted.sort_index(), told[list(counted)], check_dtype=False)
    spread = np.sqrt(told["expected_rate"] * (1 - told["expected_rate"]) / told["tested"])
    deviation = (told["passed"] / told["tested"] - told["expected_rate"]) / spread
    assert deviation.abs().max() < 4.5 and deviation.pow(2).mean() < 1.3


def test_planted_effects_are_found(report: SampleReport) -> None:
    cells, papers = truth(report, "cells"), truth(report, "papers")
    schools = cells[(cells["level"] == "school") & (cells["n"] >= 5)]
    schools = schools.merge(papers, on=["school_year", "grade", "subject"])
    schools["z"] = (schools["mean_score"] - schools["mean"]) / schools["spread"]
    effects = truth(report, "school_effects")
    found = schools.merge(
        effects,
        left_on=["school_year", "unit_code"],
        right_on=["school_year", "school_code"],
    )
    found["weighted"] = found["z"] * found["n"]
    by_school = found.groupby("school_code")[["weighted", "n"]].sum()
    by_school["z"] = by_school["weighted"] / by_school["n"]
    by_school["planted"] = found.groupby("school_code")["total"].mean()
    enough = by_school[by_school["n"] >= 200]
    assert np.corrcoef(enough["z"], enough["planted"])[0, 1] > 0.9
    slope = np.polyfit(enough["planted"], enough["z"], 1)[0]
    assert 0.75 < slope < 1.25


def test_expected_pass_rates_fit_and_rise(report: SampleReport) -> None:
    cells = truth(report, "cells")
    city = cells[cells["level"] == "city"]
    rate, expected = city["passes"] / city["n"], city["expected_pass_rate"]
    error = np.sqrt(expected * (1 - expected) / city["n"])
    deviation = (rate - expected) / error
    assert deviation.abs().max() < 4.5
    assert deviation.pow(2).mean() < 2

    def change(frame: pd.DataFrame, what: str) -> pd.Series:
        by_year = frame.set_index(["grade", "subject", "school_year"])[what].unstack()
        return by_year["2025-2026"] - by_year["2023-2024"]

    planted = change(truth(report, "papers"), "typical_pass_rate")
    assert planted[9, "mathematics"] > 0.06
    assert planted[4, "science"] < 0.03
    # Who sits a paper differs from year to year, so single papers of a small city may stray.
    found = change(city.assign(rate=rate), "rate")
    assert abs(found.mean() - planted.mean()) < 0.02


def test_locale_gap_is_planted_and_closes(report: SampleReport) -> None:
    gaps = truth(report, "locale_effects").pivot(
        index="school_year", columns="locale", values="effect"
    )
    gap = gaps["urban"] - gaps["rural"]
    assert (gap > 0).all()
    assert gap.is_monotonic_decreasing
    model = json.loads((report.truth / "truth.json").read_text(encoding="utf-8"))
    assert model["arguments"] == {"students": 4000, "years": 4, "seed": 7}
    assert model["model"]["reliability"]["junior"] == 0.9


def test_value_added_is_planted_and_is_what_scores_show(
    report: SampleReport, results: pd.DataFrame
) -> None:
    """Grade 9 after grade 8, by the plainest of regressions; the marts are held to it elsewhere."""
    told = truth(report, "value_added")
    model = json.loads((report.truth / "truth.json").read_text(encoding="utf-8"))["model"]
    planted = told.drop_duplicates(["school_code", "grade", "subject"])["planted"]
    assert planted.std() == pytest.approx(model["value_added_sd"], rel=0.15)
    # The same every year.
    assert told.groupby(["school_code", "grade", "subject"])["planted"].nunique().max() == 1
    rows = results[results["status"] == "present"]
    by = rows.groupby(["school_year", "grade", "subject"])["score"]
    rows = rows.assign(z=(rows["score"] - by.transform("mean")) / by.transform("std"))
    rows["year"] = rows["school_year"].str[:4].astype(int)
    pairs = rows[rows["grade"].astype(int) == 9].merge(
        rows.assign(year=rows["year"] + 1), on=["student_no", "subject", "year"]
    )
    assert set(pairs["grade_y"].astype(int)) >= {8}
    slope = pairs["z_x"].cov(pairs["z_y"]) / pairs["z_y"].var()
    pairs["gain"] = pairs["z_x"] - slope * pairs["z_y"]
    keys = ["school_year", "subject", "school_code"]
    gains = pairs.rename(columns={"school_year_x": "school_year", "school_code_x": "school_code"})
    gains = gains.groupby(keys)["gain"].agg(["mean", "size"]).reset_index()
    both = told[told["grade"] == 9].merge(gains, on=keys)
    both = both[both["size"] >= 10]
    assert len(both) > 60
    assert np.corrcoef(both["mean"], both["effect"])[0, 1] > 0.7
    assert 0.7 < np.polyfit(both["effect"], both["mean"], 1)[0] < 1.3


def test_schools_may_be_alike(tmp_path: Path) -> None:
    report = write_sample(tmp_path / "raw", students=3000, years=3, seed=3, differences=ALIKE)
    effects = truth(report, "school_effects")
    columns = ["school_effect", "district_effect", "year_effect", "locale_effect", "total"]
    assert not effects[columns].to_numpy().any()
    told = truth(report, "value_added")
    assert len(told) > 50 and not told["planted"].any()
    # Girls and boys remain.
    assert told.query("students >= 10")["effect"].abs().max() < 0.1
    model = json.loads((report.truth / "truth.json").read_text(encoding="utf-8"))["model"]
    assert model["value_added_sd"] == model["school_sd"] == 0


@pytest.mark.parametrize("years", [1, 4, 8])
def test_one_student(tmp_path: Path, years: int) -> None:
    report = write_sample(tmp_path / "raw", students=1, years=years)
    assert (report.schools, report.students, len(report.years)) == (1, 1, years)
    assert report.results > 0
    assert len(truth(report, "cells"))


@pytest.mark.parametrize("students", [2, 20, 300, 700, 2500])
def test_small_cities(tmp_path: Path, students: int) -> None:
    report = write_sample(tmp_path / "raw", students=students, years=3, seed=students)
    assert report.students == students
    assert len(read(report, "students")) == 3 * students


def test_truth_stays_out_of_the_raw_folder(tmp_path: Path) -> None:
    for inside in (tmp_path / "raw", tmp_path / "raw" / "deep" / "truth"):
        with pytest.raises(ValueError, match="below"):
            write_sample(tmp_path / "raw", students=1, truth=inside)
    assert not list(tmp_path.iterdir())
    report = write_sample(tmp_path / "raw", students=1, years=1)
    assert report.truth == (tmp_path / "raw.truth").resolve()
    named = write_sample(tmp_path / "b", students=1, years=1, truth=tmp_path / "known")
    assert (named.truth / "truth.json").is_file()


def test_arguments_out_of_range(tmp_path: Path) -> None:
    for wrong in ({"students": 0}, {"years": 0}, {"years": 9}):
        with pytest.raises(ValueError, match=r"student|years"):
            write_sample(tmp_path / "raw", **wrong)
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "own.csv").write_text("1", encoding="utf-8")
    with pytest.raises(ValueError, match="holds files"):
        write_sample(tmp_path / "raw", students=1)
