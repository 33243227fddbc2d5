"""What is known already of the one who asks for a template: school, students, papers, items.

Landed rows hold no number and no name of a student, so these are read once more from the files
that the rows came from.
"""

import difflib
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import duckdb
import pandas as pd

from pipelines.feeds import Contract, codes, load_contracts
from pipelines.feeds.contract import normalise, quoted
from pipelines.intake import Ledger, Sheet, Unreadable, load_key, read_sheets, recognise
from pipelines.intake.ingest import landed_path
from pipelines.intake.ledger import arrival
from pipelines.intake.paths import Paths
from pipelines.intake.raw import path_of
from pipelines.intake.recognise import HEADER_WITHIN
from pipelines.settings import Settings
from pipelines.wording import bilingual

REGISTERS = ("districts", "schools", "students", "monitoring_waves", "item_map")


class Unknown(ValueError):
    """No such school, wave or subject; the text names the nearest that there are."""


@dataclass
class Known:
    """What `write_template` takes, and what the person at the terminal should know."""

    rows: list[dict[str, str]] = field(default_factory=list)
    """Canonical name → cell. With student numbers in clear: for that school's eyes alone."""
    wide: dict[str, float | None] = field(default_factory=dict)
    """Headers of the wide form, each with its full mark."""
    offered: dict[str, list[str]] = field(default_factory=dict)
    """Canonical name → values to choose from."""
    notes: list[str] = field(default_factory=list)
    """What was left out and why, and where rows come from; in both languages."""


def known(
    settings: Settings,
    contract: Contract,
    school: str | None = None,
    wave: str | None = None,
    subject: str | None = None,
) -> Known:
    """What the landed registers and the students' own files know for a template.

    Args:
        settings: where raw files and landing lie.
        contract: of the feed that the template is for.
        school: code or name of the school that fills it in.
        wave: identifier of the wave.
        subject: word or code of the subject, for the items of one paper.

    Raises:
        Unknown: the register is there and has no such school, wave or subject; or the feed has
            no place for one.
    """
    found = Known()
    found.offered |= {c.name: list(settings.plan_kinds) for c in contract.columns if c.usual}
    names = {column.name for column in contract.columns}
    numbered = any(column.type == "student_no" for column in contract.columns)
    if school and "school_code" not in names and not numbered:
        raise Unknown(bilingual("{feed} has no column for a school.", feed=contract.title))
    if subject and not wave:
        raise Unknown(bilingual("--subject is of a wave's papers: give --wave too."))
    waved = any(column.references == "monitoring_waves.wave_id" for column in contract.columns)
    if wave and not waved:
        raise Unknown(bilingual("{feed} has no column for a wave.", feed=contract.title))
    with _registers(settings) as con:
        if "district_code" in names and contract.feed != "districts":
            query = "select distinct district_name from districts order by 1"
            found.offered |= _filled(district_code=[name for (name,) in _all(con, query)])
        code = _school(con, found, school) if school else None
        papers = _papers(con, found, names, wave) if waved else None
        year = None if papers is None else str(papers["school_year"].max())
        roll = _roll(con, code, year) if code and numbered else None
        if papers is not None and roll is not None and len(roll):
            both = set(papers["grade"]) & set(roll["grade"])
            if both:
                papers = papers[papers["grade"].isin(both)]
                found.offered |= _papers_offered(papers, names)
                roll = roll[roll["grade"].isin(both)]
            else:
                found.notes.append(bilingual("This wave has no paper for the school's grades."))
                roll = None
        if contract.wide and papers is not None:
            code_of_subject = _subject(subject, papers) if subject else None
            if contract.wide.names == "subject":
                own = papers[papers["subject"] == code_of_subject] if subject else papers
                found.wide = _subjects(own)
            else:
                found.wide, code_of_subject = _items(con, found, papers, code_of_subject)
            if code_of_subject:
                found.offered["subject"] = [_word("subject", code_of_subject)]
        if roll is not None and contract.wide and not found.wide:
            found.notes.append(bilingual("Students are filled in where the papers are known."))
        elif roll is not None:
            fixed = {"school_code": code or "", "wave_id": wave or ""}
            if found.wide and contract.wide and contract.wide.names != "subject":
                fixed["subject"] = found.offered["subject"][0]
            _fill(settings, contract, found, roll, fixed)
    return found


def _filled(**lists: Sequence[str]) -> dict[str, list[str]]:
    """Those of the lists that hold anything."""
    return {name: list(values) for name, values in lists.items() if values}


def _word(code_set: str, code: str | int) -> str:
    """A code as templates show it."""
    return codes()[code_set].get(str(code), [str(code)])[0]


def _in_words(code_set: str) -> Callable[[str], str]:
    """What puts the word that templates offer in place of a text that means the same."""
    offered = {
        normalise(text): words[0]
        for code, words in codes()[code_set].items()
        for text in (code, *words)
    }
    return lambda text: offered.get(normalise(text), text)


def _all(
    con: duckdb.DuckDBPyConnection, query: str, values: Mapping[str, object] | None = None
) -> list[tuple[str, ...]]:
    return con.execute(query, dict(values or {})).fetchall()


@contextmanager
def _registers(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """A view of the landed rows of each register, with `arrival`, the newest file last."""
    # Without landed files the ledger is not asked either: that would make one.
    ledger = Ledger(settings) if settings.landing.is_dir() else None
    with duckdb.connect() as con:
        con.execute("set enable_progress_bar = false")
        for feed in REGISTERS:
            typed = ", ".join(
                f'null::{t} as "{n}"' for n, t in load_contracts()[feed].landed.items()
            )
            query = f"select {typed}, null::bigint as arrival where false"
            landed = sorted(ledger.submissions(feed, "landed"), key=arrival) if ledger else []
            if landed:
                files = [
                    str(landed_path(settings, feed, s["school_year"], s["submission_id"]))
                    for s in landed
                ]
                paths = ", ".join(map(quoted, files))
                query += (
                    f" union all by name select * exclude (filename), "
                    f"list_position([{paths}], filename) as arrival "
                    f"from read_parquet([{paths}], union_by_name = true, filename = true)"
                )
            con.execute(f"create view {feed} as {query}")
        yield con


def _nearest(given: str, there: Sequence[str]) -> str:
    near = difflib.get_close_matches(given, there, 3, 0.4) or list(there)[:3]
    return ", ".join(near)


def _school(con: duckdb.DuckDBPyConnection, found: Known, given: str) -> str | None:
    """The school's code, and that it is the only one offered; none without a list of schools."""
    schools = _all(
        con,
        """
        select school_code, arg_max(school_name, arrival) from schools
        where school_year = (select max(school_year) from schools)
        group by school_code order by school_code
        """,
    )
    if not schools:
        found.notes.append(bilingual("No list of schools has landed: --school adds nothing."))
        return None
    fitting = [(code, name) for code, name in schools if given in (code, name)]
    if len(fitting) != 1:
        there = [text for pair in schools for text in pair]
        near = ", ".join(code for code, _ in fitting) or _nearest(given, there)
        raise Unknown(bilingual("No one school {given}; nearest: {near}.", given=given, near=near))
    found.offered["school_code"] = list(fitting[0])
    return fitting[0][0]


def _papers(
    con: duckdb.DuckDBPyConnection, found: Known, names: set[str], wave: str | None
) -> pd.DataFrame | None:
    """Papers of the wave (school_year, grade, subject, full_mark), and what is offered of them.

    None where no wave is given, or no papers have landed.
    """
    waves = _all(
        con, "select wave_id, max(school_year) from monitoring_waves group by 1 order by 1"
    )
    newest = max((year for _, year in waves), default="")
    if wave is None:
        found.offered |= _filled(wave_id=[w for w, year in waves if year == newest])
        return None
    if not waves:
        found.notes.append(bilingual("No waves have landed: --wave adds nothing."))
        return None
    there = [w for w, _ in waves]
    if wave not in there:
        near = _nearest(wave, there)
        raise Unknown(bilingual("No wave {given}; nearest: {near}.", given=wave, near=near))
    papers = con.execute(
        """
        select arg_max(school_year, arrival) as school_year, wave_id, grade, subject,
            arg_max(full_mark, arrival)::double as full_mark
        from monitoring_waves where wave_id = $wave
        group by wave_id, grade, subject order by grade, subject
        """,
        {"wave": wave},
    ).df()
    found.offered |= {"wave_id": [wave], **_papers_offered(papers, names)}
    return papers


def _papers_offered(papers: pd.DataFrame, names: set[str]) -> dict[str, list[str]]:
    """Grades and subjects of the papers, as far as the feed has such columns."""
    offered = {
        "grade": [_word("grade", grade) for grade in sorted(papers["grade"].unique())],
        "subject": _in_order(papers["subject"]),
    }
    return {name: words for name, words in offered.items() if name in names}


def _in_order(subjects: pd.Series) -> list[str]:
    """Words of the subjects in the order of the code set."""
    own = set(subjects)
    return [words[0] for code, words in codes()["subject"].items() if code in own]


def _subjects(papers: pd.DataFrame) -> dict[str, float | None]:
    """Word of each subject → largest full mark among the grades."""
    marks = papers.groupby("subject")["full_mark"].max()
    by_word = {_word("subject", str(code)): float(mark) for code, mark in marks.items()}
    return {word: by_word[word] for word in _in_order(papers["subject"])}


def _subject(given: str, papers: pd.DataFrame) -> str:
    """Code of a subject of the wave.

    Raises:
        Unknown: the wave has no such paper.
    """
    for code, words in codes()["subject"].items():
        if normalise(given) in map(normalise, [code, *words]) and code in set(papers["subject"]):
            return code
    there = _in_order(papers["subject"])
    raise Unknown(
        bilingual("No paper {given} in this wave; there are: {near}.", given=given,
                  near=", ".join(there))
    )  # fmt: skip


def _items(
    con: duckdb.DuckDBPyConnection, found: Known, papers: pd.DataFrame, subject: str | None
) -> tuple[dict[str, float | None], str | None]:
    """Header of each item → its full mark, and the subject: the one asked for, or the only one."""
    con.register("papers", papers)
    items = con.execute(
        """
        select i.subject, i.item_no, max(i.full_mark)::double as full_mark
        from item_map as i semi join papers as p using (wave_id, grade, subject)
        group by i.subject, i.item_no
        """
    ).df()
    there = sorted(items["subject"].unique())
    if subject is None and len(there) == 1:
        subject = str(there[0])
    if subject is None and there:
        words = ", ".join(_in_order(items["subject"]))
        found.notes.append(
            bilingual("One paper a file has a column an item: give --subject, of {words}.",
                      words=words)
        )  # fmt: skip
        return {}, None
    items = items[items["subject"] == subject]
    if items.empty:
        found.notes.append(bilingual("The items of this paper have not landed."))
        return {}, subject
    marks = dict(zip(items["item_no"], items["full_mark"], strict=True))
    ordered = sorted(marks, key=lambda item: ([int(n) for n in re.findall("[0-9]+", item)], item))
    return {
        f"第{item}题" if item.isdigit() else item: float(marks[item]) for item in ordered
    }, subject


def _roll(con: duckdb.DuckDBPyConnection, school: str, year: str | None) -> pd.DataFrame:
    """Where each student of the school stands in the files: of that year, or of the newest one."""
    return con.execute(
        """
        with own as (select * from students where school_code = $school),
        newest as (
            select coalesce(max(school_year) filter (where school_year = $year), max(school_year))
                as school_year
            from own
        )
        select school_year, source_file, coalesce(source_sheet, '') as source_sheet, source_row,
            file_sha256, grade, class_no
        from own semi join newest using (school_year)
        qualify row_number() over (partition by student_key order by arrival desc, source_row desc)
            = 1
        """,
        {"school": school, "year": year},
    ).df()


def _fill(
    settings: Settings,
    contract: Contract,
    found: Known,
    roll: pd.DataFrame,
    fixed: Mapping[str, str],
) -> None:
    """Rows by grade, class and number, out of the files that the roll names."""
    if roll.empty:
        found.notes.append(bilingual("No students of this school have landed: none are filled in."))
        return
    students = pd.concat(
        [_read(settings, found, str(name), rows) for name, rows in roll.groupby("source_file")]
    )
    names = [column.name for column in contract.columns]
    if students.empty:
        return
    students = students.assign(
        class_length=students["class_no"].str.len(), **{n: v for n, v in fixed.items() if v}
    ).sort_values(["grade", "class_length", "class_no", "student_no"], kind="stable")
    students["grade"] = students["grade"].map(lambda grade: _word("grade", int(grade)))
    for column in contract.columns:
        if column.code_set and column.name in students:
            students[column.name] = students[column.name].map(_in_words(column.code_set))
    found.rows = [
        {str(name): cell for name, cell in row.items() if cell}
        for row in students.reindex(columns=names, fill_value="").fillna("").to_dict("records")
    ]
    found.notes.append(
        bilingual(
            "{count} students are filled in, of {year}; please check grades and classes.",
            count=len(found.rows),
            year=roll["school_year"].iloc[0],
        )
    )


def _dropped(sheet: Sheet) -> dict[str, str]:
    """Canonical name → cell column of what intake drops, names above all, by its header."""
    words = {
        normalise(word): column.name
        for column in load_contracts()["students"].columns
        if column.type == "dropped"
        for word in (column.name, column.header, *column.aliases)
    }
    return {
        words[normalise(text)]: column
        for column in sheet.cells.column_names
        for text in sheet.cells[column].slice(0, HEADER_WITHIN).to_pylist()
        if text and normalise(text) in words
    }


def _read(settings: Settings, found: Known, source_file: str, roll: pd.DataFrame) -> pd.DataFrame:
    """The rows of one file as handed in, by canonical name; landed grade and class beside them."""
    paths = Paths(load_key(settings), Ledger(settings).named("students"))
    path = path_of(settings, source_file, paths) or settings.raw / source_file
    nothing = pd.DataFrame(columns=["student_no", "grade", "class_no"], dtype=object)
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        sheets = read_sheets(path) if digest == roll["file_sha256"].iloc[0] else []
    except (OSError, Unreadable):
        sheets = []
    parts = [nothing]
    columns: dict[str, str] = {}
    for sheet in sheets:
        own = roll[roll["source_sheet"] == sheet.name]
        recognised, _ = recognise(load_contracts()["students"], sheet, source_file)
        # A sheet with rows but no header goes on with the columns of the one before.
        if recognised:
            columns = {
                **_dropped(sheet),
                **{name: f"c{at}" for name, at in recognised.columns.items()},
            }
        if own.empty:
            continue
        cells = sheet.cells.take(own["source_row"].to_numpy() - 1)
        text = {
            name: cells[column].to_pandas().fillna("").astype(str).str.strip().to_numpy()
            for name, column in columns.items()
        }
        text |= {"grade": own["grade"].to_numpy(), "class_no": own["class_no"].to_numpy()}
        parts.append(pd.DataFrame(text, dtype=object))
    students = pd.concat(parts)
    if len(students) < len(roll):
        found.notes.append(
            bilingual(
                "{count} students are left out: {file} is not as it was taken in.",
                count=len(roll) - len(students),
                file=source_file,
            )
        )
    return students
