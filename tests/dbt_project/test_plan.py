"""The plan's targets of a made city against the same figures worked out in pandas."""

import csv
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
import yaml

from pipelines.feeds import load_contracts
from pipelines.plan import TARGETS, WORDS
from pipelines.settings import PROJECT, Settings, SettingsError
from pipelines.warehouse import plan_seeds
from tests.oracle import agree
from tests.oracle import plan as oracle

from .conftest import CITY, City, Row, dbt_build, run_dbt
from .test_classroom import DISTRICTS, SCHOOLS, YEARS, made_classrooms

SELECT = "+path:models/marts/plan"
AREAS = [f"37040{d}{i:03}" for d in (2, 9) for i in range(6)]
EDGES = ["2024-03-10", "2024-03-11", "2024-07-31", "2024-08-01", "2024-12-31", "2025-01-01"]
EDGES += ["2024-02-29", "2025-05-31", "2025-06-08", "2025-06-09", "2023-09-01"]
OUTCOMES = {"counts", "repeated", "outside", "not_met", "missing", "short"}


def targets_of(path: Path = TARGETS) -> list[Row]:
    """The rows of a plan's file."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [dict(row) for row in csv.DictReader(file)]


def _register(random: np.random.Generator, people: list[str]) -> list[Row]:
    """Entries of every kind that a target counts, at the edges of windows, often twice."""
    holders = {
        "city": [*SCHOOLS, *people[:6], DISTRICTS[0]],
        "community": AREAS,
        "district": [*DISTRICTS, CITY],
        "person": people,
        "school": [*SCHOOLS, "3137009999"],
    }
    out: list[Row] = []
    kinds = {
        t["selector"]: t
        for t in targets_of()
        if str(t["stream"]).startswith(("register", "community"))
    }
    for kind, target in sorted(kinds.items(), key=str):
        known = holders.get(str(target["entity_type"]), SCHOOLS)
        if kind == "community_activity":
            known = ["C0", "C1", "C2", "C9"]
        # One kind of which nothing is entered, and few enough of others that some fall short.
        often = 0 if kind == "outstanding_studio" else 60 if target["stream"] != "register" else 26
        for i in range(often):
            day = pd.Timestamp(str(random.choice(EDGES)))
            if i % 2:
                day = pd.Timestamp("2023-08-01") + pd.Timedelta(days=int(random.integers(0, 680)))
            start = day.year - (day.month < 8)
            award = i % 3 and kind == "provincial_award"
            entry: Row = {"kind": kind, "holder_code": str(random.choice(known)), "level": None}
            entry |= {
                "holder_type": "school",
                "title": f"{kind} {i}",
                "granted_on": str(day.date()),
            }
            entry |= {"subject": ["english", "science"][i % 2] if award or i % 4 == 0 else None}
            entry |= {"value": None if i % 5 == 0 else int(random.integers(0, 40))}
            entry |= {"covers_all": [True, False, None][i % 3]}
            out.append(entry | {"school_year": f"{start}-{start + 1}"})
    # Twelve of the 30 big-unit schools are asked for by the line of the day; here are all.
    for i in range(30):
        out.append(
            {"kind": "big_unit_school", "holder_code": f"X{i}", "holder_type": "school"}
            | {"title": "x", "granted_on": "2025-03-01", "school_year": YEARS[2]}
        )
    return out


def _waves() -> tuple[list[Row], list[Row]]:
    """Annual waves, a district's and a school's own, and examinations of two years."""
    waves: list[Row] = []
    results: list[Row] = []
    random = np.random.default_rng(7)
    kinds = [
        ("A24", 1, "annual_monitoring", "city", None, None, "2024-05-10"),
        ("A25", 2, "annual_monitoring", "city", None, None, "2025-05-12"),
        ("D25", 2, "unified_exam", "district", DISTRICTS[0], None, "2025-01-10"),
        ("S25", 2, "unified_exam", "school", None, SCHOOLS[0], "2025-01-11"),
        ("X24", 1, "academic_level_exam", "city", None, None, "2024-06-20"),
        ("X25", 2, "academic_level_exam", "city", None, None, "2025-06-05"),
        ("N25", 2, "annual_monitoring", "city", None, None, "2025-05-30"),
    ]
    for wave, year, kind, level, district, school, day in kinds:
        for subject in ("chinese", "mathematics"):
            held = day if subject == "chinese" else str(pd.Timestamp(day) + pd.Timedelta(days=1))
            waves.append(
                {"wave_id": wave, "wave_name": wave, "wave_kind": kind, "level": level}
                | {"district_code": district, "school_code": school, "held_on": held[:10]}
                | {"grade": 8, "subject": subject, "full_mark": 100, "school_year": YEARS[year]}
                | {"pass_mark": 55 if wave == "X25" else None}
            )
            for i in range(60):
                at = SCHOOLS[i % 6]
                missed = (wave[0] == "A" and i % 11 == 0) or (wave == "X24" and i % 6 == 5)
                if wave == "N25" or missed or (level == "school" and at != school):
                    continue
                status = "absent" if i % 13 == 0 else "present"
                score = int(np.clip(random.normal(62 + 4 * (year == 2), 14), 0, 100))
                results.append(
                    {"wave_id": wave, "student_key": f"{i:064x}", "grade": 8, "subject": subject}
                    | {"school_code": at, "class_no": "1", "status": status}
                    | {"score": score if status == "present" else None}
                    | {"school_year": YEARS[year]}
                )
    return waves, results


def made_plan() -> dict[str, pd.DataFrame]:
    """The city of the classroom's tests, with fewer lessons and every other feed."""
    random = np.random.default_rng(20270311)
    feeds = made_classrooms()
    lessons = feeds["lesson_observations"]
    staff = feeds["staff"]
    n = len(staff)
    staff = staff.assign(
        degree=[["bachelor", "master", "doctor", None][i % 4] for i in range(n)],
        degree_field=["stem" if i % 3 else "other" for i in range(n)],
        full_time=[[True, True, False, None][i % 4] for i in range(n)],
        key_teacher=[[True, False, None][i % 3] for i in range(n)],
    )
    staff.loc[staff["subject"].notna() & (np.arange(n) % 5 == 0), "subject"] = "science"
    staff.loc[(staff["role"] == "teacher") & (np.arange(n) % 9 == 0), "role"] = "science_counsellor"
    office = [
        {"staff_code": f"R{i}", "role": "researcher", "subject": subject, "school_year": year}
        | {"level": "city" if i % 2 else "district", "full_time": i != 2, "key_teacher": None}
        | {"district_code": None if i % 2 else DISTRICTS[i // 2 % 2]}
        | {"started_on": "2010-08-25", "left_on": "2025-03-05" if i == 5 else None}
        for year in YEARS
        for i, subject in enumerate(["english", "english", "science", "mathematics", None, "pe"])
    ]
    waves, results = _waves()
    people = sorted({str(c) for c in staff["staff_code"]})
    given: dict[str, list[Row]] = {
        "programme_register": _register(random, [*people, "R0", "R1"]),
        "monitoring_waves": waves,
        "monitoring_results": results,
        "external_benchmarks": [
            {"kind": "provincial_rank", "year": year, "unit_code": unit, "subject": subject}
            | {"value": value, "out_of": 16, "school_year": YEARS[1]}
            for year, unit, subject, value in (
                (2024, CITY, None, 9), (2025, CITY, None, 8), (2025, CITY, "english", 1),
                (2025, DISTRICTS[0], None, 2), (2026, CITY, None, 1),
            )
        ],
        "supervision_findings": [
            {"finding_id": f"F{i}", "district_code": DISTRICTS[i % 2], "topic": None}
            | {"school_code": SCHOOLS[i % 4] if i % 3 else None, "found_on": found, "due_on": due}
            | {"closed_on": closed, "school_year": YEARS[1 + (found >= "2024-08-01")]}
            for i, (found, due, closed) in enumerate(
                (
                    ("2024-03-20", "2024-04-30", "2024-04-30"),
                    ("2024-03-20", "2024-04-30", "2024-05-01"),
                    ("2024-05-20", "2024-08-01", "2024-07-31"),
                    ("2024-09-20", "2024-10-01", None),
                    ("2025-02-20", "2025-03-31", "2025-03-01"),
                    ("2025-05-20", "2026-03-31", None),
                    ("2025-05-20", "2025-05-31", "2025-05-22"),
                )
            )
        ],
        "residential_areas": [
            {"area_code": code, "area_name": code, "district_code": DISTRICTS[i // 6]}
            | {"area_kind": ["urban", "rural"][i % 2], "capable": [None, True, False, False][i % 4]}
            | {"school_year": YEARS[0]}
            for i, code in enumerate(AREAS)
        ],
    }  # fmt: skip
    columns = load_contracts()
    made = {
        feed: pd.DataFrame(rows).reindex(columns=[*columns[feed].landed]).astype(object)
        for feed, rows in given.items()
    }
    staff = pd.concat([staff, pd.DataFrame(office)]).reindex(columns=staff.columns).astype(object)
    districts = feeds["districts"].copy()
    districts.loc[districts["district_code"] == DISTRICTS[2], "district_kind"] = "city_run"
    # The third district is entered by the second register, the second one by the newest alone.
    gone = (districts["district_code"] == DISTRICTS[1]) & (districts["school_year"] == YEARS[1])
    return {
        **feeds,
        "staff": staff,
        "districts": districts[~gone],
        "lesson_observations": lessons[
            (lessons["observed_on"].astype(str) >= "2023-08") & (np.arange(len(lessons)) % 2 == 0)
        ],
        **made,
    }


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> City:
    """The made city of the plan, built once, with what dbt tests of the plan itself."""
    feeds, home = made_plan(), tmp_path_factory.mktemp("planned")
    warehouse, _ = run_dbt(home, feeds, SELECT, tests=False)
    words = dbt_build(home, home / "standing", warehouse, "path:models/marts/plan")
    return City(feeds, warehouse, words)


def by_hand(city: City, targets: list[Row]) -> dict[str, pd.DataFrame]:
    """The marts by the second method."""
    trend = city.table("marts.pass_rate_trend")
    second = oracle.City(dict(city.feeds), city.table("marts.dim_school"), trend)
    figures = oracle.plan(second, targets)
    return {
        "plan_target": figures,
        "plan_summary": oracle.summary(figures, targets),
        "plan_evidence": oracle.evidence(second, targets, figures),
    }


@pytest.fixture(scope="module")
def second(planned: City) -> dict[str, pd.DataFrame]:
    return by_hand(planned, targets_of())


def same_figures(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    """Every figure, and the length of the line that leads to it."""
    agree(found.assign(as_of=pd.to_datetime(found["as_of"])).drop(columns=["line_from", "line_to"]),
          expected, oracle.KEY)  # fmt: skip


def lines_of(frame: pd.DataFrame) -> Counter[tuple[Any, ...]]:
    """Rows of the list of evidence; numbers to three places, as the list has them."""
    names = ["target_id", "reading", "entity_code", "reason", "day", "value", "tested", "minimum"]
    out: Counter[tuple[Any, ...]] = Counter()
    for row in frame[names].astype(object).itertuples(index=False):
        *words, day, value, tested, minimum = row
        numbers = [None if pd.isna(v) else round(float(v), 2) for v in (value, tested, minimum)]
        out[(*words, "" if pd.isna(day) else str(day)[:10], *numbers)] += 1
    return out


def test_every_figure_agrees(planned: City, second: dict[str, pd.DataFrame]) -> None:
    assert "WARN=0 ERROR=0" in planned.words
    same_figures(planned.table("marts.plan_target"), second["plan_target"])


def test_the_summary_agrees(planned: City, second: dict[str, pd.DataFrame]) -> None:
    found = planned.table("marts.plan_summary")
    found["as_of"] = pd.to_datetime(found["as_of"])
    agree(found, second["plan_summary"], ["as_of", "measure", "status"])


def test_the_list_of_evidence_agrees_down_to_the_record(
    planned: City, second: dict[str, pd.DataFrame]
) -> None:
    found = planned.table("marts.plan_evidence")
    streams = {(t["target_id"], t["reading"]): (t["stream"], t["rule"]) for t in targets_of()}
    told = [streams[key] for key in zip(found["target_id"], found["reading"], strict=True)]
    # First days of posts, and days of what others work out, are not asked for a second time.
    unasked = [s.startswith("post") or rule in ("growth", "rank") for s, rule in told]
    found.loc[unasked, "day"] = pd.NaT
    ours, theirs = lines_of(found), lines_of(second["plan_evidence"])
    assert ours - theirs == Counter() and theirs - ours == Counter()
    assert set(found["reason"]) == OUTCOMES
    assert (found["counts"] == (found["reason"] == "counts")).all()
    assert found.loc[found["reason"].isin(["counts", "repeated"]), "record_key"].notna().all()


def test_the_plan_is_in_the_warehouse_as_it_was_handed_in(planned: City) -> None:
    found = planned.table("marts.dim_target").set_index(["target_id", "reading"])
    for row in targets_of():
        own = found.loc[(row["target_id"], row["reading"])]
        for name in ("indicator_zh", "rule", "comparator", "unit", "policy_quote_zh", "reading_en"):
            assert own[name] == row[name]
        assert float(own["threshold"]) == float(str(row["threshold"]))
        assert bool(own["is_default"]) is (row["is_default"] == "true")
    readings = found.groupby("target_id").size()
    assert len(readings) == 54 and (found["is_default"].groupby("target_id").sum() == 1).all()
    pending = found.groupby("target_id")["reading_pending"].all()
    assert (pending == (readings > 1)).all()


def test_the_made_city_has_every_case(second: dict[str, pd.DataFrame]) -> None:
    figures = second["plan_target"]
    assert set(figures["status"]) == set(oracle.STATUSES)
    rules = {(t["target_id"], t["reading"]): str(t["rule"]) for t in targets_of()}
    keys = zip(figures["target_id"], figures["reading"], strict=True)
    by_rule = figures.assign(rule=[rules[key] for key in keys])
    assert set(by_rule.loc[by_rule["actual"].notna(), "rule"]) == set(rules.values())
    for target, own in figures[figures["level"] == "city"].groupby("target_id"):
        assert own["actual"].notna().any() or target == "T06b", target
    assert set(figures["level"]) == {"city", "district", "school"}
    assert figures["as_of"].nunique() > 12 and figures["is_share"].any()


def test_nothing_handed_in_is_never_zero(tmp_path: Path) -> None:
    """Registers and one visit: what was not handed in is not reported; registers speak."""
    feeds = {k: v for k, v in made_plan().items() if k in ("districts", "schools", "staff")}
    feeds["official_visits"] = made_plan()["official_visits"].tail(2)
    feeds["official_visits"] = feeds["official_visits"].assign(
        official_code="E1", visited_on="2024-12-01", school_year=YEARS[2], school_code=SCHOOLS[:2]
    )
    warehouse, _ = run_dbt(tmp_path, feeds, SELECT, tests=False)
    found = City(feeds, warehouse)
    figures = found.table("marts.plan_target")
    same_figures(figures, by_hand(found, targets_of())["plan_target"])
    assert (figures["actual"].isna() == figures["status"].isin(["not_reported", "not_due"])).all()
    told = {"T03b", "T03c", "T07b", "T14a", "T15a"}
    assert set(figures.loc[figures["actual"].notna(), "target_id"]) == told


def test_empty_feeds_give_empty_tables(nothing: City) -> None:
    for mart in ("plan_target", "plan_summary", "plan_evidence"):
        assert nothing.table(f"marts.{mart}").empty
    assert len(nothing.table("marts.dim_target")) == len(targets_of())


OTHER_CITY = (Path(__file__).parent / "another_city.csv").read_text(encoding="utf-8")


def test_the_plan_of_another_city_is_a_file(
    planned: City, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other targets, deadlines, duties and windows than the settings name; with a byte order mark,
    as spreadsheets write it."""
    own = tmp_path / "own.csv"
    own.write_text(OTHER_CITY, encoding="utf-8-sig")
    settings = Settings.load(
        raw=tmp_path / "raw", home=tmp_path / "home", pseudonym_key_file=tmp_path / "key",
        plan_targets=own,
    )  # fmt: skip
    monkeypatch.setenv("EQM_PLAN_SEEDS", str(plan_seeds(settings)))
    # Only what rests on the file is made anew, in a copy of the warehouse.
    warehouse = tmp_path / "work.duckdb"
    shutil.copyfile(planned.warehouse, warehouse)
    resting = "plan_targets+,+path:models/marts/plan"
    dbt_build(tmp_path, planned.warehouse.parent / "standing", warehouse, resting, False)
    city = City(planned.feeds, warehouse)
    assert own.read_text(encoding="utf-8-sig") == OTHER_CITY
    second = by_hand(city, targets_of(own))
    figures = city.table("marts.plan_target")
    same_figures(figures, second["plan_target"])
    assert set(figures["target_id"]) == {"K1", "K2", "K3", "K4", "K5"}
    assert lines_of(city.table("marts.plan_evidence")) == lines_of(second["plan_evidence"])
    districts = figures[(figures["target_id"] == "K2") & (figures["level"] == "district")]
    assert set(districts["unit_code"]) == {"370481"}


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (lambda t: t.replace("target_id,", "target,", 1), "lacks the column.* target_id"),
        (lambda t: t.replace(",coverage,50,", ",coverag,50,"), r"line 3: rule: coverag .*growth"),
        (lambda t: t.replace(",count,4,", ",count,four,"), "line 2: target_value: four"),
        (lambda t: t.replace("2023-09-01,,,city", "1.9.2023,,,city"), "line 2: window_start: 1.9"),
        (lambda t: t.replace(",all,true,", ",all,false,"), "K5: 0 of 2 readings are the default"),
        (lambda t: t.replace(",all,true,", ",each,false,"), "line 7: K5 each .* line 6"),
        (lambda t: t.replace("rolling,2023-08-01,12", "rolling,2023-08-01,"), "line 5: window_mon"),
        (lambda t: t.replace(",city school,", ",city class,"), "line 5: levels: class"),
        (lambda t: t.replace(",duty_head,", ",,"), "line 4: population_code: nothing"),
        (lambda t: t.replace("K2,", ","), "line 3: target_id: nothing"),
        (lambda t: t.splitlines()[0] + "\n", "no target"),
        (lambda t: t.replace("K3,2,person,", "K3,2,person,听课,听课,"), "line 4: 36 cells"),
    ],
)  # fmt: skip
def test_a_malformed_plan_is_refused_with_line_and_column(
    what: Any, words: str, tmp_path: Path
) -> None:
    own = tmp_path / "own.csv"
    changed = what(OTHER_CITY)
    assert changed != OTHER_CITY
    own.write_text(changed, encoding="utf-8")
    with pytest.raises(SettingsError, match=words):
        Settings.load(pseudonym_key_file=tmp_path / "key", plan_targets=own)


def test_a_plan_that_is_no_text_is_refused(tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    for given, words in ((None, "no file"), ("规划".encode("gbk"), "UTF-8"), (b"", "lacks")):
        if given is not None:
            own.write_bytes(given)
        with pytest.raises(SettingsError, match=words):
            Settings.load(pseudonym_key_file=tmp_path / "key", plan_targets=own)


def test_the_words_that_a_plan_may_use_are_those_that_models_know() -> None:
    """The values that the seed is tested for and the check of a new file are one list."""
    text = (PROJECT / "dbt_project" / "models" / "seeds.yml").read_text(encoding="utf-8")
    [seed] = yaml.safe_load(text)["seeds"]
    (values,) = (t["only_values"] for t in seed["data_tests"] if "only_values" in t)
    listed = {name: set(allowed) for name, allowed in values["arguments"]["values"].items()}
    assert listed == {name: set(words) for name, words in WORDS.items() if name in listed}
    assert {"rule", "window_kind", "population_code", "stream"} <= set(listed)
    for row in targets_of():
        for name, words in WORDS.items():
            assert row[name] in words or (name == "distinct_by" and row[name] == "")


def test_contracts_hold_in_the_catalogue(planned: City) -> None:
    with duckdb.connect(str(planned.warehouse), read_only=True) as connection:
        types = dict(
            connection.execute(
                "select column_name, data_type from information_schema.columns"
                " where table_schema = 'marts' and table_name = 'plan_target'"
            ).fetchall()
        )
    pinned = {"actual": "DOUBLE", "threshold": "DOUBLE", "gap": "DOUBLE", "pace": "DOUBLE"}
    pinned |= {"target_id": "VARCHAR", "as_of": "DATE", "level": "VARCHAR", "unit_code": "VARCHAR"}
    pinned |= {"status": "VARCHAR", "denominator": "BIGINT"}
    assert pinned.items() <= types.items()
