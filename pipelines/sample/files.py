"""Files as they are handed in: CSV and workbooks, Chinese or canonical headers, wide or long."""

from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import xlsxwriter

from pipelines.feeds import codes, load_contracts
from pipelines.sample.books import CREATED

BOM = b"\xef\xbb\xbf"


class Writer(Protocol):
    """Takes the files of the city as they are made."""

    files: int
    """Files written so far."""
    messes: int
    """Messes put in so far."""

    def know(self, schools: pd.DataFrame, districts: pd.DataFrame) -> None:
        """Take note of the city's schools and districts, before any file comes."""

    def csv(self, feed: str, year: str, name: str, table: pa.Table, bom: bool) -> None:
        """Take a table that is handed in as text."""

    def book(
        self,
        feed: str,
        year: str,
        name: str,
        sheets: dict[str, pa.Table],
        numbers: list[str],
        days: list[str],
    ) -> None:
        """Take a workbook; `numbers` and `days` name the headers of such columns."""

    def finish(self, truth: Path) -> None:
        """Write what is to be known of the files into the folder of the truth."""


class Plain:
    """Writes every file as it is, without any mess."""

    messes = 0

    def __init__(self, out: Path) -> None:
        self.out, self.files = out, 0

    def know(self, schools: pd.DataFrame, districts: pd.DataFrame) -> None:
        """Nothing is needed of them."""

    def csv(self, feed: str, year: str, name: str, table: pa.Table, bom: bool) -> None:
        """Write CSV in UTF-8."""
        write_csv(table, self._path(feed, year, name), bom)

    def book(
        self,
        feed: str,
        year: str,
        name: str,
        sheets: dict[str, pa.Table],
        numbers: list[str],
        days: list[str],
    ) -> None:
        """Write a workbook."""
        write_book(sheets, self._path(feed, year, name), numbers, days)

    def finish(self, truth: Path) -> None:
        """There is nothing more to know."""

    def _path(self, feed: str, year: str, name: str) -> Path:
        self.files += 1
        folder = self.out / feed / year
        if not folder.exists():
            folder.mkdir(parents=True)
        return folder / name


def word(code_set: str, code: str) -> str:
    """The Chinese word of a code."""
    return codes()[code_set][code][0]


def texts(values: list[str], index: np.ndarray) -> pa.Array:
    """One of `values` for each index, as a column of text."""
    return pa.array(values, pa.string()).take(pa.array(index))


def coded(code_set: str, values: np.ndarray | pd.Series, chinese: bool) -> pa.Array:
    """Codes as a column of text: words where the file is Chinese, nothing for no code."""
    category = pd.Categorical(values)
    names = [str(c).lower() if code_set == "yes_no" else str(c) for c in category.categories]
    known = codes()[code_set]
    shown = [known[n][0] if chinese and n in known else n for n in names]
    return texts(shown, category.codes)


def column(values: np.ndarray | pd.Series | list[str]) -> pa.Array:
    """Any values as a column of text."""
    array = pa.array(values)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    return array.cast(pa.string())


def as_table(feed: str, columns: dict[str, pa.Array], chinese: bool) -> pa.Table:
    """Columns under the headers of the feed's contract; other names stay as they are."""
    headers = {c.name: c.header for c in load_contracts()[feed].columns} if chinese else {}
    return pa.table({headers.get(name, name): values for name, values in columns.items()})


def frame_table(feed: str, frame: pd.DataFrame, chinese: bool) -> pa.Table:
    """A frame of codes as the feed's table: the contract says which columns hold codes."""
    contract = load_contracts()[feed]
    columns: dict[str, pa.Array] = {}
    for name in frame.columns:
        code_set = contract.column(str(name)).code_set
        values = frame[name]
        columns[str(name)] = coded(code_set, values, chinese) if code_set else column(values)
    return as_table(feed, columns, chinese)


def write_csv(table: pa.Table, path: Path, bom: bool = False) -> None:
    """Write a table as UTF-8 CSV."""
    with path.open("wb") as file:
        if bom:
            file.write(BOM)
        options = pacsv.WriteOptions(quoting_style="none", quoting_header="none")
        pacsv.write_csv(table, file, options)


def write_book(
    sheets: dict[str, pa.Table], path: Path, numbers: list[str], days: list[str]
) -> None:
    """Write a workbook of text cells, with numbers and dates in the columns that are named."""
    with xlsxwriter.Workbook(path, {"default_date_format": "yyyy-mm-dd"}) as book:
        book.set_properties({"created": CREATED})
        for name, table in sheets.items():
            sheet = book.add_worksheet(name)
            sheet.write_row(0, 0, table.column_names)
            for at, (header, values) in enumerate(
                zip(table.column_names, table.columns, strict=True)
            ):
                cells = pd.Series(values.to_pylist(), dtype=object)
                if header in days:
                    cells = pd.Series(pd.to_datetime(cells).dt.to_pydatetime(), dtype=object)
                elif header in numbers:
                    as_number = pd.to_numeric(cells, errors="coerce")
                    cells = as_number.astype(object).where(as_number.notna(), cells)
                sheet.write_column(1, at, cells.tolist())
