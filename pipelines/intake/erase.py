"""Rows that were landed and are to be there no more: a student's, or those of a school year.

Each file is written aside and put in its place, so that a process that is killed leaves files that
hold the rows and files that don't, and can be run again.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.feeds import load_contracts
from pipelines.feeds.contract import quoted
from pipelines.intake.forgotten import Forgotten
from pipelines.intake.ingest import HALF_WRITTEN, limits
from pipelines.intake.paths import WIDE
from pipelines.intake.pool import in_turn
from pipelines.intake.reader import Unreadable, read_sheets
from pipelines.intake.take import landed_form
from pipelines.settings import Settings

RECORDS = "count(distinct (source_file, file_sha256, source_sheet, source_row))"
"""Rows as they were handed in: of a subject a column, one is landed as several."""
LISTED = ".problems.csv"


@dataclass(frozen=True)
class Held:
    """Rows of a student in one landed file."""

    feed: str
    school_year: str
    submission_id: str
    rows: int
    records: int
    """Rows of the file handed in from which they come."""


def of_students(settings: Settings) -> Iterator[tuple[str, list[Path]]]:
    """Feeds with students, and their landed files, standing or not."""
    for feed, contract in load_contracts().items():
        if any(column.type == "student_no" for column in contract.columns):
            paths = sorted((settings.landing / feed).glob("*/*.parquet"))
            if paths:
                yield feed, paths


def held(settings: Settings, pseudonyms: Collection[str]) -> list[Held]:
    """What the landed files hold of somebody, by feed and school year."""
    found = []
    with duckdb.connect() as con:
        con.execute("set enable_progress_bar = false")
        for feed, paths in of_students(settings):
            rows = con.execute(
                f"select filename, count(*), {RECORDS} from {_read(paths)} "
                "where list_contains($asked, student_key) group by filename order by filename",
                {"asked": list(pseudonyms)},
            ).fetchall()
            for name, n, records in rows:
                path = Path(name)
                found.append(Held(feed, path.parent.name, path.stem, n, records))
    return found


def keys_landed(settings: Settings) -> dict[str, int]:
    """Id of each key under which students are landed → number of those files."""
    with duckdb.connect() as con:
        con.execute("set enable_progress_bar = false")
        found: dict[str, int] = {}
        for _, paths in of_students(settings):
            rows = con.execute(
                f"select key_id, count(distinct filename) from {_read(paths)} "
                "where student_key is not null group by key_id"
            ).fetchall()
            for key, n in rows:
                found[key] = found.get(key, 0) + n
    return found


def erase(settings: Settings, pseudonyms: Collection[str]) -> None:
    """Write each landed file that holds one of these students anew, without them."""
    for left in settings.landing.rglob(f"*{HALF_WRITTEN}"):
        left.unlink()
    for one in held(settings, pseudonyms):
        path = settings.landing / one.feed / one.school_year / f"{one.submission_id}.parquet"
        aside = path.with_suffix(HALF_WRITTEN)
        asked = pa.array(sorted(pseudonyms), pa.string())
        with pq.ParquetFile(path) as source:
            form = landed_form(source.schema_arrow)
            with pq.ParquetWriter(aside, source.schema_arrow, **form) as target:
                for group in range(source.num_row_groups):
                    rows = source.read_row_group(group)
                    theirs = pc.is_in(rows["student_key"], value_set=asked)
                    target.write_table(rows.filter(pc.invert(theirs)))
        aside.replace(path)


def rows_landed(settings: Settings, files: Iterable[tuple[str, str, str, int]]) -> dict[str, int]:
    """Submission → rows of its landed file, of files as an event of a forgetting has them."""
    found = {}
    for feed, year, one, _ in files:
        path = settings.landing / feed / year / f"{one}.parquet"
        if path.exists():
            found[one] = pq.read_metadata(path).num_rows
    return found


def copies(settings: Settings, whose: Forgotten) -> tuple[list[Path], list[Path]]:
    """Return workbooks and refused copies that hold such a student; and those nobody can read."""
    found, unread = [], []
    paths = [
        path
        for folder in (settings.feedback, settings.quarantine)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(LISTED)
    ]
    bounds = limits(settings)
    answers = in_turn(_holds, ((path, whose) for path in paths), bounds.seconds, bounds.megabytes)
    for path, answer in zip(paths, answers, strict=True):
        if isinstance(answer, Unreadable):
            unread.append(path)
        elif answer:
            found.append(path)
    return found, unread


def remove_copies(paths: Iterable[Path]) -> None:
    """Remove these files, each with the list of its problems, whose name is that of the file."""
    for path in paths:
        path.with_name(f"{path.stem}{LISTED}").unlink(missing_ok=True)
        path.unlink(missing_ok=True)


def _holds(path: Path, whose: Forgotten) -> bool:
    """Whether a file, or its name, holds the number of such a student."""
    words = re.findall("[0-9A-Za-z]+", path.name.translate(WIDE))
    texts = [pa.array(words, pa.string())]
    for sheet in read_sheets(path):
        texts += [c.cast(pa.string()).unique().drop_null() for c in sheet.cells.columns]
    return whose.are_in(pa.concat_arrays(texts))


def _read(paths: list[Path]) -> str:
    listed = ", ".join(quoted(str(path)) for path in paths)
    return f"read_parquet([{listed}], union_by_name = true, filename = true)"
