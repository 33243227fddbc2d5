"""Tables to take away: as CSV, as workbooks with notes, and the whole layer for the centre."""

import csv
import hashlib
import io
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pytest
from made_up_city import City, Rendered, write_warehouse

from dashboards.pages import PAGES, Download, Published, Unit
from dashboards.pages.dictionary import Column, Table
from dashboards.shelf import read_shelf
from dashboards.site.layer import CSV, PARQUET, SUMS, write_layer
from dashboards.site.take import Noted, csv_text, of_release, workbook

CODE = "370400"
DICTIONARY = {
    "value_added": Table(
        "value_added",
        "增值",
        "One row per unit.",
        (
            Column("effect", "double", "增值", "How far.", "sd"),
            Column("mark", "string", "标注", "c or u."),
        ),
    ),
    "unit": Table(
        "unit", "单位", "One row per unit.", (Column("unit_name", "string", "名", "N."),)
    ),
}
NOTED = Noted(
    {"zh": "各校增值", "en": "Value added"},
    "370402",
    {"zh": "市中区", "en": "Shizhong"},
    "0123456789ab",
    DICTIONARY,
)
ROWS: list[dict[str, Any]] = [
    {"school_year": "2025-2026", "unit_name": "=1+1", "effect": 0.12, "n": 1200, "mark": None},
    {"school_year": "2026-2027", "unit_name": "@sum", "effect": None, "n": None, "mark": "c"},
    {"school_year": "2026-2027", "unit_name": "-3校", "effect": -0.0, "n": 3, "mark": "u"},
]
TAKEN = Download("t.csv", tuple(ROWS[0]), ROWS, ("value_added",), "Value added")


def sheets(content: bytes) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """The rows of the data and of the notes."""
    book = openpyxl.load_workbook(io.BytesIO(content))
    data, notes = (list(sheet.iter_rows(values_only=True)) for sheet in book.worksheets)
    return data, notes


def told(value: str) -> Any:
    """A value of a CSV file as a workbook holds it."""
    if value == "":
        return None
    for sign in "=+-@":
        if value.startswith(f"'{sign}"):
            return value[1:]
    return value


def test_a_workbook_holds_the_rows_of_the_csv(whole: Rendered) -> None:
    compared = 0
    for path in sorted((whole.folder / "downloads").glob("*.csv")):
        data, _notes = sheets(path.with_suffix(".xlsx").read_bytes())
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))
        assert list(data[0]) == rows[0], path.name
        assert len(data) == len(rows)
        for shown, row in zip(data[1:], rows[1:], strict=True):
            for cell, text in zip(shown, row, strict=True):
                if isinstance(cell, bool):
                    assert str(cell) == text
                elif isinstance(cell, int | float):
                    # A workbook keeps 15 digits.
                    assert cell == pytest.approx(float(text), rel=1e-14)
                elif isinstance(cell, date):
                    assert cell.isoformat()[:10] == text
                else:
                    assert cell == told(text)
                compared += 1
    assert compared > 1000


def test_numbers_are_numbers_and_what_would_be_computed_is_a_text() -> None:
    book = openpyxl.load_workbook(io.BytesIO(workbook(TAKEN, NOTED)))
    data = book.worksheets[0]
    assert data.freeze_panes == "A2"
    assert [cell.data_type for cell in data["B"][1:]] == ["s", "s", "s"]
    assert [cell.value for cell in data["B"][1:]] == ["=1+1", "@sum", "-3校"]
    # Excel leaves such a cell a text when it is edited, too.
    assert all(cell.quotePrefix for cell in data["B"][1:])
    assert [cell.value for cell in data["C"][1:]] == [0.12, None, 0]
    assert [cell.value for cell in data["E"][1:]] == [None, "c", "u"]
    assert str(data["C4"].value) == "0"
    assert csv_text(TAKEN).decode("utf-8-sig").splitlines()[1] == "2025-2026,'=1+1,0.12,1200,"


def test_notes_tell_in_both_languages_what_the_table_is() -> None:
    _data, notes = sheets(workbook(TAKEN, NOTED))
    lines = {line[0]: line[1:] for line in notes if line[0]}
    assert lines["标题 Title"][:2] == ("各校增值", "Value added")
    assert lines["单位 Unit"][:2] == ("市中区（370402）", "Shizhong (370402)")
    assert lines["时间 Time"][:2] == ("2025-2026～2026-2027", "2025-2026 to 2026-2027")
    assert lines["范围 Population"][:2] == ("增值", "One row per unit.")
    assert lines["发布版本 Release"][0] == "0123456789ab"
    assert lines["c"][:2] == ("为保护个人信息，此处不显示", "not shown, to protect personal data")
    assert {"u", "x", "z"} <= lines.keys()
    assert lines["effect"] == ("增值", "How far.", "sd")
    assert lines["unit_name"][:2] == ("名", "N.")
    assert lines["来源 Source"][0].startswith("来源：")


def test_equal_rows_give_equal_bytes_and_the_next_release_the_same_but_its_name() -> None:
    first = workbook(TAKEN, NOTED)
    assert workbook(TAKEN, NOTED) == first
    next_one = workbook(TAKEN, Noted(**{**vars(NOTED), "release_id": "ba9876543210"}))
    assert next_one != first
    assert of_release(first, "0123456789ab", "ba9876543210") == next_one


def test_a_table_without_rows_is_a_workbook_too() -> None:
    data, _notes = sheets(workbook(Download("t.csv", ("n",), []), NOTED))
    assert data == [("n",)]


def test_every_table_of_the_pages_is_explained(tmp_path: Path) -> None:
    with duckdb.connect(str(write_warehouse(tmp_path / "w.duckdb", City()))) as con:
        found = con.execute(
            "select table_name, column_name from duckdb_columns() where schema_name = 'published'"
        ).fetchall()
        known: dict[str, set[str]] = {}
        for table, column in found:
            known.setdefault(table, set()).add(column)
        units = {"city": CODE, "district": "370402", "school": "3137000003"}
        composed = 0
        for page in PAGES:
            unit = Unit(units[page.level], "某", "some", page.level)
            for download in page.build(Published(con), unit, "en").downloads:
                columns = set(download.columns) - known["unit"]
                for table in download.tables:
                    assert columns & known[table], (page.name, download.name)
                composed += not download.tables
        # The five numbers of the three front pages are of five tables.
        assert composed == 3


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Writes the whole layer of a made-up city, with a name that a sheet would compute."""
    folder = tmp_path_factory.mktemp("layer")
    write_warehouse(folder / "w.duckdb", City())
    with duckdb.connect(str(folder / "w.duckdb")) as con:
        con.execute("update published.unit set unit_name = '=1+1' where unit_code = '370402'")

    def write(name: str) -> Path:
        target = folder / name
        target.mkdir()
        with duckdb.connect(str(folder / "w.duckdb"), read_only=True) as con:
            con.execute("set threads = 1")
            assert write_layer(con, target, "0123456789ab") == (CSV, PARQUET)
        return target

    return write


def test_the_whole_layer_is_every_published_table_and_nothing_else(
    layer: Callable[[str], Path], tmp_path: Path
) -> None:
    made = layer("first")
    with zipfile.ZipFile(made / CSV) as file:
        assert file.testzip() is None
        texts = {name.partition("/")[2]: file.read(name) for name in file.namelist()}
        assert {name.partition("/")[0] for name in file.namelist()} == {"0123456789ab"}
    with zipfile.ZipFile(made / PARQUET) as file:
        file.extractall(tmp_path)
    with duckdb.connect(str(made.parent / "w.duckdb"), read_only=True) as con:
        tables = [name for (name,) in con.execute(
            "select table_name from duckdb_tables() where schema_name = 'published'"
        ).fetchall()]  # fmt: skip
        assert set(texts) == {f"{t}.csv" for t in tables} > {"dictionary.csv", "metric.csv"}
        for table in tables:
            path = tmp_path / "0123456789ab" / f"{table}.parquet"
            held = con.execute(f"from published.{table} order by all").fetchall()
            assert con.execute(f"from '{path}'").fetchall() == held
            rows = list(csv.reader(io.StringIO(texts[f"{table}.csv"].decode("utf-8-sig"))))
            assert len(rows) == len(held) + 1
    assert b"district,370402,'=1+1,370400" in texts["unit.csv"]


def test_equal_layers_give_equal_archives(layer: Callable[[str], Path]) -> None:
    one, two = layer("one"), layer("two")
    for name in (CSV, PARQUET):
        assert (one / name).read_bytes() == (two / name).read_bytes()


def test_the_list_of_digests_names_every_download(whole: Rendered) -> None:
    downloads = whole.folder / "downloads"
    lines = (downloads / SUMS).read_text(encoding="utf-8").splitlines()
    listed = {line[66:]: line[:64] for line in lines}
    there = {path.name for path in downloads.iterdir()} - {SUMS}
    assert set(listed) == there
    for name, digest in listed.items():
        assert hashlib.sha256((downloads / name).read_bytes()).hexdigest() == digest


def test_the_whole_layer_is_the_citys_alone_and_a_workbook_is_whose_its_csv_is(
    whole: Rendered,
) -> None:
    shelf = read_shelf(whole.folder)
    assert shelf
    for name in (CSV, PARQUET, SUMS):
        item = shelf.find(f"downloads/{name}")
        assert item and item.owners == (f"city:{CODE}",) and item.download
    for path in (whole.folder / "downloads").glob("*.csv"):
        table, book = (shelf.find(f"downloads/{name}") for name in (path.name, f"{path.stem}.xlsx"))
        assert table and book and table.owners == book.owners
        assert book.kind.endswith("spreadsheetml.sheet")
    assert CSV in whole.page(place="index.html")
    assert CSV not in whole.page(place="district/370402/index.html")
