"""How fast intake is beside peers: `python -m bench.intake [--rows 10000000] [--city FOLDER]`.

Three jobs, each in a process of its own, every check on, from files to landed Parquet:

- a workbook of 50,000 students and nine subjects, against pandas reading it with openpyxl, and with
  calamine, no check;
- a CSV of result rows, against DuckDB's own `read_csv` to Parquet, no check;
- with `--city`, a folder that `eqm sample` wrote: the first ingest, and a second one that finds
  nothing new.

What counts are the ratios, which hold on a busy machine too. Seconds are those of the work, without
the start of the process; of the workbook's steps, which are short, those of the best of nine runs,
taken in turn.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import xlsxwriter

from bench.measure import Measure, best_of, report, timed
from pipelines.feeds import codes
from pipelines.feeds.contract import quoted

YEAR = "2023-2024"
SUBJECTS = list(codes()["subject"])[:9]
SCHOOLS = 1500
BOOK_ROWS = 50_000
TURNS = 9
FEED = """
import sys, time
from pipelines.intake import ingest_feed
from pipelines.settings import Settings
settings = Settings.load()
for feed in ("districts", "schools", "monitoring_waves"):
    ingest_feed(settings, feed)
start = time.perf_counter()
report = ingest_feed(settings, "monitoring_results")
print(time.perf_counter() - start)
if report.rows_landed != int(sys.argv[1]):
    sys.exit(f"{report.rows_landed} rows landed; {report.problems[:5]}")
"""
CITY = """
import time
from pipelines.intake import ingest
from pipelines.settings import Settings
start = time.perf_counter()
ingest(Settings.load())
print(time.perf_counter() - start)
"""
EXCEL = """
import sys, time, pandas
start = time.perf_counter()
pandas.read_excel(sys.argv[1], engine=sys.argv[2], dtype=str)
print(time.perf_counter() - start)
"""
QUERY = """
import sys, time, duckdb
start = time.perf_counter()
duckdb.execute(sys.argv[1])
print(time.perf_counter() - start)
"""


def registers(raw: Path) -> None:
    """The list of schools and the papers of one wave."""

    def write(feed: str, lines: list[str]) -> None:
        folder = raw / feed / YEAR
        folder.mkdir(parents=True)
        (folder / "all.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")

    write("districts", ["district_code,district_name,district_kind", "370402,市中区,county"])
    head = "school_code,school_name,district_code,stage,locale,ownership"
    schools = [
        f"{3137000001 + i},第{i + 1}学校,370402,twelve_year,urban,public" for i in range(SCHOOLS)
    ]
    write("schools", [head, *schools])
    papers = [
        f"W24,city,annual_monitoring,2024-06-20,{grade},{subject},120"
        for grade in range(1, 13)
        for subject in SUBJECTS
    ]
    write("monitoring_waves", ["wave_id,level,wave_kind,held_on,grade,subject,full_mark", *papers])


def numbers(count: int) -> list[str]:
    """Student numbers of the usual form."""
    return [f"L3704992010{i:08d}" for i in range(count)]


def write_book(path: Path) -> None:
    """Students in rows, fifteen columns, as a school would fill in its template."""
    rng = np.random.default_rng(2024)
    scores = rng.integers(40, 240, (BOOK_ROWS, len(SUBJECTS))) / 2
    headers = ["监测批次", "学籍号", "姓名", "学校标识码", "年级", "班级"]
    headers += [codes()["subject"][subject][0] for subject in SUBJECTS]
    with xlsxwriter.Workbook(path, {"constant_memory": True}) as book:
        sheet = book.add_worksheet("成绩")
        sheet.write_row(0, 0, headers)
        for i, number in enumerate(numbers(BOOK_ROWS)):
            who = ["W24", number, f"虚生{i}", str(3137000001 + i % SCHOOLS), "七年级", i % 20 + 1]
            sheet.write_row(i + 1, 0, [*who, *scores[i].tolist()])


def write_csv(path: Path, rows: int) -> None:
    """One row a student and subject, five subjects a student."""
    rng = np.random.default_rng(2024)
    students = -(-rows // 5)
    each = np.arange(students)
    grades = pa.array([words[0] for words in codes()["grade"].values()])
    subjects = pa.array([codes()["subject"][subject][0] for subject in SUBJECTS[:5]])
    again = pa.array(np.repeat(each, 5)[:rows])
    columns = {
        "监测批次": pa.array(["W24"]).take(pa.array(np.zeros(rows, dtype=int))),
        "学籍号": pa.array(numbers(students)).take(again),
        "学校标识码": pa.array((3137000001 + each % SCHOOLS).astype(str)).take(again),
        "年级": grades.take(pa.array(each % 12)).take(again),
        "班级": pa.array((each % 20 + 1).astype(str)).take(again),
        "学科": subjects.take(pa.array(np.arange(rows) % 5)),
        "成绩": pa.array((rng.integers(20, 240, rows) / 2).astype(str)),
    }
    pacsv.write_csv(pa.table(columns), path, pacsv.WriteOptions(quoting_style="none"))


def environment(folder: Path, raw: Path, home: str = "home") -> dict[str, str]:
    """Settings of an intake whose home and key lie in a folder."""
    return {
        "EQM_RAW": str(raw),
        "EQM_HOME": str(folder / home),
        "EQM_PSEUDONYM_KEY_FILE": str(folder / "pseudonym.key"),
        "EQM_LEDGER_URL": "",
        "EQM_ENV": "development",
    }


def landing(name: str, folder: Path, rows: int, written: int, home: str = "home") -> Measure:
    """The first ingest of the results below `folder/raw` into a home; `written` rows must land."""
    code = [sys.executable, "-c", FEED, str(written)]
    return timed(name, code, rows, environment(folder, folder / "raw", home))


def main() -> None:
    """Measure, print, write `bench/results/intake.json`."""
    parser = argparse.ArgumentParser(description="Measure intake beside its peers.")
    parser.add_argument("--rows", type=int, default=10_000_000, help="Rows of the CSV.")
    parser.add_argument("--city", type=Path, help="A raw folder that `eqm sample` wrote.")
    parser.add_argument("--folder", type=Path, help="Where the temporary folder is made.")
    given = parser.parse_args()
    groups: list[list[Measure]] = []
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        book, text = Path(name) / "book", Path(name) / "text"
        for folder in (book, text):
            registers(folder / "raw")
            (folder / f"raw/monitoring_results/{YEAR}").mkdir(parents=True)
        path = book / f"raw/monitoring_results/{YEAR}/results.xlsx"
        write_book(path)
        cells = BOOK_ROWS * len(SUBJECTS)

        def pandas(engine: str) -> Callable[[int], Measure]:
            step, code = f"pandas, {engine}, no check", [sys.executable, "-c", EXCEL, str(path)]
            return lambda _: timed(step, [*code, engine], BOOK_ROWS)

        def eqm(turn: int) -> Measure:
            name = "eqm, workbook 50,000 × 15"
            return landing(name, book, BOOK_ROWS, cells, f"home{turn}")

        groups.append(best_of(TURNS, pandas("openpyxl"), pandas("calamine"), eqm))
        path = text / f"raw/monitoring_results/{YEAR}/results.csv"
        # In a process of its own: the memory of this one would count as that of its children.
        writer = get_context("spawn").Process(target=write_csv, args=(path, given.rows))
        writer.start()
        writer.join()
        print(f"{given.rows:,} rows, {path.stat().st_size / 2**20:,.0f} MB of CSV")
        query = (
            f"copy (from read_csv({quoted(str(path))})) to {quoted(f'{name}/peer.parquet')} "
            "(format parquet, compression zstd)"
        )
        groups.append(
            [
                timed(
                    "DuckDB read_csv, no check", [sys.executable, "-c", QUERY, query], given.rows
                ),
                landing("eqm, CSV", text, given.rows, given.rows),
            ]
        )
        if given.city:
            files = sum(1 for path in given.city.rglob("*") if path.is_file())
            code = [sys.executable, "-c", CITY]
            own = environment(Path(name) / "city", given.city)
            groups.append(
                [
                    timed(f"eqm, {files:,} files of a city", code, files, own),
                    timed("eqm, the same, unchanged", code, files, own),
                ]
            )
    report("intake", {"csv_rows": given.rows}, groups)


if __name__ == "__main__":
    duckdb.execute("set enable_progress_bar = false")
    main()
