"""A student is forgotten: nothing of the student is left, and nothing comes back."""

import json
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from dashboards.gate import open_accounts
from pipelines import forget, rosters, warehouse
from pipelines.build import build
from pipelines.cli import app
from pipelines.doctor import examine as doctor
from pipelines.feeds import load_contracts
from pipelines.intake import (
    IntakeError,
    Ledger,
    NoKey,
    examine,
    freeze,
    gather,
    load_key,
    problems,
    take,
)
from pipelines.intake import erase as landing
from pipelines.intake import forgotten as known
from pipelines.intake.pseudonym import key_id
from pipelines.settings import Settings
from tests.intake.conftest import FILES, NUMBERS, YEAR, Handed, filled
from tests.release.made_up import made_up_release

FEEDS = ("students", "monitoring_results")
NUMBER = NUMBERS[0]
WIDE_NUMBER = "".join(chr(ord(c) + 0xFEE0) for c in f"{NUMBER[:9]}") + f" {NUMBER[9:]}"
WHY = {"reason": "the parents asked for it", "by": "zhang"}


@pytest.fixture
def city(tmp_path: Path) -> Handed:
    """The tiny city, ingested; the first student is in rolls of two years, results and items."""
    made = filled(tmp_path)
    for name in ("districts/d.csv", "schools/s.csv", "students/a.csv"):
        made.write(name, FILES[name], "2022-2023")
    made.ingest()
    return made


def pseudonym(settings: Settings, number: str = NUMBER) -> str:
    return known.digest_of(load_key(settings), number)


def rows(made: Handed, feed: str) -> list[str]:
    """The students of the standing rows of a feed, each row once."""
    with duckdb.connect() as con:
        files = f"{freeze(made.settings).path}/{feed}/*/*.parquet"
        query = f"select student_key from read_parquet('{files}', union_by_name = true)"
        return [key for (key,) in con.execute(query).fetchall()]


def files_with(home: Path, word: str) -> list[str]:
    """Files of the home in which a word stands, as bytes or in Parquet's and DuckDB's tables."""
    found = []
    for path in sorted(home.rglob("*")):
        if not path.is_file() or path.is_symlink():
            continue
        texts = [path.read_bytes().decode("latin-1")]
        with duckdb.connect() as con:
            if path.suffix == ".parquet":
                texts.append(str(con.execute(f"from read_parquet('{path}')").fetchall()))
            elif path.suffix == ".duckdb":
                con.execute(f"attach '{path}' as held (read_only)")
                tables = con.execute(
                    "select schema_name, table_name from duckdb_tables() "
                    "where database_name = 'held'"
                ).fetchall()
                texts += [str(con.execute(f"from held.{s}.{t}").fetchall()) for s, t in tables]
        if any(word in text for text in texts):
            found.append(path.relative_to(home).as_posix())
    return found


def test_every_row_goes_and_no_other(city: Handed) -> None:
    settings, own = city.settings, pseudonym(city.settings)
    before = {feed: rows(city, feed) for feed in FEEDS}
    assert before["students"].count(own) == before["monitoring_results"].count(own) == 2
    found = forget.look(settings, NUMBER)
    assert found.as_dict()["feeds"] == {
        "monitoring_results": {YEAR: 2},
        "students": {"2022-2023": 1, YEAR: 1},
    }
    assert forget.forget(settings, NUMBER, **WHY).landed == found.landed
    for feed in FEEDS:
        assert sorted(rows(city, feed)) == sorted(key for key in before[feed] if key != own)
    assert files_with(settings.home, own) == ["ledger/ledger.sqlite"]
    assert not files_with(settings.home, NUMBER)
    assert not forget.look(settings, NUMBER).anything


def test_what_is_known_of_a_file_is_what_is_there(city: Handed) -> None:
    settings = city.settings
    forget.forget(settings, NUMBER, **WHY)
    for one in Ledger(settings).submissions(state="landed"):
        path = (
            settings.landing / one["feed"] / one["school_year"] / f"{one['submission_id']}.parquet"
        )
        with duckdb.connect() as con:
            (n,) = con.execute(f"select count(*) from read_parquet('{path}')").fetchall()[0]
        assert one["rows_landed"] == n, one
        theirs = one["feed"] in FEEDS and one["source_file"].endswith("/a.csv")
        assert one["rows_forgotten"] == int(theirs), one
        if one["feed"] == "students":
            assert one["rows_read"] == one["rows_landed"] + one["rows_forgotten"]
    view = freeze(settings)
    assert view.rows["students"] == len(rows(city, "students"))


@pytest.mark.parametrize(
    "written",
    [
        f" {NUMBER} ", NUMBER.lower(), f"'{NUMBER}", f"{NUMBER[:7]} {NUMBER[7:]}\u3000",
        "".join(chr(ord(c) + 0xFEE0) for c in NUMBER),
    ],
)  # fmt: skip
def test_a_number_is_read_as_intake_reads_it(city: Handed, written: str) -> None:
    assert (
        forget.look(city.settings, written).as_dict()
        == forget.look(city.settings, NUMBER).as_dict()
    )
    assert len(forget.look(city.settings, written).landed) == 3


@hypothesis_settings(max_examples=40, deadline=None)
@given(
    st.text("GJL0123456789X", min_size=1, max_size=19),
    st.lists(st.sampled_from(["", " ", "\u3000", "\u00a0", "\t"]), min_size=20, max_size=20),
    st.booleans(),
)
def test_however_a_number_is_written_it_is_known_by_one_digest(
    number: str, blanks: list[str], wide: bool
) -> None:
    shown = "".join(chr(ord(c) + 0xFEE0) for c in number) if wide else number.lower()
    written = "".join(blank + c for blank, c in zip(blanks, shown, strict=False)) + blanks[-1]
    key = b"k" * 32
    assert known.digest_of(key, written) == known.digest_of(key, number)
    whose = known.Forgotten(key, frozenset([known.digest_of(key, number)]))
    assert whose.are_in(pa.array(["", None, "S01", written]))
    assert not whose.are_in(pa.array(["", None, f"{number}0", "无"]))


def test_nobody_of_that_number_changes_nothing(city: Handed) -> None:
    settings = city.settings
    before = freeze(settings).digest
    assert not forget.forget(settings, "G370499201001019999", **WHY).anything
    assert not Ledger(settings).events([known.BEGUN]) and freeze(settings).digest == before
    assert not settings.forgotten_key_file.exists()
    for nothing in ("", "  ", "—"):
        with pytest.raises(IntakeError, match="number"):
            forget.forget(settings, nothing, **WHY)
    with pytest.raises(IntakeError, match="reason"):
        forget.forget(settings, NUMBER, " ", "zhang")


def test_the_second_time_there_is_nothing_to_do(city: Handed) -> None:
    settings = city.settings
    forget.forget(settings, NUMBER, **WHY)
    digest = freeze(settings).digest
    found = forget.forget(settings, NUMBER, **WHY)
    assert not found.anything and found.before is not None
    assert len(Ledger(settings).events([known.BEGUN])) == 1
    assert freeze(settings).digest == digest


def test_a_file_that_is_read_again_does_not_bring_the_student_back(city: Handed) -> None:
    settings, own = city.settings, pseudonym(city.settings)
    forget.forget(settings, NUMBER, **WHY)
    city.ingest()
    # The same student in a new version of the file, and alone in a file of another year.
    city.add("students/a.csv", "S09,赵六,第一小学,5,1,男")
    alone = "".join(FILES["students/a.csv"].splitlines(keepends=True)[:2])
    city.write("students/only.csv", alone, "2022-2023")
    reports = city.ingest()["students"]
    assert (reports.new, reports.returned) == (2, 0)
    assert own not in rows(city, "students")
    landed = {
        s["source_file"]: (s["rows_read"], s["rows_landed"], s["rows_forgotten"])
        for s in Ledger(settings).submissions("students", "landed")
    }
    assert landed[f"students/{YEAR}/a.csv"] == (3, 2, 1)
    assert landed["students/2022-2023/only.csv"] == (1, 0, 1)
    assert files_with(settings.home, own) == ["ledger/ledger.sqlite"]


def test_equal_rows_have_equal_digests_whichever_came_first(city: Handed, tmp_path: Path) -> None:
    settings = city.settings
    forget.forget(settings, NUMBER, **WHY)
    after = freeze(settings)
    other = settings.model_copy(update={"home": tmp_path / "other"})
    Ledger(other).tell(Ledger(settings).events([known.BEGUN, known.DONE]))
    fresh = Handed(other)
    fresh.ingest()
    assert freeze(other).digest == after.digest and freeze(other).rows == after.rows


def test_schools_are_told_nothing_of_a_student_who_is_forgotten(city: Handed) -> None:
    settings = city.settings
    forget.forget(settings, NUMBER, **WHY)
    # Her row has an error now, and would stand in two classes.
    row = FILES["students/a.csv"].splitlines()[1]
    city.add("students/a.csv", row.replace("五年级,1", "十三年级,2"), "S09,,第一小学,5,1,第三种")
    city.ingest()
    told = [p for p in problems(settings) if p.file == f"students/{YEAR}/a.csv"]
    assert told and {p.row_first for p in told if p.row_first} == {5}
    path = settings.raw / "students" / YEAR / "a.csv"
    (checked,) = examine(settings, [path])
    assert {p.row_first for p in checked.problems if p.row_first} == {5}
    words = "".join(p.text(lang) for p in told for lang in ("zh", "en"))
    assert NUMBER not in words and NUMBER[-4:] not in words


def test_results_in_the_wide_form_go_with_their_cells(city: Handed) -> None:
    forget.forget(city.settings, NUMBER, **WHY)
    city.add("monitoring_results/a.csv", f"W24,{NUMBERS[3]},,第二小学,5,1,80,90,170")
    assert city.ingest()["monitoring_results"].returned == 0
    assert pseudonym(city.settings) not in rows(city, "monitoring_results")
    assert rows(city, "monitoring_results").count(pseudonym(city.settings, NUMBERS[3])) == 2


@pytest.mark.parametrize("piece", [1, 2, 500_000])
def test_a_large_file_in_pieces_is_read_without_the_student(
    city: Handed, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    settings = city.settings
    forget.forget(settings, NUMBER, **WHY)
    monkeypatch.setattr(take, "LARGE_BYTES", 10)
    monkeypatch.setattr(gather, "PIECE_ROWS", piece)
    alone = "".join(FILES["students/a.csv"].splitlines(keepends=True)[:2])
    city.write("students/only.csv", alone)
    city.add("students/a.csv", "S09,赵六,第一小学,5,1,男", "S10,赵七,第一小学,5,1,男")
    city.add("monitoring_results/a.csv", f"W24,{NUMBERS[3]},,第二小学,5,1,80,90,170")
    reports = city.ingest()
    assert not reports["students"].returned and not reports["monitoring_results"].returned
    for feed in FEEDS:
        assert pseudonym(settings) not in rows(city, feed)
    landed = {
        s["source_file"]: (s["rows_read"], s["rows_landed"], s["rows_forgotten"])
        for s in Ledger(settings).submissions("students", "landed")
    }
    assert landed[f"students/{YEAR}/a.csv"] == (4, 3, 1)
    assert landed[f"students/{YEAR}/only.csv"] == (1, 0, 1)


def test_under_a_new_key_the_student_stays_forgotten(city: Handed) -> None:
    settings = city.settings
    old = pseudonym(settings)
    forget.forget(settings, NUMBER, **WHY)
    settings.pseudonym_key_file.write_text(secrets.token_hex(32))
    city.ingest()
    new = pseudonym(settings)
    assert new != old and len(rows(city, "students")) == 4
    assert not {old, new} & set(rows(city, "students"))
    assert not files_with(settings.home, new)


def test_what_was_read_under_a_former_key_needs_that_key(city: Handed, tmp_path: Path) -> None:
    settings = city.settings
    old, former = pseudonym(settings), tmp_path / "former.key"
    former.write_bytes(settings.pseudonym_key_file.read_bytes())
    settings.pseudonym_key_file.write_text(secrets.token_hex(32))
    city.ingest()
    first = forget.forget(settings, NUMBER, **WHY)
    assert first.other_keys == {key_id(bytes.fromhex(former.read_text())): 5}
    assert len(files_with(settings.home, old)) == 3
    again = forget.forget(settings, NUMBER, **WHY, former=[former])
    assert len(again.landed) == 3 and not again.other_keys
    assert files_with(settings.home, old) == ["ledger/ledger.sqlite"]


def test_without_the_key_of_the_forgotten_nothing_is_read(city: Handed) -> None:
    forget.forget(city.settings, NUMBER, **WHY)
    path = city.settings.forgotten_key_file
    assert path.stat().st_mode & 0o777 == 0o600
    key = path.read_bytes()
    for other in (None, secrets.token_hex(32).encode()):
        path.unlink()
        if other:
            path.write_bytes(other)
        with pytest.raises(NoKey, match="1 students are forgotten"):
            city.ingest()
        with pytest.raises(NoKey):
            forget.look(city.settings, NUMBERS[1])
        with pytest.raises(NoKey):
            build(city.settings, print)
        (told,) = [one for one in doctor(city.settings) if one.what == "forgotten students"]
        assert told.state == "missing"
        path.write_bytes(key)
    (told,) = [one for one in doctor(city.settings) if one.what == "forgotten students"]
    assert told.state == "missing" and "chmod 600" in told.mend
    path.chmod(0o600)
    (told,) = [one for one in doctor(city.settings) if one.what == "forgotten students"]
    assert (told.state, told.found[:2]) == ("ok", "1,")
    city.ingest()


def test_a_moment_of_the_past_is_without_the_student(city: Handed) -> None:
    settings, own = city.settings, pseudonym(city.settings)
    moment = datetime.now(UTC) + timedelta(microseconds=1)
    past = settings.model_copy(update={"as_of": moment.isoformat()})
    first = freeze(past)
    city.write("students/b.csv", FILES["students/b.csv"] + "S09,第二小学,五年级,1,男\n")
    city.ingest()
    forget.forget(settings, NUMBER, **WHY)
    assert not first.path.exists()
    view = freeze(past)
    assert view.digest != first.digest and view.rows["students"] == first.rows["students"] - 2
    assert own not in rows(Handed(past), "students")


Step = Callable[..., object]


@pytest.mark.parametrize("after", range(1, 7))
def test_what_a_killed_process_leaves_is_finished_by_the_next(
    city: Handed, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """Killed at each replacement of a file, and before the end is told."""
    settings, own = city.settings, pseudonym(city.settings)
    made_up_release(settings, "0123456789ab", own)
    left = after

    def killed(step: Step) -> Step:
        def stand_in(*args: object, **given: object) -> object:
            nonlocal left
            left -= 1
            if not left:
                raise KeyboardInterrupt
            return step(*args, **given)

        return stand_in

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed(Path.replace))
        patch.setattr(Ledger, "end_forgetting", killed(Ledger.end_forgetting))
        with pytest.raises(KeyboardInterrupt):
            forget.forget(settings, NUMBER, **WHY)
    assert forget.finish(settings) == 1
    assert forget.finish(settings) == 0
    assert files_with(settings.home, own) == ["ledger/ledger.sqlite"]
    assert not list(settings.landing.rglob("*.tmp"))
    gone = sum(s["rows_forgotten"] for s in Ledger(settings).submissions())
    assert gone == 3
    assert own not in rows(city, "students")
    record = json.loads((settings.releases / "0123456789ab" / "release.json").read_text())
    assert record["rows"] == warehouse.row_counts(
        settings.releases / "0123456789ab" / "warehouse.duckdb"
    )


def test_templates_are_filled_in_without_the_student(city: Handed) -> None:
    for at, number in enumerate((None, NUMBER)):
        if number:
            forget.forget(city.settings, number, **WHY)
        given = rosters.known(
            city.settings, load_contracts()["monitoring_results"], "3137000001", "W24", None
        )
        held = str([*given.rows])
        assert (NUMBER in held) == (number is None) and NUMBERS[1] in held
        assert len(given.rows) == 2 - at


def test_releases_lose_the_rows_and_keep_their_figures(city: Handed) -> None:
    settings, own = city.settings, pseudonym(city.settings)
    path = made_up_release(settings, "0123456789ab", own)
    other = made_up_release(settings, "ba9876543210", "somebody else")
    untouched = other.read_bytes()
    before = path.read_bytes()
    with path.open("rb") as reader:
        found = forget.forget(settings, NUMBER, **WHY)
        # Whoever reads it goes on reading.
        assert reader.read() == before
    assert found.releases == {"0123456789ab": 2}
    assert other.read_bytes() == untouched
    with duckdb.connect(str(path), read_only=True) as con:
        assert con.execute("from marts.attainment").fetchall() == [("city", 2)]
        assert con.execute("select student_key from restricted.dim_student").fetchall() == [("b",)]
        assert con.execute("select count(*) from restricted.student_growth").fetchone() == (1,)
    record = json.loads((path.parent / "release.json").read_text())
    assert [went["rows"] for went in record["removed"]] == [2]
    assert record["rows"] == warehouse.row_counts(path)
    assert "removed" not in json.loads((other.parent / "release.json").read_text())


def test_copies_that_hold_the_number_go(city: Handed) -> None:
    settings = city.settings
    # One refused for another student, one for her alone, and a workbook with a query.
    city.add("students/a.csv", "S09,,第九小学,5,1,男")
    city.write(f"monitoring_results/{NUMBER}.csv", "没有表头\n")
    city.write("students/c.csv", "学籍号,学校,年级,班,性别\nS10,第九小学,五年级,1,女\n")
    city.ingest()
    found = forget.look(settings, NUMBER)
    places = sorted(path.relative_to(settings.home).parts[:2] for path in found.copies)
    assert places == [
        ("feedback", "monitoring_results"), ("feedback", "students"),
        ("quarantine", "monitoring_results"), ("quarantine", "students"),
    ]  # fmt: skip
    assert NUMBER not in str(found.as_dict())
    assert f"students/{YEAR}/a.csv" in found.raw and not found.unread
    other = [p for p in settings.quarantine.rglob("c.*.csv") if "problems" not in p.name]
    forget.forget(settings, NUMBER, **WHY)
    assert not [path for path in found.copies if path.exists()]
    assert [path.exists() for path in other] == [True]
    assert not files_with(settings.home, NUMBER)
    assert not [p for p in settings.home.rglob("*") if NUMBER in p.name]


def test_who_is_only_in_a_refused_file_is_left_out_once_it_is_mended(city: Handed) -> None:
    settings = city.settings
    bad = "学籍号,学校,年级,班,性别\nS77,第九小学,五年级,1,女\nS78,第二小学,五年级,1,女\n"
    city.write("students/c.csv", bad)
    city.ingest()
    assert not forget.look(settings, "S77").landed
    assert forget.forget(settings, "S77", **WHY).copies
    city.write("students/c.csv", bad.replace("第九", "第一"))
    assert city.ingest()["students"].returned == 0
    assert pseudonym(settings, "S78") in rows(city, "students")
    assert pseudonym(settings, "S77") not in rows(city, "students")


def test_after_a_backup_was_put_back_they_are_forgotten_again(city: Handed) -> None:
    settings, own = city.settings, pseudonym(city.settings)
    saved = {path: path.read_bytes() for path in settings.landing.rglob("*.parquet")}
    forget.forget(settings, NUMBER, **WHY)
    forget.forget(settings, NUMBERS[1], **WHY)
    for path, content in saved.items():
        path.write_bytes(content)
    assert forget.again(settings, "zhang") == 2
    assert forget.again(settings, "zhang") == 0
    assert files_with(settings.home, own) == ["ledger/ledger.sqlite"]
    assert len(known.the_forgotten(settings, Ledger(settings)).digests) == 2


def test_audit_log_and_ledger_tell_of_it_and_of_nobody(city: Handed) -> None:
    settings = city.settings
    forget.forget(
        settings, f" {NUMBER}", f"of {NUMBER.lower()}, {WIDE_NUMBER}, {NUMBERS[1]}", "zhang"
    )
    _, audit, _ = open_accounts(settings)
    (line,) = [one for one in audit.lines() if one.event == "student_forgotten"]
    assert line.actor == "zhang" and line.detail["files"] == 3
    assert line.detail["reason"] == "of …, …, …1232"
    assert audit.verify().faults == []
    begun, done = Ledger(settings).events([known.BEGUN, known.DONE])
    assert (begun["by"], begun["reason"]) == ("zhang", line.detail["reason"])
    assert begun["detail"].keys() == {"person", "key_id", "known_as"}
    assert begun["detail"]["known_as"] == {key_id(load_key(settings)): pseudonym(settings)}
    assert begun["detail"]["person"].startswith(line.detail["person"])
    assert done["detail"] == {"event_id": begun["event_id"]}
    for path in settings.home.rglob("*"):
        if path.is_file():
            assert NUMBER.encode() not in path.read_bytes(), path


def test_the_command_asks_first_and_shows_no_number(
    city: Handed, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, own = city.settings, pseudonym(city.settings)
    monkeypatch.setenv("EQM_PSEUDONYM_KEY_FILE", str(settings.pseudonym_key_file))
    places = ["--raw", str(settings.raw), "--home", str(settings.home)]
    asked = ["forget", "--student", "-", "--reason", "asked", "--no-build", *places]
    run = CliRunner().invoke

    refused = run(app, asked, input=f"{NUMBER}\nn\n")
    assert refused.exit_code == 1 and "students" in refused.output
    assert own in rows(city, "students")
    done = run(app, [*asked, "--yes", "--json"], input=f"{NUMBER}\n")
    told = json.loads(done.stdout)
    assert done.exit_code == 0 and told["removed"] and told["rows"] == 4
    again = run(app, [*asked, "--yes"], input=f"{NUMBER}\n")
    assert again.exit_code == 0 and "Forgotten already" in again.output
    unknown = run(app, [*asked, "--yes"], input="S99\n")
    assert unknown.exit_code == 1 and "查无此人" in unknown.output
    listed = run(app, ["audit", "list", "--home", str(settings.home)])
    assert listed.output.count("student_forgotten") == 1
    for one in (refused, done, again, unknown, listed):
        assert not any(word in one.output for word in (NUMBER, own, "Traceback"))
    for wrong in (["forget", *places], ["forget", "--student", "S1", *places],
                  ["forget", "--student", "S1", "--again", "--reason", "x", *places]):  # fmt: skip
        assert run(app, wrong).exit_code == 2
    assert run(app, ["forget", "--again", *places]).exit_code == 0


@hypothesis_settings(
    max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(gone=st.sets(st.sampled_from(NUMBERS)), before=st.sets(st.sampled_from(NUMBERS)))
def test_any_students_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, gone: set[str], before: set[str]
) -> None:
    """Before a file is read, and after: what stands is everybody else."""
    made = filled(tmp_path_factory.mktemp("any"))
    made.ingest()
    for number in sorted(before):
        forget.forget(made.settings, number, **WHY)
    made.add("students/a.csv", "S09,赵六,第一小学,5,1,男")
    made.ingest()
    for number in sorted(gone - before):
        forget.forget(made.settings, number, **WHY)
    stay = {pseudonym(made.settings, n) for n in {*NUMBERS, "S09"} - gone - before}
    assert set(rows(made, "students")) == stay
    assert set(rows(made, "monitoring_results")) <= stay
    assert not landing.held(
        made.settings, {pseudonym(made.settings, number) for number in gone | before}
    )
