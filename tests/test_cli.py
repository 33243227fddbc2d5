"""`eqm`: what a user types and reads."""

import io
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.feeds import load_contracts
from pipelines.sample import write_sample
from pipelines.settings import Settings
from pipelines.status import next_run
from pipelines.warehouse import WarehouseError

run = CliRunner().invoke
COMMANDS = (
    "approve", "audit", "build", "check", "dev", "doctor", "explain", "forget", "ingest", "metric",
    "releases", "retention", "sample", "serve", "status", "template", "user", "withdraw",
)  # fmt: skip


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings that point below `tmp_path`, with an empty raw folder."""
    monkeypatch.setenv("EQM_RAW", str(tmp_path / "raw"))
    monkeypatch.setenv("EQM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EQM_PSEUDONYM_KEY_FILE", str(tmp_path / "key" / "pseudonym.key"))
    return tmp_path / "home"


def test_help_names_every_command() -> None:
    result = run(app, ["--help"])
    assert result.exit_code == 0
    assert all(command in result.output for command in COMMANDS)
    assert "Exit codes" in result.output


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    result = run(app, [command, "--help"])
    assert result.exit_code == 0 and len(result.output.splitlines()) > 4


def test_a_template_is_written(tmp_path: Path) -> None:
    path = tmp_path / "students.xlsx"
    result = run(app, ["template", "students", "-o", str(path)])
    assert result.exit_code == 0 and path.exists()


def test_an_unknown_feed_is_wrong_usage_and_lists_the_feeds(tmp_path: Path) -> None:
    result = run(app, ["template", "pupils", "-o", str(tmp_path / "x.xlsx")])
    assert result.exit_code == 2
    assert all(feed in result.output for feed in load_contracts())


def test_an_unknown_setting_is_wrong_usage(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EQM_HOEM", "/somewhere")
    result = run(app, ["status"])
    assert result.exit_code == 2 and "EQM_HOEM" in result.output and "home" in result.output


@pytest.mark.parametrize("command", ["sample --out {}", "template students -o {}"])
def test_an_unknown_setting_is_told_where_no_home_is_asked_for(
    command: str, tmp_path: Path
) -> None:
    said = command.format(tmp_path / "out").split()
    done = subprocess.run(
        [sys.executable, "-c", "from pipelines.cli import main; main()", *said],
        env={**os.environ, "EQM_HOEM": "/somewhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and not done.stdout
    assert done.stderr.startswith("unknown setting EQM_HOEM") and "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_an_empty_raw_folder_is_said(home: Path) -> None:
    for command in ("build", "ingest"):
        result = run(app, [command])
        assert result.exit_code == 1
        assert "没有可读取的文件" in result.output and "eqm sample" in result.output
    assert not (home / "landing").exists()


def test_an_empty_raw_folder_is_said_in_json_too(home: Path) -> None:
    result = run(app, ["build", "--json"])
    told = json.loads(result.stdout)
    assert result.exit_code == told["exit_code"] == 1
    assert not told["released"] and "eqm sample" in told["failure"]
    result = run(app, ["ingest", "--json"])
    assert result.exit_code == 1 and json.loads(result.stdout) == []


def test_a_bar_is_shown_to_who_watches(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_sample(home.with_name("raw"), students=120, years=1)
    assert "students" not in run(app, ["ingest"]).stderr
    screen = io.StringIO()
    monkeypatch.setattr(
        "pipelines.cli.shared.notes", Console(file=screen, force_terminal=True, width=90)
    )
    assert run(app, ["ingest"]).exit_code == 0
    files = sum(1 for path in home.with_name("raw").rglob("*") if path.is_file())
    assert f"{files}/{files}" in screen.getvalue()


def test_a_file_is_explained_signed_off_and_taken_back(home: Path) -> None:
    raw = home.with_name("raw")
    write_sample(raw, students=120, years=1)
    assert run(app, ["ingest"]).exit_code == 0
    roll = sorted((raw / "students" / "2025-2026").glob("*.csv"))[0]
    with roll.open("a", encoding="utf-8") as file:
        cells = roll.read_text(encoding="utf-8-sig").splitlines()[-1].split(",")
        file.write(",".join(["OLD-31", *cells[1:]]) + "\n")
    assert run(app, ["ingest"]).exit_code == 0
    told = json.loads(run(app, ["status", "--json"]).stdout)
    (waiting,) = told["waiting"]
    assert told["states"]["awaiting_explanation"] == 1
    assert waiting["source_file"].endswith(roll.name) and waiting["open_queries"] == 1
    file_id = waiting["submission_id"]
    assert file_id in run(app, ["status"]).output

    result = run(app, ["approve", file_id])
    assert result.exit_code == 1 and f"eqm explain {file_id}" in result.output
    assert (
        run(app, ["explain", file_id[:8], "--reason", "外省转入", "--by", "王老师"]).exit_code == 0
    )
    result = run(app, ["explain", "nothing", "--reason", "x"])
    assert result.exit_code == 2 and "eqm status --files" in result.output
    assert run(app, ["explain", file_id, "--reason", "again"]).exit_code == 1
    told = json.loads(run(app, ["approve", file_id, "--by", "区教研室", "--json"]).stdout)
    assert told["approved"][0]["state"] == "district_approved"
    assert told["approved"][0]["explained_by"] == "王老师"
    for wrong in ([], [file_id, "--district", "370402"], [file_id, "--feed", "students"]):
        assert run(app, ["approve", *wrong]).exit_code == 2
    assert run(app, ["approve", "--district", "nowhere"]).exit_code == 2

    result = run(app, ["withdraw", file_id, "--reason", "重报"])
    assert result.exit_code == 0 and "已撤回" in result.output
    assert run(app, ["withdraw", file_id]).exit_code == 1
    files = json.loads(run(app, ["status", "--files", "--json"]).stdout)
    assert file_id not in {f["submission_id"] for f in files}
    assert "已审核" in run(app, ["withdraw", file_id, "--undo"]).output


def test_status_tells_who_owes_what(home: Path) -> None:
    write_sample(home.with_name("raw"), students=120, years=1)
    shutil.rmtree(home.with_name("raw") / "school_resources")
    run(app, ["ingest"])
    told = json.loads(run(app, ["status", "--json"]).stdout)
    owing = {(o["feed"], o["wave_id"]): o for o in told["owing"]}
    assert (
        owing["school_resources", ""]["not_submitted"] == owing["school_resources", ""]["expected"]
    )
    assert len(owing["school_resources", ""]["names"]) <= 3
    assert told["states"] == {"landed": len(told["files"])}
    whole = json.loads(run(app, ["status", "--owed", "--json"]).stdout)
    assert len(whole) == len(told["owed"]) > len(owing)
    assert {o["state"] for o in whole} == {"not_submitted", "landed"}
    listed = run(app, ["status", "--owed"]).output
    assert "未报送" in listed
    # A day that no wave says is assumed, and says so wherever it is shown.
    assert {o["due_assumed"] for o in whole if o["wave_id"]} == {False}
    assert {o["due_assumed"] for o in whole if not o["wave_id"]} == {True}
    day = owing["school_resources", ""]["due_on"]
    for shown in (listed, run(app, ["status"]).output):
        assert f"{day} ?" in shown and "平台默认日期" in shown
    wave = next(o for o in whole if o["wave_id"])
    assert f"{wave['due_on']} ?" not in listed or any(
        o["due_on"] == wave["due_on"] and o["due_assumed"] for o in whole
    )


def test_a_file_is_declared_to_replace_another(home: Path) -> None:
    raw = home.with_name("raw")
    write_sample(raw, students=120, years=1)
    old = sorted((raw / "students" / "2025-2026").glob("*.csv"))[0]
    new = old.with_name("更正.csv")
    new.write_bytes(old.read_bytes())
    names = [p.relative_to(raw).as_posix() for p in (new, old)]
    assert run(app, ["ingest", "--replaces", names[0]]).exit_code == 2
    assert run(app, ["ingest", "--replaces", f"{names[0]}={names[0]}"]).exit_code == 2
    assert run(app, ["ingest", "--replaces", f"none={names[1]}"]).exit_code == 2
    result = run(app, ["ingest", "--replaces", "=".join(names), "--json"])
    assert result.exit_code == 0
    files = json.loads(run(app, ["status", "--files", "--json"]).stdout)
    stands = {f["source_file"] for f in files}
    assert names[0] in stands and names[1] not in stands


def test_a_moment_that_can_not_be_built_is_said(home: Path) -> None:
    write_sample(home.with_name("raw"), students=60, years=1)
    result = run(app, ["build", "--as-of", "last spring"])
    assert result.exit_code == 2 and "2024-09-01T00:00+08:00" in result.output
    assert run(app, ["build", "--as-of", "2999-01-01"]).exit_code == 2
    result = run(app, ["build", "--as-of", "2024-09-01T00:00+08:00", "--json"])
    assert result.exit_code == 1 and "2024-09-01" in json.loads(result.stdout)["failure"]
    assert not (home / "landing").exists()


def test_why_spark_failed_is_told_without_stack_traces(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = [
        "    org.apache.spark.api.java.JavaSparkContext.<init>(JavaSparkContext.scala:59)",
        "    java.base/jdk.internal.reflect.Constructor.newInstance0(Native Method)",
        "\tat py4j.Gateway.invoke(Gateway.java:238)",
    ]
    reasons = [
        "dbt run: Runtime Error in model int_scores",
        "[UNRESOLVED_ROUTINE] Cannot resolve routine `main`.`stage_of` in main.stage_of(grade)",
        "main.stage_of(grade)",
        "12:00:01 ERROR StandaloneSchedulerBackend: All masters are unresponsive! Giving up.",
    ]

    def fail(*_: object) -> None:
        raise WarehouseError("\n".join([*reasons[:3], "", *frames * 50, reasons[3]]))

    monkeypatch.setattr("pipelines.build._run", fail)
    write_sample(home.with_name("raw"), students=60, years=1)
    result = run(app, ["build", "--json"])
    assert result.exit_code == 3
    assert json.loads(result.stdout)["failure"].splitlines() == reasons


def test_production_without_a_key_is_the_environments_fault(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_sample(home.with_name("raw"), students=60, years=1)
    monkeypatch.setenv("EQM_ENV", "production")
    for command in ("build", "ingest"):
        result = run(app, [command])
        assert result.exit_code == 3 and "Restore it from its backup" in result.output


def test_a_home_that_can_not_be_made_is_the_environments_fault(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_sample(home.with_name("raw"), students=60, years=1)
    home.write_text("a file where the folder should be")
    result = run(app, ["build"])
    assert result.exit_code == 3 and str(home) in result.output


def test_ingest_reports_each_feed_and_what_was_refused(home: Path) -> None:
    raw = home.with_name("raw")
    write_sample(raw, students=120, years=1)
    assert run(app, ["ingest"]).exit_code == 0
    (raw / "students" / "2025-2026" / "broken.csv").write_text("学籍号,年级\nG1,5\n")
    result = run(app, ["ingest", "--json"])
    assert result.exit_code == 1
    told = {r["feed"]: r for r in json.loads(result.stdout)}
    assert told["students"]["returned"] == 1 and told["students"]["new"] == 0
    missing = [p for p in told["students"]["problems"] if p["rule"] == "missing_column"]
    assert {p["expected"] for p in missing} >= {"学校标识码", "班级"}
    result = run(app, ["ingest"])
    assert result.exit_code == 1 and "没有找到" in result.output and "no column" in result.output


def test_check_lands_nothing(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "students.csv"
    path.write_text("学籍号,年级\nG1,5\n")
    result = run(app, ["check", str(path), "--feed", "students", "--year", "2025-2026"])
    assert result.exit_code == 1 and "no column 学校标识码" in result.output
    assert "重新报送" in result.output
    assert not (home / "landing").exists() and not (home / "quarantine").exists()
    assert run(app, ["check", str(tmp_path / "nowhere.csv")]).exit_code == 2
    assert run(app, ["check", str(path), "--feed", "pupils"]).exit_code == 2


def test_status_before_anything_was_built(home: Path) -> None:
    result = run(app, ["status"])
    assert result.exit_code == 0 and "none yet" in result.output
    told = json.loads(run(app, ["status", "--json"]).stdout)
    assert told["release"] is None and {f["feed"] for f in told["feeds"]} == set(load_contracts())


def test_no_release_no_serving_no_going_back(home: Path) -> None:
    assert "eqm build" in run(app, ["serve"]).output
    assert run(app, ["serve"]).exit_code == 1
    assert json.loads(run(app, ["releases", "list", "--json"]).stdout) == []
    assert run(app, ["releases", "rollback", "nonsense"]).exit_code == 2
    assert run(app, ["releases", "show", "nonsense"]).exit_code == 2
    assert json.loads(run(app, ["releases", "prune", "--json"]).stdout) == {"removed": []}


def test_a_port_in_use_is_said(home: Path) -> None:
    from tests.release.test_release import A, make

    make(Settings.load(), A, "2026-01-01")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        result = run(app, ["serve", "--port", port])
    assert result.exit_code == 3 and port in result.output and "--port" in result.output


def test_without_accounts_serving_says_what_to_do(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.release.test_release import A, make

    make(Settings.load(), A, "2026-01-01")
    result = run(app, ["serve", "--port", "8499"])
    assert result.exit_code == 1
    assert "尚无账户" in result.output and "eqm user add" in result.output
    assert "eqm serve --demonstration" in result.output
    result = run(app, ["serve", "--demonstration", "--port", "8499"])
    assert result.exit_code == 1 and "eqm build" in result.output, "made before lists were"
    monkeypatch.setenv("EQM_ENV", "production")
    (home / "releases" / A / "site.json").write_text('{"files": {}, "fronts": {}}')
    result = run(app, ["serve", "--demonstration", "--port", "8499"])
    assert result.exit_code == 2 and "no demonstration in production" in result.output
    assert json.loads(run(app, ["user", "list", "--json"]).stdout) == []


def test_accounts_from_the_command_line(home: Path) -> None:
    add = ["user", "add", "zhang", "--scope", "district:370402"]
    assert run(app, add).exit_code == 2, "a reason is asked for"
    added = run(app, [*add, "--reason", "head of the district", "--by", "li"])
    assert added.exit_code == 0 and "zhang 的密码" in added.output
    password = added.output.splitlines()[-1]
    assert len(password) >= 20
    assert run(app, [*add, "--reason", "again"]).exit_code == 2
    why = ["--reason", "why not"]
    assert run(app, ["user", "grant", "zhang", "--scope", "county:1", *why]).exit_code == 2
    assert run(app, ["user", "grant", "nobody", "--scope", "city", *why]).exit_code == 2
    granted = run(app, ["user", "grant", "zhang", "--scope", "city", *why])
    assert granted.exit_code == 0 and "city:370400" in granted.output
    assert "zhang 的密码" in run(app, ["user", "password", "zhang", *why]).output
    assert run(app, ["user", "disable", "zhang", *why]).exit_code == 0
    wang = ["user", "add", "wang", "--scope", "school:3137000001", "--provider", *why]
    assert "密码" not in run(app, wang).output
    (first, second) = json.loads(run(app, ["user", "list", "--json"]).stdout)
    assert (first["scope"], first["state"], first["way"]) == (
        "school:3137000001", "active", "provider",
    )  # fmt: skip
    assert (second["name"], second["state"]) == ("zhang", "disabled")
    assert "disabled" in run(app, ["user", "list"]).output
    run(app, ["user", "disable", "zhang", "--undo", *why])
    lines = json.loads(run(app, ["audit", "list", "--json"]).stdout)
    assert lines[0]["actor"] == "li" and lines[0]["detail"]["reason"] == "head of the district"
    assert [line["event"] for line in lines] == [
        "account_added", "account_granted", "password_renewed", "account_disabled",
        "account_added", "account_enabled",
    ]  # fmt: skip
    assert password not in json.dumps(lines)
    assert "head of the district" in run(app, ["audit", "list"]).output


def test_the_audit_log_is_verified_from_the_command_line(home: Path) -> None:
    run(app, ["user", "add", "zhang", "--scope", "city", "--reason", "head of the centre"])
    run(app, ["user", "disable", "zhang", "--reason", "has left"])
    result = run(app, ["audit", "verify"])
    assert result.exit_code == 0 and "2 lines, up to 2:" in result.output
    end = json.loads(run(app, ["audit", "verify", "--json"]).stdout)["end"]
    assert run(app, ["audit", "verify", "--noted", end]).exit_code == 0
    assert run(app, ["audit", "verify", "--noted", "nonsense"]).exit_code == 2
    assert run(app, ["audit", "prune"]).output == "removed 0 lines\n"
    with sqlite3.connect(home / "gate" / "accounts.sqlite") as con:
        con.execute("drop trigger gate_audit_kept")
        con.execute("update gate_audit set actor = 'somebody else' where seq = 1")
    con.close()
    result = run(app, ["audit", "verify"])
    assert result.exit_code == 1 and "line 1 was changed" in result.output


def test_doctor_finds_what_is_wrong(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {f["what"]: f for f in json.loads(run(app, ["doctor", "--json"]).stdout)}
    assert told["packages"]["state"] == "ok" and told["pseudonym key"]["state"] == "hint"
    key = home.with_name("key") / "pseudonym.key"
    key.parent.mkdir()
    key.write_text("00" * 32)
    key.chmod(0o644)
    monkeypatch.setenv("EQM_LEDGER_URL", "postgresql+psycopg://eqm:secret@127.0.0.1:1/eqm")
    result = run(app, ["doctor"])
    assert result.exit_code == 3 and f"chmod 600 {key}" in result.output
    assert "EQM_LEDGER_URL" in result.output and "secret" not in result.output


def test_the_next_run_is_the_next_two_o_clock_in_the_city() -> None:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    settings, zone = Settings.load(), ZoneInfo("Asia/Shanghai")
    for now, day in (((2026, 3, 1, 1, 59), 1), ((2026, 3, 1, 2, 0), 2), ((2026, 3, 1, 23, 0), 2)):
        assert next_run(settings, datetime(*now, tzinfo=zone)) == datetime(
            2026, 3, day, 2, tzinfo=zone
        )
    utc = datetime(2026, 3, 1, 17, 59, tzinfo=ZoneInfo("UTC"))
    assert next_run(settings, utc) == datetime(2026, 3, 2, 2, tzinfo=zone)
