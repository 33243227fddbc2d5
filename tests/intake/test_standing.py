"""Which rows stand when files overlap: the newer file's, whole files where nothing overlaps."""

import shutil
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.feeds import load_contracts
from pipelines.intake import Ledger, Standing, freeze, keys, sweep
from pipelines.intake.ingest import landed_path
from pipelines.settings import Settings
from tests.intake.conftest import FILES, NUMBERS, Handed

RESULTS = "monitoring_results"


def rows(standing: Standing, query: str, feed: str = RESULTS) -> list[tuple[object, ...]]:
    with duckdb.connect() as con:
        con.execute(
            f"create view standing as from "
            f"read_parquet('{standing.path}/{feed}/*/*.parquet', union_by_name = true)"
        )
        return con.execute(query).fetchall()


def test_where_nothing_overlaps_the_landed_files_stand(settled: Handed) -> None:
    standing = freeze(settled.settings)
    linked = list((standing.path / RESULTS).rglob("*.parquet"))
    assert len(linked) == 2 and all(p.stat().st_nlink == 2 for p in linked)
    assert standing.rows[RESULTS] == 6 and not standing.problems
    assert set(standing.rows) == set(load_contracts())


def test_a_feed_without_files_stands_empty_with_its_columns(handed: Handed) -> None:
    (handed.settings.raw / "staff/2023-2024/t.csv").unlink()
    handed.ingest()
    standing = freeze(handed.settings)
    assert rows(standing, "select * from standing", "staff") == []
    found = rows(standing, "select column_name, column_type from (describe standing)", "staff")
    assert {str(n): str(t).lower() for n, t in found} == {
        n: t.replace("decimal(9,3)", "decimal(9,3)")
        for n, t in load_contracts()["staff"].landed.items()
    }


def test_the_newer_file_stands_and_both_are_named(settled: Handed) -> None:
    header = FILES[f"{RESULTS}/b.csv"].splitlines()[0]
    changed = f"W24,{NUMBERS[2]},3137000002,5,1,语文,71,"
    equal = f"W24,{NUMBERS[2]},3137000002,5,1,数学,,缓考"
    settled.write(f"{RESULTS}/a0.csv", f"{header}\n{equal}\n{changed}\n")
    settled.ingest()
    standing = freeze(settled.settings)
    assert standing.rows[RESULTS] == 6
    query = "select subject, score::varchar, source_file from standing where score in (70, 71)"
    assert rows(standing, query) == [("chinese", "71.000", f"{RESULTS}/2023-2024/a0.csv")]
    assert [(p.rule, p.file, p.row_first, p.count, p.expected) for p in standing.problems] == [
        (
            "differs_between_files",
            f"{RESULTS}/2023-2024/a0.csv",
            3,
            1,
            f"{RESULTS}/2023-2024/b.csv",
        )
    ]
    assert "较新" in standing.problems[0].text("zh") or "新" in standing.problems[0].text("zh")


def test_an_old_file_under_another_name_does_not_overturn_its_correction(settled: Handed) -> None:
    name = f"{RESULTS}/b.csv"
    settled.write(f"{RESULTS}/c.csv", FILES[name].replace(",70,", ",72,"))
    settled.ingest()
    for copy in ("d", "a0"):
        settled.write(f"{RESULTS}/{copy}.csv", FILES[name])
        settled.ingest()
        query = "select score::varchar from standing where score in (70, 72)"
        assert rows(freeze(settled.settings), query) == [("72.000",)]


def test_of_two_files_that_arrive_together_the_correction_stands(handed: Handed) -> None:
    name = f"{RESULTS}/b.csv"
    (handed.settings.raw / RESULTS / "2023-2024" / "b.csv").unlink()
    handed.write(f"{RESULTS}/成绩.csv", FILES[name])
    handed.write(f"{RESULTS}/成绩-更正.csv", FILES[name].replace(",70,", ",72,"))
    handed.ingest()
    standing = freeze(handed.settings)
    assert rows(standing, "select score::varchar from standing where score in (70, 72)") == [
        ("72.000",)
    ]
    (problem,) = standing.problems
    assert problem.file.endswith("成绩-更正.csv") and problem.expected.endswith("成绩.csv")


def test_the_same_state_is_frozen_once_and_swept_when_unused(settled: Handed) -> None:
    first = freeze(settled.settings)
    stamp = (first.path / "standing.json").stat().st_mtime_ns
    settled.ingest()
    assert freeze(settled.settings) == first
    assert (first.path / "standing.json").stat().st_mtime_ns == stamp
    (settled.settings.raw / RESULTS / "2023-2024/b.csv").unlink()
    settled.ingest()
    second = freeze(settled.settings)
    assert second.digest != first.digest and second.rows[RESULTS] == 4
    sweep(settled.settings, {second.path.name})
    assert [p.name for p in settled.settings.standing.iterdir()] == [second.path.name]


def test_what_a_killed_process_left_is_made_anew(settled: Handed) -> None:
    path = freeze(settled.settings).path
    expected = sorted(p.relative_to(path) for p in path.rglob("*"))
    (path / "standing.json").unlink()
    (path / RESULTS / "2023-2024" / "half.parquet").write_bytes(b"half")
    path.with_name(f"{path.name}.building").mkdir()
    assert sorted(p.relative_to(path) for p in freeze(settled.settings).path.rglob("*")) == expected


def test_after_a_change_only_what_is_new_is_read(
    handed: Handed, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed.ingest()
    first = freeze(handed.settings)
    before = {p.name: p.stat().st_ino for p in first.path.rglob("*.parquet")}
    name = f"{RESULTS}/b.csv"
    handed.write(name, FILES[name].replace(",70,", ",72,"))
    handed.ingest()
    looked_at: list[Path] = []
    read = keys._read
    monkeypatch.setattr(keys, "_read", lambda paths: looked_at.extend(paths) or read(paths))
    second = freeze(handed.settings)
    (new,) = looked_at
    assert rows(second, "select count(*) from standing where score = 72") == [(1,)]
    after = {p.name: p.stat().st_ino for p in second.path.rglob("*.parquet")}
    told = {n for n in {*before, *after} if before.get(n) != after.get(n)}
    gone = {p.name for p in (first.path / RESULTS).rglob("*.parquet")} - set(after)
    hashes = {p.name for p in (second.path / keys.FOLDER).iterdir() if p.name.startswith(RESULTS)}
    assert told == {new.name, *gone, *hashes} and len(gone) == len(hashes) == 1


def landed(home: Path, files: list[pd.DataFrame], order: list[int]) -> Settings:
    """Files put straight into landing and ledger, arriving in this order."""
    own = Settings.load(
        raw=home.with_name("raw"), home=home, pseudonym_key_file=home.parent / "key"
    )
    types = ", ".join(
        f'try_cast("{c}" as {t}) as "{c}"' for c, t in load_contracts()["districts"].landed.items()
    )
    entries = []
    for i, frame in enumerate(files):
        submission_id = f"{i:016d}"
        whole = frame.assign(
            district_kind="county", school_year="2023-2024", source_file=f"{i}.csv",
            source_sheet=None, source_row=np.arange(2, 2 + len(frame)), file_sha256="0",
            key_id=None, loaded_at=None,
        )  # fmt: skip
        path = landed_path(own, "districts", "2023-2024", submission_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        with duckdb.connect() as con:
            con.register("whole", pa.Table.from_pandas(whole, preserve_index=False))
            pq.write_table(con.sql(f"select {types} from whole").to_arrow_table(), path)
        entries.append(
            {
                "submission_id": submission_id, "feed": "districts", "school_year": "2023-2024",
                "source_file": f"{i}.csv", "file_sha256": "0", "state": "landed",
                "rows_read": len(frame), "rows_landed": len(frame), "problems": [],
                "received_at": datetime(2024, 1, 1) + timedelta(days=order.index(i)),
            }
        )  # fmt: skip
    Ledger(own).record(entries, {})
    return own


file_of_districts = st.dictionaries(
    st.integers(0, 5), st.integers(0, 2), min_size=1, max_size=6
).map(
    lambda rows: pd.DataFrame(
        {
            "district_code": [str(k) for k in rows],
            "district_name": [str(v) for v in rows.values()],
        }
    )
)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_standing_is_what_pandas_keeps(tmp_path_factory: object, data: st.DataObject) -> None:
    files = data.draw(st.lists(file_of_districts, min_size=1, max_size=5))
    order = data.draw(st.permutations(range(len(files))))
    home = tmp_path_factory.mktemp("standing") / "home"  # type: ignore[attr-defined]
    standing = freeze(landed(home, files, order))
    frames = [files[i].assign(source_file=f"{i}.csv") for i in order]
    expected = pd.concat(frames).drop_duplicates("district_code", keep="last")
    query = "select district_code, district_name, source_file from standing order by 1"
    assert rows(standing, query, "districts") == [
        tuple(row)
        for row in expected.sort_values("district_code")[
            ["district_code", "district_name", "source_file"]
        ].itertuples(index=False)
    ]
    assert standing.rows["districts"] == len(expected)
    # A digest is equal for equal rows, whatever the order of arrival, where nothing overlaps.
    if sum(map(len, files)) == len(expected):
        other = freeze(landed(home.parent / "other", files, sorted(order)))
        assert other.digest == standing.digest


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_a_state_made_from_the_one_before_is_the_one_made_anew(
    tmp_path_factory: object, data: st.DataObject
) -> None:
    files = data.draw(st.lists(file_of_districts, min_size=2, max_size=5))
    order = data.draw(st.permutations(range(len(files))))
    stands = st.lists(st.booleans(), min_size=len(files), max_size=len(files))
    home = tmp_path_factory.mktemp("standing") / "home"  # type: ignore[attr-defined]
    own = landed(home, files, order)
    aside = home / "aside"

    def frozen() -> tuple[object, ...]:
        standing = freeze(own)
        found = sorted(standing.path.glob("*/*/*.parquet"))
        content = [pq.read_table(p, partitioning=None).to_pylist() for p in found]
        names = [p.relative_to(standing.path) for p in found]
        return standing.digest, standing.rows, standing.problems, names, content

    for step in data.draw(st.lists(stands, min_size=2, max_size=4)):
        states = {f"{i:016d}": "landed" if yes else "withdrawn" for i, yes in enumerate(step)}
        Ledger(own).record([], states)
        from_before = frozen()
        own.standing.rename(aside)
        assert frozen() == from_before
        shutil.rmtree(own.standing)
        aside.rename(own.standing)


def test_many_files_of_a_year_lie_in_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands is the same as file by file, and is made anew only where a file changed."""
    random = np.random.default_rng(7)
    files = [
        pd.DataFrame(
            {
                "district_code": [str(c) for c in random.choice(90, size=8, replace=False)],
                "district_name": [f"{i}-{j}" for j in range(8)],
            }
        )
        for i in range(30)
    ]
    own = landed(tmp_path / "home", files, list(range(30)))
    query = "select * exclude (loaded_at) from standing order by all"
    monkeypatch.setattr("pipelines.intake.standing.FEW", 100)
    one_by_one = rows(freeze(own), query, "districts")
    assert len(list(freeze(own).path.glob("districts/*/*.parquet"))) == 30
    shutil.rmtree(own.standing)
    monkeypatch.setattr("pipelines.intake.standing.FEW", 20)
    first = freeze(own)
    (joined,) = first.path.glob("districts/*/*.parquet")
    assert rows(first, query, "districts") == one_by_one and len(one_by_one) <= 90
    # Another feed's file leaves it as it is; one of its own does not.
    Ledger(own).record([], {"0000000000000029": "withdrawn"})
    (changed,) = freeze(own).path.glob("districts/*/*.parquet")
    assert changed.name != joined.name
    Ledger(own).record([], {"0000000000000029": "landed"})
    shutil.rmtree(freeze(own).path)
    (again,) = freeze(own).path.glob("districts/*/*.parquet")
    assert again.name == joined.name and again.read_bytes() == joined.read_bytes()
