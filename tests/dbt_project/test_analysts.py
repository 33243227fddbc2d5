"""What `docs/analysts.md` says to an analyst works, and answers what the records say."""

import re
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from .conftest import PROJECT, City, Row, run_dbt

DOC = PROJECT.parent / "docs" / "analysts.md"
YEARS = ("2023-2024", "2024-2025")
RECORDS = {"S0": 10, "S1": 3, "S2": 10, "S3": 10, "S6": 10}
"""School → records of observed lessons, of four lessons each; of S4 and S5 there are none."""
PASSED = {"S0": 20, "S1": 21, "S2": 28, "S3": 18, "S4": 19, "S5": 19, "S6": 19}
"""School → of its 40 pupils, who pass in the second year; in the first it was 20 everywhere."""


def made_question() -> dict[str, pd.DataFrame]:
    """Rural junior schools that rise fast, slowly or not, with principals of every kind.

    S3 is in town, S5 has no principal, S6 became urban in the second year.
    """
    feeds: dict[str, list[Row]] = {name: [] for name in ("districts", "schools", "staff")}
    feeds |= {"monitoring_waves": [], "monitoring_results": [], "lesson_observations": []}
    for number, year in enumerate(YEARS):
        wave, own = f"A{year[-2:]}", {"school_year": year}
        feeds["districts"].append({"district_code": "370402", "district_name": "市中区", **own})
        feeds["monitoring_waves"].append(
            {"wave_id": wave, "wave_name": wave, "wave_kind": "annual_monitoring", "level": "city"}
            | {"held_on": f"{year[-4:]}-05-10", "grade": 8, "subject": "mathematics"}
            | {"full_mark": 100, "pass_mark": 60, **own}
        )
        for i, school in enumerate(PASSED):
            town = "town" if school == "S3" else "urban" if school == "S6" and number else "rural"
            feeds["schools"].append(
                {"school_code": school, "school_name": school, "district_code": "370402", **own}
                | {"stage": "junior", "locale": town}
            )
            if school != "S5":
                feeds["staff"].append(
                    {"staff_code": f"P{i}", "level": "school", "role": "principal", **own}
                    | {"school_code": school, "district_code": "370402"}
                    | {"started_on": "2015-08-01"}
                )
            passed = PASSED[school] if number else 20
            feeds["monitoring_results"] += [
                {"wave_id": wave, "student_key": f"{i * 40 + k:064x}", "school_code": school}
                | {"grade": 8, "class_no": "1", "subject": "mathematics", "status": "present"}
                | {"score": 60 if k < passed else 59.5, **own}
                for k in range(40)
            ]
            feeds["lesson_observations"] += [
                {"observed_on": f"2024-10-{10 + k}", "observer_code": f"P{i}", "period": "1"}
                | {"teacher_code": "T", "school_code": school, "grade": 8, "class_no": "1"}
                | {"subject": "english", "lessons": 4, **own}
                for k in range(RECORDS.get(school, 0))
                if number
            ]
    return {name: pd.DataFrame(rows) for name, rows in feeds.items()}


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> City:
    """The warehouse of that city, as far as the question and the star go."""
    feeds = made_question()
    marts = "+pass_rate_trend +observation_duty_unit +dim_school +fact_finding"
    return City(feeds, run_dbt(tmp_path_factory.mktemp("asked"), feeds, marts, tests=False)[0])


def blocks(kind: str) -> list[str]:
    """The examples of the page, in a language."""
    return re.findall(rf"```{kind}\n(.*?)```", DOC.read_text(encoding="utf-8"), re.DOTALL)


def expected(feeds: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The answer, counted from the feeds."""
    results = feeds["monitoring_results"].assign(ok=lambda f: f["score"] >= 60)
    rates = results.pivot_table(index="school_code", columns="school_year", values="ok")
    pace = rates[YEARS[0]] + 0.10 / 3
    lessons = feeds["lesson_observations"].groupby("observer_code")["lessons"].sum()
    schools = feeds["schools"].query("school_year == @YEARS[1]").set_index("school_code")
    staff = feeds["staff"].query("school_year == @YEARS[1]").set_index("school_code")["staff_code"]
    slow = rates.index[(rates[YEARS[1]] < pace) & (schools["locale"] == "rural")]
    done = staff.map(lessons).reindex(slow)
    return pd.DataFrame(
        {
            "school_code": slow,
            "pass_rate": rates.loc[slow, YEARS[1]].to_numpy(),
            "pace_rate": pace[slow].to_numpy(),
            "done": done.to_numpy(),
            "principals": [1.0 if school in staff.index else None for school in slow],
            "lessons_met": [
                None if school not in staff.index else float(done[school] >= 40) for school in slow
            ],
            "not_reported": [
                None if school not in staff.index else float(pd.isna(done[school]))
                for school in slow
            ],
        }
    )


def test_the_question_is_one_query_with_one_join(asked: City) -> None:
    (question,) = (text for text in blocks("sql") if "pace_rate" in text)
    assert len(re.findall(r"\bjoin\b", question)) == 1
    found = asked.table(f"({question})")
    theirs = expected(asked.feeds)
    assert theirs["school_code"].tolist() == ["S0", "S1", "S4", "S5"]
    assert found["school_code"].tolist() == theirs["school_code"].tolist()
    figures = list(theirs.columns[1:])
    pd.testing.assert_frame_equal(
        found[figures].astype(float), theirs[figures].astype(float), rtol=0, atol=1e-9
    )
    assert found["owed"].tolist()[:2] == [40, 40] and found["n"].tolist() == [40] * 4


def test_the_examples_run_as_they_stand(
    asked: City, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "current").mkdir()
    (tmp_path / "current" / "warehouse.duckdb").symlink_to(asked.warehouse)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for text in blocks("python"):
        exec(compile(text, str(DOC), "exec"), names)
    written = (tmp_path / "trend.csv").read_text(encoding="utf-8-sig")
    assert written.count("370402") == len(names["trend"]) > 0  # type: ignore[arg-type]
    with duckdb.connect(str(asked.warehouse), read_only=True) as con:
        for text in blocks("sql"):
            con.execute(text)


def test_every_table_that_the_page_names_is_there() -> None:
    """Every dimension and fact is told of, and no other."""
    told = set(re.findall(r"`(?:restricted\.|marts\.)?((?:dim|fact)_\w+)`", DOC.read_text("utf-8")))
    models = {path.stem for path in (PROJECT / "models").rglob("*.sql")}
    facts = {name for name in models if name.startswith(("fact_", "dim_"))}
    assert told == facts
