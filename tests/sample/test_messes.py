"""The catalogue of messes: every one opens, describes the clean rows, and stands where it says."""

import atexit
import hashlib
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.feeds import load_contracts, rules
from pipelines.sample import MESSES, Handed, Register, apply, write_messy, write_sample
from tests.sample.reading import landed, plain, sheets

Tables = dict[str, pd.DataFrame]
HARMLESS = [m.id for m in MESSES.values() if not m.refused]
HARMFUL = [m.id for m in MESSES.values() if m.refused]


@cache
def city() -> tuple[dict[str, list[tuple[str, Tables]]], Register, Path]:
    """Clean tables by feed with the names of their files, and who is who."""
    folder = Path(tempfile.mkdtemp(prefix="eqm-messes-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    out = folder / "raw"
    write_sample(out, students=2500, years=1, seed=3)
    tables: dict[str, list[tuple[str, Tables]]] = {feed: [] for feed in load_contracts()}
    for feed, found in tables.items():
        for path in sorted((out / feed).rglob("*.*")):
            if path.suffix == ".csv":
                frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
                # A few rows are enough to show a mess.
                found.append((path.stem, {"": frame.head(12)}))
            else:
                book = pd.read_excel(path, sheet_name=None, dtype=str, engine="calamine")
                frames = {
                    name: f.fillna("").replace(r" 00:00:00$", "", regex=True).head(12)
                    for name, f in book.items()
                }
                found.append((path.stem, frames))
    schools = pd.concat(f[""] for _, f in tables["schools"]).drop_duplicates("学校标识码")
    districts = tables["districts"][0][1][""]
    register = Register(
        dict(zip(schools["学校标识码"], schools["学校名称"], strict=True))
        | {"2137999991": "实验小学", "2137999992": "实验小学"},
        dict(zip(districts["区划代码"], districts["区市名称"], strict=True)),
        dict(zip(schools["学校标识码"], schools["区划代码"], strict=True)),
    )
    return tables, register, out


@cache
def clean(feed: str, at: int) -> pd.DataFrame:
    tables, register, _ = city()
    stem, named = tables[feed][at]
    return landed(feed, apply([], feed, named, rng(0), stem=stem).files, register)


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def put(ids: list[str], feed: str, at: int, seed: int = 1) -> Handed:
    tables, register, _ = city()
    stem, named = tables[feed][at]
    return apply(ids, feed, named, rng(seed), register=register, stem=stem, year="2025-2026")


def fitting(name: str) -> dict[str, tuple[int, Handed]]:
    """Feed → the first of some tables that the mess fits, and what came of it.

    A mess may find nothing to change in a feed, such as a table that is already so.
    """
    found = {}
    for feed in sorted(MESSES[name].feeds):
        count = len(city()[0][feed])
        for at in sorted({*range(min(12, count)), *range(max(0, count - 6), count)}):
            handed = put([name], feed, at)
            if any(injected.mess == name for injected in handed.injected):
                found[feed] = (at, handed)
                break
    return found


def test_the_catalogue_says_what_it_needs_to() -> None:
    for name, mess in MESSES.items():
        assert mess.id == name
        assert mess.says
        assert mess.feeds
        assert mess.formats
        assert mess.feeds <= set(load_contracts())
        assert mess.rule is None or mess.rule in rules(), name
        assert mess.expected == (mess.rule if mess.refused else "same")
    assert len(HARMLESS) > 80
    assert len(HARMFUL) > 35


@pytest.mark.parametrize("name", HARMLESS)
def test_a_harmless_mess_leaves_the_rows_as_they_are(name: str) -> None:
    _, register, _ = city()
    fits = fitting(name)
    assert fits
    for feed, (at, handed) in fits.items():
        assert {found.mess for found in handed.injected} == {name}
        pd.testing.assert_frame_equal(landed(feed, handed.files, register), clean(feed, at))


@settings(max_examples=80, deadline=None)
@given(
    feed=st.sampled_from(sorted(load_contracts())),
    ids=st.lists(st.sampled_from(HARMLESS), max_size=8, unique=True),
    at=st.integers(0, 10**6),
    seed=st.integers(0, 10**6),
)
def test_harmless_messes_together_leave_the_rows_as_they_are(
    feed: str, ids: list[str], at: int, seed: int
) -> None:
    tables, register, _ = city()
    at %= len(tables[feed])
    own = [name for name in ids if feed in MESSES[name].feeds]
    handed = put(own, feed, at, seed)
    assert {found.mess for found in handed.injected} <= set(own)
    pd.testing.assert_frame_equal(landed(feed, handed.files, register), clean(feed, at))


IN_THE_CELL = {
    "number_in_powers": "3.70E+17", "number_as_number": "3.70E+17", "unknown_status": "病假",
    "number_with_zeros": "370490201501011000", "bad_date": "3月下旬", "bad_grade": "学前",
    "bad_code": "混合", "bad_flag": "不详", "bad_integer": "约30", "bad_number": "约8",
    "required_cell_empty": "", "class_turned_into_date": "2024-07-03", "unknown_staff": "T9999999",
    "score_below_zero": "-5", "below_minimum": "-3", "unknown_school": "3137999999",
    "ambiguous_school": "实验小学", "score_missing": "",
}  # fmt: skip


def stands(handed: Handed, name: str) -> None:
    """Assert that an error is in the cell in which it is said to be."""
    here = [found for found in handed.injected if found.mess == name]
    assert here
    for found in here:
        if found.row is None:
            continue
        named = dict(sheets(handed.files[found.file]))
        rows = named[found.sheet]
        assert len(rows) >= found.row
        if not found.header:
            continue
        # A sheet that goes on has the header of the one before.
        head = next(r for there in (rows, *named.values()) for r in there if found.header in r)
        cell = plain(rows[found.row - 1][head.index(found.header)])
        if name in IN_THE_CELL:
            wanted = IN_THE_CELL[name]
            assert cell.upper().replace(".0", "") == wanted.replace(".0", "")


@pytest.mark.parametrize("name", HARMFUL)
def test_an_error_stands_where_it_is_said_to(name: str) -> None:
    fits = fitting(name)
    assert fits
    for feed, (at, handed) in fits.items():
        stands(handed, name)
        extra = ["title_rows", "extra_columns", "spaces_around", "empty_columns_left"]
        stands(put([name, *(e for e in extra if feed in MESSES[e].feeds)], feed, at, 5), name)


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(sorted(IN_THE_CELL)),
    ids=st.lists(st.sampled_from(HARMLESS), max_size=8, unique=True),
    at=st.integers(0, 10**6),
    seed=st.integers(0, 10**6),
)
def test_harmless_messes_do_not_move_an_error_away(
    name: str, ids: list[str], at: int, seed: int
) -> None:
    feed = sorted(MESSES[name].feeds)[at % len(MESSES[name].feeds)]
    own = [name, *(other for other in ids if feed in MESSES[other].feeds)]
    handed = put(own, feed, at % len(city()[0][feed]), seed)
    if any(found.mess == name for found in handed.injected):
        stands(handed, name)


def test_the_same_dice_give_the_same_bytes() -> None:
    ids = ["xlsx", "several_sheets", "spaces_around", "subtotal_rows", "date_cells"]
    assert put(ids, "students", 0, 9).files == put(ids, "students", 0, 9).files
    for form in ("ods", "xls", "xlsm", "gb18030"):
        assert put([form], "students", 0).files == put([form], "students", 0).files


def test_earlier_messes_take_precedence() -> None:
    handed = put(["gb18030", "xlsx", "utf16_le", "date_slash", "date_dot"], "students", 0)
    assert {found.mess for found in handed.injected} == {"gb18030", "date_slash"}
    (name,) = handed.files
    assert name.endswith(".csv")
    assert "学籍号" in handed.files[name].decode("gb18030")


def test_what_no_file_of_the_feed_has_is_refused() -> None:
    with pytest.raises(ValueError, match="wide_form is no mess of students"):
        put(["wide_form"], "students", 0)
    with pytest.raises(KeyError):
        put(["no_such_mess"], "students", 0)


def test_one_row_and_none() -> None:
    tables, register, _ = city()
    for at, (name, mess) in enumerate(MESSES.items()):
        feed = sorted(mess.feeds)[at % len(mess.feeds)]
        for rows in (0, 1):
            few = {sheet: frame.head(rows) for sheet, frame in tables[feed][0][1].items()}
            assert apply([name], feed, few, rng(0), register=register).files, (name, feed)


@pytest.fixture(scope="module")
def messy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[dict]]]:
    out = tmp_path_factory.mktemp("messy") / "raw"
    report = write_messy(out, students=1200, years=2, seed=4)
    manifest = json.loads((report.truth / "messes.json").read_text(encoding="utf-8"))
    assert report.files == sum(p.is_file() for p in out.rglob("*"))
    assert report.messes >= len({(m["mess"], m["file"]) for m in manifest["messes"]}) / 2
    return out, manifest


def test_the_manifest_accounts_for_every_file(
    messy: tuple[Path, dict[str, list[dict]]], tmp_path: Path
) -> None:
    out, manifest = messy
    plain = write_sample(tmp_path / "raw", students=1200, years=2, seed=4)
    named = {str(p.relative_to(plain.out)) for p in plain.out.rglob("*") if p.is_file()}
    assert [f["clean"] for f in manifest["files"]] == list(dict.fromkeys(
        f["clean"] for f in manifest["files"]
    ))  # fmt: skip
    assert {f["clean"] for f in manifest["files"]} == named
    handed = [path for f in manifest["files"] for path in f["handed"]]
    assert len(handed) == len(set(handed))
    assert set(handed) == {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()}
    refused = {path for f in manifest["files"] if f["refused"] for path in f["handed"]}
    of_errors = {m["file"] for m in manifest["messes"] if m["expected"] != "same"}
    assert of_errors == refused
    for mess in manifest["messes"]:
        assert (out / mess["file"]).is_file()
        assert mess["expected"] == MESSES[mess["mess"]].expected
    share = len(refused) / len(named)
    assert 0 < share <= 1 / 40
    core = {"districts", "schools", "staff", "monitoring_waves", "item_map"}
    assert not {path.split("/")[0] for path in refused} & core
    # The rows of the truth are the clean city's.
    for name in ("rows", "cells", "papers"):
        assert (out.with_name("raw.truth") / f"{name}.csv").read_bytes() == (
            plain.truth / f"{name}.csv"
        ).read_bytes()


def test_the_messy_city_holds_the_rows_of_the_clean_one(
    messy: tuple[Path, dict[str, list[dict]]], tmp_path: Path
) -> None:
    out, manifest = messy
    plain = write_sample(tmp_path / "raw", students=1200, years=2, seed=4).out
    register = city()[1]
    for entry in manifest["files"]:
        feed = entry["clean"].split("/")[0]
        if entry["refused"]:
            continue
        there = landed(
            feed, {path: (out / path).read_bytes() for path in entry["handed"]}, register
        )
        here = landed(feed, {"": (plain / entry["clean"]).read_bytes()}, register)
        pd.testing.assert_frame_equal(there, here, obj=entry["clean"])


def test_the_command_writes_either_city(tmp_path: Path) -> None:
    plain_city = ["sample", "--students", "40", "--years", "1", "--out", str(tmp_path / "a")]
    assert CliRunner().invoke(app, plain_city).exit_code == 0
    assert not (tmp_path / "a.truth" / "messes.json").exists()
    messy_city = [*plain_city[:-1], str(tmp_path / "b"), "--messy"]
    result = CliRunner().invoke(app, messy_city)
    assert result.exit_code == 0
    assert "messes.json" in result.output
    assert (tmp_path / "b.truth" / "messes.json").is_file()


def test_messy_is_decided_by_its_arguments(tmp_path: Path) -> None:
    def digest(name: str, seed: int, share: float) -> dict[str, str]:
        report = write_messy(tmp_path / name, students=300, years=1, seed=seed, error_share=share)
        folders = (report.out, report.truth)
        return {
            f"{i}/{p.relative_to(folder)}": hashlib.sha256(p.read_bytes()).hexdigest()
            for i, folder in enumerate(folders)
            for p in sorted(folder.rglob("*"))
            if p.is_file()
        }

    assert digest("a", 1, 0.2) == digest("b", 1, 0.2) != digest("c", 2, 0.2)
    digest("d", 1, 0)
    found = json.loads((tmp_path / "d.truth" / "messes.json").read_text(encoding="utf-8"))
    assert found["messes"]
    assert all(m["expected"] == "same" for m in found["messes"])
    with pytest.raises(ValueError, match="share"):
        write_messy(tmp_path / "e", students=1, error_share=1.5)
