"""School years that are over are told, go when asked, and do not come back."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from dashboards.gate import open_accounts
from pipelines import retention
from pipelines.cli import app
from pipelines.doctor import examine
from pipelines.intake import (
    IntakeError,
    Ledger,
    freeze,
    give_back,
    owed,
    submissions,
    withdraw,
)
from pipelines.settings import Settings, SettingsError
from pipelines.status import status
from tests.intake.conftest import FILES, YEAR, Handed, filled
from tests.release.made_up import made_up_release

LATE = date(2029, 9, 1)
"""On this day the school year 2023-2024 lies six years back."""
OF_STUDENTS = ("students", "monitoring_waves", "item_map", "monitoring_results", "item_results")
WHY = {"reason": "six years", "by": "zhang"}


@pytest.fixture
def city(tmp_path: Path) -> Handed:
    """The tiny city, ingested, with the rolls of two later school years."""
    made = filled(tmp_path)
    for year in ("2024-2025", "2028-2029"):
        for name in ("districts/d.csv", "schools/s.csv", "students/a.csv"):
            made.write(name, FILES[name], year)
    made.ingest()
    return made


def named(found: list[retention.Due]) -> set[tuple[str, str]]:
    return {(one.feed, one.school_year) for one in found}


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_school_year_is_kept_for_so_many_with_the_present_one(city: Handed) -> None:
    settings = city.settings
    assert retention.due(settings, date(2029, 7, 31)) == []
    due = retention.due(settings, LATE)
    assert named(due) == {
        (feed, YEAR) for feed in ("students", "monitoring_results", "monitoring_waves", "staff")
    }
    (results,) = [one for one in due if one.feed == "monitoring_results"]
    assert (results.submissions, results.landed, results.raw) == (2, 2, 2)
    assert settings.plan_baseline_year == "2023-2024" and results.notes
    assert named(retention.due(settings, date(2030, 8, 1))) == named(due) | {
        ("students", "2024-2025")
    }


@hypothesis_settings(max_examples=30, deadline=None)
@given(
    years=st.dictionaries(
        st.sampled_from(["training_logs", "official_visits"]), st.integers(1, 12)
    ),
    today=st.dates(date(2023, 1, 1), date(2045, 12, 31)),
)
def test_what_is_due_is_what_is_old_enough(
    tmp_path_factory: pytest.TempPathFactory, years: dict[str, int], today: date
) -> None:
    root = tmp_path_factory.mktemp("due")
    settings = Settings.load(
        raw=root / "raw", home=root / "home", pseudonym_key_file=root / "k" / "k",
        retention_years=years,
    )  # fmt: skip
    kept = dict.fromkeys(("training_logs", "official_visits", "schools"), range(2015, 2026))
    for feed, starts in kept.items():
        for start in starts:
            folder = settings.landing / feed / f"{start}-{start + 1}"
            folder.mkdir(parents=True)
            (folder / "x.parquet").touch()
    # August begins a school year.
    present = today.year if today.month >= 8 else today.year - 1
    assert named(retention.due(settings, today)) == {
        (feed, f"{start}-{start + 1}")
        for feed, n in years.items()
        for start in kept[feed]
        if present - start + 1 > n
    }


def test_what_a_setting_may_not_say(city: Handed) -> None:
    for years, words in (
        ({"pupils": 3}, "no feed pupils"),
        ({"students": 3}, "students may not go before"),
        ({"monitoring_results": 5, "students": 5, "monitoring_waves": 4}, "monitoring_waves may"),
        ({"staff": 2, "training_logs": 2, "official_visits": 2}, "before lesson_observations"),
    ):
        with pytest.raises(SettingsError, match=words):
            retention.due(city.settings.model_copy(update={"retention_years": years}), LATE)
    with pytest.raises(SettingsError):
        Settings.load(retention_years={"students": 0})


def test_nothing_is_over_where_nothing_is_named(city: Handed) -> None:
    settings = city.settings.model_copy(update={"retention_years": {}})
    before = tree(settings.landing)
    assert retention.due(settings, date(2100, 1, 1)) == []
    assert retention.apply(settings, **WHY, today=date(2100, 1, 1)) == []
    assert tree(settings.landing) == before and not settings.gate.exists()


def test_telling_removes_nothing(city: Handed, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = city.settings.model_copy(update={"retention_years": dict.fromkeys(OF_STUDENTS, 1)})
    before = tree(settings.landing)
    over = {(feed, YEAR) for feed in ("monitoring_results", "monitoring_waves", "students")}
    assert named(status(settings).over) >= over
    (told,) = [one for one in examine(settings) if one.what == "retention"]
    assert told.state == "hint" and YEAR in told.found and "apply" in told.mend
    assert retention.finish(settings) == 0
    city.ingest()
    assert tree(settings.landing) == before


def test_what_is_over_goes_and_nothing_else(city: Handed) -> None:
    settings = city.settings
    city.add("students/a.csv", "S09,,第九小学,5,1,男")
    city.ingest()
    raw = tree(settings.raw)
    path = made_up_release(settings, "0123456789ab", "a")
    newer = made_up_release(settings, "ba9876543210", "a", "2024-2025")
    gone = retention.apply(settings, **WHY, today=LATE)
    assert named(gone) == {
        (feed, YEAR) for feed in ("students", "monitoring_results", "monitoring_waves", "staff")
    }
    for folder in (settings.landing, settings.quarantine, settings.feedback):
        for feed, year in named(gone):
            assert not (folder / feed / year).exists()
    assert tree(settings.raw) == raw
    view = freeze(settings)
    assert (view.rows["students"], view.rows["monitoring_results"]) == (4, 0)
    assert view.rows["schools"] == 6
    with duckdb.connect(str(path), read_only=True) as con:
        for table in ("dim_student", "student_growth"):
            assert con.execute(f"select count(*) from restricted.{table}").fetchone() == (0,)
        assert con.execute("select count(*) from marts.attainment").fetchone() == (1,)
    with duckdb.connect(str(newer), read_only=True) as con:
        assert con.execute("select count(*) from restricted.dim_student").fetchone() == (2,)
    own = [s for s in Ledger(settings).submissions("students") if s["school_year"] == YEAR]
    assert own and {s["state"] for s in own} <= {"withdrawn", "replaced"}
    assert not any(s["problems"] or s["sheets"] for s in own)
    _, audit, _ = open_accounts(settings)
    lines = [one.detail for one in audit.lines() if one.event == "retention"]
    assert {(line["feed"], line["year"]) for line in lines} == named(gone)
    assert {line["reason"] for line in lines} == {"six years"} and not audit.verify().faults
    # A second time there is nothing to do.
    assert retention.apply(settings, **WHY, today=LATE) == []
    assert len(audit.lines()) == len(lines)


def test_what_went_is_not_read_again(city: Handed) -> None:
    settings = city.settings
    retention.apply(settings, **WHY, today=LATE)
    # A late file of that year, and a change of a register that has files read anew.
    city.write("students/late.csv", FILES["students/b.csv"])
    city.add("schools/s.csv", "3137000003,第三小学,370402,小学,农村,公办")
    city.ingest()
    assert freeze(settings).rows["students"] == 4
    assert not (settings.landing / "students" / YEAR).exists()
    left = {(one.feed, one.school_year): one.raw for one in retention.left_in_raw(settings)}
    assert left["students", YEAR] == 3
    (told,) = [one for one in examine(settings) if one.what == "retention"]
    assert "unread" in told.found
    waves = [one for one in owed(settings) if one.school_year == YEAR]
    assert not {one.feed for one in waves} & {"students", "monitoring_results", "staff"}


def test_a_moment_of_the_past_is_without_it(city: Handed) -> None:
    moment = datetime.now(UTC).isoformat()
    past = city.settings.model_copy(update={"as_of": moment})
    assert freeze(past).rows["students"] == 8
    retention.apply(city.settings, **WHY, today=LATE)
    assert freeze(past).rows["students"] == 4
    states = {f.state for f in submissions(past) if (f.feed, f.school_year) == ("students", YEAR)}
    assert states == {"withdrawn"}


def test_what_somebody_took_back_can_not_be_given_back(city: Handed) -> None:
    name = f"students/{YEAR}/a.csv"
    withdraw(city.settings, name, "wrong")
    retention.apply(city.settings, **WHY, today=LATE)
    with pytest.raises(IntakeError, match="is over for students"):
        give_back(city.settings, name)
    city.ingest()
    assert freeze(city.settings).rows["students"] == 4


def test_raw_files_go_only_where_the_setting_says_so(city: Handed) -> None:
    settings = city.settings.model_copy(update={"retention_raw": True})
    gone = retention.apply(city.settings, **WHY, today=LATE)
    assert (settings.raw / "students" / YEAR).exists()
    assert named(retention.due(settings, LATE)) == named(gone)
    retention.apply(settings, **WHY, today=LATE)
    assert [(settings.raw / feed / year).exists() for feed, year in named(gone)] == [False] * 4
    assert (settings.raw / "students" / "2024-2025").exists()
    assert retention.due(settings, LATE) == [] and retention.left_in_raw(settings) == []
    city.ingest()
    assert freeze(settings).rows["students"] == 4


@pytest.mark.parametrize("after", range(1, 6))
def test_what_a_killed_process_leaves_is_finished_by_the_next(
    city: Handed, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    left, remove = after, retention.shutil.rmtree

    def killed(*args: object, **given: object) -> object:
        nonlocal left
        left -= 1
        if not left:
            raise KeyboardInterrupt
        return remove(*args, **given)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(retention.shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            retention.apply(city.settings, **WHY, today=LATE)
    assert 1 <= retention.finish(city.settings) <= 4
    assert retention.finish(city.settings) == 0
    assert freeze(city.settings).rows["students"] == 4
    assert not (city.settings.landing / "students" / YEAR).exists()
    assert retention.due(city.settings, LATE) == []


def test_the_command_tells_asks_and_applies(city: Handed, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = city.settings
    years = dict.fromkeys(OF_STUDENTS, 1)
    monkeypatch.setenv("EQM_RETENTION_YEARS", json.dumps(years))
    monkeypatch.setenv("EQM_PSEUDONYM_KEY_FILE", str(settings.pseudonym_key_file))
    places = ["--raw", str(settings.raw), "--home", str(settings.home)]
    run = CliRunner().invoke
    listed = run(app, ["retention", "list", *places])
    assert listed.exit_code == 0 and YEAR in listed.output
    told = json.loads(run(app, ["retention", "list", *places, "--json"]).stdout)
    assert {one["feed"] for one in told["due"]} == years.keys() - {"item_map", "item_results"}
    assert "retention apply" in run(app, ["status", *places]).output
    refused = run(app, ["retention", "apply", "--reason", "over", *places], input="n\n")
    assert refused.exit_code == 1 and freeze(settings).rows["monitoring_results"]
    done = run(app, ["retention", "apply", "--reason", "over", "--yes", *places])
    assert done.exit_code == 0 and not freeze(settings).rows["monitoring_results"]
    again = run(app, ["retention", "apply", "--reason", "over", "--yes", *places])
    assert again.exit_code == 0 and "没有到期" in again.output
    monkeypatch.setenv("EQM_RETENTION_YEARS", '{"pupils": 2}')
    assert run(app, ["retention", "list", *places]).exit_code == 2
    assert run(app, ["status", *places]).exit_code == 2
