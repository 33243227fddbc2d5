"""A template filled in and saved by LibreOffice goes in without a problem, for every feed."""

import csv
import re
import shutil
import subprocess
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path

import openpyxl
import pytest

from pipelines.feeds import Contract, load_contracts, write_template
from pipelines.feeds.contract import normalise
from pipelines.feeds.template import DAYS, NUMERIC
from pipelines.intake import examine, ingest, read_sheets, recognise
from pipelines.rosters import known
from pipelines.sample import write_sample
from pipelines.settings import Settings
from tests.feeds.conftest import over

OFFICE = shutil.which("soffice")
FORMS = ("xlsx", "ods", "xls")
ROWS = 12
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
Header = tuple[list[str | None], list[str | None], list[str]]
"""Two rows, and what is merged."""
MERGED: dict[str, Header] = {
    "scores-above-subjects": (
        ["监测批次", "学籍号", "成绩", None],
        [None, None, "语文", "数学"],
        ["A1:A2", "B1:B2", "C1:D1"],
    ),
    "subjects-above-scores": (
        ["监测批次", "学籍号", "语文", None, "数学", None],
        [None, None, "成绩", "等级", "成绩", "等级"],
        ["A1:A2", "B1:B2", "C1:D1", "E1:F1"],
    ),
}
Cells = dict[str, str]
"""Canonical name, or header of the wide form → cell."""
pytestmark = pytest.mark.skipif(
    OFFICE is None, reason="LibreOffice is missing (apt-get install libreoffice-calc)"
)


def typed(kind: str, word: str) -> str | float | date:
    """A cell as a person leaves it in the template: a number and a day are what they look like."""
    if kind in NUMERIC and NUMBER.fullmatch(word):
        return float(word)
    if kind in DAYS and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", word):
        return date.fromisoformat(word)
    return word


def fill(path: Path, contract: Contract, rows: list[Cells]) -> None:
    """Type these cells, by header, into the template's table."""
    book = openpyxl.load_workbook(path)
    sheet = book.worksheets[0]
    for row, cells in enumerate(rows, start=2):
        for at in sheet[1]:
            name = contract.headers.get(normalise(str(at.value)))
            kind = contract.column(name).type if name else "score"
            if word := cells.get(name or str(at.value)):
                sheet.cell(row, at.column).value = typed(kind, word)
    book.save(path)


def convert(files: list[Path], form: str, folder: Path) -> None:
    """Open and save as another form, all in one run with a profile of its own."""
    assert OFFICE
    profile = f"-env:UserInstallation={(folder / 'profile').as_uri()}"
    out = ["--outdir", str(folder / form)]
    command = [OFFICE, profile, "--headless", "--convert-to", form, *out, *map(str, files)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = over(tmp_path_factory.mktemp("city"))
    write_sample(settings.raw, students=1200, years=1, seed=3)
    assert not [p for r in ingest(settings) for p in r.problems if p.severity == "error"]
    return settings


def handed_in(settings: Settings, feed: str) -> tuple[str, list[Cells]]:
    """School year and first rows of a feed's text file."""
    path = sorted((settings.raw / feed).rglob("*.csv"))[0]
    names = load_contracts()[feed].headers
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = [
            {names.get(normalise(header), header): cell for header, cell in row.items()}
            for row in islice(csv.DictReader(file), ROWS)
        ]
    return path.relative_to(settings.raw / feed).parts[0], rows


def long_form(contract: Contract, rows: list[Cells], wide: list[str]) -> list[Cells]:
    """One row a value in place of one column a name."""
    assert contract.wide
    status = next((c.name for c in contract.columns if c.codes == "score_status"), "")
    found = []
    for row in rows:
        for name in wide:
            at = contract.wide.values if NUMBER.fullmatch(row[name]) else status
            kept = {column: cell for column, cell in row.items() if column not in wide}
            found.append(kept | {at: row[name], contract.wide.names: name})
    return found


def write_merged(path: Path, header: Header) -> None:
    """A workbook of results with a header of two rows, and errors among its scores."""
    upper, lower, merges = header
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    scores = ["=1/0", "=NA()", "=#REF!", '=VALUE("q")'][: len(lower) - 2]
    for row in (upper, lower, ["W24", "S1", *scores]):
        sheet.append(row)
    for merge in merges:
        sheet.merge_cells(merge)
    book.save(path)


@dataclass
class Saved:
    folder: Path
    templates: dict[str, tuple[str, str]]
    """Each template that was filled in and saved → its feed and school year."""


@pytest.fixture(scope="module")
def saved(city: Settings, tmp_path_factory: pytest.TempPathFactory) -> Saved:
    """Everything of this module, opened and saved in every form."""
    folder = tmp_path_factory.mktemp("saved")
    of: dict[str, tuple[str, str]] = {}
    for feed, contract in load_contracts().items():
        year, rows = handed_in(city, feed)
        own = {column.name for column in contract.columns} | {contract.total}
        columns = {header: None for header in rows[0] if header not in own}
        forms = {feed: (rows, columns)}
        if columns:
            forms[f"{feed}-long"] = (long_form(contract, rows, list(columns)), {})
        for name, (cells, wide) in forms.items():
            offered = known(city, contract).offered
            path = write_template(contract, folder / f"{name}.xlsx", wide=wide, offered=offered)
            fill(path, contract, cells)
            of[name] = (feed, year)
    for name, header in MERGED.items():
        write_merged(folder / f"{name}.xlsx", header)
    for form in FORMS:
        convert([folder / f"{name}.xlsx" for name in [*of, *MERGED]], form, folder)
    templates = {
        f"{folder}/{form}/{name}.{form}": where for form in FORMS for name, where in of.items()
    }
    return Saved(folder, templates)


def test_what_libreoffice_saves_goes_in_without_a_problem(city: Settings, saved: Saved) -> None:
    said = {}
    for feed, year in dict.fromkeys(saved.templates.values()):
        paths = [Path(path) for path, where in saved.templates.items() if where == (feed, year)]
        for one in examine(city, paths, feed, year):
            if one.problems or not one.rows_read:
                said[one.file] = [p.text("en") for p in one.problems] or ["no rows"]
    assert not said
    assert {feed for feed, _ in saved.templates.values()} == set(load_contracts())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", MERGED)
def test_merged_headers_and_errors_are_read_in_every_form(
    saved: Saved, name: str, form: str
) -> None:
    (sheet,) = read_sheets(saved.folder / form / f"{name}.{form}")
    found, problems = recognise(load_contracts()["monitoring_results"], sheet, "a", {"W24": "W24"})
    assert found is not None and found.header_rows == (1, 2)
    assert {p.rule for p in problems} <= {"unread_scores", "missing_column"}
    assert {found.columns["wave_id"], found.columns["student_no"]} == {0, 1}
    assert [place.header for place in found.wide] == ["语文", "数学"]
    errors = list(sheet.cells.to_pylist()[2].values())[2:]
    # An .ods holds what LibreOffice shows; other forms know a word for it.
    last = "Err:502" if form == "ods" else "#VALUE!"
    assert errors == ["#DIV/0!", "#N/A", "#REF!", last][: len(errors)] and len(errors) > 1
